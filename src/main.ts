#!/usr/bin/env node
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, extname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type Config, ConfigError, loadConfig } from './control/config.ts'
import { chooseFile } from './control/environment.ts'
import { fullConf } from './control/full-conf.ts'
import { Hooks } from './control/hooks/hooks.ts'
import { makeIdentity } from './control/identity.ts'
import { makeLog } from './control/log.ts'
import { keepServerId, openFileLimit, PidFile } from './control/process.ts'
import type { PageFile } from './server/page.ts'
import { SERVER_NAME } from './server/options.ts'
import { Server } from './server/server.ts'
import { asError } from './st/errors.ts'
import type { Log } from './st/log.ts'
import { type Endpoint, formatEndpoint } from './st/network.ts'
import { RealClock } from './st/real/clock.ts'
import { RealDisk } from './st/real/disk.ts'
import { RealNetwork } from './st/real/network.ts'
import { World } from './st/world.ts'

const PACKAGE_DIR = dirname(dirname(fileURLToPath(import.meta.url)))
const DEFAULT_FILE = join(PACKAGE_DIR, 'conf', 'sluice.conf')
const EXIT_USAGE = 2
/** How long the end of the last clients may be told; Docker kills after 10 s. */
const LAST_CALLBACKS_MS = 5_000
const USAGE = `sluice: a live-streaming server. RTMP in; RTMP and HTTP-FLV out.

usage: sluice [-c FILE | -e] [-t | -v | -g | -h | --full-conf]

  -c FILE      the configuration; without it SRS_CONFIG_FILE, else ${DEFAULT_FILE}
  -e           no file: the SRS_... variables alone (also SRS_ENV_ONLY=on)
  -t           test the configuration and exit
  -v, -V       print the version and exit
  -g, -G       print the signature and exit
  -h, -?       print this and exit
  --full-conf  print every directive with its meaning and default and exit
`
/** Options that SRS has under two letters. */
const SAME_OPTION: Readonly<Record<string, string>> = { '-V': '-v', '-G': '-g', '-?': '-h' }
/** Relative names on the command line and in `include` start here, also after work_dir. */
const START_DIR = process.cwd()

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
  if (options.signature) return print(`${SERVER_NAME}/${packageVersion()}\n`)
  if (options['full-conf']) return print(fullConf())
  const config = readConfig(chooseFile({ file: options.config, isEnvOnly: options.env }, process.env))
  if (!config) {
    process.exitCode = 1
    return
  }
  if (options.test) print(`The configuration is valid.\n`)
  else if (changeFolder(config.workDir)) await run(config)
}

function readArguments() {
  try {
    const { values } = parseArgs({
      args: process.argv.slice(2).map((argument) => SAME_OPTION[argument] ?? argument),
      options: {
        config: { type: 'string', short: 'c', default: DEFAULT_FILE },
        env: { type: 'boolean', short: 'e', default: false },
        test: { type: 'boolean', short: 't', default: false },
        version: { type: 'boolean', short: 'v', default: false },
        signature: { type: 'boolean', short: 'g', default: false },
        help: { type: 'boolean', short: 'h', default: false },
        'full-conf': { type: 'boolean', default: false },
      },
    })
    return values
  } catch (error) {
    process.stderr.write(`sluice: ${asError(error).message}\n\n${USAGE}`)
    return process.exit(EXIT_USAGE)
  }
}

function readConfig(file: string | null): Config | null {
  try {
    const readFile = (path: string): string => readFileSync(resolve(START_DIR, path), 'utf8')
    const config = loadConfig({ file, readFile, env: process.env, openFiles: openFileLimit() })
    for (const warning of config.warnings) process.stderr.write(`sluice: warning: ${warning}\n`)
    return config
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    process.stderr.write(`${error.message}\n`)
    return null
  }
}

/** Goes to work_dir; false, with a word and the exit code set, when it cannot. */
function changeFolder(folder: string): boolean {
  try {
    process.chdir(folder)
    return true
  } catch (error) {
    process.stderr.write(`sluice: work_dir: ${asError(error).message}\n`)
    process.exitCode = 1
    return false
  }
}

async function run(config: Config): Promise<void> {
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
  const { maxConnections, pithyPrintMs, httpServer } = config
  const identity = makeIdentity(world, serverId(world, config))
  const hooks = new Hooks(
    world,
    identity,
    `Sluice/${packageVersion()}`,
    (vhost) => config.resolveVhost(vhost)?.httpHooks ?? null,
  )
  const server = new Server(
    world,
    {
      maxConnections,
      pithyPrintMs,
      crossdomain: httpServer.crossdomain,
      resolveVhost: (name) => config.resolveVhost(name),
    },
    packageVersion(),
    { callbacks: [hooks] },
  )
  const where = {
    rtmp: endpoints(config.listen),
    http: httpServer.enabled ? endpoints(httpServer.listen) : [],
  }
  try {
    await server.start(where, pageFiles())
  } catch (error) {
    log.error({ err: error }, 'cannot listen')
    process.exitCode = 1
    return
  }
  writePidFile(log, config)
  log.info({ serverId: identity.serverId }, 'started')
  announce(log, server)
  stopOnSignals(world, server, hooks)
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

function announce(log: Log, server: Server): void {
  const { rtmp, http } = server.addresses
  for (const endpoint of rtmp) log.info({}, `RTMP listens on ${formatEndpoint(endpoint)}`)
  for (const { host, port } of http) {
    log.info({}, `HTTP listens on ${formatEndpoint({ host, port })}: page and players on http://localhost:${port}/`)
  }
  const rtmpPort = rtmp[0]?.port
  if (rtmpPort === undefined) return
  const base = `rtmp://localhost${rtmpPort === 1935 ? '' : `:${rtmpPort}`}/live/livestream`
  log.info({}, `publish: ffmpeg -re -i FILE -c:v libx264 -preset veryfast -g 50 -c:a aac -f flv ${base}`)
  log.info({}, `play:    ffplay ${base}`)
}

/** The first signal ends the server in order, a second one at once. */
function stopOnSignals(world: World, server: Server, hooks: Hooks): void {
  let isStopping = false
  const stop = (signal: NodeJS.Signals): void => {
    if (isStopping) process.exit(1)
    isStopping = true
    world.log.info({ signal, connections: server.connections }, 'stopping')
    world.spawn('stop', async (thread) => {
      await server.stop(thread)
      await hooks.stop(thread, LAST_CALLBACKS_MS)
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

function packageVersion(): string {
  const text = readFileSync(join(PACKAGE_DIR, 'package.json'), 'utf8')
  return String((JSON.parse(text) as { version: unknown }).version)
}

function print(text: string): void {
  process.stdout.write(text)
}
