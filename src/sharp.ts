/** `sluice sharp`: an edge for HTTP-FLV and nothing else, whose origins are the servers behind it. */
import { LoopGate } from './cluster/chain.ts'
import type { BehindOptions } from './cluster/behind/server.ts'
import type { WatchOptions } from './cluster/behind/watch.ts'
import { Edge } from './cluster/edge/edge.ts'
import type { EdgeOptions } from './cluster/edge/options.ts'
import { SharpServers } from './cluster/sharp/servers.ts'
import { loadConfig } from './control/config.ts'
import { SERVER_NAME, type ServerOptions, type VhostOptions } from './server/options.ts'
import { Server } from './server/server.ts'
import { parseIp } from './st/address.ts'
import { FOREVER } from './st/clock.ts'
import type { Endpoint } from './st/network.ts'
import type { Thread } from './st/thread.ts'
import type { World } from './st/world.ts'

const DEFAULT_VHOST = '__defaultVhost__'
/** What a server is by default, with HTTP-FLV and nothing else. */
const DEFAULTS = `listen 1935; vhost ${DEFAULT_VHOST} { http_remux { enabled on; } }`

/** What a sharp is told. */
export interface SharpOptions extends WatchOptions {
  /** Where players connect; host '' is every address of the machine. */
  readonly http: readonly Endpoint[]
  readonly servers: readonly BehindOptions[]
  readonly maxConnections: number
  readonly mediaTimeoutMs: number
  readonly waitPublisherMs: number
  readonly lingerMs: number
  readonly outageMs: number
}

/** A proxy for HTTP-FLV that merges: however many play a stream, it comes once, from one server behind. */
export class Sharp {
  readonly #options: SharpOptions
  readonly #servers: SharpServers
  readonly #server: Server

  constructor(world: World, options: SharpOptions, version: string) {
    this.#options = options
    this.#servers = new SharpServers(world, options.servers, options)
    const cluster = edgeOptions(options)
    const self = { id: `sharp-${world.newId()}`, name: SERVER_NAME, version, pid: world.platform.pid, ip: () => '' }
    const edge = new Edge({
      world,
      self,
      hub: () => this.#server.hub,
      clients: () => this.#server.clients,
      feed: (thread, key, vhost) => this.#server.feed(thread, key, vhost),
      optionsOf: () => cluster,
      finder: this.#servers,
      asking: this.#servers.asking,
    })
    const gates = { access: [new LoopGate(self.id)], upstream: edge }
    this.#server = new Server(world, serverOptions(options), version, gates)
  }

  get servers(): SharpServers['all'] {
    return this.#servers.all
  }

  get connections(): number {
    return this.#server.connections
  }

  /** Streams that somebody plays, or played just now. */
  get streams(): number {
    return this.#server.hub.size
  }

  get addresses(): readonly Endpoint[] {
    return this.#server.addresses.http
  }

  /** Connections that were not let in. */
  get refused(): number {
    return [...this.#server.refusals.totals.values()].reduce((sum, count) => sum + count, 0)
  }

  /** Opens the ports and begins to serve. @throws the system's error; `stop` it then */
  async start(): Promise<void> {
    this.#servers.start()
    await this.#server.start({ rtmp: [], http: this.#options.http }, new Map())
  }

  /** Takes nobody in any more; returns when those who are there have gone. @throws InterruptedError */
  async drain(thread: Thread): Promise<void> {
    this.#server.closePorts()
    await this.#server.untilIdle(thread, FOREVER)
  }

  /** Ends everything; returns when all threads are gone. */
  async stop(thread: Thread): Promise<void> {
    await this.#server.stop(thread)
    await this.#servers.stop(thread)
  }
}

function edgeOptions({ servers, mediaTimeoutMs, lingerMs, outageMs }: SharpOptions): EdgeOptions {
  return {
    mode: 'remote',
    origin: servers.flatMap(({ http }) => (http ? [{ ...http, httpPort: http.port }] : [])),
    balance: 'round_robin',
    protocol: 'flv',
    originVerify: true,
    followClient: false,
    vhost: '[vhost]',
    tokenTraverse: false,
    debugSrsUpnode: false,
    originTimeoutMs: mediaTimeoutMs,
    lingerMs,
    outageMs,
    publishRetryMs: 0,
  }
}

function serverOptions({ maxConnections, waitPublisherMs }: SharpOptions): ServerOptions {
  const defaults = loadConfig({ file: 'defaults', readFile: () => DEFAULTS, env: {} })
  const vhost = defaults.resolveVhost(DEFAULT_VHOST)
  if (!vhost) throw new Error('there is no default vhost')
  return {
    maxConnections,
    maxConnectionsPerAddress: 0,
    limits: defaults.limits,
    proxies: { isTrusted: () => false, hasRtmpHeader: false, hasHttpHeader: false, realIpHeader: 'x-forwarded-for' },
    pithyPrintMs: 10_000,
    crossdomain: true,
    websocketOrigins: [],
    httpDir: '',
    resolveVhost: (name) => named({ ...vhost, httpRemux: { ...vhost.httpRemux, waitPublisherMs } }, name),
  }
}

/** The servers behind know their vhosts: each name is one of its own here, except what names no vhost. */
function named(vhost: VhostOptions, name: string): VhostOptions {
  const isNone = name === '' || name === 'localhost' || parseIp(name) !== null
  return { ...vhost, name: isNone ? DEFAULT_VHOST : name }
}
