#!/usr/bin/env node
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type Config, ConfigError, loadConfig } from './control/config.ts'
import { makeIdentity } from './control/identity.ts'
import { makeLog } from './control/log.ts'
import type { PageFile } from './server/page.ts'
import { Server } from './server/server.ts'
import { makeBreaker, Services } from './services.ts'
import { asError } from './st/errors.ts'
import type { Log } from './st/log.ts'
import { type Endpoint, formatEndpoint } from './st/network.ts'
import { RealClock } from './st/real/clock.ts'
import { RealNetwork } from './st/real/network.ts'
import type { Thread } from './st/thread.ts'
import { World } from './st/world.ts'

const PACKAGE_DIR = dirname(dirname(fileURLToPath(import.meta.url)))
const DEFAULT_FILE = join(PACKAGE_DIR, 'conf', 'sluice.conf')
const EXIT_USAGE = 2
const USAGE = `sluice: a live-streaming server. RTMP in; RTMP and HTTP-FLV out.

usage: sluice [-c FILE] [-t | -v | -h]

  -c FILE  the configuration; without it ${DEFAULT_FILE}
  -t       test the configuration and exit
  -v       print the version and exit
  -h       print this and exit
`

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
}

await main()

async function main(): Promise<void> {
  const options = readArguments()
  if (options.help) return print(USAGE)
  if (options.version) return print(`sluice ${packageVersion()}\n`)
  const config = readConfig(options.config)
  if (!config) {
    process.exitCode = 1
    return
  }
  if (options.test) print(`The configuration is valid.\n`)
  else await run(config)
}

function readArguments(): { config: string; test: boolean; version: boolean; help: boolean } {
  try {
    const { values } = parseArgs({
      options: {
        config: { type: 'string', short: 'c', default: DEFAULT_FILE },
        test: { type: 'boolean', short: 't', default: false },
        version: { type: 'boolean', short: 'v', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    })
    return values
  } catch (error) {
    process.stderr.write(`sluice: ${asError(error).message}\n\n${USAGE}`)
    return process.exit(EXIT_USAGE)
  }
}

function readConfig(file: string): Config | null {
  try {
    const config = loadConfig({ file, readFile: (path) => readFileSync(path, 'utf8'), env: process.env })
    for (const warning of config.warnings) process.stderr.write(`sluice: warning: ${warning}\n`)
    return config
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    process.stderr.write(`${error.message}\n`)
    return null
  }
}

async function run(config: Config): Promise<void> {
  const log = makeLog({
    level: config.logLevel,
    file: config.srsLogTank === 'file' ? config.srsLogFile : null,
    pretty: process.stdout.isTTY,
  })
  const world = new World(new RealClock(), new RealNetwork(), log)
  const { maxConnections, pithyPrintMs, httpServer } = config
  const options = {
    maxConnections,
    pithyPrintMs,
    crossdomain: httpServer.crossdomain,
    resolveVhost: (name: string) => config.resolveVhost(name),
  }
  const version = packageVersion()
  const server = new Server(world, options, version)
  let isDraining = false
  const services = new Services({
    world,
    server,
    breaker: makeBreaker(() => config),
    http: { options, version },
    identity: makeIdentity(world, config.serverId),
    version,
    config: () => config,
    reloader: null,
    isDraining: () => isDraining,
    post: null,
    refused: () => new Map(),
  })
  const where = {
    rtmp: endpoints(config.listen),
    http: httpServer.enabled ? endpoints(httpServer.listen) : [],
  }
  try {
    await server.start(where, pageFiles(), (address) => services.handlersAt(address))
    await services.start()
  } catch (error) {
    log.error({ err: error }, 'cannot listen')
    process.exitCode = 1
    // What has been opened already would keep the process alive.
    world.spawn('stop', (thread) => stopAll(thread, server, services))
    return
  }
  announce(log, server, services)
  stopOnSignals(world, server, services, () => {
    isDraining = true
  })
}

function announce(log: Log, server: Server, services: Services): void {
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
function stopOnSignals(world: World, server: Server, services: Services, onStop: () => void): void {
  let isStopping = false
  const stop = (signal: NodeJS.Signals): void => {
    if (isStopping) process.exit(1)
    isStopping = true
    onStop()
    world.log.info({ signal, connections: server.connections }, 'stopping')
    world.spawn('stop', async (thread) => {
      await stopAll(thread, server, services)
      world.log.info({}, 'stopped')
      process.exit(0)
    })
  }
  process.on('SIGINT', stop)
  process.on('SIGTERM', stop)
}

async function stopAll(thread: Thread, server: Server, services: Services): Promise<void> {
  await server.stop(thread)
  await services.stop(thread)
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

function packageVersion(): string {
  const text = readFileSync(join(PACKAGE_DIR, 'package.json'), 'utf8')
  return String((JSON.parse(text) as { version: unknown }).version)
}

function print(text: string): void {
  process.stdout.write(text)
}
