/** What is around the server: the API, the exporter, the circuit breaker, the heartbeat. Put together from a configuration. */
import { makeApi, makeExporter } from './control/api/api.ts'
import type { ApiOptions, ApiSettings, ApiVhost, ClusterQuery, ProcessView, Reloader } from './control/api/options.ts'
import { Breaker, type BreakerSettings } from './control/breaker.ts'
import { consoleHandler } from './console-page.ts'
import { deviceIp, type HeartbeatSettings, type Post, runHeartbeat } from './control/heartbeat.ts'
import type { ServerIdentity } from './control/identity.ts'
import type { Instance } from './control/instance.ts'
import { type BackupState, type ClusterState, metrics } from './control/metrics/metrics.ts'
import { History } from './control/metrics/history.ts'
import type { Metric } from './control/metrics/text.ts'
import { Sampler } from './control/metrics/sampler.ts'
import { Statistics } from './control/metrics/statistics.ts'
import { runProgress } from './control/progress.ts'
import { Machine, type Usage } from './control/system/machine.ts'
import { summaries } from './control/system/process.ts'
import type { HttpContext, HttpHandler } from './server/http-session.ts'
import type { PageFile } from './server/page.ts'
import { HttpSite } from './server/http-site.ts'
import { type PortChange, prepareAll } from './server/ports.ts'
import type { Server, ServerAddresses } from './server/server.ts'
import { type Endpoint, formatEndpoint, type ServerTls } from './st/network.ts'
import type { LoopDelay, LoopWatch } from './st/platform.ts'
import type { Thread } from './st/thread.ts'
import type { World } from './st/world.ts'

const NO_USAGE: Usage = { cpuFraction: 0, residentBytes: 0 }
const NO_DELAY: LoopDelay = { p50Ms: 0, p99Ms: 0, maxMs: 0 }

/** A listening service of the configuration. */
interface Listening {
  readonly enabled: boolean
  readonly listen: readonly { readonly host: string | null; readonly port: number }[]
}

/** A service of HTTP, which may be served over TLS too. */
interface HttpListening extends Listening {
  readonly https: Listening
}

/** The part of a configuration that the services read; a whole one is one as it stands. */
export interface ServicesConfig {
  readonly maxConnections: number
  readonly pithyPrintMs: number
  readonly listen: Listening['listen']
  readonly httpServer: HttpListening
  readonly httpApi: HttpListening & ApiSettings
  readonly exporter: Listening & { readonly label: string; readonly tag: string }
  readonly heartbeat: HeartbeatSettings
  readonly stats: { readonly enabled: boolean; readonly network: number; readonly disk: readonly string[] }
  readonly circuitBreaker: BreakerSettings
  readonly redis?: { readonly enabled: boolean }
  readonly vhosts: ReadonlyMap<string, ApiVhost>
}

/** What the services stand on. */
export interface ServicesParts {
  readonly world: World
  readonly server: Server
  readonly breaker: Breaker
  readonly http: HttpContext
  /** The certificate of the API over HTTPS; null: it is not served so. */
  readonly tls: ServerTls | null
  readonly identity: ServerIdentity
  readonly version: string
  /** The one in force: a reload gives another. */
  readonly config: () => ServicesConfig
  readonly reloader: Reloader | null
  readonly isDraining: () => boolean
  /** For the heartbeat; without it there is none. */
  readonly post: Post | null
  readonly forwards: ApiOptions['forwards']
  readonly backups: ApiOptions['backups'] & { readonly state: BackupState }
  /** What there is to say of this server as one of several origins. */
  readonly origins: { answer(query: ClusterQuery): object; readonly state: ClusterState }
  readonly placesOf: ApiOptions['placesOf']
  readonly log: ApiOptions['log']
  readonly console: ReadonlyMap<string, PageFile>
  readonly effective: ApiOptions['effective']
  readonly refused: () => ReadonlyMap<string, number>
  /** The processes that are one server with this one; absent: there are none. */
  readonly others?: {
    readonly connectionsElsewhere: number
    readonly usageElsewhere: Usage
    readonly processes: readonly ProcessView[]
    metrics(): readonly Metric[]
    ask: ApiOptions['elsewhere']
  }
  readonly refusedByLimit: () => ReadonlyMap<string, number>
}

/** The breaker exists before the server: it is one of its gates. */
export function makeBreaker(config: () => ServicesConfig, { scheduler, platform }: World): Breaker {
  return new Breaker(
    () => config().circuitBreaker,
    () => platform.cpuMs(),
    () => scheduler.backlogMs,
  )
}

/** The running services. */
export class Services {
  readonly #parts: ServicesParts
  readonly #instance: Instance
  readonly #statistics: Statistics
  readonly #machine: Machine
  readonly #history: History
  readonly #sampler: Sampler
  readonly #api: HttpSite
  readonly #secureApi: HttpSite
  readonly #exporter: HttpSite
  readonly #threads: Thread[] = []
  /** Made when it is looked at first: it wakes the process. */
  #loopWatch: LoopWatch | null = null

  constructor(parts: ServicesParts) {
    const { world, server, identity, version, config } = parts
    this.#parts = parts
    this.#instance = { ...identity, pid: String(world.platform.pid), version, startedMs: world.clock.nowMs() }
    this.#statistics = new Statistics(world, server.hub, server.clients, (key) => identity.streamId(key))
    this.#machine = new Machine({
      clock: world.clock,
      platform: world.platform,
      isOn: () => config().stats.enabled,
      disks: () => config().stats.disk,
      elsewhere: () => parts.others?.usageElsewhere ?? NO_USAGE,
    })
    this.#history = new History({ world, statistics: this.#statistics, machine: this.#machine })
    this.#sampler = new Sampler(this.#statistics, this.#machine, this.#history, () => this.#takeLoopDelay())
    const console = consoleHandler(parts.console, {
      auth: () => config().httpApi.auth,
      addresses: () => server.addresses,
    })
    const api = [console, ...makeApi(this.#apiOptions())]
    this.#api = new HttpSite(world, parts.http, api)
    this.#secureApi = new HttpSite(world, parts.http, api, parts.tls)
    this.#exporter = new HttpSite(
      world,
      parts.http,
      makeExporter(() => this.#metrics()),
    )
  }

  /** Where the API and the exporter listen by themselves. */
  get addresses(): Record<'api' | 'secureApi' | 'exporter', readonly Endpoint[]> {
    return {
      api: this.#api.addresses,
      secureApi: this.#secureApi.addresses,
      exporter: this.#exporter.addresses,
    }
  }

  /** What is to be served at an address of the HTTP server too. */
  handlersAt(address: Endpoint): readonly HttpHandler[] {
    return [this.#api, this.#secureApi, this.#exporter].flatMap((site) => site.handlersAt(address))
  }

  /**
   * Opens the addresses of a configuration that are new, except those that the server opens.
   * @throws the system's error when one cannot be opened; nothing has changed then
   */
  prepare({ httpServer, httpApi, exporter }: ServicesConfig): Promise<PortChange> {
    const taken = wanted(httpServer)
    return prepareAll([
      () => this.#api.prepare(wanted(httpApi), taken),
      () => this.#secureApi.prepare(wantedSecure(httpApi), wantedSecure(httpServer)),
      // The API serves the metrics too.
      () => this.#exporter.prepare(wanted(exporter), [...taken, ...wanted(httpApi)]),
    ])
  }

  /** Begins to look, to watch and to tell. */
  start(): void {
    this.#takeLoopDelay()
    const { world, server, breaker, config, post } = this.#parts
    this.#threads.push(
      world.spawn('sampler', (thread) => this.#sampler.run(thread)),
      world.spawn('breaker', (thread) => breaker.run(thread)),
      world.spawn('progress', (thread) => runProgress(thread, server.clients, () => config().pithyPrintMs)),
    )
    if (post) this.#threads.push(world.spawn('heartbeat', (thread) => runHeartbeat(thread, this.#heartbeat(post))))
  }

  /** Ends all services; returns when their threads are gone. */
  async stop(thread: Thread): Promise<void> {
    for (const service of this.#threads) await service.stop(thread, 'server stops')
    this.#history.stop()
    this.#loopWatch?.stop()
    await this.#api.close(thread)
    await this.#secureApi.close(thread)
    await this.#exporter.close(thread)
  }

  #takeLoopDelay(): LoopDelay {
    if (!this.#parts.config().exporter.enabled) return NO_DELAY
    this.#loopWatch ??= this.#parts.world.platform.watchLoop()
    return this.#loopWatch.take()
  }

  #apiOptions(): Parameters<typeof makeApi>[0] {
    const { world, server, identity, config, reloader, isDraining, origins, others, forwards, backups } = this.#parts
    const { placesOf, log, effective } = this.#parts
    return {
      world,
      instance: this.#instance,
      clients: server.clients,
      statistics: this.#statistics,
      machine: this.#machine,
      recorder: server.recorder,
      streamId: (key) => identity.streamId(key),
      settings: () => config().httpApi,
      vhosts: () => config().vhosts.values(),
      listen: () => texts({ ...config().httpApi, enabled: true }).join(' '),
      clusters: (query) => origins.answer(query),
      forwards,
      topology: () => ({
        addresses: { ...server.addresses, ...this.addresses },
        hasRegistry: config().redis?.enabled ?? false,
        cluster: origins.state,
        processes: others?.processes ?? [],
      }),
      elsewhere: async (...question) => (await others?.ask(...question)) ?? null,
      placesOf,
      history: this.#history,
      log,
      effective,
      backups,
      atc: (key) => server.hls.get(key)?.keeper.atc ?? null,
      reloader,
      isDraining,
      metrics: () => (config().exporter.enabled ? this.#metrics() : null),
    }
  }

  #metrics(): string {
    const { world, server, breaker, config, refused, refusedByLimit, origins, others, backups, log } = this.#parts
    return metrics({
      world,
      instance: this.#instance,
      statistics: this.#statistics,
      machine: this.#machine,
      labels: () => ({ label: config().exporter.label, tag: config().exporter.tag }),
      connections: () => ({
        now: server.connections + (others?.connectionsElsewhere ?? 0),
        limit: config().maxConnections,
      }),
      more: () => others?.metrics() ?? [],
      loopDelay: () => this.#sampler.loopDelay,
      refused,
      refusedByLimit,
      cluster: () => origins.state,
      backups: () => backups.state,
      breakerLevel: () => breaker.level,
      lostLogLines: () => log.lost,
    })
  }

  #heartbeat(post: Post): Parameters<typeof runHeartbeat>[1] {
    const { world, config } = this.#parts
    const parts = {
      world,
      instance: this.#instance,
      statistics: this.#statistics,
      machine: this.#machine,
    }
    return {
      instance: this.#instance,
      settings: () => config().heartbeat,
      ip: () => deviceIp(process.env['SRS_DEVICE_IP'], config().stats.network, world.platform),
      ports: () => {
        const { listen, httpServer, httpApi } = config()
        return { rtmp: texts({ enabled: true, listen }), http: texts(httpServer), api: texts(httpApi) }
      },
      summaries: () => summaries(parts),
      post,
    }
  }
}

/** Where streams are to be served. */
export function streamPorts({
  listen,
  httpServer,
  rtmps,
}: ServicesConfig & { readonly rtmps: Listening }): ServerAddresses {
  return {
    rtmp: wanted({ enabled: true, listen }),
    http: wanted(httpServer),
    rtmps: wanted(rtmps),
    https: wantedSecure(httpServer),
  }
}

/** Where a service is to listen. */
export function wanted({ enabled, listen }: Listening): Endpoint[] {
  return enabled ? listen.map(({ host, port }) => ({ host: host ?? '', port })) : []
}

/** Where a service of HTTP is to listen for TLS. */
export function wantedSecure({ enabled, https }: HttpListening): Endpoint[] {
  return enabled ? wanted(https) : []
}

/** As the configuration writes it. */
function texts({ enabled, listen }: Listening): string[] {
  if (!enabled) return []
  return listen.map(({ host, port }) => (host === null ? String(port) : formatEndpoint({ host, port })))
}
