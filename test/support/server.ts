import { type LimitOptions, Limits } from '../../src/server/limits.ts'
import type { ProxyOptions, ServerOptions, VhostOptions } from '../../src/server/options.ts'
import type { PageFile } from '../../src/server/page.ts'
import { Server, type ServerGates, type ServerRecordings } from '../../src/server/server.ts'
import type { Disk } from '../../src/st/disk.ts'
import type { World } from '../../src/st/world.ts'
import { type LogLine, makeWorld, runThread } from './world.ts'

/** A vhost as the default configuration has it, for tests that do not care. */
const VHOST: VhostOptions = {
  name: '__defaultVhost__',
  chunkSize: 60_000,
  minLatency: false,
  inAckSize: 0,
  outAckSize: 2_500_000,
  play: {
    gopCache: true,
    gopCacheMaxFrames: 2500,
    queueLengthMs: 10_000,
    mwLatencyMs: 350,
    sendTimeoutMs: 30_000,
    timeJitter: 'full',
    mixCorrect: false,
    atc: false,
    atcAuto: false,
    sendMinIntervalMs: 0,
    reduceSequenceHeader: false,
  },
  publish: {
    firstpktTimeoutMs: 20_000,
    normalTimeoutMs: 5_000,
    takeoverAfterMs: 2_000,
    kickoffForIdleMs: 0,
    http: false,
  },
  httpRemux: {
    enabled: true,
    mount: '[vhost]/[app]/[stream].flv',
    waitPublisherMs: 10_000,
    fastCacheMs: 0,
    hasAudio: true,
    hasVideo: true,
  },
  httpStatic: { enabled: false, mount: '[vhost]/', dir: './objs/nginx/html' },
  hls: {
    enabled: false,
    hlsFragmentMs: 10_000,
    hlsTdRatio: 1,
    hlsAtcWaitMs: 4_000,
    hlsAofRatio: 2.1,
    hlsWindowMs: 60_000,
    hlsOnError: 'continue',
    hlsPath: '',
    hlsM3u8File: '[app]/[stream].m3u8',
    hlsTsFile: '[app]/[stream]-[seq].ts',
    hlsUseFmp4: false,
    hlsFmp4File: '[app]/[stream]-[seq].m4s',
    hlsInitFile: '[app]/[stream]/init.mp4',
    hlsLowLatency: false,
    hlsPartMs: 200,
    hlsEntryPrefix: '',
    hlsCleanup: true,
    hlsDisposeMs: 120_000,
    hlsRecover: true,
    hlsWaitKeyframe: true,
    hlsTsFloor: false,
    hlsNbNotify: 64,
    hlsCtx: true,
    hlsTsCtx: true,
    hlsKeys: false,
    hlsKeySecret: '',
    hlsFragmentsPerKey: 5,
    hlsKeyFile: '[app]/[stream]-[seq].key',
    hlsKeyFilePath: '',
    hlsKeyUrl: '',
    hlsDtsDirectly: true,
  },
  dvr: {
    enabled: false,
    dvrApply: ['all'],
    dvrPlan: 'session',
    dvrPath: './objs/nginx/html/[app]/[stream].[timestamp].flv',
    dvrDurationMs: 30_000,
    dvrWaitKeyframe: true,
    timeJitter: 'full',
    dvrMount: '',
  },
}

/** As the configuration has them by default. */
export const DEFAULT_LIMITS: LimitOptions = {
  handshakeTimeoutMs: 30_000,
  commandTimeoutMs: 30_000,
  maxMessageBytes: 8 << 20,
  maxPartialBytes: 16 << 20,
  maxChunkStreams: 64,
  maxAmfBytes: 4 << 20,
  maxAmfValues: 16_384,
  maxAmfDepth: 64,
  maxMetadataBytes: 1 << 20,
  maxNameBytes: 255,
  maxQueryBytes: 8_192,
  maxUnreadBytes: 4 << 20,
  maxStreams: 50_000,
  maxWaitingStreams: 20_000,
  requestTimeoutMs: 15_000,
  tlsTimeoutMs: 10_000,
  maxRequestLineBytes: 8 << 10,
  maxRequestHeadBytes: 16 << 10,
  maxRequestHeaders: 100,
  maxWebsocketBytes: 1024,
}

/** Counts nothing. */
export const NO_COUNT = new Limits({ totals: new Map(), count: () => {} })

/** Nobody's word about others counts. */
const NO_PROXIES: ProxyOptions = {
  isTrusted: () => false,
  hasRtmpHeader: false,
  hasHttpHeader: false,
  realIpHeader: 'x-forwarded-for',
}

/** The settings of a server without limits, for tests that do not care. */
export function testOptions(vhost: VhostOptions, changes: Partial<ServerOptions> = {}): ServerOptions {
  return {
    maxConnections: 10_000,
    maxConnectionsPerAddress: 0,
    limits: DEFAULT_LIMITS,
    proxies: NO_PROXIES,
    pithyPrintMs: 10_000,
    crossdomain: true,
    websocketOrigins: [],
    httpDir: '',
    resolveVhost: () => vhost,
    ...changes,
  }
}

/** What a test may change of the default vhost. */
export interface VhostChanges {
  name?: string
  chunkSize?: number
  minLatency?: boolean
  inAckSize?: number
  outAckSize?: number
  play?: Partial<VhostOptions['play']>
  publish?: Partial<VhostOptions['publish']>
  httpRemux?: Partial<VhostOptions['httpRemux']>
  httpStatic?: Partial<VhostOptions['httpStatic']>
  hls?: Partial<VhostOptions['hls']>
  dvr?: Partial<VhostOptions['dvr']>
}

/** The default vhost with changes. */
export function testVhost(changes: VhostChanges): VhostOptions {
  return {
    ...VHOST,
    ...changes,
    play: { ...VHOST.play, ...changes.play },
    publish: { ...VHOST.publish, ...changes.publish },
    httpRemux: { ...VHOST.httpRemux, ...changes.httpRemux },
    httpStatic: { ...VHOST.httpStatic, ...changes.httpStatic },
    hls: { ...VHOST.hls, ...changes.hls },
    dvr: { ...VHOST.dvr, ...changes.dvr },
  }
}

/** A server in this process, on ports that the system chose. */
export interface TestServer {
  readonly server: Server
  readonly world: World
  readonly rtmpPort: number
  readonly httpPort: number
  readonly lines: LogLine[]
  stop(): Promise<void>
}

/** Starts a server; whoever starts it stops it. Every thread that failed makes `stop` throw. */
export async function startServer(
  changes: VhostChanges = {},
  options: Partial<ServerOptions> = {},
  page: ReadonlyMap<string, PageFile> = new Map(),
  makeGates: (world: World) => ServerGates = () => ({}),
  recordings?: ServerRecordings,
  disk?: Disk,
  ports: { rtmp?: number; http?: number } = {},
): Promise<TestServer> {
  const { world, log } = makeWorld(true, disk)
  const server = new Server(world, testOptions(testVhost(changes), options), 'test', makeGates(world), recordings)
  const at = (port = 0): { host: string; port: number } => ({ host: '127.0.0.1', port })
  const secure = options.tls ? { rtmps: [at()], https: [at()] } : {}
  await server.start({ rtmp: [at(ports.rtmp)], http: [at(ports.http)], ...secure }, page)
  const [rtmp] = server.addresses.rtmp
  const [http] = server.addresses.http
  return {
    server,
    world,
    lines: log.lines,
    rtmpPort: rtmp?.port ?? 0,
    httpPort: http?.port ?? 0,
    stop: async () => {
      await runThread(world, (thread) => server.stop(thread))
      const failures = log.lines.filter((line) => line.level === 'error')
      if (failures.length > 0) throw new Error(`the server logged errors: ${JSON.stringify(failures, errorText)}`)
    },
  }
}

function errorText(_key: string, value: unknown): unknown {
  return value instanceof Error ? value.stack : value
}
