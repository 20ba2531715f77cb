import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { RealClock } from '../../src/st/real/clock.ts'
import { RealNetwork } from '../../src/st/real/network.ts'
import { SeededRandom } from '../../src/st/sim/random.ts'
import type { Thread } from '../../src/st/thread.ts'
import { World } from '../../src/st/world.ts'
import { Redis } from '../e2e/support/redis.ts'
import { type StartTool, withTools } from '../e2e/support/tool.ts'
import { RecordingLog, runThread } from '../support/world.ts'
import { until } from '../support/until.ts'
import { type Gap, SoakPlayer, SoakPublisher } from './cluster-clients.ts'
import { type Held, SoakServer } from './cluster-servers.ts'

/** How large, how long. */
export interface SoakSize {
  readonly origins: number
  readonly edges: number
  readonly streams: number
  readonly players: number
  /** Faults come for so long; then everything must play again. */
  readonly faultMs: number
  /** From one fault to the next, at most. */
  readonly pauseMs: number
  readonly settleMs: number
  readonly seed: number
}

/** What came of it. */
export interface SoakReport {
  readonly faults: readonly { readonly what: string; readonly gapsMs: readonly number[] }[]
  readonly players: { readonly frames: number; readonly sessions: number }
  readonly publishers: { readonly sessions: number; readonly refused: number }
  /** Players that got nothing at the end, by stream. */
  readonly stuck: readonly string[]
  /** What players got that must not be. */
  readonly wrong: readonly string[]
  /** What each server held before anybody came, and when everybody had gone. */
  readonly held: Readonly<Record<string, { readonly before: Held; readonly after: Held }>>
  /** Keys in Redis at the end. */
  readonly keys: number
  /** Servers that hold more at the end than before anybody came. */
  readonly leaks: readonly string[]
  /** Threads that failed, by the logs of the servers that lived at the end. */
  readonly errors: readonly string[]
}

/** What was on its way when a fault came. */
const EARLIER_MS = 500
/** A player is stuck when nothing comes for so long. */
const STUCK_MS = 30_000
/** Until edges let go what nobody plays, and leases are withdrawn. */
const LAST_MS = 60_000

/**
 * Origins with a registry, edges in front of them, publishers that go to any origin, players that go to any edge; origins
 * are killed and stopped, and Redis is killed, at random.
 */
export function soakCluster(size: SoakSize, note: (line: string) => void = () => {}): Promise<SoakReport> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-soak-'))
  return withTools((start) => new Soak(size, start, folder, note).run()).finally(() =>
    rmSync(folder, { recursive: true, force: true }),
  )
}

class Soak {
  readonly #size: SoakSize
  readonly #start: StartTool
  readonly #folder: string
  readonly #note: (line: string) => void
  readonly #random: SeededRandom
  readonly #world = new World(new RealClock(), new RealNetwork(), new RecordingLog())
  readonly #faults: { readonly what: string; readonly atMs: number }[] = []

  constructor(size: SoakSize, start: StartTool, folder: string, note: (line: string) => void) {
    this.#size = size
    this.#start = start
    this.#folder = folder
    this.#note = note
    this.#random = new SeededRandom(size.seed)
  }

  async run(): Promise<SoakReport> {
    const redis = await Redis.start(this.#start)
    const { origins, edges } = await this.#servers(redis)
    const servers = [...origins, ...edges]
    await runThread(this.#world, (thread) => thread.sleep(3_000))
    const before = await heldBy(servers)
    const { publishers, players, threads } = await this.#clients(origins, edges)
    await runThread(this.#world, (thread) => this.#trouble(thread, origins, redis))
    await runThread(this.#world, (thread) => thread.sleep(this.#size.settleMs))
    const stuck = await this.#stuck(players)
    await runThread(this.#world, async (thread) => {
      for (const one of threads) one.interrupt('over')
      for (const one of threads) await one.stop(thread, 'over')
    })
    const after = await this.#untilReleased(servers, before)
    return {
      faults: this.#gapsByFault(players.flatMap(({ gaps }) => gaps)),
      players: {
        frames: sum(players.map(({ frames }) => frames)),
        sessions: sum(players.map(({ sessions }) => sessions)),
      },
      publishers: {
        sessions: sum(publishers.map(({ sessions }) => sessions)),
        refused: sum(publishers.map(({ refused }) => refused)),
      },
      stuck,
      wrong: players.flatMap((player) => player.faults),
      leaks: servers.filter((_, at) => !isNoMore(after[at] as Held, before[at] as Held)).map(({ name }) => name),
      held: Object.fromEntries(
        servers.map(({ name }, at) => [name, { before: before[at] as Held, after: after[at] as Held }]),
      ),
      keys: Number((await redis.ask('DBSIZE')).slice(1)),
      errors: servers.flatMap(({ name, log }) => errorsOf(log).map((line) => `${name}: ${line}`)),
    }
  }

  async #servers(redis: Redis): Promise<{ origins: SoakServer[]; edges: SoakServer[] }> {
    const make = (kind: string, count: number): Promise<SoakServer[]> =>
      Promise.all(Array.from({ length: count }, (_, at) => SoakServer.make(`${kind}${at}`, this.#start, this.#folder)))
    const origins = await make('origin', this.#size.origins)
    const edges = await make('edge', this.#size.edges)
    const registry = `redis { enabled on; server 127.0.0.1:${redis.port}; lease 3s; }`
    for (const origin of origins) {
      const mates = origins.filter((other) => other !== origin).map(({ api }) => `127.0.0.1:${api}`)
      origin.write(registry, `cluster { origin_cluster on; coworkers ${mates.join(' ')}; }`)
    }
    const list = origins.map(({ rtmp }) => `127.0.0.1:${rtmp}`).join(' ')
    for (const edge of edges) edge.write(registry, `cluster { mode remote; origin ${list}; }`)
    for (const server of [...origins, ...edges]) await server.start()
    return { origins, edges }
  }

  async #clients(
    origins: readonly SoakServer[],
    edges: readonly SoakServer[],
  ): Promise<{ publishers: SoakPublisher[]; players: SoakPlayer[]; threads: Thread[] }> {
    const { streams, players: count } = this.#size
    const publishers = Array.from({ length: streams }, (_, at) => new SoakPublisher(`s${at}`))
    const players = Array.from({ length: count }, (_, at) => {
      const protocol = at % 2 === 0 ? 'rtmp' : 'flv'
      return new SoakPlayer(`s${at % streams}`, this.#random.pick(edges), protocol)
    })
    const spawn = (name: string, body: (thread: Thread, random: SeededRandom) => Promise<void>): Thread =>
      this.#world.spawn(name, (thread) => body(thread, this.#random.fork(name)))
    const threads = publishers.map((one) => spawn(one.stream, (thread, random) => one.run(thread, origins, random)))
    threads.push(...players.map((one, at) => spawn(`player ${at}`, (thread, random) => one.run(thread, random))))
    await until('everybody plays', () => players.every(({ frames }) => frames > 0))
    this.#note(`${streams} streams at ${origins.length} origins, ${count} players at ${edges.length} edges`)
    return { publishers, players, threads }
  }

  async #trouble(thread: Thread, origins: readonly SoakServer[], redis: Redis): Promise<void> {
    const { clock } = thread.world
    const untilMs = clock.nowMs() + this.#size.faultMs
    while (clock.nowMs() < untilMs) {
      await thread.sleep(this.#random.between(this.#size.pauseMs / 3, this.#size.pauseMs))
      const origin = this.#random.pick(origins)
      const downMs = this.#random.between(500, this.#size.pauseMs / 2)
      const what = this.#random.pick(['kill', 'kill', 'kill', 'stop', 'redis'] as const)
      this.#fault(`${what} ${what === 'redis' ? '' : origin.name} for ${Math.round(downMs)} ms`)
      if (what === 'kill') await origin.kill()
      else if (what === 'stop') origin.signal('SIGSTOP')
      else await redis.kill()
      await thread.sleep(downMs)
      if (what === 'kill') await origin.start()
      else if (what === 'stop') origin.signal('SIGCONT')
      else await redis.restart()
    }
  }

  /** Streams of the players that get nothing more: none may be one that only comes late, however busy the machine is. */
  async #stuck(players: readonly SoakPlayer[]): Promise<string[]> {
    const { clock } = this.#world
    const sinceMs = clock.nowMs()
    const left = (): SoakPlayer[] => players.filter(({ lastFrameMs }) => lastFrameMs < sinceMs)
    while (left().length > 0 && clock.nowMs() - sinceMs < STUCK_MS) {
      await runThread(this.#world, (thread) => thread.sleep(100))
    }
    return left().map(({ stream }) => stream)
  }

  /** Waits until the servers hold what they held before, but not for ever. @returns what they hold */
  async #untilReleased(servers: readonly SoakServer[], before: readonly Held[]): Promise<Held[]> {
    const { clock } = this.#world
    const untilMs = clock.nowMs() + LAST_MS
    for (;;) {
      const after = await heldBy(servers)
      const isReleased = after.every((held, at) => isNoMore(held, before[at] as Held))
      if (isReleased || clock.nowMs() > untilMs) return after
      await runThread(this.#world, (thread) => thread.sleep(500))
    }
  }

  /** Gaps that began after a fault, and before the next one, sorted. */
  #gapsByFault(gaps: readonly Gap[]): SoakReport['faults'] {
    return this.#faults.map(({ what, atMs }, index) => {
      const nextMs = this.#faults[index + 1]?.atMs ?? Infinity
      const own = gaps.filter(({ sinceMs }) => sinceMs >= atMs - EARLIER_MS && sinceMs < nextMs - EARLIER_MS)
      return { what, gapsMs: own.map(({ forMs }) => forMs).toSorted((one, other) => one - other) }
    })
  }

  #fault(what: string): void {
    this.#faults.push({ what, atMs: this.#world.clock.nowMs() })
    this.#note(what)
  }
}

/** Apart from memory, which is given back later. */
function isNoMore(held: Held, before: Held): boolean {
  const counts = ['threads', 'connections', 'streams', 'announced', 'sought', 'files', 'failures'] as const
  return counts.every((name) => held[name] <= before[name])
}

function heldBy(servers: readonly SoakServer[]): Promise<Held[]> {
  return Promise.all(servers.map((server) => server.held()))
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

/** Lines of the level of errors. */
function errorsOf(log: string): string[] {
  return log.split('\n').filter((line) => line.includes('"level":50'))
}
