import { loadConfig } from '../../../src/control/config.ts'
import { makeIdentity } from '../../../src/control/identity.ts'
import { House } from '../../../src/house.ts'
import type { Log } from '../../../src/st/log.ts'
import { type SimHost, SimNetwork } from '../../../src/st/sim/network.ts'
import type { SeededRandom } from '../../../src/st/sim/random.ts'
import { Simulation } from '../../../src/st/sim/simulation.ts'
import type { Thread } from '../../../src/st/thread.ts'
import { Violation } from '../violation.ts'
import { AtcCheck } from './atc-check.ts'
import { Film, sendFilm } from './atc-encoder.ts'
import type { BackupOutcome } from './outcome.ts'

const FILM_MS = 75_000
/** Faults come until then; afterwards both have time to go on. */
const BUSY_MS = 45_000
const MOST_FAULTS = 6
/** The end of the newest segments may differ by the way to the server. */
const BEHIND_NUMBERS = 3
const SERVERS = ['s1', 's2'] as const
/**
 * A run has one of these and not the other. Where both meet, what a server closed behind the partition is forgotten with
 * its machine, and the simulated kernel at the other end has no timers that would give the connection up.
 */
const EITHER = ['partition', 'machine crash'] as const
const FAULTS = ['process crash', 'machine crash', 'stall', 'reset', 'partition'] as const

/** One of the two, over its crashes. */
interface Node {
  readonly host: SimHost
  house: House | null
}

/** One encoder, two servers, which look at nothing but its time, and a player of a mix of both. */
export function runAtc(seed: number, onLine: ((line: string) => void) | null = null): Promise<BackupOutcome> {
  return new AtcRun(seed, onLine).run()
}

class AtcRun {
  readonly #simulation: Simulation
  readonly #network: SimNetwork
  readonly #random: SeededRandom
  readonly #onLine: ((line: string) => void) | null
  readonly #nodes: Node[] = []
  readonly #conf: string
  readonly #film: Film
  readonly #check: AtcCheck
  /** Nothing happens to the first server: then a player misses nothing. */
  readonly #isOneWell: boolean
  #violation: Violation | null = null

  constructor(seed: number, onLine: ((line: string) => void) | null) {
    this.#onLine = onLine
    this.#simulation = new Simulation(seed)
    this.#random = this.#simulation.random.fork('atc')
    this.#simulation.watch = () => {
      if (this.#violation) throw this.#violation
    }
    const paths = this.#simulation.random.fork('paths')
    this.#network = new SimNetwork(this.#simulation, () => ({
      latencyMs: paths.between(0.1, 60),
      jitterMs: paths.between(0, 20),
      bytesPerMs: paths.between(1_000, 10_000),
      bufferBytes: 128 * 1024,
      splits: paths.pick([0, 0.1, 0.5]),
    }))
    this.#isOneWell = this.#random.chance(0.5)
    const form = this.#random.chance(0.5) ? 'hls_use_fmp4 on;' : ''
    this.#conf = `listen 1935;
http_server { enabled on; listen 8080; }
http_api { enabled on; listen 1985; }
stats { enabled off; }
circuit_breaker { enabled off; }
vhost __defaultVhost__ { play { atc on; } http_remux { enabled on; wait_publisher 0; }
  hls { enabled on; hls_fragment ${this.#random.pick(['1', '2'])}; hls_window 20; hls_ctx off; ${form} } }
`
    const clock = this.#network.add('clock', '10.3.0.1').boot(this.#log('clock')).clock
    this.#film = new Film(seed, this.#random.fork('film'), clock.wallMs(), FILM_MS)
    this.#check = new AtcCheck(this.#film)
  }

  async run(): Promise<BackupOutcome> {
    try {
      await this.#play()
    } catch (error) {
      if (!(error instanceof Violation)) throw error
      this.#violation = error
    }
    const { segments, shared, played, skips } = this.#check
    const counts = { segments, 'on both': shared, played, 'left out by the player': skips }
    return { violation: this.#violation, simulatedMs: this.#simulation.nowMs, counts }
  }

  async #play(): Promise<void> {
    for (const [index, name] of SERVERS.entries()) {
      this.#nodes.push({ host: this.#network.add(name, `10.0.0.${index + 1}`), house: null })
    }
    await this.#start(this.#nodes[0])
    // Whenever it was started.
    const lateMs = this.#random.between(0, 15_000)
    this.#simulation.after(lateMs, () => void this.#start(this.#nodes[1]))
    for (const [index, name] of SERVERS.entries()) {
      this.#program(`encoder to ${name}`, `10.1.0.${index + 1}`, (thread, random) =>
        sendFilm(thread, name, this.#film, random),
      )
      this.#program(`auditor of ${name}`, `10.2.0.${index + 1}`, (thread) => this.#check.audit(thread, name, FILM_MS))
    }
    this.#program('player', '10.2.0.9', (thread, random) => this.#check.play(thread, SERVERS, random, FILM_MS))
    const left = this.#random.pick(EITHER)
    const faults = FAULTS.filter((what) => what !== left)
    for (let count = this.#random.below(MOST_FAULTS + 1); count > 0; count--) {
      this.#planFault(this.#random.pick(faults), lateMs)
    }
    await this.#simulation.runUntil(FILM_MS - 500)
    this.#checkEnd()
  }

  async #start(node: Node | undefined): Promise<void> {
    if (!node || node.house) return
    const world = node.host.boot(this.#log(node.host.name))
    const load = (): ReturnType<typeof loadConfig> =>
      loadConfig({ file: 'sim.conf', readFile: () => this.#conf, env: {} })
    const identity = makeIdentity(world, `vid-${node.host.name}`)
    node.house = new House({
      world,
      config: load(),
      identity,
      version: 'sim',
      page: new Map(),
      load,
      onReload: () => {},
    })
    await node.house.open()
  }

  #planFault(what: (typeof FAULTS)[number], fromMs: number): void {
    const node = this.#nodes[this.#isOneWell ? 1 : this.#random.below(2)]
    const atMs = this.#random.between(fromMs + 1_000, BUSY_MS)
    const forMs = Math.min(this.#random.between(100, what === 'stall' ? 3_000 : 8_000), BUSY_MS - atMs)
    if (!node) return
    this.#simulation.after(atMs, () => {
      this.#line(`fault: ${what} of ${node.host.name} for ${Math.round(forMs)} ms`)
      this.#strike(node, what, forMs)
    })
  }

  #strike(node: Node, what: (typeof FAULTS)[number], forMs: number): void {
    const { host } = node
    if (what === 'stall') host.life?.stall(forMs)
    else if (what === 'reset') for (const pipe of host.pipes) pipe.sever()
    else if (what === 'partition') {
      const encoder = this.#network.find(`encoder to ${host.name}`)
      if (!encoder) return
      this.#network.cut(host, encoder)
      this.#simulation.after(forMs, () => this.#network.heal(host, encoder))
    } else {
      if (!node.house) return
      host.crash(what === 'process crash' ? 'process' : 'machine')
      node.house = null
      this.#simulation.after(forMs, () => void this.#start(node))
    }
  }

  #checkEnd(): void {
    const newest = SERVERS.map((name) => this.#check.newest.get(name) ?? -1)
    const apart = Math.abs((newest[0] ?? -1) - (newest[1] ?? -1))
    if (apart > BEHIND_NUMBERS) throw new Violation('goes on', `the newest segments are ${newest.join(' and ')}`)
    if (this.#isOneWell && !this.#film.hasPause && this.#check.skips > 0) {
      throw new Violation('plays on', `the player left out ${this.#check.skips} segments, and one server was well`)
    }
    if (this.#check.played === 0) throw new Violation('plays', 'nothing was played')
  }

  #program(name: string, address: string, body: (thread: Thread, random: SeededRandom) => Promise<void>): void {
    const world = this.#network.add(name, address).boot(this.#log(name))
    const random = this.#random.fork(name)
    world.spawn(name, async (thread) => {
      try {
        await body(thread, random)
      } catch (error) {
        this.#violation ??= error instanceof Violation ? error : new Violation('failure', `${name}: ${String(error)}`)
      }
    })
  }

  #log(name: string): Log {
    const put = (level: string, fields: object, text: string): void => {
      const shown = JSON.stringify(fields, (_key, value: unknown) => (value instanceof Error ? value.stack : value))
      this.#line(`${name} ${level} ${text} ${shown}`)
      if (level === 'error') this.#violation ??= new Violation('failure', `${name}: ${text} ${shown}`)
    }
    return {
      debug: (fields, text) => put('debug', fields, text),
      info: (fields, text) => put('info', fields, text),
      warn: (fields, text) => put('warn', fields, text),
      error: (fields, text) => put('error', fields, text),
    }
  }

  #line(text: string): void {
    this.#onLine?.(`${this.#simulation.nowMs.toFixed(3)} ${text}`)
  }
}
