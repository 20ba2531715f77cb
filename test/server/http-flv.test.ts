import { describe, expect, test } from 'vitest'
import { testVhost, type TestServer } from '../support/server.ts'
import { dechunk, FlvPlayer, HttpProbe, readFlv } from './http-probe.ts'
import { RtmpProbe, startPublisher } from './rtmp-probe.ts'
import { eventually, players, serve } from './support.ts'

/** Each tag is followed by its own size: FLV specification, E.3. */
function checkBackPointers(flv: Buffer): void {
  expect(flv.readUInt32BE(9)).toBe(0)
  for (let at = 13; at < flv.length; ) {
    const tagBytes = 11 + flv.readUIntBE(at + 1, 3)
    expect(flv.readUInt32BE(at + tagBytes)).toBe(tagBytes)
    at += tagBytes + 4
  }
}

describe('the answer', () => {
  test('has the right type, is not cached, and comes in chunks', async () => {
    const server = await serve()
    await startPublisher(server)
    const player = await FlvPlayer.start(server, '/live/cam.flv', 'Origin: https://a.example')
    const head = await player.started()
    expect(head).toMatchObject({
      version: '1.1',
      status: 200,
      headers: {
        'content-type': 'video/x-flv',
        'cache-control': 'no-store',
        'transfer-encoding': 'chunked',
        connection: 'close',
        'access-control-allow-origin': '*',
        server: 'Sluice/test',
      },
    })
    expect(head.headers).not.toHaveProperty('content-length')
  })

  test('is metadata, headers and the frames from the key frame on', async () => {
    const server = await serve()
    const publisher = await RtmpProbe.connected(server)
    await publisher.publish('cam')
    publisher.data(0, '@setDataFrame', 'onMetaData', { width: 640 })
    await publisher.begin()
    const player = await FlvPlayer.playing(server, '/live/cam.flv')
    publisher.media('video inter', 40, 'i1', 3000)
    await player.next('video inter i1')
    expect(player.seen.labels).toEqual([
      'data onMetaData',
      'audio header h1',
      'video header h1',
      'video key k1',
      'audio frame a1',
      'video inter i1',
    ])
    expect(player.seen).toMatchObject({ hasAudio: true, hasVideo: true })
    checkBackPointers(dechunk(player.probe.rest).data)
  })

  test('ends with the last chunk and FIN when the publisher goes', async () => {
    const server = await serve()
    const publisher = await startPublisher(server)
    const player = await FlvPlayer.playing(server, '/live/cam.flv')
    await player.next('audio frame a1')
    publisher.media('video inter', 40, 'last')
    publisher.command('FCUnpublish', 0, null, 'cam')
    await player.probe.raw.untilOver()
    const { isLast, rest } = dechunk(player.probe.rest)
    expect([isLast, rest.length]).toEqual([true, 0])
    expect(player.seen.labels.at(-1)).toBe('video inter last')
    expect(player.probe.raw.ended).toBe(true)
  })

  test('to HTTP/1.0 is bare FLV, ended by FIN', async () => {
    const server = await serve()
    const publisher = await startPublisher(server)
    const probe = await HttpProbe.open(server)
    probe.raw.write('GET /live/cam.flv HTTP/1.0\r\n\r\n')
    const head = await probe.head()
    expect(head).toMatchObject({ version: '1.0', status: 200, headers: { connection: 'close' } })
    expect(head.headers).not.toHaveProperty('transfer-encoding')
    publisher.media('video inter', 40, 'last')
    publisher.raw.end()
    await probe.raw.untilOver()
    expect(readFlv(probe.rest)?.labels.at(-1)).toBe('video inter last')
    checkBackPointers(probe.rest)
  })

  test('to HEAD says whether the stream is there, at once and without a body', async () => {
    const server = await serve()
    const probe = await HttpProbe.open(server)
    probe.request('/live/cam.flv', 'HEAD')
    expect(await probe.response(true)).toMatchObject({ status: 404 })
    await startPublisher(server)
    probe.request('/live/cam.flv', 'HEAD')
    const there = await probe.response(true)
    expect(there).toMatchObject({ status: 200, headers: { 'content-type': 'video/x-flv' } })
    expect(there.headers).not.toHaveProperty('content-length')
    probe.request('/streams.json')
    expect((await probe.response()).status).toBe(200)
    expect(players(server)).toBe(0)
  })

  test('carries timestamps beyond 24 bits', async () => {
    const server = await serve()
    const publisher = await RtmpProbe.connected(server)
    await publisher.publish('cam')
    await publisher.begin(0xfffff0)
    const player = await FlvPlayer.playing(server, '/live/cam.flv')
    publisher.media('video inter', 0x1000018, 'i')
    await player.next('video inter i')
    expect(player.seen.tags.slice(-3).map(({ timestampMs }) => timestampMs)).toEqual([0xfffff0, 0xfffff0, 0x1000018])
  })
})

describe('a stream that is not there', () => {
  test('is waited for: the publisher may come later', async () => {
    const server = await serve({ httpRemux: { waitPublisherMs: 60_000 } })
    const player = await FlvPlayer.start(server, '/live/cam.flv')
    await eventually('the player to wait', () => players(server) === 1)
    await startPublisher(server)
    await player.started()
    await player.next('video key k1')
  })

  test('is 404 with a clear text after the wait', async () => {
    const server = await serve({ httpRemux: { waitPublisherMs: 30 } })
    const probe = await HttpProbe.open(server)
    probe.request('/live/cam.flv')
    const response = await probe.response()
    expect(response).toMatchObject({ status: 404, headers: { 'content-type': 'text/plain; charset=utf-8' } })
    expect(response.body).toBe('No stream __defaultVhost__/live/cam.\n')
    await probe.raw.untilOver()
  })

  test('after its publisher has gone is waited for again', async () => {
    const server = await serve()
    const first = await startPublisher(server)
    const before = await FlvPlayer.playing(server, '/live/cam.flv')
    first.command('FCUnpublish', 0, null, 'cam')
    await before.probe.raw.untilOver()
    const after = await FlvPlayer.start(server, '/live/cam.flv')
    await eventually('the player to wait', () => players(server) === 1)
    await first.publish('cam')
    await first.begin(0, '2')
    await after.started()
    await after.next('video key k2')
    expect(after.seen.labels).not.toContain('video key k1')
  })

  test('is 404 at once where http_remux is off', async () => {
    const server = await serve({ httpRemux: { enabled: false } })
    await startPublisher(server)
    expect((await HttpProbe.ask(server, '/live/cam.flv')).status).toBe(404)
  })
})

describe('the address', () => {
  test.each([
    ['/live/a.b.flv', 'live', 'a.b'],
    ['/live/a.flv.flv', 'live', 'a.flv'],
    ['/live/%E7%9B%B4%E6%92%AD.flv', 'live', '直播'],
    ['/live/直播.flv', 'live', '直播'],
    ['/my%20app/ca+m.flv', 'my app', 'ca+m'],
    ['/a/b/c/cam.flv', 'a/b/c', 'cam'],
    ['//live//./cam.flv', 'live', 'cam'],
    ['/live/cam.flv?token=a%2Fb&x', 'live', 'cam'],
    ['http://127.0.0.1/live/cam.flv', 'live', 'cam'],
  ])('%s is app %s, stream %s', async (target, app, name) => {
    const server = await serve()
    await startPublisher(server, name, app)
    const player = await FlvPlayer.playing(server, target)
    await player.next('video key k1')
  })

  test('names the vhost by ?vhost=, else by Host', async () => {
    const names: Record<string, string> = { 'a.example': 'a.example' }
    const resolveVhost = (name: string): ReturnType<typeof testVhost> =>
      testVhost({ name: names[name] ?? '__defaultVhost__', minLatency: true })
    const server = await serve({}, { resolveVhost })
    await startPublisher(server, 'cam?vhost=a.example')
    for (const [target, host] of [
      ['/live/cam.flv?vhost=a.example', 'Host: 127.0.0.1'],
      ['/live/cam.flv', 'Host: a.example'],
      ['/live/cam.flv', 'Host: a.example:8080'],
      ['http://a.example/live/cam.flv', 'Host: other.example'],
    ] as const) {
      const probe = await HttpProbe.open(server)
      probe.raw.write(`GET ${target} HTTP/1.1\r\n${host}\r\n\r\n`)
      expect((await probe.head()).status).toBe(200)
    }
    const other = await HttpProbe.open(server)
    other.raw.write('HEAD /live/cam.flv HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n')
    expect((await other.response(true)).status).toBe(404)
  })

  test('of a vhost that is not served is 404', async () => {
    const server = await serve({}, { resolveVhost: () => null })
    expect((await HttpProbe.ask(server, '/live/cam.flv')).status).toBe(404)
  })

  test('follows the mount of the configuration', async () => {
    const server = await serve({ httpRemux: { mount: '[vhost]/flv/[app]/one-[stream].flv' } })
    await startPublisher(server, 'cam', 'a/b')
    const player = await FlvPlayer.playing(server, '/flv/a/b/one-cam.flv')
    await player.next('video key k1')
    expect((await HttpProbe.ask(server, '/a/b/cam.flv')).status).toBe(404)
  })
})

describe('FLV header and metadata say what the stream has', () => {
  const DECLARES_BOTH = { width: 640, videocodecid: 7, videodatarate: 1, audiocodecid: 10, audiosamplerate: 44_100 }

  async function withMetadata(server: TestServer): Promise<RtmpProbe> {
    const publisher = await RtmpProbe.connected(server)
    await publisher.publish('cam')
    publisher.data(0, '@setDataFrame', 'onMetaData', DECLARES_BOTH)
    return publisher
  }

  async function firstSeen(server: TestServer): Promise<FlvPlayer['seen']> {
    const player = await FlvPlayer.playing(server, '/live/cam.flv')
    await eventually('metadata', () => player.seen.scripts.length > 0)
    return player.seen
  }

  test('audio and video', async () => {
    const server = await serve()
    const publisher = await withMetadata(server)
    await publisher.begin()
    const { hasAudio, hasVideo, scripts } = await firstSeen(server)
    expect([hasAudio, hasVideo, scripts[0]]).toEqual([
      true,
      true,
      [{ ...DECLARES_BOTH, hasAudio: true, hasVideo: true }],
    ])
  })

  test('video only, though the metadata promises sound (bilibili/flv.js#135)', async () => {
    const server = await serve()
    const publisher = await withMetadata(server)
    for (let atMs = 0; atMs <= 1200; atMs += 100) publisher.media(atMs === 0 ? 'video key' : 'video inter', atMs, 'v')
    const { hasAudio, hasVideo, scripts } = await firstSeen(server)
    expect([hasAudio, hasVideo]).toEqual([false, true])
    expect(scripts[0]).toEqual([{ width: 640, videocodecid: 7, videodatarate: 1, hasAudio: false, hasVideo: true }])
  })

  test('audio only, though the metadata promises a picture', async () => {
    const server = await serve()
    const publisher = await withMetadata(server)
    for (let atMs = 0; atMs <= 1200; atMs += 100) publisher.media('audio frame', atMs, 'a')
    await publisher.ping()
    const player = await FlvPlayer.playing(server, '/live/cam.flv')
    publisher.media('audio frame', 1300, 'next')
    await player.next('audio frame next')
    const { hasAudio, hasVideo, scripts } = player.seen
    expect([hasAudio, hasVideo]).toEqual([true, false])
    expect(scripts[0]?.[0]).toMatchObject({
      audiocodecid: 10,
      audiosamplerate: 44_100,
      hasAudio: true,
      hasVideo: false,
    })
    for (const key of ['videocodecid', 'videodatarate']) expect(scripts[0]?.[0]).not.toHaveProperty(key)
  })

  test('sound that starts later: those who are there get it, those who come then are promised it', async () => {
    const server = await serve()
    const publisher = await withMetadata(server)
    for (let atMs = 0; atMs <= 2000; atMs += 100) publisher.media(atMs === 0 ? 'video key' : 'video inter', atMs, 'v')
    await publisher.ping()
    const early = await FlvPlayer.playing(server, '/live/cam.flv')
    await early.next('video inter v')
    publisher.media('audio header', 2000, 'h')
    publisher.media('audio frame', 2000, 'late')
    await early.next('audio frame late')
    await early.next('audio header h')
    expect([early.seen.hasAudio, early.seen.hasVideo]).toEqual([false, true])
    expect(early.seen.scripts.at(-1)?.[0]).toMatchObject({ hasAudio: true, audiocodecid: 10 })
    const late = await firstSeen(server)
    expect([late.hasAudio, late.hasVideo]).toEqual([true, true])
  })

  test('without any metadata the flags are right too', async () => {
    const server = await serve()
    const publisher = await RtmpProbe.connected(server)
    await publisher.publish('cam')
    for (let atMs = 0; atMs <= 1200; atMs += 100) publisher.media('audio frame', atMs, `a${atMs}`)
    const player = await FlvPlayer.start(server, '/live/cam.flv')
    await player.started()
    publisher.media('audio frame', 1300, 'next')
    await player.next('audio frame next')
    expect(player.seen).toMatchObject({ hasAudio: true, hasVideo: false, scripts: [] })
  })
})
