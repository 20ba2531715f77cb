import { Backups } from './cluster/backup/backups.ts'
import { LoopGate } from './cluster/chain.ts'
import { Edge } from './cluster/edge/edge.ts'
import type { EdgeParts } from './cluster/edge/parts.ts'
import { Traverse } from './cluster/edge/traverse.ts'
import type { Relays } from './cluster/relays.ts'
import type { ReloadReport } from './control/api/options.ts'
import { OriginCluster } from './cluster/origin/origin-cluster.ts'
import { Certificates } from './control/certificates.ts'
import { type Core, type HousePart, makeCore } from './cores.ts'
import type { Config } from './control/config.ts'
import { deviceIp } from './control/heartbeat.ts'
import { effectiveSettings } from './control/effective.ts'
import { Hooks } from './control/hooks/hooks.ts'
import { ForwardQuestions } from './control/hooks/on-forward.ts'
import type { ServerIdentity } from './control/identity.ts'
import { LogRing } from './control/log-ring.ts'
import { Reload } from './control/reload.ts'
import { makeSecurity } from './control/security/security.ts'
import { Settings } from './control/settings.ts'
import { HttpPool } from './http/pool.ts'
import type { Gate } from './server/gate.ts'
import { SERVER_NAME, type ServerOptions } from './server/options.ts'
import type { PageFile } from './server/page.ts'
import { prepareAll } from './server/ports.ts'
import { Server } from './server/server.ts'
import { streamPlaces } from './server/streams.ts'
import { HTTP_PROTOCOLS, tlsOptions, wantedCertificates } from './house-tls.ts'
import { makeRelays } from './relays.ts'
import { serverOptions } from './server-options.ts'
import { makeBreaker, Services, streamPorts } from './services.ts'
import { FOREVER } from './st/clock.ts'
import type { Thread } from './st/thread.ts'
import type { World } from './st/world.ts'

/** How long the end of the last clients may be told; Docker kills after 10 s. */
const LAST_CALLBACKS_MS = 5_000

/** What a house stands on. */
export interface HouseParts {
  readonly world: World
  readonly config: Config
  readonly identity: ServerIdentity
  /** Of this program, for example `0.1.0`. */
  readonly version: string
  /** Files of the default page, by path. */
  readonly page: ReadonlyMap<string, PageFile>
  /** Reads the configuration again. @throws ConfigError */
  readonly load: () => Config
  /** A reload has put another configuration in force. */
  readonly onReload: (config: Config) => void
  /** The last lines of the log; absent: there are none to show. */
  readonly log?: LogRing
  /** Files of the console, by path; absent: there is none. */
  readonly console?: ReadonlyMap<string, PageFile>
  /** What it is of several processes that are one server; absent: it is alone. */
  readonly part?: HousePart
  /** Who is asked after all others, beside the configured callbacks. */
  readonly callbacks?: readonly Gate[]
}

/** The server and all that is around it, put together by a configuration that may change while it runs. */
export class House {
  readonly #world: World
  readonly #page: HouseParts['page']
  readonly #settings: Settings
  readonly #server: Server
  readonly #services: Services
  readonly #edge: Edge
  readonly #hooks: Hooks
  readonly #backups: Backups
  readonly #relays: Relays
  readonly #pool: HttpPool
  readonly #origins: OriginCluster
  readonly #certificates: Certificates
  #certificateThread: Thread | null = null
  readonly #reload: Reload
  readonly #core: Core
  #isDraining = false

  constructor(parts: HouseParts) {
    const { world, config, identity, version } = parts
    const settings = new Settings(config)
    const now = (): Config => settings.config
    const agent = `${SERVER_NAME}/${version}`
    const certificates = new Certificates(world)
    const core = this.#makeCore(parts)
    this.#core = core
    const options = serverOptions(settings, () => core.connectionsElsewhere, tlsOptions(certificates, now))
    const breaker = makeBreaker(now, world)
    this.#world = world
    this.#page = parts.page
    this.#settings = settings
    this.#certificates = certificates
    const prepare = (_thread: Thread, next: Config): Promise<() => void> => this.#prepare(next, parts)
    this.#reload = new Reload({ settings, load: parts.load, prepare })
    // Of a vhost that is gone the last settings count: who was told of a begin is told of the end.
    this.#hooks = new Hooks(world, identity, agent, (vhost) => settings.vhost(vhost)?.httpHooks ?? null)
    this.#pool = new HttpPool(world)
    this.#origins = this.#makeOrigins(agent)
    const forwards = new ForwardQuestions(this.#pool, identity, agent, (name) => settings.vhost(name))
    const edgeParts = this.#edgeParts(parts)
    this.#edge = new Edge(edgeParts)
    this.#backups = new Backups({ world, redis: config.redis, optionsOf: (name) => settings.resolveVhost(name) })
    const gates = core.gates({
      own: breaker,
      access: [new LoopGate(edgeParts.self.id), ...securityOf(now), new Traverse(edgeParts)],
      callbacks: [this.#origins.gate, this.#hooks, forwards, ...(parts.callbacks ?? [])],
      upstream: this.#edge,
      hlsNotices: this.#hooks,
      hlsBackups: this.#backups,
    })
    this.#server = new Server(world, options, version, gates, {
      utcTime: config.utcTime,
      dvrPaths: () => [...now().vhosts.values()].map(({ dvr }) => dvr.dvrPath),
      recorded: (client, file) => this.#hooks.dvr(client, { cwd: world.platform.folder, file }),
    })
    this.#server.hub.watchers.add(this.#edge.published)
    this.#relays = makeRelays({ world, server: this.#server, settings, self: edgeParts.self, forwards })
    this.#services = new Services({
      world,
      server: this.#server,
      breaker,
      http: { options, limits: this.#server.limits, version },
      tls: { certificateFor: () => certificates.get(now().httpApi.https), protocols: HTTP_PROTOCOLS },
      identity,
      version,
      config: now,
      reloader: this.#reload,
      isDraining: () => this.#isDraining,
      post: (thread, url, body, timeoutMs) => this.#post(thread, agent, new URL(url), body, timeoutMs),
      origins: this.#origins,
      forwards: () => this.#relays.forwards,
      backups: this.#backups,
      others: core,
      ...this.#told(parts, options),
    })
  }

  get config(): Config {
    return this.#settings.config
  }

  /** The streams, and the way to publish one from this process. */
  get server(): Pick<Server, 'hub' | 'feed'> {
    return this.#server
  }

  get connections(): number {
    return this.#server.connections
  }

  /** Streams that somebody publishes or plays. */
  get streams(): number {
    return this.#server.hub.size
  }

  /** Where everything listens, with the ports that the system chose. */
  get addresses(): Server['addresses'] & Services['addresses'] {
    return { ...this.#server.addresses, ...this.#services.addresses }
  }

  /**
   * Opens the ports and begins to serve.
   * @throws Error when a port cannot be opened or a certificate cannot be used; `close` it then
   */
  async open(): Promise<void> {
    this.#watchThreads(this.config)
    this.#certificates.prepare(wantedCertificates(this.config))()
    this.#certificateThread = this.#world.spawn('certificates', (thread) => this.#certificates.run(thread))
    const ports = await this.#services.prepare(this.config)
    ports.commit()
    await this.#server.start(streamPorts(this.config), this.#page, (address) => this.#services.handlersAt(address))
    await this.#core.start(this.#server)
    this.#services.start()
    this.#relays.start()
    this.#origins.start()
  }

  /** Reads the configuration again; the log says what came of it. @throws InterruptedError */
  reload(thread: Thread): Promise<ReloadReport> {
    return this.#reload.reload(thread)
  }

  /**
   * Takes nobody in any more and serves those who are there to their end, or for `grace_max_wait`. The API tells
   * balancers of it meanwhile.
   */
  async drain(thread: Thread): Promise<void> {
    const { graceStartWaitMs, graceMaxWaitMs } = this.config
    this.#isDraining = true
    if (graceStartWaitMs > 0) await thread.sleep(graceStartWaitMs)
    this.#server.closePorts()
    await this.#relays.stopIngests(thread)
    const isIdle = await this.#server.untilIdle(thread, graceMaxWaitMs || FOREVER)
    if (!isIdle) this.#world.log.info({ connections: this.connections }, 'grace_max_wait is over')
    await this.#server.stop(thread)
    if (this.config.graceFinalWaitMs > 0) await thread.sleep(this.config.graceFinalWaitMs)
  }

  /** Ends everything; returns when all threads are gone. */
  async close(thread: Thread): Promise<void> {
    this.#isDraining = true
    await this.#relays.stop(thread)
    await this.#core.stopInner(thread)
    await this.#server.stop(thread)
    this.#backups.stop()
    await this.#core.stop(thread)
    await this.#origins.stop(thread)
    await this.#hooks.stop(thread, LAST_CALLBACKS_MS)
    await this.#services.stop(thread)
    await this.#pool.stop(thread)
    await this.#certificateThread?.stop(thread, 'server stops')
  }

  #edgeParts({ world, identity, version }: HouseParts): EdgeParts {
    return {
      world,
      self: {
        id: identity.serviceId,
        name: SERVER_NAME,
        version,
        pid: world.platform.pid,
        ip: () => deviceIp(process.env['SRS_DEVICE_IP'], this.config.stats.network, world.platform),
      },
      hub: () => this.#server.hub,
      clients: () => this.#server.clients,
      feed: (thread, key, vhost) => this.#server.feed(thread, key, this.#core.pulled(vhost)),
      optionsOf: (name) => this.#core.edgeOptions(this.#settings.vhost(name)?.cluster ?? null),
      ...this.#core.edgeParts,
      finder: this.#origins.finder,
    }
  }

  /** For a reload: opens the new ports. @returns puts the configuration in force */
  async #prepare(next: Config, { onReload }: HouseParts): Promise<() => void> {
    if (this.#isDraining) throw new Error('the server is stopping')
    const useCertificates = this.#certificates.prepare(wantedCertificates(next))
    const ports = await prepareAll([
      // First of all to commit: it says what is served at the server's addresses too.
      () => this.#services.prepare(next),
      () => this.#server.prepare(streamPorts(next)),
    ])
    // A stop may have begun meanwhile; its ports must not come back.
    if (this.#isDraining) {
      ports.abort()
      throw new Error('the server is stopping')
    }
    return () => {
      useCertificates()
      ports.commit()
      this.#watchThreads(next)
      this.#server.hls.reload()
      this.#edge.refresh()
      onReload(next)
      this.#server.recorder.refresh()
      this.#relays.refresh()
      this.#core.reloaded()
    }
  }

  /** What the API, the console and the metrics tell of this server. */
  #told({ log = new LogRing(), console = new Map() }: HouseParts, options: ServerOptions) {
    return {
      log,
      console,
      effective: () => effectiveSettings(this.config),
      placesOf: (key: string) => streamPlaces(key, options),
      refused: () => this.#core.refused(this.#server.refusals.totals),
      refusedByLimit: () => this.#server.limits.totals,
    }
  }

  #watchThreads({ threadHoldWarningMs }: Config): void {
    this.#world.scheduler.holdLimitMs = threadHoldWarningMs || FOREVER
  }

  #makeCore({ part, world, log }: HouseParts): ReturnType<typeof makeCore> {
    const clients = (): Server['clients'] => this.#server.clients
    return makeCore(part ?? null, world, { clients, log: log ?? new LogRing(), house: this })
  }

  #makeOrigins(userAgent: string): OriginCluster {
    const { redis } = this.config
    return new OriginCluster({
      world: this.#world,
      pool: this.#pool,
      hub: () => this.#server.hub,
      userAgent,
      redis: redis.enabled ? redis : null,
      optionsOf: (vhost) => this.config.vhosts.get(vhost)?.cluster ?? null,
      vhostOf: (name) => this.config.resolveVhost(name)?.name ?? null,
      auth: () => (this.config.httpApi.auth.enabled ? this.config.httpApi.auth : null),
      place: () => {
        const { rtmp, http, api } = this.addresses
        const { listen, stats, httpApi } = this.config
        // An API at an address of the HTTP server is served there.
        const apiPort = api[0]?.port ?? (httpApi.enabled ? http[0]?.port : null) ?? null
        return {
          listenHost: listen[0]?.host ?? '',
          rtmpPort: rtmp[0]?.port ?? 0,
          httpPort: http[0]?.port ?? null,
          apiPort,
          publicHost: () => deviceIp(process.env['SRS_DEVICE_IP'], stats.network, this.#world.platform),
        }
      },
    })
  }

  async #post(thread: Thread, agent: string, url: URL, body: string, timeoutMs: number): Promise<void> {
    const headers = { 'Content-Type': 'application/json', 'User-Agent': agent }
    await this.#pool.request(thread, { method: 'POST', url, headers, body }, timeoutMs)
  }
}

function securityOf(now: () => Config): ReturnType<typeof makeSecurity> {
  return makeSecurity((vhost) => now().vhosts.get(vhost) ?? null)
}
