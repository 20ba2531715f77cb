import { loadConfig } from '../../../src/control/config.ts'
import { makeIdentity } from '../../../src/control/identity.ts'
import { House } from '../../../src/house.ts'
import type { Log } from '../../../src/st/log.ts'
import { type SimHost, SimNetwork } from '../../../src/st/sim/network.ts'
import type { SeededRandom } from '../../../src/st/sim/random.ts'
import { Simulation } from '../../../src/st/sim/simulation.ts'
import type { Thread } from '../../../src/st/thread.ts'
import type { World } from '../../../src/st/world.ts'
import { Violation } from '../violation.ts'
import { type LiveStream, playFrom, type PlayPlan, publishTo, type Seen } from './peers.ts'

const STREAMS = 3
const PLAYERS = 6
const MOST_FAULTS = 6
/** Faults come until then. */
const BUSY_MS = 30_000
/** Within this time every player plays again. */
const RECOVERY_MS = 45_000
const STEADY_MS = 20_000
const SILENCE_MS = 4_000
/** Until all that clients left has ended; where a peer is silently gone, until its kernel gives up. */
const LAST_MS = 60_000
const LAST_AFTER_MACHINE_CRASH_MS = 900_000

/**
 * A run has one of these and not the other. Where both meet, what a server closed behind the partition is forgotten with
 * its machine, and the simulated kernel at the other end has no timers that would give the connection up.
 */
const EITHER = ['partition', 'machine crash'] as const
const FAULTS = ['partition', 'partition', 'reset', 'stall', 'process crash', 'machine crash'] as const
const ORIGINS = ['o1', 'o2']
const EDGES = ['e1', 'e2']

/** What came of a run. */
export interface EdgeOutcome {
  readonly violation: Violation | null
  readonly frames: number
  readonly pulls: number
  readonly simulatedMs: number
}

/** A server of the cluster, over its crashes. */
interface Node {
  readonly host: SimHost
  readonly conf: string
  house: House | null
  world: World | null
  idle: string
}

/** Two origins, two edges, publishers at all of them, players at the edges, and faults: what a seed means is done. */
export async function runEdges(seed: number, onLine: ((line: string) => void) | null = null): Promise<EdgeOutcome> {
  return new EdgeRun(seed, onLine).run()
}

class EdgeRun {
  readonly #simulation: Simulation
  readonly #network: SimNetwork
  readonly #random: SeededRandom
  readonly #onLine: ((line: string) => void) | null
  readonly #nodes: Node[] = []
  readonly #streams = new Map<string, LiveStream>()
  /** Streams that are published on an edge. */
  readonly #relayed = new Set<string>()
  readonly #players: { plan: PlayPlan; name: string; seen: Seen }[] = []
  #violation: Violation | null = null
  #pulls = 0

  constructor(seed: number, onLine: ((line: string) => void) | null) {
    this.#onLine = onLine
    this.#simulation = new Simulation(seed)
    this.#random = this.#simulation.random.fork('edges')
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
  }

  async run(): Promise<EdgeOutcome> {
    try {
      await this.#play()
    } catch (error) {
      if (!(error instanceof Violation)) throw error
      this.#violation = error
    }
    const frames = this.#players.reduce((sum, { seen }) => sum + seen.frames, 0)
    return { violation: this.#violation, frames, pulls: this.#pulls, simulatedMs: this.#simulation.nowMs }
  }

  async #play(): Promise<void> {
    await this.#startNodes()
    await this.#simulation.run(3_000)
    for (const node of this.#nodes) node.idle = threadsOf(node)
    const endMs = this.#simulation.nowMs + BUSY_MS + RECOVERY_MS
    this.#startPublishers(endMs)
    this.#startPlayers(endMs)
    const left = this.#random.pick(EITHER)
    const faults = FAULTS.filter((what) => what !== left)
    for (let count = this.#random.below(MOST_FAULTS + 1); count > 0; count--) this.#planFault(this.#random.pick(faults))
    const hasMachineCrash = left === 'partition'
    await this.#simulation.runUntil(endMs - 1_000)
    this.#checkRecovery()
    await this.#simulation.run(hasMachineCrash ? LAST_AFTER_MACHINE_CRASH_MS : LAST_MS)
    this.#checkIdle()
    await this.#stop()
  }

  async #startNodes(): Promise<void> {
    const random = this.#random
    for (const [index, name] of ORIGINS.entries()) this.#addNode(name, `10.0.0.${index + 1}`, 'cluster { mode local; }')
    for (const [index, name] of EDGES.entries()) {
      // Streams that are published on an edge go to an origin over RTMP: its address is the same.
      const protocol = name === 'e2' && random.chance(0.5) ? 'flv' : 'rtmp'
      const origins = ORIGINS.map((origin) => (protocol === 'flv' ? `${origin}:8080` : origin))
      const order = random.chance(0.5) ? origins : origins.toReversed()
      const block = `cluster { mode remote; origin ${order.join(' ')}; protocol ${protocol}; origin_timeout 2s;
        linger ${random.pick(['0s', '100ms', '1s', '3s'])}; balance ${random.pick(['round_robin', 'hash'])};
        outage ${random.pick(['3s', '10s', '60s'])}; publish_retry 5s; }`
      this.#addNode(name, `10.0.1.${index + 1}`, block)
    }
    for (const node of this.#nodes) await this.#start(node)
  }

  #addNode(name: string, address: string, cluster: string): void {
    const host = this.#network.add(name, address)
    const conf = `listen 1935;
http_server { enabled on; listen 8080; }
http_api { enabled on; listen 1985; }
stats { enabled off; }
circuit_breaker { enabled off; }
vhost __defaultVhost__ { min_latency on; http_remux { enabled on; wait_publisher 10; } ${cluster} }
`
    this.#nodes.push({ host, conf, house: null, world: null, idle: '' })
  }

  async #start(node: Node): Promise<void> {
    const world = node.host.boot(this.#log(node.host.name))
    const load = (): ReturnType<typeof loadConfig> =>
      loadConfig({ file: 'sim.conf', readFile: () => node.conf, env: {} })
    node.world = world
    node.house = new House({
      world,
      config: load(),
      identity: makeIdentity(world, `vid-${node.host.name}`),
      version: 'sim',
      page: new Map(),
      load,
      onReload: () => {},
    })
    await node.house.open()
  }

  #startPublishers(endMs: number): void {
    for (let index = 0; index < STREAMS; index++) {
      const stream = `s${index}`
      const live: LiveStream = { sinceMs: null, publishes: 0 }
      this.#streams.set(stream, live)
      const at = this.#random.pick([...ORIGINS, 'e1'])
      if (EDGES.includes(at)) this.#relayed.add(stream)
      const random = this.#random.fork(`publisher ${index}`)
      this.#program(`pub${index}`, `10.1.0.${index + 1}`, (thread) =>
        publishTo(thread, at, stream, live, endMs, random),
      )
    }
  }

  #startPlayers(endMs: number): void {
    for (let index = 0; index < PLAYERS; index++) {
      const name = `play${index}`
      const stream = `s${this.#random.below(STREAMS)}`
      const plan: PlayPlan = {
        host: this.#random.pick(EDGES),
        stream,
        mayRepeat: this.#relayed.has(stream),
        protocol: this.#random.pick(['rtmp', 'flv'] as const),
        playMs: this.#random.pick([0, 0, 0, 50, 500, 10_000]),
        pauseMs: this.#random.pick([20, 200, 4_000]),
      }
      const seen: Seen = { lastFrameMs: 0, frames: 0 }
      this.#players.push({ plan, name, seen })
      const random = this.#random.fork(name)
      this.#program(name, `10.2.0.${index + 1}`, (thread) => playFrom(thread, plan, endMs, seen, random))
    }
  }

  #program(name: string, address: string, body: (thread: Thread) => Promise<void>): void {
    const world = this.#network.add(name, address).boot(this.#log(name))
    world.spawn(name, async (thread) => {
      try {
        await body(thread)
      } catch (error) {
        if (!(error instanceof Violation)) throw error
        this.#violation ??= error
      }
    })
  }

  #planFault(what: (typeof FAULTS)[number]): void {
    const atMs = this.#random.between(0, BUSY_MS * 0.9)
    const forMs = Math.min(this.#random.between(100, what === 'stall' ? 6_000 : 20_000), BUSY_MS - atMs)
    const node = this.#random.pick(this.#nodes)
    const origin = this.#random.pick(this.#nodes.slice(0, ORIGINS.length))
    const edge = this.#random.pick(this.#nodes.slice(ORIGINS.length))
    this.#simulation.after(atMs, () => {
      this.#line(
        `fault: ${what} at ${what === 'partition' || what === 'reset' ? `${origin.host.name} ${edge.host.name}` : node.host.name}`,
      )
      this.#strike(what, forMs, node, origin, edge)
    })
  }

  #strike(what: (typeof FAULTS)[number], forMs: number, node: Node, origin: Node, edge: Node): void {
    switch (what) {
      case 'partition':
        this.#network.cut(origin.host, edge.host)
        this.#simulation.after(forMs, () => this.#network.heal(origin.host, edge.host))
        break
      case 'reset':
        for (const pipe of edge.host.pipes) if (pipe.remote.host === origin.host.address) pipe.sever()
        break
      case 'stall':
        node.host.life?.stall(forMs)
        break
      case 'process crash':
      case 'machine crash':
      default:
        node.host.crash(what === 'process crash' ? 'process' : 'machine')
        node.house = null
        node.world = null
        this.#simulation.after(forMs, () => {
          if (!node.house) void this.#start(node)
        })
    }
  }

  #checkRecovery(): void {
    const { nowMs } = this.#simulation
    for (const { plan, name, seen } of this.#players) {
      const sinceMs = this.#streams.get(plan.stream)?.sinceMs ?? null
      if (plan.playMs > 0 || sinceMs === null || nowMs - sinceMs < STEADY_MS) continue
      if (nowMs - seen.lastFrameMs <= SILENCE_MS) continue
      const since = Math.round(nowMs - seen.lastFrameMs)
      throw new Violation('recovery', `${name} has got nothing of ${plan.stream} at ${plan.host} for ${since} ms`)
    }
    for (const { host, world } of this.#nodes.slice(ORIGINS.length)) {
      const pulls = [...(world?.threads ?? [])].filter(({ name }) => name === 'edge-pull').length
      if (pulls > STREAMS) throw new Violation('once', `${pulls} pulls of ${STREAMS} streams at ${host.name}`)
    }
  }

  #checkIdle(): void {
    for (const node of this.#nodes) {
      const { host, house, idle } = node
      if (!house) throw new Error(`${host.name} is not there`)
      if (house.connections > 0)
        throw new Violation('leak', `${house.connections} connections are left at ${host.name}`)
      if (house.streams > 0) throw new Violation('leak', `${house.streams} streams are left at ${host.name}`)
      if (host.pipes.size > 0) throw new Violation('leak', `${host.pipes.size} sockets are left at ${host.name}`)
      const now = threadsOf(node)
      if (now !== idle) throw new Violation('leak', `threads at ${host.name}: ${now}; before: ${idle}`)
    }
  }

  async #stop(): Promise<void> {
    const stopped = new Set<Node>()
    for (const node of this.#nodes) {
      node.world?.spawn('stop', async (thread) => {
        await node.house?.close(thread)
        stopped.add(node)
      })
    }
    await this.#simulation.run(30_000)
    for (const node of this.#nodes) {
      if (!stopped.has(node)) throw new Violation('stop', `${node.host.name} has not stopped`)
      const left = threadsOf(node)
      if (left !== '') throw new Violation('stop', `threads are left at ${node.host.name}: ${left}`)
    }
  }

  #log(name: string): Log {
    const put = (level: string, fields: object, text: string): void => {
      const shown = JSON.stringify(fields, (_key, value: unknown) => (value instanceof Error ? value.stack : value))
      this.#line(`${name} ${level} ${text} ${shown}`)
      if (text === 'pulling') this.#pulls++
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

function threadsOf({ world }: Node): string {
  return [...(world?.threads ?? [])]
    .map(({ name }) => name)
    .toSorted()
    .join()
}
