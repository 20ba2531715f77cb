import { onTestFinished } from 'vitest'
import type { BackupView, ReloadReport } from '../../../src/control/api/options.ts'
import type { EffectiveSetting } from '../../../src/control/effective.ts'
import { LogRing } from '../../../src/control/log-ring.ts'
import { makeIdentity } from '../../../src/control/identity.ts'
import type { PageFile } from '../../../src/server/page.ts'
import type { ServerOptions } from '../../../src/server/options.ts'
import { makeBreaker, Services, type ServicesConfig } from '../../../src/services.ts'
import { HttpProbe, type Response } from '../../server/http-probe.ts'
import { serve } from '../../server/support.ts'
import { testOptions, testVhost, type TestServer, type VhostChanges } from '../../support/server.ts'
import { runThread } from '../../support/world.ts'

const SETTING: EffectiveSetting = {
  path: 'max_connections',
  value: '1000',
  origin: 'a.conf:1',
  reload: true,
  meaning: 'Most.',
}
const LOCAL = '127.0.0.1'

/** What a test says of its server. */
export interface ApiChanges {
  readonly httpApi?: Partial<ServicesConfig['httpApi']>
  readonly exporter?: Partial<ServicesConfig['exporter']>
  readonly stats?: Partial<ServicesConfig['stats']>
  readonly vhosts?: ServicesConfig['vhosts']
  readonly vhost?: VhostChanges
  readonly options?: Partial<ServerOptions>
  readonly console?: ReadonlyMap<string, PageFile>
}

/** An answer of the API, taken apart. */
export interface Answer extends Response {
  readonly json: Readonly<Record<string, unknown>>
}

export const BACKED_UP = '__defaultVhost__/live/cam'

/** A server with an API on a port of its own, and the exporter on another. */
export class ApiServer {
  readonly server: TestServer
  readonly services: Services
  /** What `/api/v1/ready` looks at. */
  isDraining = false
  readonly log = new LogRing()
  /** What the next reload gives. */
  report: ReloadReport = { rid: 'abcdefg', err: 0, msg: 'Success', state: 90 }
  reloads = 0
  /** What there is to say of a stream whose HLS several servers write. */
  backup: BackupView = {
    stream: BACKED_UP,
    mode: 'standby',
    role: 'standby',
    writer: 'east',
    sinceMs: 1_700_000_000_500,
    turn: 7,
    sequence: 42,
    ageMs: 1_250,
    missing: 1,
    sides: [
      { name: 'west', role: 'standby', lagMs: 40, heldMs: 2_000, ageMs: 0 },
      { name: 'east', role: 'writer', lagMs: null, heldMs: null, ageMs: 0 },
    ],
  }
  /** Streams that were given to another server, or why they cannot be. */
  readonly switched: string[] = []
  switchProblem: Error | null = null
  readonly #config: ServicesConfig

  constructor(server: TestServer, config: ServicesConfig, changes: Pick<ApiChanges, 'console'> = {}) {
    this.server = server
    this.#config = config
    const { maxConnections } = config
    this.services = new Services({
      world: server.world,
      server: server.server,
      breaker: makeBreaker(() => config, server.world),
      http: { options: testOptions(testVhost({}), { maxConnections, resolveVhost: () => null }), version: '1.2.3' },
      tls: null,
      identity: makeIdentity(server.world, 'vid-server1'),
      version: '1.2.3',
      config: () => config,
      forwards: () => [],
      backups: {
        streams: [BACKED_UP],
        view: async () => this.backup,
        switchWriter: async (_thread, stream) => {
          if (this.switchProblem) throw this.switchProblem
          this.switched.push(stream)
        },
        state: { streams: new Map([['writer', 7]]), turns: 8, fenced: 9, missing: 10, isRedisUp: true },
      },
      reloader: {
        last: { rid: '', err: 0, msg: 'Success', state: 0 },
        reload: async () => {
          this.reloads++
          return this.report
        },
      },
      isDraining: () => this.isDraining,
      post: null,
      origins: {
        answer: () => ({ data: { query: { ip: '', vhost: '', app: '', stream: '' }, origin: null } }),
        state: { isRegistryUp: true, announced: 4, sought: 5, redirects: 6 },
      },
      placesOf: () => ({ rtmp: '/live/cam', flv: '/live/cam.flv', hls: null }),
      log: this.log,
      console: changes.console ?? new Map(),
      effective: () => [SETTING],
      refused: () => new Map([['refused_security', 3]]),
      refusedByLimit: () => new Map([['max_streams', 2]]),
    })
  }

  async start(): Promise<void> {
    const ports = await this.services.prepare(this.#config)
    ports.commit()
    this.services.start()
  }

  /** Asks the API, on a connection of its own. */
  async ask(target: string, method = 'GET', ...headers: string[]): Promise<Answer> {
    return this.#ask(this.services.addresses.api[0]?.port ?? 0, target, method, headers)
  }

  async askExporter(target: string): Promise<Answer> {
    return this.#ask(this.services.addresses.exporter[0]?.port ?? 0, target, 'GET', [])
  }

  /** The payload of an answer that must be well. */
  async get(target: string): Promise<Readonly<Record<string, unknown>>> {
    const { status, json } = await this.ask(target)
    if (status !== 200 || json['code'] !== 0) throw new Error(`${target}: ${status} ${JSON.stringify(json)}`)
    return json
  }

  /** One list of the API. */
  async list(name: string, query = ''): Promise<Readonly<Record<string, unknown>>[]> {
    return (await this.get(`/api/v1/${name}/${query}`))[name] as Record<string, unknown>[]
  }

  async #ask(port: number, target: string, method: string, headers: string[]): Promise<Answer> {
    const response = await HttpProbe.ask({ ...this.server, httpPort: port }, target, method, ...headers)
    const isJson = response.headers['content-type'] === 'application/json' && response.body !== ''
    return { ...response, json: isJson ? (JSON.parse(response.body) as Record<string, unknown>) : {} }
  }
}

/** A configuration in which everything listens on ports that the system chooses. */
export function servicesConfig(changes: ApiChanges = {}): ServicesConfig {
  const anyPort = [{ host: LOCAL, port: 0 }]
  return {
    maxConnections: 1000,
    pithyPrintMs: 10_000,
    listen: anyPort,
    httpServer: { enabled: true, listen: anyPort, https: { enabled: false, listen: [] } },
    httpApi: {
      enabled: true,
      listen: anyPort,
      https: { enabled: false, listen: [] },
      crossdomain: true,
      auth: { enabled: false, username: '', password: '' },
      rawApi: { enabled: false, allowReload: false },
      ...changes.httpApi,
    },
    exporter: { enabled: true, listen: anyPort, label: '', tag: '', ...changes.exporter },
    heartbeat: { enabled: false, intervalMs: 10_000, url: '', deviceId: '', summaries: false, ports: false },
    stats: { enabled: true, network: 0, disk: [], ...changes.stats },
    circuitBreaker: {
      enabled: true,
      highThreshold: 90,
      highPulseMs: 2_000,
      criticalThreshold: 95,
      criticalPulseMs: 1_000,
      dyingThreshold: 99,
      dyingPulseMs: 5_000,
    },
    vhosts: changes.vhosts ?? new Map([['__defaultVhost__', { name: '__defaultVhost__', enabled: true }]]),
  }
}

/** A server with API and exporter for the running test; ended when it is over. */
export async function serveApi(changes: ApiChanges = {}): Promise<ApiServer> {
  const server = await serve(changes.vhost, changes.options)
  const api = new ApiServer(server, servicesConfig(changes), changes)
  await api.start()
  onTestFinished(() => runThread(server.world, (thread) => api.services.stop(thread)))
  return api
}
