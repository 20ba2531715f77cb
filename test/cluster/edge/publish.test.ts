import { describe, expect, test } from 'vitest'
import { FlvPlayer } from '../../server/http-probe.ts'
import { RtmpProbe, startPlayer, startPublisher } from '../../server/rtmp-probe.ts'
import { eventually } from '../../server/support.ts'
import { CallbackServer } from '../../support/callback-server.ts'
import { TestHouse } from '../../support/house.ts'
import { freePort } from '../../support/port.ts'
import { runThread } from '../../support/world.ts'
import { cluster, conf, openEdge } from './support.ts'

/** Publishes without waiting for the answer. */
async function askToPublish(server: TestHouse, name = 'cam'): Promise<RtmpProbe> {
  const probe = await RtmpProbe.connected(server)
  const streamId = await probe.createStream()
  probe.commandOn(streamId, 'publish', 0, null, name, 'live')
  return probe
}

describe('a publisher on an edge', () => {
  test('is played at the origin, on the edge and on other edges', async () => {
    const origin = await TestHouse.open(conf())
    const [edge, other] = [await openEdge(origin), await openEdge(origin)]
    const early = await startPlayer(other)
    const publisher = await startPublisher(edge)
    const players = [early, await startPlayer(origin), await startPlayer(edge)]
    publisher.media('video inter', 40, 'i2')
    for (const player of players) await player.next('video inter i2')
    expect(edge.logged('pulling')).toEqual([])
    publisher.raw.end()
    await players[1]?.next('onStatus NetStream.Play.UnpublishNotify')
  })

  test('is published with its names, its query and its metadata', async () => {
    const backEnd = await CallbackServer.start()
    const origin = await TestHouse.open(conf({ vhost: `http_hooks { enabled on; on_publish ${backEnd.url()}; }` }))
    const edge = await openEdge(origin)
    const publisher = await RtmpProbe.connected(edge, 'a/b')
    await publisher.publish('cam?token=x%20y&z')
    publisher.data(0, '@setDataFrame', 'onMetaData', { encoder: 'probe', width: 320 })
    await publisher.begin()
    expect(backEnd.calls[0]?.body).toMatchObject({ app: 'a/b', stream: 'cam', param: '?token=x%20y&z' })
    const player = await FlvPlayer.playing(origin, '/a/b/cam.flv')
    await player.next('video key k1')
    expect(player.seen.scripts[0]?.[0]).toMatchObject({ encoder: 'probe', width: 320 })
  })

  test('is refused when the origin refuses it, and told so', async () => {
    const origin = await TestHouse.open(conf())
    await startPublisher(origin)
    const edge = await openEdge(origin)
    const refused = await askToPublish(edge)
    const { args } = await refused.next('onStatus NetStream.Publish.Denied')
    expect(args[1]).toMatchObject({ description: 'The origin refuses it: cam is already published.' })
    await refused.raw.untilOver()
    expect(edge.house.streams).toBe(0)
  })

  test('is refused when no origin can be reached', async () => {
    const edge = await openEdge({ rtmpPort: await freePort() })
    const refused = await askToPublish(edge)
    await refused.next('onStatus NetStream.Publish.Denied')
    await refused.raw.untilOver()
  })

  test('comes to the next origin when the first is dead or silent', async () => {
    const silent = await CallbackServer.start()
    silent.reply = () => 'silence'
    const origin = await TestHouse.open(conf())
    const block = cluster([await freePort(), silent.port, origin.rtmpPort], 'origin_timeout 2s;')
    const edge = await TestHouse.open(conf({ vhost: block }))
    await startPublisher(edge)
    await (await startPlayer(origin)).next('video key k1')
  })

  test('goes on when the origin comes back in time: from a key frame, headers first', async () => {
    const port = await freePort()
    const first = await TestHouse.open(conf({ rtmpPort: port }))
    const edge = await openEdge(first)
    const publisher = await startPublisher(edge)
    await runThread(first.world, (thread) => first.house.close(thread))
    await eventually('the loss', () => edge.logged('the origin is lost').length === 1)
    publisher.media('video inter', 40, 'i2')
    const second = await TestHouse.open(conf({ rtmpPort: port }))
    const player = await startPlayer(second)
    await player.next('video key k1')
    publisher.media('video inter', 80, 'i3')
    await player.next('video inter i3')
    await publisher.ping()
  })

  test('is ended with a status when no origin takes the stream any more', async () => {
    const origin = await TestHouse.open(conf())
    const edge = await openEdge(origin, 'publish_retry 300ms;')
    const publisher = await startPublisher(edge)
    await runThread(origin.world, (thread) => origin.house.close(thread))
    const { args } = await publisher.next('onStatus NetStream.Publish.Failed')
    expect(args[1]).toMatchObject({ level: 'error', description: 'No origin takes the stream any more.' })
    await publisher.raw.untilOver()
    await eventually('the end of the stream', () => edge.house.streams === 0)
  })

  test('that leaves is followed by the stream of the origin, for the players that stay', async () => {
    const origin = await TestHouse.open(conf())
    const edge = await openEdge(origin)
    const publisher = await startPublisher(edge)
    const player = await startPlayer(edge)
    await player.next('video key k1')
    publisher.raw.end()
    await player.next('onStatus NetStream.Play.UnpublishNotify')
    await eventually('the end at the origin', () => origin.logged('unpublished').length === 1)
    const next = await startPublisher(origin)
    next.media('video key', 40, 'from the origin')
    await player.next('video key from the origin')
  })

  test('may come while the players wait for the origin', async () => {
    const origin = await TestHouse.open(conf())
    const edge = await openEdge(origin)
    const player = await startPlayer(edge)
    await eventually('the pull', () => edge.logged('asking an origin').length === 1)
    await startPublisher(edge)
    await player.next('video key k1')
    expect(player.labels.filter((label) => label === 'video key k1')).toHaveLength(1)
  })
})
