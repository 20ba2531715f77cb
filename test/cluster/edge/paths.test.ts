import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import type { AmfObject } from '../../../src/rtmp/amf0.ts'
import { decodeCommand, encodeCommand } from '../../../src/rtmp/command.ts'
import { RtmpConnection } from '../../../src/rtmp/connection.ts'
import { isCommand, MSG, type RtmpMessage } from '../../../src/rtmp/message.ts'
import { ClosedError } from '../../../src/st/errors.ts'
import { Listener } from '../../../src/st/listener.ts'
import type { Thread } from '../../../src/st/thread.ts'
import { FlvPlayer, HttpProbe } from '../../server/http-probe.ts'
import { media, type MediaKind } from '../../server/media.ts'
import { fixtureTags, sendTags } from '../../server/fixture.ts'
import { startPlayer, startPublisher, RtmpProbe } from '../../server/rtmp-probe.ts'
import { eventually } from '../../server/support.ts'
import { CallbackServer } from '../../support/callback-server.ts'
import { TestHouse } from '../../support/house.ts'
import { freePort } from '../../support/port.ts'
import { clients, cluster, conf, openEdge } from './support.ts'

const ANSWER_MS = 10_000

type When = 'connect' | 'play' | 'later'

/** What an RTMP server that sends everybody elsewhere says to a command; `later` is when the first frames have been played. */
function answers(command: string, when: When, ex: AmfObject): RtmpMessage[] {
  const info = { level: 'error', code: 'NetConnection.Connect.Rejected', description: 'RTMP 302 Redirect', ex }
  const say = (payload: Buffer): RtmpMessage => ({
    csid: 3,
    timestampMs: 0,
    typeId: MSG.COMMAND_AMF0,
    streamId: 0,
    payload,
  })
  const show = (kind: MediaKind): RtmpMessage => {
    const typeId = kind.startsWith('audio') ? MSG.AUDIO : MSG.VIDEO
    return { csid: 6, timestampMs: 0, typeId, streamId: 1, payload: media(kind, 'old') }
  }
  const status = say(encodeCommand('onStatus', 0, null, info))
  if (command === 'connect' && when === 'connect') return [say(encodeCommand('_error', 1, null, info))]
  if (command === 'connect') return [say(encodeCommand('_result', 1, {}, {}))]
  if (command === 'createStream') return [say(encodeCommand('_result', 2, null, 1))]
  if (command !== 'play') return []
  if (when === 'play') return [status]
  return [...(['video header', 'audio header', 'video key', 'audio frame'] as const).map(show), status]
}

/** Starts such a server. @returns its port */
async function redirecting(at: TestHouse, when: When, ex: AmfObject): Promise<number> {
  const listener = await Listener.open(at.world, '127.0.0.1', 0)
  const { port } = listener.local
  const server = at.world.spawn('redirecting', async (thread) => {
    for (;;) {
      const socket = await listener.accept(thread)
      await redirect(thread, new RtmpConnection(socket), when, ex).finally(() => socket.close())
    }
  })
  onTestFinished(() => {
    server.interrupt('the test is over')
    listener.close()
  })
  return port
}

async function redirect(thread: Thread, connection: RtmpConnection, when: When, ex: AmfObject): Promise<void> {
  try {
    await connection.acceptHandshake(thread, ANSWER_MS)
    for (;;) {
      const message = await connection.read(thread, ANSWER_MS)
      if (!message) return
      if (!isCommand(message)) continue
      const all = answers(decodeCommand(message.typeId, message.payload).name, when, ex)
      if (all.length > 0) connection.send(...all)
    }
  } catch (error) {
    // Who was sent elsewhere may have gone in a hurry.
    if (!(error instanceof ClosedError)) throw error
  }
}

describe('a redirect', () => {
  test.each(['connect', 'play'] as const)(
    'at %s is followed, with vhost, app, stream and query as they stand there',
    async (when) => {
      const backEnd = await CallbackServer.start()
      const hooks = `min_latency on; http_hooks { enabled on; on_play ${backEnd.url()}; }`
      const target = await TestHouse.open(conf({ more: `vhost there.example { ${hooks} }` }))
      const publisher = await RtmpProbe.connected(target, 'a/b', { tcUrl: 'rtmp://there.example/a/b' })
      await publisher.publish('other')
      await publisher.begin()
      const tcUrl = `rtmp://127.0.0.1:${target.rtmpPort}/a/b?vhost=there.example`
      const port = await redirecting(target, when, { code: 302, redirect: tcUrl, redirect2: `${tcUrl}/other?t=1/2&u` })
      const edge = await openEdge({ rtmpPort: port })
      const player = await startPlayer(edge)
      await player.next('video key k1')
      expect(backEnd.calls[0]?.body).toMatchObject({ vhost: 'there.example', app: 'a/b', stream: 'other' })
      expect(backEnd.calls[0]?.body['param']).toContain('t=1/2&u')
    },
  )

  test('in the middle of a stream is followed, and players stay', async () => {
    const target = await TestHouse.open(conf())
    await startPublisher(target)
    const tcUrl = `rtmp://127.0.0.1:${target.rtmpPort}/live`
    const port = await redirecting(target, 'later', { code: 302, redirect: tcUrl, redirect2: `${tcUrl}/cam` })
    const edge = await openEdge({ rtmpPort: port })
    const player = await startPlayer(edge)
    await player.next('video key old')
    await player.next('video key k1')
    expect(player.labels).not.toContain('onStatus NetStream.Play.UnpublishNotify')
    expect((await clients(edge)).filter(({ type }) => type === 'edge-pull')).toHaveLength(1)
  })

  test('is followed by a publisher of the edge', async () => {
    const target = await TestHouse.open(conf())
    const tcUrl = `rtmp://127.0.0.1:${target.rtmpPort}/live`
    const port = await redirecting(target, 'connect', { code: 302, redirect: tcUrl })
    const edge = await openEdge({ rtmpPort: port })
    await startPublisher(edge)
    await (await startPlayer(target)).next('video key k1')
  })

  test('in a circle is given up', async () => {
    const house = await TestHouse.open(conf())
    const own = { port: 0 }
    own.port = await redirecting(house, 'connect', {
      get redirect() {
        return `rtmp://127.0.0.1:${own.port}/live`
      },
    })
    const edge = await openEdge({ rtmpPort: own.port })
    await startPlayer(edge)
    await eventually('the limit', () => edge.logged('pull ended').length > 0)
    expect(edge.logged('pull ended')[0]).toMatchObject({ reason: 'more than 3 redirects' })
  })

  test('of HTTP is followed', async () => {
    const origin = await TestHouse.open(conf())
    await startPublisher(origin)
    const front = await CallbackServer.start()
    front.reply = ({ url }) => ({ status: 302, headers: { Location: `http://127.0.0.1:${origin.httpPort}${url}` } })
    const edge = await TestHouse.open(conf({ vhost: cluster([front.port], 'protocol flv;') }))
    await (await startPlayer(edge)).next('video key k1')
  })
})

describe('a loop', () => {
  test.each(['rtmp', 'flv'])('of edges over %s is refused, and no stream goes round in it', async (protocol) => {
    const [rtmpPort, httpPort] = [await freePort(), await freePort()]
    const origin = await TestHouse.open(conf())
    const back = cluster([protocol === 'rtmp' ? rtmpPort : httpPort], `protocol ${protocol};`)
    const second = await TestHouse.open(conf({ vhost: back }))
    const there = protocol === 'rtmp' ? second.rtmpPort : second.httpPort
    const good = protocol === 'rtmp' ? origin.rtmpPort : origin.httpPort
    const block = cluster([there, good], `protocol ${protocol}; origin_timeout 1s;`)
    const first = await TestHouse.open(conf({ vhost: block, rtmpPort, httpPort }))
    await startPublisher(origin)
    const player = await startPlayer(first)
    await player.next('video key k1')
    const [refused] = first.logged('refused').filter(({ reason }) => String(reason).includes('loop'))
    expect(refused).toBeDefined()
  })
})

describe('token_traverse', () => {
  test('lets the origin decide about each player', async () => {
    const backEnd = await CallbackServer.start()
    backEnd.reply = ({ body }) => ({ body: String(body['param']).includes('bad') ? '1' : '0' })
    const origin = await TestHouse.open(conf({ vhost: `http_hooks { enabled on; on_play ${backEnd.url()}; }` }))
    await startPublisher(origin)
    const edge = await openEdge(origin, 'token_traverse on;')
    const good = await startPlayer(edge, 'cam?token=good')
    await good.next('video key k1')
    const bad = await RtmpProbe.connected(edge)
    const streamId = await bad.createStream()
    bad.commandOn(streamId, 'play', 0, null, 'cam?token=bad')
    await bad.next('onStatus NetStream.Play.Failed')
    await bad.raw.untilOver()
    expect((await HttpProbe.ask(edge, '/live/cam.flv?token=bad')).status).toBe(403)
    await FlvPlayer.playing(edge, '/live/cam.flv?token=good')
    expect(edge.logged('pulling')).toHaveLength(1)
  })

  test('refuses when no origin can be asked', async () => {
    const edge = await openEdge({ rtmpPort: await freePort() }, 'token_traverse on;')
    expect((await HttpProbe.ask(edge, '/live/cam.flv')).status).toBe(503)
  })
})

describe('HLS on an edge', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-edge-'))
  const HLS = `hls { enabled on; hls_fragment 1; hls_path ${folder}; `
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  test.each(['on', 'off'])('starts the pull, with sessions %s', async (sessions) => {
    const origin = await TestHouse.open(conf())
    const publisher = await RtmpProbe.connected(origin)
    await publisher.publish('cam')
    const tags = fixtureTags('h264-aac')
    await sendTags(publisher, tags.slice(0, 20))
    const edge = await openEdge(origin, '', { vhost: `${HLS} hls_ctx ${sessions}; }` })
    const asked = HttpProbe.ask(edge, '/live/cam.m3u8')
    await eventually('the pull', () => origin.logged('playing').length === 1)
    await sendTags(publisher, tags.slice(20))
    const answer = await asked
    expect([answer.status, answer.body.startsWith('#EXTM3U')]).toEqual([200, true])
    expect((await clients(origin)).filter(({ publish }) => publish === false)).toHaveLength(1)
  })

  test('refuses a viewer before anything is pulled, and forgets one for whom there is nothing', async () => {
    const origin = await TestHouse.open(conf())
    const edge = await openEdge(origin, '', {
      vhost: `${HLS} } security { enabled on; deny play all; }`,
    })
    expect((await HttpProbe.ask(edge, '/live/cam.m3u8')).status).toBe(403)
    expect(edge.logged('pulling')).toEqual([])
    const brief = `${HLS} } ${cluster([origin.rtmpPort])} `
    await edge.reload(conf({ vhost: brief }).replace('http_remux {', 'http_remux { wait_publisher 100ms; '))
    expect((await HttpProbe.ask(edge, '/live/cam.m3u8')).status).toBe(404)
    await eventually('the end of the viewer and the pull', () => edge.house.streams === 0)
    expect(await clients(edge)).toEqual([])
  })
})
