import { loadConfig } from '../../../src/control/config.ts'
import { makeIdentity } from '../../../src/control/identity.ts'
import { House } from '../../../src/house.ts'
import type { Log } from '../../../src/st/log.ts'
import { type CrashKind, type SimHost, SimNetwork } from '../../../src/st/sim/network.ts'
import type { SeededRandom } from '../../../src/st/sim/random.ts'
import { Simulation } from '../../../src/st/sim/simulation.ts'
import type { Thread } from '../../../src/st/thread.ts'
import type { World } from '../../../src/st/world.ts'
import { Violation } from '../violation.ts'

// Machines in front of which a proxy stands, clients of the proxy, and faults, in the simulated world.

/** Faults come until then. */
export const BUSY_MS = 20_000
const LONGEST_FAULT_MS = 15_000
const MOST_FAULTS = 5
/** What one read brings, and what may wait unread beside it. */
const MOST_PENDING_BYTES = 512 * 1024
const SLOW = { bytesPerMs: 4, latencyMs: 100, bufferBytes: 64 * 1024 }
const STOP_MS = 30_000

/** What came of a run. */
export interface ProxyOutcome {
  readonly violation: Violation | null
  readonly faults: number
  readonly frames: number
  readonly simulatedMs: number
}

/** What runs on a machine. */
export interface Running {
  stop(thread: Thread): Promise<void>
}

/** A machine and the program that it has, over its crashes. */
export interface Machine {
  readonly host: SimHost
  readonly boot: (world: World) => Promise<Running>
  world: World | null
  running: Running | null
}

/** One of these a run has not: where both meet, the simulated kernel has no timers that would give a connection up. */
const EITHER = ['partition', 'machine crash'] as const
const FAULTS = ['partition', 'partition', 'reset', 'stall', 'process crash', 'process crash', 'machine crash'] as const

/** The surroundings of one run. */
export class ProxyStage {
  readonly simulation: Simulation
  readonly random: SeededRandom
  readonly network: SimNetwork
  readonly #onLine: ((line: string) => void) | null
  readonly #machines: Machine[] = []
  /** Clients whose connections are slow. */
  readonly #slow = new Set<string>()
  #clients = 0
  #violation: Violation | null = null
  faults = 0
  /** Whether machines may have gone in silence. */
  hasMachineCrash = false

  constructor(seed: number, onLine: ((line: string) => void) | null) {
    this.#onLine = onLine
    this.simulation = new Simulation(seed)
    this.random = this.simulation.random.fork('proxies')
    this.simulation.watch = () => {
      if (this.#violation) throw this.#violation
    }
    const paths = this.simulation.random.fork('paths')
    this.network = new SimNetwork(this.simulation, (from, to) => ({
      latencyMs: paths.between(0.1, 40),
      jitterMs: paths.between(0, 10),
      bytesPerMs: paths.between(1_000, 10_000),
      bufferBytes: 128 * 1024,
      splits: paths.pick([0, 0.1, 0.5]),
      ...(this.#slow.has(from.name) || this.#slow.has(to.name) ? SLOW : {}),
    }))
  }

  /** Lets the run begin and end. @returns what came of it */
  async outcome(play: () => Promise<void>, frames: () => number): Promise<ProxyOutcome> {
    try {
      await play()
    } catch (error) {
      if (!(error instanceof Violation)) throw error
      this.#violation = error
    }
    return {
      violation: this.#violation,
      faults: this.faults,
      frames: frames(),
      simulatedMs: this.simulation.nowMs,
    }
  }

  /** Something was seen that must not be; the run ends. */
  report(violation: Violation): void {
    this.#violation ??= violation
  }

  /** Adds a machine and starts its program. */
  async machine(name: string, boot: Machine['boot']): Promise<Machine> {
    const host = this.network.add(name, `10.0.0.${this.#machines.length + 1}`)
    const machine: Machine = { host, boot, world: null, running: null }
    this.#machines.push(machine)
    await this.#start(machine)
    return machine
  }

  async #start(machine: Machine): Promise<void> {
    const world = machine.host.boot(this.#log(machine.host.name))
    machine.world = world
    machine.running = await machine.boot(world)
  }

  /** Starts a program that connects to others. */
  client(name: string, body: (thread: Thread) => Promise<void>, isSlow = false): void {
    const host = this.network.add(name, `10.1.0.${++this.#clients}`)
    if (isSlow) this.#slow.add(name)
    host.boot(this.#log(name)).spawn(name, async (thread) => {
      try {
        await body(thread)
      } catch (error) {
        if (!(error instanceof Violation)) throw error
        this.report(error)
      }
    })
  }

  /** What is to go wrong within the next while. @param struck whose programs and machines are */
  planFaults(front: Machine, behind: readonly Machine[], struck: readonly Machine[]): void {
    const left = this.random.pick(EITHER)
    const kinds = FAULTS.filter((what) => what !== left)
    this.hasMachineCrash = left === 'partition'
    this.faults = this.random.below(MOST_FAULTS + 1)
    for (let count = this.faults; count > 0; count--) {
      const what = this.random.pick(kinds)
      const atMs = this.random.between(0, BUSY_MS * 0.9)
      const forMs = Math.min(this.random.between(100, what === 'stall' ? 5_000 : LONGEST_FAULT_MS), BUSY_MS - atMs)
      const machine = this.random.pick(struck)
      const server = machine === front ? this.random.pick(behind) : machine
      this.simulation.after(atMs, () => {
        this.#line(
          `fault: ${what} of ${what === 'partition' || what === 'reset' ? server.host.name : machine.host.name}`,
        )
        this.#strike(what, forMs, machine, front, server)
      })
    }
  }

  #strike(what: (typeof FAULTS)[number], forMs: number, machine: Machine, front: Machine, server: Machine): void {
    if (what === 'partition') {
      this.network.cut(front.host, server.host)
      this.simulation.after(forMs, () => this.network.heal(front.host, server.host))
    } else if (what === 'reset') {
      for (const pipe of front.host.pipes) if (pipe.remote.host === server.host.address) pipe.sever()
    } else if (what === 'stall') machine.host.life?.stall(forMs)
    else this.#crash(machine, what === 'process crash' ? 'process' : 'machine', forMs)
  }

  #crash(machine: Machine, kind: CrashKind, forMs: number): void {
    machine.host.crash(kind)
    machine.running = null
    machine.world = null
    this.simulation.after(forMs, () => {
      if (!machine.world) void this.#start(machine)
    })
  }

  /** Ends a program: nothing of it may be left, and nothing may have piled up in it. */
  async close(machine: Machine): Promise<void> {
    const { host, world, running } = machine
    if (!world || !running) throw new Error(`${host.name} is not there`)
    const stopping = { isOver: false }
    world.spawn('stop', async (thread) => {
      await running.stop(thread)
      stopping.isOver = true
    })
    await this.simulation.run(STOP_MS)
    if (!stopping.isOver) throw new Violation('stop', `${host.name} has not stopped`)
    const left = [...world.threads].map(({ name }) => name)
    if (left.length > 0) throw new Violation('stop', `threads are left at ${host.name}: ${left.join()}`)
    if (host.pipes.size > 0) throw new Violation('leak', `${host.pipes.size} sockets are left at ${host.name}`)
    if (host.mostPendingBytes > MOST_PENDING_BYTES) {
      throw new Violation('pressure', `${host.mostPendingBytes} bytes waited in ${host.name}`)
    }
  }

  #log(name: string): Log {
    const put = (level: string, fields: object, text: string): void => {
      const shown = JSON.stringify(fields, (_key, value: unknown) => (value instanceof Error ? value.stack : value))
      this.#line(`${name} ${level} ${text} ${shown}`)
      if (level === 'error') this.report(new Violation('failure', `${name}: ${text} ${shown}`))
    }
    return {
      debug: (fields, text) => put('debug', fields, text),
      info: (fields, text) => put('info', fields, text),
      warn: (fields, text) => put('warn', fields, text),
      error: (fields, text) => put('error', fields, text),
    }
  }

  #line(text: string): void {
    this.#onLine?.(`${this.simulation.nowMs.toFixed(3)} ${text}`)
  }
}

/** A server with RTMP and HTTP-FLV. */
export async function openHouse(world: World, name: string, waitPublisherS: number): Promise<House> {
  const conf = `listen 1935;
http_server { enabled on; listen 8080; }
stats { enabled off; }
circuit_breaker { enabled off; }
vhost __defaultVhost__ { min_latency on; http_remux { enabled on; wait_publisher ${waitPublisherS}; } }
`
  const load = (): ReturnType<typeof loadConfig> => loadConfig({ file: 'sim.conf', readFile: () => conf, env: {} })
  const house = new House({
    world,
    config: load(),
    identity: makeIdentity(world, `vid-${name}`),
    version: 'sim',
    page: new Map(),
    load,
    onReload: () => {},
  })
  await house.open()
  return house
}
