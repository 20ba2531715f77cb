import { Backup, type BackupOptions } from '../../../src/backup.ts'
import { HttpPool } from '../../../src/http/pool.ts'
import { StError } from '../../../src/st/errors.ts'
import type { Log } from '../../../src/st/log.ts'
import { type SimHost, SimNetwork } from '../../../src/st/sim/network.ts'
import type { SeededRandom } from '../../../src/st/sim/random.ts'
import { Simulation } from '../../../src/st/sim/simulation.ts'
import type { World } from '../../../src/st/world.ts'
import { RecordingLog } from '../../support/world.ts'
import { Violation } from '../violation.ts'
import { type CutterOptions, type Encoder, SEGMENT_MS, startCutter } from './coord-server.ts'
import { type Seen, Watcher } from './coord-viewer.ts'

/** Faults begin and end within this time. */
const BUSY_MS = 60_000
const MOST_FAULTS = 4
/** After the last fault everything is well again within this time. */
const RECOVERY_MS = 20_000
const STEADY_MS = 20_000
/** No two switches are closer: what is configured, less what two coordinators and the watcher see late. */
const HOLD_MS = 6_000
/** There, and perhaps back again. */
const SWITCHES_PER_FAULT = 2
const HOLD_SEEN_MS = 3_000
/** Segments that are listed and not there, for each fault. */
const MOST_MISSING = 3
const GAP_MS = 4 * SEGMENT_MS

const FAULTS = [
  'kill server',
  'stop server',
  'kill coordinator',
  'stop coordinator',
  'crash coordinator',
  'cut peers',
  'cut server',
  'disk full',
  'slow server',
  'encoder restart',
  'switch',
] as const
export type Fault = (typeof FAULTS)[number]

interface Node {
  readonly host: SimHost
  world: World | null
}

interface ServerNode extends Node {
  readonly cutter: CutterOptions
}

interface CoordinatorNode extends Node {
  backup: Backup | null
}

/** What came of a run. */
export interface CoordinatorOutcome {
  readonly violation: Violation | null
  readonly faults: readonly string[]
  readonly segments: number
  readonly switches: number
  /** The longest that a player waited for the next segment to be listed, at either coordinator, ms. */
  readonly longestMs: number
  /** The most of the programme that a player missed at a switch of sides within one life of the encoder, ms. */
  readonly missedMs: number
  /** The longest pause at each coordinator, ms. */
  readonly pausesMs: readonly number[]
  /** How often both have led. */
  readonly conflicts: number
  readonly simulatedMs: number
}

/** Two servers, two coordinators, a watcher of each, and faults: what a seed means is done. */
export function runCoordinators(
  seed: number,
  onLine: ((line: string) => void) | null = null,
  chosen: readonly Fault[] | null = null,
  lastsMs: number | null = null,
): Promise<CoordinatorOutcome> {
  return new CoordinatorRun(seed, onLine, chosen, lastsMs).run()
}

class CoordinatorRun {
  readonly #simulation: Simulation
  readonly #network: SimNetwork
  readonly #random: SeededRandom
  readonly #onLine: ((line: string) => void) | null
  readonly #chosen: readonly Fault[] | null
  /** Of each fault; null: by the seed. */
  readonly #lastsMs: number | null
  readonly #encoder: Encoder = { life: 0, startMs: 0 }
  readonly #servers: ServerNode[] = []
  readonly #coordinators: CoordinatorNode[] = []
  readonly #seen: Seen = { names: new Map(), bodies: new Map() }
  readonly #watchers: Watcher[] = []
  readonly #faults: string[] = []
  #violation: Violation | null = null

  constructor(
    seed: number,
    onLine: ((line: string) => void) | null,
    chosen: readonly Fault[] | null,
    lastsMs: number | null,
  ) {
    this.#lastsMs = lastsMs
    this.#onLine = onLine
    this.#chosen = chosen
    this.#simulation = new Simulation(seed)
    this.#random = this.#simulation.random.fork('backup')
    this.#simulation.watch = () => {
      if (this.#violation) throw this.#violation
    }
    const paths = this.#simulation.random.fork('paths')
    this.#network = new SimNetwork(this.#simulation, () => ({
      latencyMs: paths.between(0.1, 20),
      jitterMs: paths.between(0, 10),
      bytesPerMs: paths.between(1_000, 10_000),
      bufferBytes: 128 * 1024,
      splits: paths.pick([0, 0.1, 0.5]),
    }))
  }

  async run(): Promise<CoordinatorOutcome> {
    try {
      await this.#play()
    } catch (error) {
      if (!(error instanceof Violation)) throw error
      this.#violation = error
    }
    const listed = this.#watchers.flatMap((watcher) => watcher.listed)
    const firstMs = new Map<number, number>()
    for (const { number, atMs } of listed) firstMs.set(number, Math.min(atMs, firstMs.get(number) ?? Infinity))
    const times = [...firstMs.values()].toSorted((a, b) => a - b)
    const shown = this.#watchers[0]?.shown ?? []
    return {
      violation: this.#violation,
      faults: this.#faults,
      segments: listed.length,
      switches: shown.filter((one, index) => index > 0 && shown[index - 1]?.side !== one.side).length,
      longestMs: times.reduce((most, atMs, index) => Math.max(most, atMs - (times[index - 1] ?? atMs)), 0),
      missedMs: this.#watchers.reduce((most, watcher) => Math.max(most, watcher.missedMs), 0),
      pausesMs: this.#watchers.map(({ listed: own }) =>
        own.reduce((most, { atMs }, index) => Math.max(most, atMs - (own[index - 1]?.atMs ?? atMs)), 0),
      ),
      conflicts: Math.max(...this.#coordinators.map(({ backup }) => backup?.coordinator.link.conflicts ?? 0)),
      simulatedMs: this.#simulation.nowMs,
    }
  }

  async #play(): Promise<void> {
    for (const [index, side] of ['one', 'two'].entries()) {
      const host = this.#network.add(side, `10.0.0.${index + 1}`)
      const cutter = {
        side,
        encoder: this.#encoder,
        calls: ['c1', 'c2'],
        delayMs: index * this.#random.between(0, 300),
      }
      const server = { host, cutter, world: null as World | null }
      server.world = await startCutter(host, cutter)
      this.#servers.push(server)
    }
    for (const [index, name] of ['c1', 'c2'].entries()) {
      const host = this.#network.add(name, `10.0.1.${index + 1}`)
      const node = { host, world: null, backup: null }
      this.#coordinators.push(node)
      this.#startCoordinator(node)
    }
    this.#startWatchers()
    await this.#simulation.run(15_000)
    const startMs = this.#simulation.nowMs
    const count = this.#chosen?.length ?? this.#random.below(MOST_FAULTS + 1)
    for (let index = 0; index < count; index++) this.#plan(this.#chosen?.[index] ?? this.#random.pick(FAULTS))
    await this.#simulation.runUntil(startMs + BUSY_MS + RECOVERY_MS)
    const before = this.#watchers.map(({ listed }) => listed.length)
    await this.#simulation.run(STEADY_MS)
    this.#check(before)
    await this.#stop()
  }

  #startCoordinator(node: CoordinatorNode): void {
    const world = node.host.boot(this.#log(node.host.name))
    const [name, other] = node.host.name === 'c1' ? ['c1', 'c2'] : ['c2', 'c1']
    const options: BackupOptions = {
      name,
      priority: name === 'c1' ? 1 : 2,
      peer: new URL(`http://${other}:8091/`),
      dir: '/copies',
      sides: ['one', 'two'].map((side, index) => ({
        name: side,
        http: new URL(`http://${side}:8080/`),
        dir: '',
        priority: index + 1,
      })),
      window: 6,
      late: 1.75,
      holdMs: HOLD_MS,
      heartbeatMs: 500,
      peerTimeoutMs: 2_000,
      fetchTimeoutMs: 1_500,
      maxSegmentBytes: 1024 * 1024,
      maxStreams: 10,
      disposeMs: 60_000,
      players: [{ host: '', port: 8090 }],
      control: [{ host: '', port: 8091 }],
      maxConnections: 1_000,
    }
    node.world = world
    const backup = new Backup(world, options, '1')
    node.backup = backup
    world.spawn('start', (thread) => backup.start(thread))
  }

  #startWatchers(): void {
    for (const { host } of this.#coordinators) {
      const watcher = new Watcher(host.name, this.#seen, (violation) => {
        this.#violation ??= violation
      })
      this.#watchers.push(watcher)
      const world = this.#network
        .add(`viewer of ${host.name}`, `10.0.2.${this.#watchers.length}`)
        .boot(this.#log('viewer'))
      world.spawn('watcher', (thread) => watcher.run(thread, new HttpPool(world)))
    }
  }

  /** Something goes wrong at some time, and is well again some time later. */
  #plan(fault: Fault): void {
    const atMs = this.#random.between(0, BUSY_MS * 0.7)
    const lastsMs = this.#lastsMs ?? this.#random.pick([1_000, 3_000, 5_000, 10_000, 15_000])
    const which = this.#random.below(2)
    const what = `${fault} ${which + 1} at ${Math.round(15_000 + atMs)} for ${lastsMs}`
    this.#faults.push(what)
    this.#simulation.after(atMs, () => {
      this.#onLine?.(`${Math.round(this.#simulation.nowMs)} ${what}`)
      this.#begin(fault, which, lastsMs)
    })
  }

  #begin(fault: Fault, which: number, lastsMs: number): void {
    const server = this.#servers[which] as ServerNode
    const coordinator = this.#coordinators[which] as CoordinatorNode
    const [one, other] = this.#coordinators.map(({ host }) => host) as [SimHost, SimHost]
    const end = (work: () => void): void => void this.#simulation.after(lastsMs, work)
    if (fault === 'kill server') {
      server.host.crash('process')
      end(() => void startCutter(server.host, server.cutter))
    } else if (fault === 'stop server') server.host.life?.stall(lastsMs)
    else if (fault === 'kill coordinator' || fault === 'crash coordinator') {
      coordinator.host.crash(fault === 'kill coordinator' ? 'process' : 'machine')
      end(() => this.#startCoordinator(coordinator))
    } else if (fault === 'stop coordinator') coordinator.host.life?.stall(lastsMs)
    else if (fault === 'cut peers') {
      this.#network.cut(one, other)
      end(() => this.#network.heal(one, other))
    } else if (fault === 'cut server') {
      this.#network.cut(coordinator.host, server.host)
      end(() => this.#network.heal(coordinator.host, server.host))
    } else if (fault === 'disk full') {
      coordinator.host.disk.isFull = true
      end(() => {
        coordinator.host.disk.isFull = false
      })
    } else if (fault === 'slow server') {
      const before = server.cutter.delayMs
      server.cutter.delayMs = 3_000
      end(() => {
        server.cutter.delayMs = before
      })
    } else if (fault === 'encoder restart') this.#restartEncoder(lastsMs)
    else this.#switch(which)
  }

  #restartEncoder(lastsMs: number): void {
    this.#encoder.life++
    this.#encoder.startMs = this.#simulation.nowMs + Math.min(lastsMs, 3_000)
  }

  #switch(which: number): void {
    const { world } = this.#coordinators[this.#random.below(2)] ?? {}
    world?.spawn('switch', async (thread) => {
      const pool = new HttpPool(world)
      const side = which === 0 ? 'one' : 'two'
      const url = new URL(
        `http://${thread.world === this.#coordinators[0]?.world ? 'c1' : 'c2'}:8091/api/v1/backups?side=${side}`,
      )
      try {
        await pool.request(thread, { method: 'POST', url, headers: {}, body: '' }, 2_000)
      } catch (error) {
        if (!(error instanceof StError)) throw error
      }
    })
  }

  #check(before: readonly number[]): void {
    for (const [index, watcher] of this.#watchers.entries()) {
      const added = watcher.listed.length - (before[index] ?? 0)
      if (added < STEADY_MS / SEGMENT_MS - 2) {
        throw new Violation('recovery', `${watcher.coordinator} lists ${added} segments in ${STEADY_MS} ms`)
      }
      const late = watcher.listed
        .slice(before[index])
        .find((one, at, all) => one.atMs - (all[at - 1] ?? one).atMs > GAP_MS)
      if (late) throw new Violation('recovery', `${watcher.coordinator} pauses before ${late.number}`)
      this.#checkSwitches(watcher)
    }
    this.#checkAgreement()
    for (const { coordinator, missing, listed } of this.#watchers) {
      // Who lists a segment that only the other one had, which has gone, cannot give it.
      const most = this.#faults.length * MOST_MISSING
      if (missing > most) throw new Violation('missing', `${coordinator} lists ${missing} of ${listed.length} in vain`)
    }
    for (const { world, host } of this.#coordinators) {
      if (world && world.failures > 0) throw new Violation('failure', `a thread of ${host.name} failed`)
    }
  }

  /** By hand it may be sooner. */
  #checkSwitches({ shown, coordinator }: Watcher): void {
    if (this.#faults.some((fault) => fault.startsWith('switch'))) return
    const switches = shown.filter((one, index) => index > 0 && shown[index - 1]?.side !== one.side).length
    const most = SWITCHES_PER_FAULT * this.#faults.length
    if (switches > most) throw new Violation('flapping', `${coordinator} has switched ${switches} times`)
    // Who has just begun again shows all at once what the other one has shown one after the other.
    const seenMs = new Map<number, number>()
    for (const one of this.#watchers.flatMap((watcher) => watcher.shown)) {
      seenMs.set(one.number, Math.min(one.atMs, seenMs.get(one.number) ?? Infinity))
    }
    let lastMs = -Infinity
    for (const [index, { number, side }] of shown.entries()) {
      if (index === 0 || shown[index - 1]?.side === side) continue
      const atMs = seenMs.get(number) ?? 0
      if (atMs - lastMs < HOLD_SEEN_MS) {
        throw new Violation('flapping', `${coordinator} switches at ${lastMs} and ${atMs}`)
      }
      lastMs = atMs
    }
  }

  /** While they see each other there is one order; when they have not, there is one again in the end. */
  #checkAgreement(): void {
    const isCut = this.#faults.some((fault) => fault.startsWith('cut peers'))
    const fromMs = isCut ? this.#simulation.nowMs - STEADY_MS : 0
    const [one, two] = this.#watchers.map(
      ({ listed }) => new Map(listed.filter(({ atMs }) => atMs >= fromMs).map(({ number, path }) => [number, path])),
    )
    for (const [number, path] of one ?? []) {
      const other = two?.get(number) ?? path
      if (other !== path) throw new Violation('order', `${number} is ${path} and ${other}`)
    }
    const lasts = this.#watchers.map(({ listed }) => listed.at(-1)?.number ?? 0)
    if (Math.abs((lasts[0] ?? 0) - (lasts[1] ?? 0)) > 1)
      throw new Violation('order', `they end with ${lasts.join(' and ')}`)
  }

  async #stop(): Promise<void> {
    for (const { backup, world } of this.#coordinators) world?.spawn('stop', async (thread) => backup?.stop(thread))
    await this.#simulation.run(20_000)
    for (const { host, world } of this.#coordinators) {
      const left = [...(world?.threads ?? [])].map(({ name }) => name).filter((name) => name !== 'switch')
      if (left.length > 0) throw new Violation('threads', `${host.name} has left ${left.join(' ')}`)
      if (host.disk.openFiles > 0) throw new Violation('files', `${host.name} has ${host.disk.openFiles} files open`)
    }
  }

  #log(name: string): Log {
    const log = new RecordingLog()
    if (!this.#onLine) return log
    const say = (level: string) => (fields: object, text: string) =>
      this.#onLine?.(`${Math.round(this.#simulation.nowMs)} ${name} ${level} ${text} ${JSON.stringify(fields, errors)}`)
    return { debug: () => {}, info: say('info'), warn: say('warn'), error: say('error') }
  }
}

function errors(_key: string, value: unknown): unknown {
  return value instanceof Error ? value.stack : value
}
