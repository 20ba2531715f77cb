/** The house around the server: puts its parts together by a configuration, opens it, and closes it in order. */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Config } from './control/config.ts'
import { Hooks } from './control/hooks/hooks.ts'
import { makeIdentity } from './control/identity.ts'
import { makeLog } from './control/log.ts'
import { keepServerId, PidFile } from './control/process.ts'
import { makeProxies, makeSecurity } from './control/security/security.ts'
import { HttpPool } from './http/pool.ts'
import { SERVER_NAME, type ServerOptions } from './server/options.ts'
import type { PageFile } from './server/page.ts'
import { Server } from './server/server.ts'
import { makeBreaker, Services } from './services.ts'
import type { Log } from './st/log.ts'
import { type Endpoint, formatEndpoint } from './st/network.ts'
import { RealClock } from './st/real/clock.ts'
import { RealDisk } from './st/real/disk.ts'
import { keepYoungGenerationSmall } from './st/real/heap.ts'
import { RealNetwork } from './st/real/network.ts'
import type { Thread } from './st/thread.ts'
import { World } from './st/world.ts'

/** How long the end of the last clients may be told; Docker kills after 10 s. */
const LAST_CALLBACKS_MS = 5_000

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
}

/** The parts of a running server. */
interface House {
  readonly world: World
  readonly server: Server
  readonly services: Services
  readonly hooks: Hooks
  readonly pool: HttpPool
  isDraining: boolean
}

/** Runs the server until a signal ends the process. When it cannot start, it says why and sets the exit code. */
export async function runHouse(config: Config, version: string): Promise<void> {
  const log = makeLog({
    level: config.logLevel,
    file: config.srsLogTank === 'file' ? config.srsLogFile : null,
    pretty: process.stdout.isTTY,
    utc: config.utcTime,
  })
  const network = new RealNetwork()
  if (network.slowReason) {
    log.warn(
      { reason: network.slowReason },
      'connections are served on the sockets of Node: each costs more CPU and memory',
    )
  }
  const world = new World(new RealClock(), network, log, new RealDisk())
  const id = serverId(world, config)
  const house = build(world, config, version, id)
  if (!(await open(house, config))) {
    process.exitCode = 1
    // What has been opened already would keep the process alive.
    world.spawn('stop', (thread) => close(thread, house))
    return
  }
  writePidFile(log, config)
  log.info({ serverId: id }, 'started')
  announce(house)
  keepYoungGenerationSmall()
  stopOnSignals(house)
}

function build(world: World, config: Config, version: string, id: string): House {
  const identity = makeIdentity(world, id)
  const agent = `${SERVER_NAME}/${version}`
  const hooks = new Hooks(world, identity, agent, (vhost) => config.resolveVhost(vhost)?.httpHooks ?? null)
  const breaker = makeBreaker(() => config)
  const options = serverOptions(config)
  const security = makeSecurity((vhost) => config.vhosts.get(vhost) ?? null)
  const server = new Server(world, options, version, {
    access: [breaker, ...security],
    callbacks: [hooks],
    hlsNotices: hooks,
  })
  const pool = new HttpPool(world)
  const services = new Services({
    world,
    server,
    breaker,
    http: { options, version },
    identity,
    version,
    config: () => config,
    reloader: null,
    isDraining: () => house.isDraining,
    post: (thread, url, body, timeoutMs) => post(thread, pool, agent, url, body, timeoutMs),
    refused: () => server.refusals.totals,
  })
  const house: House = { world, server, services, hooks, pool, isDraining: false }
  return house
}

function serverOptions(config: Config): ServerOptions {
  const { maxConnections, maxConnectionsPerAddress, pithyPrintMs, httpServer } = config
  return {
    maxConnections,
    maxConnectionsPerAddress,
    proxies: makeProxies(config),
    pithyPrintMs,
    crossdomain: httpServer.crossdomain,
    resolveVhost: (name) => config.resolveVhost(name),
  }
}

async function post(
  thread: Thread,
  pool: HttpPool,
  agent: string,
  url: string,
  body: string,
  timeoutMs: number,
): Promise<void> {
  const headers = { 'Content-Type': 'application/json', 'User-Agent': agent }
  await pool.request(thread, { method: 'POST', url: new URL(url), headers, body }, timeoutMs)
}

/** @returns false when a port cannot be opened; the log says which */
async function open({ world, server, services }: House, config: Config): Promise<boolean> {
  const { listen, httpServer } = config
  const where = { rtmp: endpoints(listen), http: httpServer.enabled ? endpoints(httpServer.listen) : [] }
  try {
    await server.start(where, pageFiles(), (address) => services.handlersAt(address))
    await services.start()
    return true
  } catch (error) {
    world.log.error({ err: error }, 'cannot listen')
    return false
  }
}

async function close(thread: Thread, { server, services, hooks, pool }: House): Promise<void> {
  await server.stop(thread)
  await hooks.stop(thread, LAST_CALLBACKS_MS)
  await services.stop(thread)
  await pool.stop(thread)
}

/** Writes the pid file, for as long as the process runs. */
function writePidFile(log: Log, config: Config): void {
  try {
    const file = new PidFile(config.pid, process.pid, config.origins.has('pid'))
    process.on('exit', () => file.remove())
  } catch (error) {
    log.warn({ err: error }, 'cannot write the pid file')
  }
}

function serverId(world: World, config: Config): string {
  const fresh = `vid-${world.newId().slice(1)}`
  try {
    return keepServerId(config.serverId, config.pid, fresh, config.origins.has('pid'))
  } catch (error) {
    world.log.warn({ err: error }, 'cannot keep the id of the server beside the pid file')
    return config.serverId || fresh
  }
}

function announce({ world: { log }, server, services }: House): void {
  const { rtmp, http } = server.addresses
  const { api, exporter } = services.addresses
  for (const endpoint of rtmp) log.info({}, `RTMP listens on ${formatEndpoint(endpoint)}`)
  for (const { host, port } of http) {
    log.info({}, `HTTP listens on ${formatEndpoint({ host, port })}: page and players on http://localhost:${port}/`)
  }
  for (const endpoint of api) log.info({}, `HTTP API listens on ${formatEndpoint(endpoint)}`)
  for (const endpoint of exporter) log.info({}, `metrics: http://${formatEndpoint(endpoint)}/metrics`)
  const rtmpPort = rtmp[0]?.port
  if (rtmpPort === undefined) return
  const base = `rtmp://localhost${rtmpPort === 1935 ? '' : `:${rtmpPort}`}/live/livestream`
  log.info({}, `publish: ffmpeg -re -i FILE -c:v libx264 -preset veryfast -g 50 -c:a aac -f flv ${base}`)
  log.info({}, `play:    ffplay ${base}`)
}

/** The first signal ends the server in order, a second one at once. */
function stopOnSignals(house: House): void {
  const { world, server } = house
  const stop = (signal: NodeJS.Signals): void => {
    if (house.isDraining) process.exit(1)
    house.isDraining = true
    world.log.info({ signal, connections: server.connections }, 'stopping')
    world.spawn('stop', async (thread) => {
      await close(thread, house)
      world.log.info({}, 'stopped')
      process.exit(0)
    })
  }
  process.on('SIGINT', stop)
  process.on('SIGTERM', stop)
}

function endpoints(addresses: readonly { host: string | null; port: number }[]): Endpoint[] {
  return addresses.map(({ host, port }) => ({ host: host ?? '', port }))
}

/** The files of the default page, which the build puts beside the program. */
function pageFiles(): Map<string, PageFile> {
  const dir = join(dirname(fileURLToPath(import.meta.url)), 'page')
  const files = new Map<string, PageFile>()
  for (const name of readdirSync(dir)) {
    const contentType = CONTENT_TYPES[extname(name)]
    if (contentType) files.set(`/${name}`, { contentType, bytes: readFileSync(join(dir, name)) })
  }
  return files
}
