/** `sluice dolphin` and `sluice sharp` as processes. */
import { Dolphin } from './cluster/dolphin/dolphin.ts'
import type { DolphinOptions } from './cluster/dolphin/options.ts'
import type { Behind } from './cluster/behind/server.ts'
import { makeExporter } from './control/api/api.ts'
import { loadConfig } from './control/config.ts'
import { type Metric, metricsText } from './control/metrics/text.ts'
import type { DolphinConfig, SharpConfig } from './control/proxy-config.ts'
import { realWorld, writePidFile } from './run.ts'
import { HttpSite } from './server/http-site.ts'
import { Sharp, type SharpOptions } from './sharp.ts'
import { handleSignals } from './signals.ts'
import { type Endpoint, formatEndpoint } from './st/network.ts'
import { keepYoungGenerationSmall } from './st/real/heap.ts'
import type { Thread } from './st/thread.ts'
import type { World } from './st/world.ts'

const NO_LOG = '/dev/null'
const RTMP_PORT = 1935
const HTTP_PORT = 80

/** What both proxies are. */
interface Proxy {
  readonly servers: readonly Behind[]
  readonly connections: number
  readonly refused: number
  start(): Promise<void>
  drain(thread: Thread): Promise<void>
  stop(thread: Thread): Promise<void>
}

/** What is said when it runs, and beside what both count. */
interface Face {
  readonly listens: () => readonly string[]
  readonly more: () => readonly Metric[]
}

/** Runs a dolphin until a signal ends the process. When it cannot start, it says why and sets the exit code. */
export async function runDolphin(config: DolphinConfig, version: string): Promise<void> {
  const { world, reopen } = realWorld(config)
  const dolphin = new Dolphin(world, dolphinOptions(config))
  await run(config, { world, reopen, version, metricsAt: config.dolphin.metricsListen }, dolphin, {
    listens: () => [...said('RTMP', dolphin.addresses('rtmp')), ...said('HTTP', dolphin.addresses('http'))],
    more: () => [],
  })
}

/** Runs a sharp likewise. */
export async function runSharp(config: SharpConfig, version: string): Promise<void> {
  const { world, reopen } = realWorld(config)
  const sharp = new Sharp(world, sharpOptions(config), version)
  await run(config, { world, reopen, version, metricsAt: config.sharp.metricsListen }, sharp, {
    listens: () => said('HTTP', sharp.addresses),
    more: () => [gauge('sluice_proxy_streams', 'Streams that are played.', sharp.streams)],
  })
}

interface Surroundings {
  readonly world: World
  readonly reopen: () => void
  readonly version: string
  readonly metricsAt: DolphinConfig['dolphin']['metricsListen']
}

async function run(
  config: Pick<DolphinConfig, 'pid' | 'origins' | 'warnings'>,
  { world, reopen, version, metricsAt }: Surroundings,
  proxy: Proxy,
  face: Face,
): Promise<void> {
  const { log } = world
  const metrics = makeExporter(() => metricsText([...common(proxy), ...face.more()]))
  const site = new HttpSite(world, { options: siteOptions(), version }, metrics)
  const close = async (thread: Thread): Promise<void> => {
    await proxy.stop(thread)
    await site.close(thread)
  }
  try {
    const ports = await site.prepare(metricsAt.map(endpoint), [])
    ports.commit()
    await proxy.start()
  } catch (error) {
    log.error({ err: error }, 'cannot start')
    process.exitCode = 1
    world.spawn('stop', close)
    return
  }
  const reload = (): Promise<void> => {
    log.warn({}, 'a proxy does not read its configuration again: restart it')
    return Promise.resolve()
  }
  const running = {
    config: { forceGraceQuit: false },
    get connections() {
      return proxy.connections
    },
    drain: (thread: Thread) => proxy.drain(thread),
    reload,
    close,
  }
  handleSignals(world, running, reopen)
  writePidFile(log, config)
  log.info({ servers: proxy.servers.map(({ name }) => name) }, 'started')
  for (const line of face.listens()) log.info({}, line)
  for (const at of site.addresses) log.info({}, `metrics: http://${formatEndpoint(at)}/metrics`)
  keepYoungGenerationSmall()
}

export function said(what: string, addresses: readonly Endpoint[]): string[] {
  return addresses.map((at) => `${what} listens on ${formatEndpoint(at)}`)
}

function common({ servers, connections, refused }: Proxy): Metric[] {
  const perServer = (name: string, help: string, type: Metric['type'], value: (server: Behind) => number): Metric => ({
    name: `sluice_proxy_server_${name}`,
    type,
    help,
    samples: servers.map((server) => ({ labels: { server: server.name }, value: value(server) })),
  })
  return [
    gauge('sluice_proxy_connections', 'Connections of clients.', connections),
    counter('sluice_proxy_refused_total', 'Connections of clients that were closed at once.', refused),
    perServer('up', 'Whether the server answers.', 'gauge', ({ isUp }) => Number(isUp)),
    perServer('connections', 'Connections to the server.', 'gauge', ({ open }) => open),
    perServer('connections_total', 'Connections to the server since the start.', 'counter', ({ total }) => total),
    perServer('failures_total', 'Connections to the server that came to nothing.', 'counter', ({ failed }) => failed),
    perServer(
      'received_bytes_total',
      'Bytes that the server got over connections that have ended.',
      'counter',
      ({ receivedBytes }) => receivedBytes,
    ),
    perServer(
      'sent_bytes_total',
      'Bytes that the server gave over connections that have ended.',
      'counter',
      ({ sentBytes }) => sentBytes,
    ),
  ]
}

export function gauge(name: string, help: string, value: number): Metric {
  return { name, type: 'gauge', help, samples: [{ value }] }
}

export function counter(name: string, help: string, value: number): Metric {
  return { name, type: 'counter', help, samples: [{ value }] }
}

function dolphinOptions({ dolphin, ffLogDir }: DolphinConfig): DolphinOptions {
  return {
    ...dolphin,
    rtmp: dolphin.listen.map(endpoint),
    http: dolphin.httpListen.map(endpoint),
    servers: dolphin.server.map(({ name, rtmp, http, start }) => ({
      name,
      rtmp: there(rtmp, RTMP_PORT),
      http: there(http, HTTP_PORT),
      start: start[0] ?? [],
    })),
    programLogDir: ffLogDir === NO_LOG ? null : ffLogDir,
  }
}

function sharpOptions({ sharp }: SharpConfig): SharpOptions {
  const servers = sharp.server.map(({ name, http }) => ({ name, rtmp: null, http: there(http, HTTP_PORT), start: [] }))
  return { ...sharp, http: sharp.listen.map(endpoint), servers, proxyProtocol: false }
}

export function endpoint({ host, port }: { readonly host: string | null; readonly port: number }): Endpoint {
  return { host: host ?? '', port }
}

function there(
  [at]: readonly { readonly host: string; readonly port: number | null }[],
  port: number,
): Endpoint | null {
  return at ? { host: at.host, port: at.port ?? port } : null
}

export function siteOptions(): ConstructorParameters<typeof HttpSite>[1]['options'] {
  return {
    maxConnections: 256,
    maxConnectionsPerAddress: 0,
    proxies: { isTrusted: () => false, hasRtmpHeader: false, hasHttpHeader: false, realIpHeader: 'x-forwarded-for' },
    pithyPrintMs: 10_000,
    limits: loadConfig({ file: 'defaults', readFile: () => 'listen 1935;', env: {} }).limits,
    crossdomain: false,
    websocketOrigins: [],
    httpDir: '',
    resolveVhost: () => null,
  }
}
