import { describe, expect, test } from 'vitest'
import { HttpProbe } from '../../server/http-probe.ts'
import { RtmpProbe, startPublisher } from '../../server/rtmp-probe.ts'
import { eventually } from '../../server/support.ts'
import { CallbackServer } from '../../support/callback-server.ts'
import { TestHouse } from '../../support/house.ts'
import { asking, refused, startMesh, startRedis } from './support.ts'

/** Asks to publish, without waiting for what comes of it. */
async function publishing(house: TestHouse, name: string): Promise<RtmpProbe> {
  const probe = await RtmpProbe.connected(house)
  const streamId = await probe.createStream()
  probe.commandOn(streamId, 'publish', 0, null, name, 'live')
  return probe
}

describe('servers with a registry', () => {
  test('send players to each other without a list of coworkers', async () => {
    const { redis, root } = await startRedis()
    const [one, two] = (await startMesh(2, { root, isMesh: false })) as [TestHouse, TestHouse]
    const publisher = await startPublisher(one, 'cam')
    const place = `rtmp://127.0.0.1:${one.rtmpPort}/live`
    expect(JSON.parse(redis.live['sluice:stream:__defaultVhost__/live/cam'] ?? '{}')).toMatchObject({
      host: '127.0.0.1',
      port: one.rtmpPort,
      http: one.httpPort,
      api: `127.0.0.1:${one.apiPort}`,
    })
    expect(await refused(await asking(two, 'cam?k=v'))).toMatchObject({
      ex: { redirect: place, redirect2: `${place}/cam?k=v` },
    })
    const answer = await HttpProbe.ask(two, '/live/cam.flv')
    expect([answer.status, answer.headers['location']]).toEqual([302, `http://127.0.0.1:${one.httpPort}/live/cam.flv`])
    publisher.raw.end()
    await eventually('the end of the lease', () => Object.keys(redis.live).length === 0)
  })

  test('let one publisher in to a stream; nobody is called about another one', async () => {
    const { redis, root } = await startRedis()
    const backEnd = await CallbackServer.start()
    const vhost = `http_hooks { enabled on; on_publish ${backEnd.url()}; }`
    const [one, two] = (await startMesh(2, { root, vhost, isMesh: false })) as [TestHouse, TestHouse]
    const publisher = await startPublisher(one, 'cam')
    expect(await refused(await publishing(two, 'cam'))).toMatchObject({
      level: 'error',
      code: 'NetStream.Publish.BadName',
    })
    expect(backEnd.actions).toEqual(['on_publish'])
    publisher.raw.end()
    await eventually('the end of the lease', () => Object.keys(redis.live).length === 0)
    backEnd.reply = () => ({ body: '1' })
    expect(await refused(await publishing(two, 'cam'))).toMatchObject({ code: 'NetStream.Publish.Denied' })
    await eventually('the end of the claim', () => Object.keys(redis.live).length === 0)
  })

  test.each(['rtmp', 'flv'])('lead an edge to the origin that has the stream, over %s', async (protocol) => {
    const { root } = await startRedis()
    const [one] = (await startMesh(2, { root, isMesh: false })) as [TestHouse, TestHouse]
    const publisher = await startPublisher(one, 'cam')
    // Where the list of the configuration leads, nobody is.
    const cluster = `cluster { mode remote; origin 127.0.0.1:1; protocol ${protocol}; linger 0; }`
    const edge = await TestHouse.open(
      `listen 127.0.0.1:0;\n${root}\nvhost __defaultVhost__ { min_latency on; ${cluster} }\n`,
    )
    const player = await asking(edge, 'cam')
    await player.next('video key k1')
    publisher.raw.end()
    player.raw.end()
  })

  test('start without Redis, and say it once', async () => {
    const root = 'redis { enabled on; server 127.0.0.1:1; }'
    const [one, two] = (await startMesh(2, { root })) as [TestHouse, TestHouse]
    const publisher = await startPublisher(one, 'cam')
    // By the list of coworkers.
    expect(await refused(await asking(two, 'cam'))).toMatchObject({ ex: { code: 302 } })
    await eventually('the word of the log', () => one.lines.some(({ text }) => text.startsWith('registry cannot')))
    expect(one.lines.filter(({ text }) => text.startsWith('registry'))).toHaveLength(1)
    publisher.raw.end()
  })
})
