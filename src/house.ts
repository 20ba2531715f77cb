import type { ReloadReport } from './control/api/options.ts'
import type { Config } from './control/config.ts'
import { Hooks } from './control/hooks/hooks.ts'
import type { ServerIdentity } from './control/identity.ts'
import { Reload } from './control/reload.ts'
import { makeProxies, makeSecurity } from './control/security/security.ts'
import { Settings } from './control/settings.ts'
import { HttpPool } from './http/pool.ts'
import { type ProxyOptions, SERVER_NAME, type ServerOptions } from './server/options.ts'
import type { PageFile } from './server/page.ts'
import { prepareAll } from './server/ports.ts'
import { Server, type ServerAddresses } from './server/server.ts'
import { makeBreaker, Services, wanted } from './services.ts'
import { FOREVER } from './st/clock.ts'
import type { Endpoint } from './st/network.ts'
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
}

/** The server and all that is around it, put together by a configuration that may change while it runs. */
export class House {
  readonly #world: World
  readonly #page: HouseParts['page']
  readonly #settings: Settings
  readonly #server: Server
  readonly #services: Services
  readonly #hooks: Hooks
  readonly #pool: HttpPool
  readonly #reload: Reload
  #isDraining = false

  constructor(parts: HouseParts) {
    const { world, config, identity, version } = parts
    const settings = new Settings(config)
    const now = (): Config => settings.config
    const agent = `${SERVER_NAME}/${version}`
    const options = serverOptions(settings)
    const breaker = makeBreaker(now, world)
    this.#world = world
    this.#page = parts.page
    this.#settings = settings
    this.#reload = new Reload({
      settings,
      load: parts.load,
      prepare: (_thread, next) => this.#prepare(next, parts),
    })
    // Of a vhost that is gone the last settings count: who was told of a begin is told of the end.
    this.#hooks = new Hooks(world, identity, agent, (vhost) => settings.vhost(vhost)?.httpHooks ?? null)
    const security = makeSecurity((vhost) => now().vhosts.get(vhost) ?? null)
    this.#server = new Server(world, options, version, { access: [breaker, ...security], callbacks: [this.#hooks] })
    this.#pool = new HttpPool(world)
    this.#services = new Services({
      world,
      server: this.#server,
      breaker,
      http: { options, version },
      identity,
      version,
      config: now,
      reloader: this.#reload,
      isDraining: () => this.#isDraining,
      post: (thread, url, body, timeoutMs) => this.#post(thread, agent, new URL(url), body, timeoutMs),
      refused: () => this.#server.refusals.totals,
    })
  }

  get config(): Config {
    return this.#settings.config
  }

  get connections(): number {
    return this.#server.connections
  }

  /** Streams that somebody publishes or plays. */
  get streams(): number {
    return this.#server.hub.size
  }

  /** Where everything listens, with the ports that the system chose. */
  get addresses(): ServerAddresses & Services['addresses'] {
    return { ...this.#server.addresses, ...this.#services.addresses }
  }

  /** Opens the ports and begins to serve. @throws the system's error when a port cannot be opened; `close` it then */
  async open(): Promise<void> {
    const ports = await this.#services.prepare(this.config)
    ports.commit()
    await this.#server.start(streamPorts(this.config), this.#page, (address) => this.#services.handlersAt(address))
    this.#services.start()
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
    const isIdle = await this.#server.untilIdle(thread, graceMaxWaitMs || FOREVER)
    if (!isIdle) this.#world.log.info({ connections: this.connections }, 'grace_max_wait is over')
    await this.#server.stop(thread)
    if (this.config.graceFinalWaitMs > 0) await thread.sleep(this.config.graceFinalWaitMs)
  }

  /** Ends everything; returns when all threads are gone. */
  async close(thread: Thread): Promise<void> {
    this.#isDraining = true
    await this.#server.stop(thread)
    await this.#hooks.stop(thread, LAST_CALLBACKS_MS)
    await this.#services.stop(thread)
    await this.#pool.stop(thread)
  }

  /** For a reload: opens the new ports. @returns puts the configuration in force */
  async #prepare(next: Config, { onReload }: HouseParts): Promise<() => void> {
    if (this.#isDraining) throw new Error('the server is stopping')
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
      ports.commit()
      onReload(next)
    }
  }

  async #post(thread: Thread, agent: string, url: URL, body: string, timeoutMs: number): Promise<void> {
    const headers = { 'Content-Type': 'application/json', 'User-Agent': agent }
    await this.#pool.request(thread, { method: 'POST', url, headers, body }, timeoutMs)
  }
}

function streamPorts({ listen, httpServer }: Config): { rtmp: Endpoint[]; http: Endpoint[] } {
  return { rtmp: wanted({ enabled: true, listen }), http: wanted(httpServer) }
}

/** What the server reads, as it is at each look. */
function serverOptions(settings: Settings): ServerOptions {
  let proxiesOf = settings.config
  let proxies: ProxyOptions = makeProxies(proxiesOf)
  return {
    get maxConnections() {
      return settings.config.maxConnections
    },
    get maxConnectionsPerAddress() {
      return settings.config.maxConnectionsPerAddress
    },
    get proxies() {
      if (proxiesOf !== settings.config) proxies = makeProxies(settings.config)
      proxiesOf = settings.config
      return proxies
    },
    get pithyPrintMs() {
      return settings.config.pithyPrintMs
    },
    get crossdomain() {
      return settings.config.httpServer.crossdomain
    },
    resolveVhost: (name) => settings.resolveVhost(name),
  }
}
