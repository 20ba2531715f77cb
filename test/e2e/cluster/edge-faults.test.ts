import { afterAll, expect, test } from 'vitest'
import { fixtureTags } from '../../server/fixture.ts'
import { parseLines, Program } from '../../support/program.ts'
import { until } from '../../support/until.ts'
import { Cable, LoopPublisher, WatchingPlayer } from '../support/live-peers.ts'
import { freePort } from '../../support/port.ts'

/** An origin that does not answer is left after so long: the default is 5 s. */
const ORIGIN_TIMEOUT_S = 2
/** Frames of about half a second. */
const SOME = 35

const tags = fixtureTags('h264-aac')
/** What players saw, for people: the longest time without a frame. */
const table: string[] = []

afterAll(() => {
  process.stdout.write(`\ngaps that players saw (origin_timeout ${ORIGIN_TIMEOUT_S} s):\n${table.join('\n')}\n`)
})

function origin(port: number): Promise<Program> {
  return Program.start(`listen 127.0.0.1:${port};
http_api { enabled on; listen 127.0.0.1:0; }
vhost __defaultVhost__ { min_latency on; }
`)
}

function edge(origins: readonly number[], ports: { rtmp: number; http: number }): Promise<Program> {
  const names = origins.map((port) => `127.0.0.1:${port}`).join(' ')
  return Program.start(`listen 127.0.0.1:${ports.rtmp};
http_server { enabled on; listen 127.0.0.1:${ports.http}; }
vhost __defaultVhost__ {
  min_latency on; http_remux { enabled on; }
  cluster { mode remote; origin ${names}; origin_timeout ${ORIGIN_TIMEOUT_S}s; outage 60s; }
}
`)
}

/** An edge that plays to two players. */
interface Scene {
  readonly edge: Program
  readonly players: readonly WatchingPlayer[]
}

async function scene(origins: readonly number[]): Promise<Scene> {
  const ports = { rtmp: await freePort(), http: await freePort() }
  const program = await edge(origins, ports)
  await program.says('started')
  const players = watch(ports)
  for (const player of players) await player.more(SOME)
  return { edge: program, players }
}

function watch(ports: { rtmp: number; http: number }): WatchingPlayer[] {
  return [new WatchingPlayer('rtmp', ports.rtmp), new WatchingPlayer('flv', ports.http)]
}

/** All players play on, in order; their gap is noted. */
async function playOn({ players }: Pick<Scene, 'players'>, what: string): Promise<void> {
  for (const player of players) await player.more(SOME)
  for (const player of players) expect(player.backwardSteps).toEqual([])
  const [rtmp, flv] = players.map(({ gapMs }) => `${Math.round(gapMs)} ms`)
  table.push(`${what}: RTMP ${rtmp}, HTTP-FLV ${flv}`)
}

test('the origin is killed and started again', async () => {
  const port = await freePort()
  const first = await origin(port)
  await first.says('started')
  const publisher = new LoopPublisher(port, tags)
  const there = await scene([port])
  first.signal('SIGKILL')
  await first.ended()
  await until('the loss', () => says(there.edge, 'pull ended') > 0)
  await origin(port)
  await playOn(there, 'origin killed and started again')
  publisher.stop()
})

test('the origin hangs and comes back; it hangs and another one has the stream', async () => {
  const [port, other] = [await freePort(), await freePort()]
  const [hanging, second] = [await origin(port), await origin(other)]
  await Promise.all([hanging.says('started'), second.says('started')])
  const publishers = [new LoopPublisher(port, tags), new LoopPublisher(other, tags)]
  const alone = await scene([port])
  const both = await scene([port, other])
  hanging.signal('SIGSTOP')
  await playOn(both, 'origin hangs, another one has the stream')
  await until('the origin is left', () => says(alone.edge, 'pull ended') > 0)
  hanging.signal('SIGCONT')
  await playOn(alone, 'the only origin hangs until it has been left once')
  for (const publisher of publishers) publisher.stop()
})

test('the first origin of three is dead, and then the second dies', async () => {
  const ports = [await freePort(), await freePort(), await freePort()]
  const [second, third] = [await origin(ports[1] ?? 0), await origin(ports[2] ?? 0)]
  await Promise.all([second.says('started'), third.says('started')])
  // The codec of the sound changes, and the time begins anew.
  const publishers = [new LoopPublisher(ports[1] ?? 0, tags), new LoopPublisher(ports[2] ?? 0, fixtureTags('hevc-aac'))]
  const there = await scene(ports)
  const headers = there.players.map((player) => player.headers.length)
  second.signal('SIGKILL')
  await playOn(there, 'first of three dead, the second killed, another codec at the third')
  for (const [at, player] of there.players.entries()) expect(player.headers.length).toBeGreaterThan(headers[at] ?? 0)
  for (const publisher of publishers) publisher.stop()
})

test('the cable to the origin is cut, without a word', async () => {
  const port = await freePort()
  await (await origin(port)).says('started')
  const publisher = new LoopPublisher(port, tags)
  const path = await Cable.to(port)
  const there = await scene([path.port])
  path.cable.cut()
  await playOn(there, 'connection cut without FIN')
  publisher.stop()
})

test('the publisher goes and comes back', async () => {
  const port = await freePort()
  const there = await origin(port)
  await there.says('started')
  const publisher = new LoopPublisher(port, tags)
  const seen = await scene([port])
  publisher.stop()
  await there.says('unpublished')
  const next = new LoopPublisher(port, tags)
  await playOn(seen, 'publisher reconnects')
  next.stop()
})

test('the edge is killed: the origin forgets it, and players that come back are served', async () => {
  const port = await freePort()
  const there = await origin(port)
  await there.says('started')
  const publisher = new LoopPublisher(port, tags)
  const ports = { rtmp: await freePort(), http: await freePort() }
  const killed = await edge([port], ports)
  await killed.says('started')
  const before = watch(ports)
  for (const player of before) await player.more(SOME)
  const endedMs = performance.now()
  killed.signal('SIGKILL')
  await until('the end of the players', () => before.every(({ isOver }) => isOver))
  await until('the end at the origin', () => says(there, 'played') === says(there, 'playing'))
  expect(says(there, 'played')).toBeGreaterThan(0)
  await (await edge([port], ports)).says('started')
  const after = watch(ports)
  for (const player of after) await player.more(SOME)
  table.push(`edge killed and started again: players are back after ${Math.round(performance.now() - endedMs)} ms`)
  publisher.stop()
})

function says(program: Program, text: string): number {
  return parseLines(program.out).filter(({ msg }) => msg === text).length
}
