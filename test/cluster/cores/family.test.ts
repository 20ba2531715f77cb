import { expect, test } from 'vitest'
import type { HeardCall } from '../../sim/back-end.ts'
import { pictures, type Seen } from '../sim-stage.ts'
import { SimFamily } from './family.ts'

interface ClientRow {
  readonly id: string
  readonly type: string
  readonly ip: string
  readonly send_bytes: number
}

function counts(calls: readonly HeardCall[]): Record<string, number> {
  const all: Record<string, number> = {}
  for (const { action } of calls) all[action] = (all[action] ?? 0) + 1
  return all
}

async function clients(family: SimFamily): Promise<ClientRow[]> {
  const { text } = await family.api('/api/v1/clients?count=100')
  return (JSON.parse(text) as { clients: ClientRow[] }).clients
}

function gaps(seen: readonly Seen[]): string[] {
  const numbers = pictures(seen)
  return numbers.flatMap((number, index) => {
    const before = numbers[index - 1]
    return before !== undefined && number !== before + 1 ? [`${before} -> ${number}`] : []
  })
}

function metric(text: string, name: string): number {
  return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1] ?? Number.NaN)
}

test('players of all edges see every picture of a publisher at one of them, and each client is told of once', async () => {
  const family = await SimFamily.start(1, 3)
  const { stage, backEnd } = family
  stage.publish('edge1', 'cam')
  await stage.run(1_000)
  const seen = ['edge1', 'edge2', 'edge3', 'edge3'].map((edge) => stage.play(edge, 'cam'))
  await stage.run(5_000)
  for (const one of seen) {
    expect(pictures(one).length).toBeGreaterThan(90)
    expect(gaps(one)).toEqual([])
  }
  expect(counts(backEnd.calls)).toEqual({ on_connect: 5, on_publish: 1, on_play: 4 })
  const rows = await clients(family)
  expect(rows.map(({ type }) => type).toSorted()).toEqual(['flash-publish', ...Array<string>(4).fill('rtmp-play')])
  // As they came to the edges: not from an edge.
  expect(rows.every(({ ip }) => !family.edges.some(({ host }) => host.address === ip))).toBe(true)
  expect(family.failures).toBe(0)
})

test('each edge pulls a stream once, however many watch it there', async () => {
  const family = await SimFamily.start(2, 2)
  const { stage } = family
  stage.publish('edge1', 'cam')
  await stage.run(1_000)
  for (let player = 0; player < 12; player++) stage.play('edge2', 'cam')
  await stage.run(10_000)
  const { text } = await family.api('/metrics')
  const inner = metric(text, 'sluice_inner_sent_bytes_total')
  const sent = metric(text, 'srs_send_bytes_total')
  expect(inner).toBeGreaterThan(0)
  expect(sent / inner).toBeGreaterThan(8)
  expect(metric(text, 'srs_clients')).toBe(13)
  expect(metric(text, 'sluice_edge_connections{edge="2"}')).toBe(12)
})

test('packets are merged once, not at the origin and at the edge again', async () => {
  const family = await SimFamily.start(12, 2, { vhost: 'min_latency off; play { mw_latency 350; }' })
  const { stage } = family
  stage.publish('edge1', 'cam')
  await stage.run(1_000)
  const [here, atOrigin, there] = ['edge1', 'origin', 'edge2'].map((host) => stage.play(host, 'cam'))
  await stage.run(10_000)
  // A picture comes each 40 ms: how old they are at most, beside what all have in common.
  const oldest = (seen: readonly Seen[] = []): number => {
    const live = seen.filter(({ label }) => label.startsWith('video inter')).slice(25)
    return Math.max(...live.map(({ atMs, label }) => atMs - 40 * Number(label.split(' ')[2])))
  }
  expect(oldest(here)).toBeGreaterThan(300)
  expect(oldest(atOrigin) - oldest(here)).toBeLessThan(50)
  expect(oldest(there) - oldest(here)).toBeLessThan(50)
  expect(family.failures).toBe(0)
})

test('threads and log lines of every process are asked for at the one API', async () => {
  const family = await SimFamily.start(13, 2)
  const { stage } = family
  stage.publish('edge1', 'cam')
  await stage.run(500)
  stage.play('edge2', 'cam')
  await stage.run(1_000)
  const namesOf = async (query: string): Promise<string[]> => {
    const { text } = await family.api(`/api/v1/threads?count=1000&${query}`)
    return (JSON.parse(text) as { threads: { name: string }[] }).threads.map(({ name }) => name)
  }
  expect(await namesOf('process=edge-1')).toContain('edge-publish')
  expect(await namesOf('process=edge-2')).toContain('edge-pull')
  expect(await namesOf('process=origin')).toEqual(await namesOf(''))
  const logs = await family.api('/api/v1/logs?process=edge-2&count=5')
  expect([logs.status, (JSON.parse(logs.text) as { lines: unknown[] }).lines]).toEqual([200, []])
  expect(await family.api('/api/v1/threads?process=edge-2&count=x')).toMatchObject({ status: 400 })
  for (const process of ['edge-3', 'nobody'])
    expect(await family.api(`/api/v1/threads?process=${process}`)).toMatchObject({ status: 404 })
  family.edges[1]?.host.crash('process')
  await stage.run(500)
  expect(await family.api('/api/v1/threads?process=edge-2')).toMatchObject({ status: 404 })
  expect(family.failures).toBe(0)
})

test('the totals of the API and of the metrics are the sums over all clients', async () => {
  const family = await SimFamily.start(3, 2)
  const { stage } = family
  stage.publish('edge1', 'a')
  stage.publish('edge2', 'b')
  await stage.run(1_000)
  for (const edge of ['edge1', 'edge2', 'edge2']) for (const name of ['a', 'b']) stage.play(edge, name)
  await stage.run(12_000)
  const [rows, { text }] = [await clients(family), await family.api('/metrics')]
  expect(rows).toHaveLength(8)
  const sent = rows.reduce((sum, { send_bytes }) => sum + send_bytes, 0)
  // The edges may have told more between the two questions.
  expect(Math.abs(metric(text, 'srs_send_bytes_total') / sent - 1)).toBeLessThan(0.4)
  const { streams } = JSON.parse((await family.api('/api/v1/streams')).text) as { streams: { clients: number }[] }
  expect(streams.map(({ clients: count }) => count)).toEqual([4, 4])
})

test('a client of any edge is kicked at the API, and its callbacks are told', async () => {
  const family = await SimFamily.start(4, 2)
  const { stage, backEnd } = family
  stage.publish('edge1', 'cam')
  await stage.run(500)
  stage.play('edge2', 'cam')
  await stage.run(2_000)
  for (const { id } of await clients(family)) {
    expect(await family.api(`/api/v1/clients/${id}`, 'DELETE')).toMatchObject({ status: 200 })
  }
  await stage.run(1_000)
  const heard = counts(backEnd.calls)
  expect(heard).toMatchObject({ on_unpublish: 1, on_stop: 1, on_close: 2 })
  // Both come again.
  expect(heard).toMatchObject({ on_publish: 2, on_play: 2 })
})

test('when an edge is killed, the end of each of its clients is told, and the others see no gap', async () => {
  const family = await SimFamily.start(5, 2)
  const { stage, backEnd, edges } = family
  stage.publish('edge1', 'cam')
  await stage.run(500)
  const stays = stage.play('edge1', 'cam')
  const comesAgain = stage.play('edge2', 'cam')
  await stage.run(3_000)
  const [, second] = edges
  second?.host.crash('process')
  await stage.run(500)
  expect(counts(backEnd.calls)).toMatchObject({ on_play: 2, on_stop: 1 })
  if (second) await family.boot(second)
  await stage.run(3_000)
  expect(gaps(stays)).toEqual([])
  expect(counts(backEnd.calls)).toMatchObject({ on_play: 3, on_stop: 1 })
  expect(Math.max(...comesAgain.map(({ connection }) => connection))).toBeGreaterThan(1)
  expect(family.failures).toBe(0)
})

test('when the origin is killed and comes back, players and publishers stay, and nobody is asked about again', async () => {
  const family = await SimFamily.start(6, 2)
  const { stage, backEnd, origin } = family
  stage.publish('edge1', 'cam')
  await stage.run(500)
  const here = stage.play('edge1', 'cam')
  const there = stage.play('edge2', 'cam')
  await stage.run(3_000)
  origin.host.crash('process')
  await stage.run(1_500)
  await family.boot(origin)
  await stage.run(6_000)
  expect(gaps(here)).toEqual([])
  expect(there.every(({ connection }) => connection === 1)).toBe(true)
  expect(gaps(there)).toHaveLength(1)
  expect(pictures(there).at(-1)).toBeGreaterThan((pictures(here).at(-1) ?? 0) - 5)
  expect(counts(backEnd.calls)).toEqual({ on_connect: 3, on_publish: 1, on_play: 2 })
  // The new one knows them all, and tells of their end.
  const rows = await clients(family)
  expect(rows).toHaveLength(3)
  for (const { id } of rows) await family.api(`/api/v1/clients/${id}`, 'DELETE')
  expect(counts(backEnd.calls)).toMatchObject({ on_unpublish: 1, on_stop: 2, on_close: 3 })
  expect(family.failures).toBe(0)
})

test('of clients that leave while there is no origin the next one tells the end', async () => {
  const family = await SimFamily.start(14, 2)
  const { stage, backEnd, origin } = family
  stage.publish('edge1', 'cam')
  await stage.run(500)
  stage.play('edge1', 'cam')
  stage.play('edge2', 'cam')
  await stage.run(3_000)
  origin.host.crash('process')
  await stage.run(500)
  stage.network.find('player of edge2')?.crash('process')
  await stage.run(500)
  await family.boot(origin)
  await stage.run(3_000)
  expect(counts(backEnd.calls)).toEqual({ on_connect: 3, on_publish: 1, on_play: 2, on_stop: 1, on_close: 1 })
  expect(await clients(family)).toHaveLength(2)
  expect(family.failures).toBe(0)
})

test('limits count over all edges', async () => {
  const family = await SimFamily.start(7, 2, { vhost: 'play { max_players 3; }' })
  const { stage } = family
  stage.publish('edge1', 'cam')
  await stage.run(500)
  for (const edge of ['edge1', 'edge2', 'edge1', 'edge2']) stage.play(edge, 'cam')
  await stage.run(2_000)
  expect((await clients(family)).filter(({ type }) => type === 'rtmp-play')).toHaveLength(3)
  expect((await family.api('/metrics')).text).toMatch(/sluice_refused_total\{reason="refused_limit"\} [1-9]/)
})

test('a client that the back end refuses is refused at every edge', async () => {
  const family = await SimFamily.start(8, 2)
  const { stage, backEnd } = family
  backEnd.mood = 'refuses'
  stage.publish('edge2', 'cam')
  await stage.run(2_000)
  expect(await clients(family)).toEqual([])
  expect(counts(backEnd.calls)).not.toHaveProperty('on_publish')
})

test('what is no live stream is asked of the origin, also the API where it shares a port', async () => {
  const family = await SimFamily.start(9, 2, { api: 8080 })
  const { stage } = family
  stage.publish('edge1', 'cam')
  await stage.run(1_000)
  const { status, text } = await family.api('/api/v1/streams', 'GET', 'edge2', 8080)
  expect({ status, streams: (JSON.parse(text) as { total: number }).total }).toEqual({ status: 200, streams: 1 })
  expect(await family.api('/nothing', 'GET', 'edge1', 8080)).toEqual({ status: 404, text: 'Not found.\n' })
  expect(await family.api('/live/none.m3u8', 'GET', 'edge1', 8080)).toMatchObject({ status: 404 })
  family.origin.host.crash('process')
  expect(await family.api('/nothing', 'GET', 'edge1', 8080)).toEqual({ status: 503, text: 'The server is starting.\n' })
  await family.boot(family.origin)
  expect((await family.api('/nothing', 'GET', 'edge1', 8080)).status).toBe(404)
})

test('a reload at the API reaches every edge', async () => {
  const family = await SimFamily.start(10, 2)
  const { stage, edges } = family
  family.root = 'max_connections 17;'
  expect((await family.api('/api/v1/raw?rpc=reload')).text).toContain('"err":0')
  await stage.run(1_000)
  expect(edges.map(({ house }) => house.config.maxConnections)).toEqual([17, 17])
})

test('under random churn, with processes killed at random, every begin has its end', async () => {
  const family = await SimFamily.start(11, 2)
  const { stage, backEnd } = family
  const random = stage.simulation.random.fork('churn')
  for (const edge of ['edge1', 'edge2']) {
    stage.publish(edge, `of-${edge}`)
    for (const other of ['edge1', 'edge2']) stage.play(edge, `of-${other}`)
  }
  for (let round = 0; round < 8; round++) {
    await stage.run(random.between(300, 1_500))
    const victim = [family.origin, ...family.edges][Math.floor(random.between(0, 3))] ?? family.origin
    victim.host.crash('process')
    await stage.run(random.between(100, 1_000))
    await family.boot(victim)
  }
  await stage.run(8_000)
  const rows = await clients(family)
  expect(rows).toHaveLength(6)
  // Who was asked about and is not there any more has been told of, once.
  const living = new Set(rows.map(({ id }) => id))
  const ends = new Map<string, number>()
  for (const { action, clientId } of backEnd.calls) {
    const step = { on_play: 1, on_publish: 1, on_stop: -1, on_unpublish: -1 }[action]
    if (step) ends.set(clientId, (ends.get(clientId) ?? 0) + step)
  }
  expect([...ends].filter(([id, open]) => open !== (living.has(id) ? 1 : 0))).toEqual([])
  expect(family.failures).toBe(0)
})
