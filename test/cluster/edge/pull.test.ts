import { describe, expect, test } from 'vitest'
import { MSG } from '../../../src/rtmp/message.ts'
import { FlvPlayer } from '../../server/http-probe.ts'
import { RtmpProbe, startPlayer, startPublisher } from '../../server/rtmp-probe.ts'
import { timesOf } from '../../server/media.ts'
import { eventually, RawClient } from '../../server/support.ts'
import { CallbackServer } from '../../support/callback-server.ts'
import { TestHouse } from '../../support/house.ts'
import { freePort } from '../../support/port.ts'
import { clients, cluster, conf, openEdge, streams } from './support.ts'

/** The frames that a player of RTMP got, in order. */
function frames(player: RtmpProbe): string[] {
  return player.labels.filter((label) => /^(?:video|audio) /.test(label))
}

/** Far from where the first stream is, and from how long the change may take. */
const SECOND_STREAM_MS = 1_000_000

const PROTOCOLS = [
  ['RTMP', (origin: TestHouse, more = '') => cluster([origin.rtmpPort], more)],
  ['HTTP-FLV', (origin: TestHouse, more = '') => cluster([origin.httpPort], `protocol flv; ${more}`)],
] as const

describe.each(PROTOCOLS)('a pull over %s', (_name, block) => {
  const open = async (): Promise<[TestHouse, TestHouse]> => {
    const origin = await TestHouse.open(conf())
    return [origin, await TestHouse.open(conf({ vhost: block(origin) }))]
  }

  test('brings a stream to all players once, from its first frame on', async () => {
    const [origin, edge] = await open()
    const publisher = await startPublisher(origin)
    const rtmp = await startPlayer(edge)
    const flv = await FlvPlayer.playing(edge, '/live/cam.flv')
    await rtmp.next('audio frame a1')
    await flv.next('audio frame a1')
    publisher.media('video inter', 40, 'i2')
    publisher.data(40, 'onCuePoint', { name: 'here' })
    publisher.media('video key', 80, 'k2')
    await rtmp.next('video key k2')
    await flv.next('video key k2')
    expect(frames(rtmp)).toEqual([
      'audio header h1',
      'video header h1',
      'video key k1',
      'audio frame a1',
      'video inter i2',
      'video key k2',
    ])
    expect(rtmp.labels).toContain('data onCuePoint')
    expect(edge.logged('pulling')).toHaveLength(1)
    expect((await clients(origin)).filter(({ publish }) => publish === false)).toHaveLength(1)
  })

  test('lets players wait that come before the publisher, and they miss nothing', async () => {
    const [origin, edge] = await open()
    const players = [await startPlayer(edge), await startPlayer(edge)]
    const flv = await FlvPlayer.start(edge, '/live/cam.flv')
    await eventually('the pull at the origin', () => origin.logged('playing').length > 0)
    const publisher = await startPublisher(origin)
    publisher.media('video inter', 40, 'i2')
    for (const player of players) {
      await player.next('video inter i2')
      expect(frames(player)).toEqual([
        'audio header h1',
        'video header h1',
        'video key k1',
        'audio frame a1',
        'video inter i2',
      ])
    }
    await flv.started()
    await flv.next('video inter i2')
    expect(edge.logged('pulling')).toHaveLength(1)
  })

  test('goes on a while after its last player: one that comes meanwhile finds it running', async () => {
    const origin = await TestHouse.open(conf())
    const edge = await TestHouse.open(conf({ vhost: block(origin, 'linger 60s;') }))
    await startPublisher(origin)
    for (let round = 0; round < 10; round++) {
      const player = await startPlayer(edge)
      await player.next('video key k1')
      player.raw.end()
      await player.raw.untilOver()
    }
    expect(edge.logged('pulling')).toHaveLength(1)
  })

  test('ends a while after its last player, and the next one begins another', async () => {
    const [origin, edge] = await open()
    await startPublisher(origin)
    const player = await startPlayer(edge)
    await player.next('video key k1')
    player.raw.end()
    await eventually('the end of the stream', () => edge.house.streams === 0)
    await eventually('the end of the pull', () => edge.logged('pull ended').length > 0)
    expect(edge.logged('pull ended')).toMatchObject([{ reason: 'interrupted: nobody watches' }])
    await eventually('the end at the origin', () => origin.logged('played').length === 1)
    await (await startPlayer(edge)).next('video key k1')
    expect(edge.logged('pulling')).toHaveLength(2)
  })

  test('is a published stream of the API, and a client that brings its bytes', async () => {
    const [origin, edge] = await open()
    await startPublisher(origin)
    const player = await startPlayer(edge)
    await player.next('video key k1')
    const [stream] = await streams(edge)
    const pull = (await clients(edge)).find(({ type }) => type === 'edge-pull')
    expect(stream).toMatchObject({
      name: 'cam',
      app: 'live',
      url: '/live/cam',
      clients: 2,
      publish: { active: true, cid: pull?.['id'] },
    })
    expect(pull).toMatchObject({ publish: true, url: '/live/cam' })
    expect(stream?.['recv_bytes']).toBeGreaterThan(20)
  })

  test('tells the origin for which client it is, and with which query', async () => {
    const backEnd = await CallbackServer.start()
    const origin = await TestHouse.open(conf({ vhost: `http_hooks { enabled on; on_play ${backEnd.url()}; }` }))
    const edge = await TestHouse.open(conf({ vhost: block(origin) }))
    await startPublisher(origin)
    const player = await startPlayer(edge, 'cam?token=a/b%20c&x=1')
    await player.next('video key k1')
    expect(backEnd.calls[0]?.body).toMatchObject({ app: 'live', stream: 'cam', param: '?token=a/b%20c&x=1' })
    const [playing] = (await clients(edge)).filter(({ publish }) => publish === false)
    const upnodes = origin.logged('identified').map(({ upnode }) => String(upnode))
    expect(upnodes.filter((upnode) => upnode.endsWith(`/${String(playing?.['id'])}`))).toHaveLength(1)
  })

  test('asks for the vhost that the settings say', async () => {
    const origin = await TestHouse.open(
      conf({ more: 'vhost up.example { min_latency on; http_remux { enabled on; } }' }),
    )
    const port = block(origin).replace('}', 'vhost up.[vhost]; }')
    const edge = await TestHouse.open(
      conf({ more: `vhost example { min_latency on; http_remux { enabled on; } ${port} }` }),
    )
    const publisher = await connectedTo(origin, 'up.example')
    const player = await connectedTo(edge, 'example')
    await player.play('cam?vhost=example')
    await publisher.publish('cam')
    await publisher.begin()
    await player.next('video key k1')
  })
})

/** A connection to the app `live` of a vhost. */
function connectedTo(server: TestHouse, vhost: string): Promise<RtmpProbe> {
  return RtmpProbe.connected(server, 'live', { tcUrl: `rtmp://${vhost}/live` })
}

describe('origins', () => {
  test('that are dead, or silent, or have no such stream are left for the next', async () => {
    const silent = await CallbackServer.start()
    silent.reply = () => 'silence'
    const origin = await TestHouse.open(conf())
    const empty = await TestHouse.open(conf())
    await startPublisher(origin)
    const block = cluster([await freePort(), silent.port, empty.rtmpPort, origin.rtmpPort], 'origin_timeout 1s;')
    const edge = await TestHouse.open(conf({ vhost: block }))
    const player = await startPlayer(edge)
    await player.next('video key k1')
    const asked = edge.logged('pulling').map(({ origin: name }) => name)
    expect(new Set(asked.slice(0, 4)).size).toBe(4)
  })

  test('are asked by the name of the stream, when told so: all edges choose the same', async () => {
    const origins = [await TestHouse.open(conf()), await TestHouse.open(conf()), await TestHouse.open(conf())]
    for (const origin of origins) await startPublisher(origin)
    const ports = origins.map(({ rtmpPort }) => rtmpPort)
    const asked: unknown[] = []
    for (const order of [ports, ports.toReversed()]) {
      const edge = await TestHouse.open(conf({ vhost: cluster(order, 'balance hash;') }))
      await (await startPlayer(edge)).next('video key k1')
      asked.push(edge.logged('pulling')[0]?.['origin'])
    }
    expect(asked[0]).toBe(asked[1])
  })

  test('of which one is lost are followed by the next, and players play on: headers again, time goes on', async () => {
    const [first, second] = [await TestHouse.open(conf()), await TestHouse.open(conf())]
    const lost = await startPublisher(first)
    const other = await startPublisher(second)
    other.media('video header', SECOND_STREAM_MS, 'h2')
    other.media('video key', SECOND_STREAM_MS, 'k2')
    await other.ping()
    const edge = await TestHouse.open(conf({ vhost: cluster([first.rtmpPort, second.rtmpPort]) }))
    const rtmp = await startPlayer(edge)
    const flv = await FlvPlayer.playing(edge, '/live/cam.flv')
    lost.media('video inter', 40, 'last')
    await rtmp.next('video inter last')
    await flv.next('video inter last')
    await first.reload(conf({ rtmpPort: await freePort() }))
    const [pull] = (await clients(first)).filter(({ publish }) => publish === false)
    await kick(first, String(pull?.['id']))
    await rtmp.next('video header h2')
    await rtmp.next('video key k2')
    await flv.next('video key k2')
    expect(rtmp.labels).not.toContain('onStatus NetStream.Play.UnpublishNotify')
    for (const typeId of [MSG.AUDIO, MSG.VIDEO]) {
      const times = timesOf(rtmp.mediaMessages, typeId)
      expect(times).toEqual(times.toSorted((one, next) => one - next))
      expect(times.at(-1)).toBeLessThan(SECOND_STREAM_MS)
    }
  })

  test('that do not come back end the stream for its players after a while', async () => {
    const origin = await TestHouse.open(conf())
    const publisher = await startPublisher(origin)
    const edge = await openEdge(origin, 'outage 300ms; origin_timeout 200ms;')
    const rtmp = await startPlayer(edge)
    const flv = await FlvPlayer.playing(edge, '/live/cam.flv')
    await rtmp.next('video key k1')
    publisher.raw.end()
    await rtmp.next('onStatus NetStream.Play.UnpublishNotify')
    await flv.probe.raw.untilOver()
    await startPublisher(origin, 'cam')
    await rtmp.next('video key k1')
  })
})

/** Ends a client by the API. */
async function kick(server: TestHouse, id: string): Promise<void> {
  const raw = await RawClient.open(server.apiPort)
  raw.write(`DELETE /api/v1/clients/${id} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`)
  await raw.untilOver()
}

describe('a reload', () => {
  test('of the origins moves the pulls that run', async () => {
    const [first, second] = [await TestHouse.open(conf()), await TestHouse.open(conf())]
    await startPublisher(first)
    const other = await startPublisher(second)
    other.media('video key', 40, 'k2')
    await other.ping()
    const edge = await openEdge(first)
    const player = await startPlayer(edge)
    await player.next('video key k1')
    await edge.reload(conf({ vhost: cluster([second.rtmpPort]) }))
    await player.next('video key k2')
    await eventually('the end at the first', () => first.logged('played').length === 1)
  })
})
