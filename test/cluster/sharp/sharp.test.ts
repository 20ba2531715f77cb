import { expect, test } from 'vitest'
import { FlvPlayer, HttpProbe } from '../../server/http-probe.ts'
import { type RtmpProbe, startPublisher } from '../../server/rtmp-probe.ts'
import { eventually, players, serve } from '../../server/support.ts'
import { startServer, type TestServer } from '../../support/server.ts'
import { startSharp } from './support.ts'

const PATIENT = { minLatency: true, publish: { normalTimeoutMs: 60_000 } }

function play(httpPort: number, name = 'cam'): Promise<FlvPlayer> {
  return FlvPlayer.playing({ httpPort }, `/live/${name}.flv`)
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0)
}

/** Servers which all have the same streams, as edges of one origin do. */
async function servers(count: number, ...names: string[]): Promise<{ all: TestServer[]; publishers: RtmpProbe[] }> {
  const all = await Promise.all(Array.from({ length: count }, () => serve({ httpRemux: { waitPublisherMs: 0 } })))
  const publishers: RtmpProbe[] = []
  for (const server of all) for (const name of names) publishers.push(await startPublisher(server, name))
  return { all, publishers }
}

test('however many play a stream, it is pulled once, and its server is left when they have gone', async () => {
  const { all } = await servers(2, 'cam')
  const { sharp, httpPort } = await startSharp(all)
  const watching = await Promise.all(Array.from({ length: 5 }, () => play(httpPort)))
  for (const player of watching) await player.next('video key k1')
  expect(sum(all.map(players))).toBe(1)
  expect(sum(sharp.servers.map(({ open }) => open))).toBe(1)
  for (const { probe } of watching) probe.raw.end()
  await eventually('the end of the pull', () => all.every((server) => players(server) === 0))
})

test('another stream goes to the server with the fewest', async () => {
  const names = ['a', 'b', 'c', 'd']
  const { all } = await servers(2, ...names)
  const { httpPort } = await startSharp(all)
  for (const name of names) await (await play(httpPort, name)).next('video key k1')
  expect(all.map(players)).toEqual([2, 2])
})

test('a stream that only one server has is found there', async () => {
  const { all } = await servers(3)
  await startPublisher(all[2] as TestServer, 'cam')
  const { httpPort } = await startSharp(all)
  const player = await FlvPlayer.start({ httpPort }, '/live/cam.flv')
  await player.started()
  await player.next('video key k1')
})

test('when its server dies, the players stay and go on from another: no second header, in order, from a key frame on', async () => {
  const doomed = await startServer(PATIENT)
  const other = await serve()
  const first = await startPublisher(doomed)
  const second = await startPublisher(other)
  const { sharp, httpPort } = await startSharp([doomed, other])
  const player = await play(httpPort)
  await player.next('video key k1')
  expect(players(doomed)).toBe(1)
  first.media('video inter', 40, 'i2')
  await player.next('video inter i2')
  await doomed.stop()
  await eventually('the pull from the other server', () => players(other) === 1)
  second.media('video inter', 4_000, 'lost')
  second.media('video key', 4_040, 'k3')
  second.media('video inter', 4_080, 'i4')
  await player.next('video inter i4')
  const { tags } = player.seen
  const times = tags.filter(({ typeId }) => typeId === 9).map(({ timestampMs }) => timestampMs)
  expect(times).toEqual(times.toSorted((a, b) => a - b))
  expect(player.probe.rest.toString('latin1').split('FLV\x01')).toHaveLength(2)
  expect(player.seen.labels.slice(-2)).toEqual(['video key k3', 'video inter i4'])
  expect(sharp.servers.map(({ open }) => open)).toEqual([0, 1])
  await eventually('the look at the dead server', () => sharp.servers[0]?.isUp === false)
})

test('a stream that nobody has is answered 404', async () => {
  const { all } = await servers(2)
  const { httpPort } = await startSharp(all, { waitPublisherMs: 300 })
  expect((await HttpProbe.ask({ httpPort }, '/live/none.flv')).status).toBe(404)
})
