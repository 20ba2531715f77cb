import { createHmac } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { newClient } from '../../../src/server/client.ts'
import { Socket } from '../../../src/st/socket.ts'
import { FlvPlayer, HttpProbe } from '../../server/http-probe.ts'
import { RtmpProbe, startPlayer, startPublisher } from '../../server/rtmp-probe.ts'
import { eventually } from '../../server/support.ts'
import { TestPipe } from '../../st/support/network.ts'
import { CallbackServer, type Reply } from '../../support/callback-server.ts'
import { allAt, type HookedServer, serveWithHooks } from './support.ts'

/** Asks to publish; does not wait for an answer. */
async function askToPublish(server: HookedServer, name = 'cam'): Promise<RtmpProbe> {
  const probe = await RtmpProbe.connected(server)
  await probe.createStream()
  probe.commandOn(1, 'publish', 0, null, name, 'live')
  return probe
}

async function untilAsked(server: HookedServer, action: string, count = 1): Promise<void> {
  await eventually(action, () => server.backEnd.actions.filter((name) => name === action).length >= count)
}

/** How the server answered a publisher: its status, and what it was told. */
async function outcome(probe: RtmpProbe): Promise<string> {
  const { label, args } = await probe.next(({ label: name }) => name.startsWith('onStatus'))
  return `${label.replace('onStatus NetStream.Publish.', '')}: ${(args[1] as { description: string }).description}`
}

describe('the callbacks of a life', () => {
  test('of a publisher over HTTP are those of RTMP; its stream waits for the answer', async () => {
    const server = await serveWithHooks(allAt, { publish: { http: true } })
    const answers: (() => void)[] = []
    server.backEnd.reply = ({ body }): Reply | Promise<Reply> =>
      body['action'] === 'on_publish'
        ? new Promise((resolve) => answers.push(() => resolve({ body: '0' })))
        : { body: '0' }
    const probe = await HttpProbe.open(server)
    const file = readFileSync(new URL('../../fixtures/media/h264-aac.flv', import.meta.url))
    probe.request('/live/cam.flv?token=abc', 'POST', `Content-Length: ${file.length}`)
    probe.raw.write(file)
    await untilAsked(server, 'on_publish')
    expect(server.server.hub.isPublished('__defaultVhost__/live/cam')).toBe(false)
    for (const answer of answers) answer()
    expect((await probe.response()).status).toBe(200)
    await untilAsked(server, 'on_close')
    expect(server.backEnd.actions).toEqual(['on_connect', 'on_publish', 'on_unpublish', 'on_close'])
    expect(server.backEnd.calls[1]?.body).toMatchObject({ app: 'live', stream: 'cam', param: '?token=abc' })
  })

  test('that refuse a publisher over HTTP end it with 403, and no packet of it was taken', async () => {
    const server = await serveWithHooks(allAt, { publish: { http: true } })
    server.backEnd.reply = ({ body }) => ({ body: body['action'] === 'on_publish' ? '1' : '0' })
    const probe = await HttpProbe.open(server)
    probe.request('/live/cam.flv', 'PUT', 'Content-Length: 5', 'Expect: 100-continue')
    expect((await probe.response()).status).toBe(403)
    await untilAsked(server, 'on_close')
    expect(server.backEnd.actions).toEqual(['on_connect', 'on_publish', 'on_close'])
  })

  test('of an RTMP publisher come in order, from on_connect to on_close', async () => {
    const server = await serveWithHooks()
    const publisher = await RtmpProbe.connected(server, 'live', { pageUrl: 'http://page/' })
    await publisher.publish('cam?token=abc')
    await publisher.begin()
    publisher.raw.end()
    await untilAsked(server, 'on_close')
    expect(server.backEnd.actions).toEqual(['on_connect', 'on_publish', 'on_unpublish', 'on_close'])
    const [connect, publish, unpublish, close] = server.backEnd.calls
    const { id } = server.server.clients.recent[0] ?? {}
    expect(connect?.body).toEqual({
      server_id: 'vid-0000001',
      service_id: expect.stringMatching(/^[0-9a-z]{8}$/) as unknown,
      action: 'on_connect',
      client_id: id,
      ip: '127.0.0.1',
      vhost: '__defaultVhost__',
      app: 'live',
      stream: 'cam',
      param: '?token=abc',
      tcUrl: 'rtmp://127.0.0.1/live',
      pageUrl: 'http://page/',
    })
    expect(unpublish?.body).toEqual({ ...publish?.body, action: 'on_unpublish' })
    const { receivedBytes, sentBytes } = server.server.clients.recent[0] ?? {}
    expect(close?.body).toMatchObject({ client_id: id, recv_bytes: receivedBytes, send_bytes: sentBytes })
    expect(publish).toMatchObject({
      method: 'POST',
      url: '/hook',
      headers: {
        'content-type': 'application/json',
        'user-agent': 'Sluice/test',
        connection: 'Keep-Alive',
        host: `127.0.0.1:${server.backEnd.port}`,
      },
    })
    expect(publish?.headers).not.toHaveProperty('x-sluice-signature')
  })

  test('of an HTTP player are on_play and on_stop', async () => {
    const server = await serveWithHooks()
    await startPublisher(server)
    server.backEnd.calls.splice(0)
    const player = await FlvPlayer.playing(server, '/live/cam.flv?t=1')
    player.probe.raw.end()
    await untilAsked(server, 'on_stop')
    expect(server.backEnd.actions).toEqual(['on_play', 'on_stop'])
    const [client] = server.server.clients.recent
    expect(server.backEnd.calls[0]?.body).toMatchObject({
      client_id: client?.id,
      stream: 'cam',
      param: '?t=1',
      tcUrl: 'rtmp://__defaultVhost__/live',
    })
  })

  test('of an HTTP player whose stream does not come are a pair too', async () => {
    const server = await serveWithHooks(allAt, { httpRemux: { waitPublisherMs: 0 } })
    const player = await FlvPlayer.start(server, '/live/nobody.flv')
    expect((await player.probe.response()).status).toBe(404)
    await untilAsked(server, 'on_stop')
    expect(server.backEnd.actions).toEqual(['on_play', 'on_stop'])
  })

  test('of a connection that publishes, stops and publishes again are one pair for each publish', async () => {
    const server = await serveWithHooks()
    const probe = await RtmpProbe.connected(server)
    for (const name of ['one', 'two']) {
      probe.command('releaseStream', 2, null, name)
      await probe.publish(name)
      await probe.begin()
      probe.command('FCUnpublish', 0, null, name)
      probe.command('deleteStream', 0, null, 1)
      await probe.ping()
      await untilAsked(server, 'on_unpublish', name === 'one' ? 1 : 2)
    }
    probe.raw.end()
    await untilAsked(server, 'on_close')
    expect(server.backEnd.calls.map(({ body }) => [body['action'], body['stream']])).toEqual([
      ['on_connect', 'one'],
      ['on_publish', 'one'],
      ['on_unpublish', 'one'],
      ['on_publish', 'two'],
      ['on_unpublish', 'two'],
      ['on_close', undefined],
    ])
  })

  test('of one connection that plays several streams are a pair for each', async () => {
    const server = await serveWithHooks()
    const probe = await RtmpProbe.connected(server)
    for (const name of ['a', 'b', 'c']) {
      const streamId = await probe.createStream()
      probe.commandOn(streamId, 'play', 0, null, name)
      await probe.next('data |RtmpSampleAccess')
    }
    probe.command('deleteStream', 0, null, 2)
    // Another play on the same message stream ends the one before.
    probe.commandOn(3, 'play', 0, null, 'd')
    await probe.next('data |RtmpSampleAccess')
    probe.raw.reset()
    await untilAsked(server, 'on_close')
    const seen = (action: string): unknown[] =>
      server.backEnd.calls.filter(({ body }) => body['action'] === action).map(({ body }) => body['stream'])
    expect([seen('on_play'), seen('on_stop')]).toEqual([
      ['a', 'b', 'c', 'd'],
      ['b', 'c', 'a', 'd'],
    ])
  })

  test('of a takeover: the one that was silent is told to have ended, and the new one goes on', async () => {
    const server = await serveWithHooks(allAt, { publish: { takeoverAfterMs: 0 } })
    const ghost = await startPublisher(server)
    const second = await startPublisher(server)
    await ghost.raw.untilOver()
    await untilAsked(server, 'on_unpublish')
    const publishers = server.backEnd.calls.filter(({ body }) => body['action'] === 'on_publish')
    const [ended] = server.backEnd.calls.filter(({ body }) => body['action'] === 'on_unpublish')
    expect(ended?.body['client_id']).toBe(publishers[0]?.body['client_id'])
    second.media('video inter', 40, 'on')
    await second.ping()
    expect(server.server.hub.size).toBe(1)
    await server.end()
    expect(server.backEnd.actions.filter((name) => name === 'on_unpublish')).toHaveLength(2)
  })

  test('that publishes a stream which is there: it is refused before anybody is asked', async () => {
    const server = await serveWithHooks()
    await startPublisher(server)
    const second = await askToPublish(server)
    expect(await outcome(second)).toBe('BadName: cam is already published.')
    await second.raw.untilOver()
    expect(server.backEnd.actions.filter((name) => name === 'on_publish')).toHaveLength(1)
    await untilAsked(server, 'on_close')
    expect(server.backEnd.actions.filter((name) => name === 'on_unpublish')).toHaveLength(0)
  })

  test('are told in full when the server stops', async () => {
    const server = await serveWithHooks()
    await startPublisher(server)
    await startPlayer(server)
    await FlvPlayer.playing(server, '/live/cam.flv')
    await server.end()
    expect(server.backEnd.actions.map(String).toSorted().join(' ')).toBe(
      'on_close on_close on_connect on_connect on_play on_play on_publish on_stop on_stop on_unpublish',
    )
  })
})

describe('a back end', () => {
  test.each<[string, Reply, string]>([
    ['says no by its status', { status: 403, body: '0' }, 'refused by on_publish'],
    ['says no by its code', { body: '{"code":1}' }, 'refused by on_publish'],
    ['answers text', { body: 'welcome' }, 'refused by on_publish'],
    ['answers nothing', { body: '' }, 'refused by on_publish'],
    ['answers garbage', { raw: 'no HTTP\r\n\r\n' }, 'on_publish is not answered'],
    ['answers half', { raw: 'HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{"code":0' }, 'on_publish is not answered'],
    ['ends the connection', 'close', 'on_publish is not answered'],
    ['never answers', 'silence', 'on_publish is not answered'],
  ])('that %s refuses a publisher and a player, who are told', async (_what, reply, text) => {
    const timeoutMs = reply === 'silence' ? 1_000 : 10_000
    const server = await serveWithHooks((url) => ({
      onPublish: [url],
      onUnpublish: [url],
      onPlay: [url],
      onStop: [url],
      timeoutMs,
    }))
    server.backEnd.reply = () => reply
    const publisher = await askToPublish(server)
    expect(await outcome(publisher)).toBe(`Denied: ${text}`)
    const player = await RtmpProbe.connected(server)
    player.commandOn(1, 'play', 0, null, 'cam')
    const { args } = await player.next('onStatus NetStream.Play.Failed')
    expect(args[1]).toMatchObject({ description: text.replace('publish', 'play') })
    const flv = await FlvPlayer.start(server, '/live/cam.flv')
    const status = text.startsWith('refused') ? 403 : 503
    expect(await flv.probe.response()).toMatchObject({ status, body: `${text.replace('publish', 'play')}\n` })
    await server.end()
    expect(new Set(server.backEnd.actions)).toEqual(new Set(['on_publish', 'on_play']))
    expect(server.lines.filter(({ text: line }) => line === 'refused')).toHaveLength(3)
  })

  test('that is dead refuses, and with fail_open lets in; the end is told to nobody in vain for ever', async () => {
    const server = await serveWithHooks((url) => ({ ...allAt(url), retries: 1 }))
    server.backEnd.stop()
    const refused = await askToPublish(server)
    expect(await outcome(refused)).toBe('Denied: on_connect is not answered')
    const line = server.lines.find(({ text }) => text === 'callback failed')
    expect(line?.fields).toMatchObject({ hook: 'on_connect', code: 'http_connect_failed' })
    server.options = { ...server.options, failOpen: true }
    const open = await askToPublish(server)
    expect(await outcome(open)).toBe('Start: Started publishing stream.')
    await open.begin()
    await server.end()
    const failed = server.lines.filter(({ text }) => text === 'callback failed').map(({ fields }) => fields['hook'])
    expect(failed).toEqual(['on_connect', 'on_connect', 'on_publish', 'on_unpublish', 'on_close'])
  })

  test('that says no is not asked again, nor overruled by fail_open', async () => {
    const server = await serveWithHooks((url) => ({ onPublish: [url], retries: 3, failOpen: true }))
    server.backEnd.reply = () => ({ body: '1' })
    expect(await outcome(await askToPublish(server))).toBe('Denied: refused by on_publish')
    expect(server.backEnd.calls).toHaveLength(1)
  })

  test('whose server begins late is asked again', async () => {
    const late = await CallbackServer.start()
    const server = await serveWithHooks(() => ({ onPublish: [late.url('/')], retries: 10 }))
    late.stop()
    const probe = await askToPublish(server)
    await eventually('a failure', () => server.world.threads.size > 0 && late.calls.length === 0)
    await late.restart()
    expect(await outcome(probe)).toBe('Start: Started publishing stream.')
    expect(late.calls).toHaveLength(1)
  })

  test('of several: all must say yes, in their order', async () => {
    const server = await serveWithHooks((url) => ({ onPublish: [`${url}/1`, `${url}/2`, `${url}/3`] }))
    expect(await outcome(await askToPublish(server, 'a'))).toMatch(/^Start/)
    expect(server.backEnd.calls.map(({ url }) => url)).toEqual(['/hook/1', '/hook/2', '/hook/3'])
    server.backEnd.calls.splice(0)
    server.backEnd.reply = ({ url }) => ({ body: url.endsWith('2') ? '1' : '0' })
    expect(await outcome(await askToPublish(server, 'b'))).toMatch(/^Denied/)
    expect(server.backEnd.calls.map(({ url }) => url)).toEqual(['/hook/1', '/hook/2'])
  })

  test('hears of an end although another one of several is dead, and the dead one is tried again', async () => {
    const server = await serveWithHooks((url) => ({
      onPublish: [url],
      onUnpublish: [`${url}/1`, `${url}/2`],
      retries: 2,
    }))
    // Not kept: what is sent on a kept connection that closes is sent once more in any case.
    const headers = { Connection: 'close' }
    server.backEnd.reply = ({ url }) => (url.endsWith('1') ? 'close' : { body: '0', headers })
    const probe = await askToPublish(server)
    await probe.next('onStatus NetStream.Publish.Start')
    probe.raw.end()
    await eventually('the last', () => server.backEnd.calls.at(-1)?.url === '/hook/2')
    expect(server.backEnd.calls.map(({ url }) => url)).toEqual(['/hook', '/hook/1', '/hook/1', '/hook/1', '/hook/2'])
  })

  test('that is slow holds up its client and nobody else', async () => {
    const server = await serveWithHooks((url) => ({ onPublish: [url], onPlay: [url] }))
    let answer = (): void => {}
    server.backEnd.reply = ({ body }) =>
      body['stream'] === 'slow' ? new Promise((resolve) => (answer = () => resolve({ body: '0' }))) : { body: '0' }
    const slow = await askToPublish(server, 'slow')
    slow.media('video key', 0, 'k1')
    await untilAsked(server, 'on_publish')
    const other = await startPublisher(server, 'other')
    const player = await startPlayer(server, 'other')
    await player.next('video key k1')
    for (let count = 1; count <= 20; count++) {
      other.media('video inter', count * 40, `i${count}`)
      await player.next(`video inter i${count}`)
    }
    expect(slow.labels).not.toContain('onStatus NetStream.Publish.Start')
    answer()
    await slow.next('onStatus NetStream.Publish.Start')
    await slow.ping()
    const source = [...server.server.hub.sources].find(({ key }) => key.endsWith('/slow'))
    expect(source?.publication?.counters.videoFrames).toBe(1)
  })

  test('that is slow with an end holds up nobody', async () => {
    const server = await serveWithHooks((url) => ({ onPlay: [url], onStop: [url] }))
    const waiting: (() => void)[] = []
    server.backEnd.reply = ({ body }) =>
      body['action'] === 'on_stop'
        ? new Promise((resolve) => waiting.push(() => resolve({ body: '0' })))
        : { body: '0' }
    for (let count = 0; count < 20; count++) {
      const player = await startPlayer(server)
      player.raw.end()
    }
    await eventually('all to be gone', () => server.server.connections === 0)
    expect(server.server.clients.size).toBe(0)
    await eventually('all to be told', () => waiting.length === 20)
    for (const answer of waiting) answer()
  })

  test('that says yes to a client which has gone meanwhile hears of its end', async () => {
    const server = await serveWithHooks((url) => ({ onPlay: [url], onStop: [url] }))
    let answer = (): void => {}
    server.backEnd.reply = ({ body }) =>
      body['action'] === 'on_play' ? new Promise((resolve) => (answer = () => resolve({ body: '0' }))) : { body: '0' }
    const player = await FlvPlayer.start(server, '/live/cam.flv')
    await untilAsked(server, 'on_play')
    player.probe.raw.reset()
    await eventually('it to be gone', () => server.server.clients.totals.clients === 1)
    expect(server.backEnd.actions).toEqual(['on_play'])
    answer()
    await untilAsked(server, 'on_stop')
    expect(server.backEnd.calls[1]?.body).toMatchObject({ client_id: server.backEnd.calls[0]?.body['client_id'] })
  })

  test('hears of the end of a publish before it is asked about the next of the stream', async () => {
    const server = await serveWithHooks((url) => ({ onPublish: [url], onUnpublish: [url] }))
    let answer = (): void => {}
    server.backEnd.reply = ({ body }) =>
      body['action'] === 'on_unpublish'
        ? new Promise((resolve) => (answer = () => resolve({ body: '0' })))
        : { body: '0' }
    const first = await startPublisher(server)
    first.raw.end()
    await untilAsked(server, 'on_unpublish')
    const second = await askToPublish(server)
    const other = await startPublisher(server, 'other')
    await other.ping()
    expect(server.backEnd.calls.map(({ body }) => [body['action'], body['stream']])).toEqual([
      ['on_publish', 'cam'],
      ['on_unpublish', 'cam'],
      ['on_publish', 'other'],
    ])
    server.backEnd.reply = () => ({ body: '0' })
    answer()
    await second.next('onStatus NetStream.Publish.Start')
  })
})

describe('the settings', () => {
  test('are those of the moment: off asks nobody', async () => {
    const server = await serveWithHooks()
    server.options = { ...server.options, enabled: false }
    const publisher = await startPublisher(server)
    publisher.raw.end()
    await eventually('its end', () => server.server.clients.size === 0)
    await server.end()
    expect(server.backEnd.calls).toEqual([])
  })

  test('with a secret sign each call over time and body', async () => {
    const server = await serveWithHooks((url) => ({ onPublish: [url], secret: 'top secret' }))
    await startPublisher(server)
    const [call] = server.backEnd.calls
    const [, seconds = '', digest] =
      /^t=(\d+),v1=([0-9a-f]{64})$/.exec(String(call?.headers['x-sluice-signature'])) ?? []
    expect(Math.abs(Number(seconds) - Date.now() / 1000)).toBeLessThan(60)
    expect(digest).toBe(createHmac('sha256', 'top secret').update(`${seconds}.${call?.text}`).digest('hex'))
  })

  test('may have secrets in the URL, which no log line shows', async () => {
    const server = await serveWithHooks((url) => ({ onPublish: [`${url.replace('//', '//user:pass1@')}?key=pass2`] }))
    server.backEnd.reply = () => ({ status: 500 })
    await outcome(await askToPublish(server))
    expect(server.backEnd.calls[0]).toMatchObject({ url: '/hook?key=pass2' })
    expect(JSON.stringify(server.lines)).not.toMatch(/pass[12]/)
  })
})

test('the log tells a refused life: connected, asked and refused, ended, all with its id', async () => {
  const server = await serveWithHooks((url) => ({ onPublish: [url] }))
  server.backEnd.reply = () => ({ body: '{"code":7}' })
  const probe = await askToPublish(server)
  await probe.raw.untilOver()
  await eventually('its end', () => server.server.clients.size === 0)
  const { id } = server.server.clients.recent[0] ?? {}
  const life = server.lines.filter(({ fields }) => fields['cid'] === id)
  expect(life.map(({ text }) => text)).toEqual([
    'connected',
    'identified',
    'callback answered',
    'refused',
    'connection ended',
  ])
  expect(life[2]?.fields).toMatchObject({
    hook: 'on_publish',
    url: server.backEnd.url('/hook'),
    reason: 'reply is neither 0 nor {"code":0} but "{\\"code\\":7}"',
  })
})

test('files are told of in their order: on_dvr, on_hls, on_hls_notify', async () => {
  const server = await serveWithHooks((url) => ({
    onDvr: [url],
    onHls: [url],
    onHlsNotify: [`${url}/[app]/[stream]/[ts_url][param]`],
  }))
  const thread = server.world.start('client01', 'client', async () => {})
  const client = newClient(thread, new Socket(new TestPipe()), 'rtmp')
  client.url = { ...client.url, app: 'live', stream: 'cam', param: '?a=b' }
  server.backEnd.reply = ({ method }) => ({ body: method === 'GET' ? 'x'.repeat(1_000) : '0' })
  server.hooks.dvr(client, { cwd: '/srs', file: './a.flv' })
  const paths = { cwd: '/srs', file: './cam-3.ts', url: 'live/cam-3.ts', m3u8: './cam.m3u8', m3u8Url: 'live/cam.m3u8' }
  server.hooks.hls(client, { ...paths, durationMs: 10_000, seqNo: 3 })
  server.hooks.hlsNotify(client, 'cam-3.ts', 64)
  await server.end()
  expect(server.backEnd.actions).toEqual(['on_dvr', 'on_hls', undefined])
  expect(server.backEnd.calls[1]?.body).toMatchObject({ duration: 10, seq_no: 3, client_id: 'client01' })
  expect(server.backEnd.calls[2]).toMatchObject({ method: 'GET', url: '/hook/live/cam/cam-3.ts?a=b', text: '' })
  expect(server.lines.filter(({ level }) => level === 'warn')).toEqual([])
})

test('of segments one back end hears in time although another one hangs', async () => {
  const server = await serveWithHooks((url) => ({ onHls: [`${url}/hangs`, `${url}/well`], timeoutMs: 1_000 }))
  const thread = server.world.start('client01', 'client', async () => {})
  const client = newClient(thread, new Socket(new TestPipe()), 'rtmp')
  server.backEnd.reply = ({ url }) => (url.endsWith('hangs') ? 'silence' : { body: '0' })
  const paths = { cwd: '/srs', file: './cam-3.ts', url: 'live/cam-3.ts', m3u8: './cam.m3u8', m3u8Url: 'live/cam.m3u8' }
  for (const seqNo of [3, 4, 5]) server.hooks.hls(client, { ...paths, durationMs: 2_000, seqNo })
  const heard = (path: string) =>
    server.backEnd.calls.filter(({ url }) => url.endsWith(path)).map(({ body }) => body['seq_no'])
  await eventually('the other one hears of all', () => heard('well').length === 3)
  expect(heard('well')).toEqual([3, 4, 5])
  await server.end()
  expect(heard('hangs')).toEqual([3, 4, 5])
})
