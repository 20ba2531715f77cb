/** Several processes as one server: what each of them is, and how the parts of a house are put together then. */
import type { EdgeParts } from './cluster/edge/parts.ts'
import type { EdgeOptions } from './cluster/edge/options.ts'
import { EdgeLine } from './cluster/cores/edge-line.ts'
import { passToOrigin } from './cluster/cores/http-pass.ts'
import { InnerPort } from './cluster/cores/inner-port.ts'
import { preface } from './cluster/cores/preface.ts'
import type { ProcessWord } from './cluster/cores/words.ts'
import type { Config } from './control/config.ts'
import { Diagnosis } from './control/api/diagnosis.ts'
import type { ProcessAnswer, ProcessView } from './control/api/options.ts'
import { LogRing } from './control/log-ring.ts'
import type { Metric } from './control/metrics/text.ts'
import type { Usage } from './control/system/machine.ts'
import type { Clients } from './server/clients.ts'
import type { Gate } from './server/gate.ts'
import type { VhostOptions } from './server/options.ts'
import type { Server, ServerGates } from './server/server.ts'
import { liveVhost } from './server/http-live.ts'
import type { Upstream } from './server/upstream.ts'
import type { Endpoint } from './st/network.ts'
import type { Thread } from './st/thread.ts'
import type { World } from './st/world.ts'

/** Refusals before a client has said what it wants: the others the origin counts itself. */
const AT_THE_DOOR = new Set(['refused_connections', 'refused_address', 'refused_proxy_header', 'refused_overload'])

/** What a house is of several that are one server. */
export interface HousePart {
  /** origin: it has the streams; edge: it serves clients. */
  readonly name: 'origin' | 'edge'
  /** Which edge, from 1. */
  readonly number: number
  /** Where the origin listens for its edges, and what they say there first. */
  readonly inner: Endpoint
  readonly token: string
  /** The configuration before it was made one of an edge. */
  readonly whole: () => Config
}

/** What it gets from the house, which is made with it. */
interface CoreHouse {
  readonly clients: () => Clients
  readonly house: { readonly connections: number; reload(thread: Thread): Promise<unknown> }
}

/** Who decides, and what of it concerns this very process. */
type Gates = Required<Omit<ServerGates, 'front'>> & { readonly own: Gate }

/** What a house does otherwise when it is not alone. This is the one that is. */
export class Core {
  /** Of clients of the other processes. */
  get connectionsElsewhere(): number {
    return 0
  }

  get usageElsewhere(): Usage {
    return { cpuFraction: 0, residentBytes: 0 }
  }

  readonly edgeParts: Pick<EdgeParts, 'preface'> = {}

  /** How a stream is treated that comes from an origin. */
  pulled(vhost: VhostOptions): VhostOptions {
    return vhost
  }

  gates({ own, access, ...gates }: Gates): ServerGates {
    return { ...gates, access: [own, ...access] }
  }

  edgeOptions(options: EdgeOptions | null): EdgeOptions | null {
    return options
  }

  /** The server's ports are open. */
  async start(_server: Server): Promise<void> {}

  /** Another configuration is in force. */
  reloaded(): void {}

  /** Ends what feeds the server. */
  async stopInner(_thread: Thread): Promise<void> {}

  /** All clients have gone. */
  async stop(_thread: Thread): Promise<void> {}

  /** Refusals of all processes. */
  refused(own: ReadonlyMap<string, number>): ReadonlyMap<string, number> {
    return own
  }

  metrics(): readonly Metric[] {
    return []
  }

  /** The other processes, for people. */
  get processes(): readonly ProcessView[] {
    return []
  }

  /** What stands at a path of the API about another process. Null: there is none of this name. */
  async ask(_thread: Thread, _process: string, _path: string, _query: string): Promise<ProcessAnswer | null> {
    return null
  }
}

/** @param parts what the house is: of several, or alone */
export function makeCore(
  parts: { readonly part?: HousePart; readonly world: World; readonly log?: LogRing },
  house: CoreHouse,
): Core {
  const { part, world, log = new LogRing() } = parts
  if (!part) return new Core()
  return part.name === 'edge' ? new EdgeCore(part, world, log, house) : new OriginCore(part, world)
}

/** It serves clients, and asks the origin about each. */
class EdgeCore extends Core {
  readonly #part: HousePart
  readonly #line: EdgeLine
  override readonly edgeParts: Pick<EdgeParts, 'preface'>
  #server: Server | null = null
  #looked = { atMs: 0, cpuMs: 0 }

  constructor(part: HousePart, world: World, log: LogRing, { clients, house }: CoreHouse) {
    super()
    const { number: edge, token, inner: origin } = part
    this.#part = part
    this.edgeParts = { preface: (id) => preface(token, { for: 'rtmp', edge, id }) }
    const diagnosis = new Diagnosis(world, log)
    this.#line = new EdgeLine({
      world,
      origin,
      token,
      edge,
      clients,
      process: () => this.#process(world, house.connections),
      diagnose: (thread, path, query) => diagnosis.answer(thread, path, query),
      reload: (thread) => house.reload(thread),
    })
  }

  override get connectionsElsewhere(): number {
    return this.#line.others
  }

  override gates({ own, upstream }: Gates): ServerGates {
    const { token, inner: origin, whole } = this.#part
    return {
      access: [own],
      callbacks: [this.#line],
      upstream,
      front: (context, at) =>
        passToOrigin({
          token,
          origin,
          at,
          isOwn: (exchange) => {
            const vhost = liveVhost(exchange, context)
            const isSegment =
              exchange.request.path.endsWith('.ts') && whole().vhosts.get(vhost?.name ?? '')?.hls.enabled
            return vhost !== null && !isSegment
          },
        }),
    }
  }

  override edgeOptions(options: EdgeOptions | null): EdgeOptions | null {
    return options && { ...options, endsWithOrigin: true }
  }

  /** The origin has merged its packets for a while as for players: they do not wait a second time. */
  override pulled(vhost: VhostOptions): VhostOptions {
    return Object.create(vhost, { minLatency: { value: true } }) as VhostOptions
  }

  override async start(server: Server): Promise<void> {
    this.#server = server
    this.#line.start()
  }

  override stop(thread: Thread): Promise<void> {
    return this.#line.stop(thread)
  }

  #process({ clock, platform }: World, connections: number): ProcessWord {
    const refused = [...(this.#server?.refusals.totals ?? [])].filter(([code]) => AT_THE_DOOR.has(code))
    const { pid } = platform
    const residentBytes = platform.memory().rss
    const [atMs, cpuMs] = [clock.nowMs(), platform.cpuMs()]
    const cpuFraction = Math.max(0, cpuMs - this.#looked.cpuMs) / Math.max(1, atMs - this.#looked.atMs)
    this.#looked = { atMs, cpuMs }
    return { pid, connections, cpuMs, cpuFraction, residentBytes, refused: Object.fromEntries(refused) }
  }
}

/** It has the streams, and the register of all clients. */
class OriginCore extends Core {
  readonly #part: HousePart
  readonly #world: World
  #port: InnerPort | null = null
  #upstream: Upstream | null = null

  constructor(part: HousePart, world: World) {
    super()
    this.#part = part
    this.#world = world
  }

  override get connectionsElsewhere(): number {
    return this.#words.reduce((sum, [, { connections }]) => sum + connections, 0)
  }

  override get usageElsewhere(): Usage {
    const sum = (of: (word: ProcessWord) => number): number => this.#words.reduce((all, [, one]) => all + of(one), 0)
    return { cpuFraction: sum((one) => one.cpuFraction), residentBytes: sum((one) => one.residentBytes) }
  }

  /** What is pulled for clients of edges, those pull from here. */
  override gates(gates: Gates): ServerGates {
    const { upstream } = gates
    this.#upstream = upstream
    return {
      ...super.gates(gates),
      upstream: {
        enter: async (thread, event, client) =>
          InnerPort.isMirror(client) ? null : upstream.enter(thread, event, client),
        serves: (vhost) => upstream.serves(vhost),
        want: (by) => upstream.want(by),
        stop: (thread) => upstream.stop(thread),
      },
    }
  }

  override async start(server: Server): Promise<void> {
    const { inner: at, token } = this.#part
    if (!this.#upstream) throw new Error('the gates are not made')
    this.#port = new InnerPort({ world: this.#world, server, at, token, upstream: this.#upstream })
    await this.#port.start()
  }

  override reloaded(): void {
    this.#port?.reload()
  }

  override async stopInner(thread: Thread): Promise<void> {
    await this.#port?.stop(thread)
  }

  override refused(own: ReadonlyMap<string, number>): ReadonlyMap<string, number> {
    const all = new Map(own)
    for (const [, { refused }] of this.#words) {
      for (const [code, count] of Object.entries(refused)) all.set(code, (all.get(code) ?? 0) + count)
    }
    return all
  }

  override metrics(): readonly Metric[] {
    const processes = this.#words
    const perEdge = (value: (word: ProcessWord) => number): Metric['samples'] =>
      processes.map(([edge, word]) => ({ labels: { edge: String(edge) }, value: value(word) }))
    const inner = this.#port?.clients
    const living = inner ? [...inner.all()].reduce((sum, { socket }) => sum + socket.sentBytes, 0) : 0
    return [
      metric(
        'sluice_edge_up',
        'gauge',
        'Edge processes that are there.',
        perEdge(() => 1),
      ),
      metric(
        'sluice_edge_connections',
        'gauge',
        'Connections of an edge process.',
        perEdge((one) => one.connections),
      ),
      metric(
        'sluice_edge_cpu_seconds_total',
        'counter',
        'CPU time of an edge process.',
        perEdge((one) => one.cpuMs / 1000),
      ),
      metric(
        'sluice_edge_memory_bytes',
        'gauge',
        'Resident memory of an edge process.',
        perEdge((one) => one.residentBytes),
      ),
      metric('sluice_inner_sent_bytes_total', 'counter', 'Bytes of streams sent to edge processes.', [
        { value: living + (inner?.totals.sentBytes ?? 0) },
      ]),
    ]
  }

  override get processes(): readonly ProcessView[] {
    return this.#words.map(([number, { pid, connections, cpuFraction, residentBytes }]) => {
      return { number, pid, connections, cpuFraction, residentBytes }
    })
  }

  override async ask(thread: Thread, process: string, path: string, query: string): Promise<ProcessAnswer | null> {
    const [, edge] = /^edge-(\d+)$/.exec(process) ?? []
    return (edge !== undefined && (await this.#port?.ask(thread, Number(edge), path, query))) || null
  }

  get #words(): readonly (readonly [number, ProcessWord])[] {
    // By number: which edge was there first says nothing.
    const all = [...(this.#port?.processes ?? [])].toSorted(([one], [other]) => one - other)
    return all.flatMap(([edge, word]) => (word ? [[edge, word] as const] : []))
  }
}

function metric(name: string, type: Metric['type'], help: string, samples: Metric['samples']): Metric {
  return { name, type, help, samples }
}
