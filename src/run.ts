/** Runs the server as a process: its log, its pid file, its signals, its end. */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { watchConfiguration } from './control/auto-reload.ts'
import type { Config } from './control/config.ts'
import { makeIdentity } from './control/identity.ts'
import { makeLog, type ProcessLog } from './control/log.ts'
import { keepServerId, PidFile, untilOrphaned } from './control/process.ts'
import type { HousePart } from './cores.ts'
import { House } from './house.ts'
import type { PageFile } from './server/page.ts'
import { handleSignals } from './signals.ts'
import type { Log } from './st/log.ts'
import { formatEndpoint, type Network } from './st/network.ts'
import { RealClock } from './st/real/clock.ts'
import { RealDisk } from './st/real/disk.ts'
import { keepYoungGenerationSmall } from './st/real/heap.ts'
import { RealNetwork } from './st/real/network.ts'
import { RealPlatform } from './st/real/platform.ts'
import { RealPrograms } from './st/real/programs.ts'
import { World } from './st/world.ts'

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
}

/**
 * Runs the server as one process until a signal ends it. When it cannot start, it says why and sets the exit code.
 * @returns null when it cannot start
 */
export async function run(config: Config, version: string, load: () => Config): Promise<House | null> {
  const running = await runHouse({ config, version, load, file: null, surroundings: realWorld(config), isOnly: true })
  return running?.house ?? null
}

/** What a house is run with. */
export interface HouseRun {
  readonly config: Config
  readonly version: string
  /** Reads the configuration again. @throws ConfigError */
  readonly load: () => Config
  /** Where the configuration is; null: there is none. */
  readonly file: string | null
  readonly surroundings: RealWorld
  readonly part?: HousePart
  /** Whether this process is the whole server. */
  readonly isOnly: boolean
}

/** A house that runs, and the ways to tell it something. */
export interface RunningHouse {
  readonly house: House
  readonly stop: ReturnType<typeof handleSignals>
  readonly reload: () => void
  readonly reopen: () => void
}

/** Runs a house until a signal ends the process. When it cannot start, it says why, sets the exit code and returns null. */
export async function runHouse({ config, version, load, file, ...about }: HouseRun): Promise<RunningHouse | null> {
  const { world, ring, setLevel, reopen } = about.surroundings
  const { log } = world
  const identity = makeIdentity(world, serverId(world, config))
  const onReload = ({ logLevel }: Config): void => setLevel(logLevel)
  const part = about.part ? { part: about.part } : {}
  const pages = { page: pageFiles(), console: consoleFiles() }
  const house = new House({ world, config, identity, version, ...pages, load, onReload, log: ring, ...part })
  try {
    await house.open()
  } catch (error) {
    log.error({ err: error }, 'cannot start')
    process.exitCode = 1
    // What has been opened already would keep the process alive.
    world.spawn('stop', async (thread) => {
      await house.close(thread)
      if (about.part) process.exit(1)
    })
    return null
  }
  // Before anybody is told that it runs: a signal that came earlier would end the process as it is.
  const stop = handleSignals(world, house, reopen)
  if (about.isOnly) writePidFile(log, config)
  log.info(
    { serverId: identity.serverId, ...(about.part && { part: about.part.name, number: about.part.number }) },
    'started',
  )
  if (about.part?.name !== 'edge') {
    watchSurroundings(world, house, file, about.isOnly)
    announce(log, house)
  }
  keepYoungGenerationSmall()
  const reload = (): void => void world.spawn('reload', async (thread) => void (await house.reload(thread)))
  return { house, stop, reload, reopen }
}

/** The process's world and its log. */
export type RealWorld = Omit<ProcessLog, 'log'> & { readonly world: World }

/** The machine and the log of this process. @param networkOf its network, made of that of the machine */
export function realWorld(
  config: Pick<Config, 'logLevel' | 'srsLogTank' | 'srsLogFile' | 'utcTime'>,
  networkOf: (own: Network) => Network = (own) => own,
): RealWorld {
  const { log, ...rest } = makeLog({
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
  return {
    world: new World(new RealClock(), networkOf(network), log, new RealDisk(), new RealPrograms(), new RealPlatform()),
    ...rest,
  }
}

/** What the process is told by other means than signals. */
function watchSurroundings(world: World, house: House, file: string | null, isOnly: boolean): void {
  const { inotifyAutoReload, inDocker, autoReloadForDocker, asprocess } = house.config
  if (file !== null && (inotifyAutoReload || (inDocker && autoReloadForDocker))) {
    const reloadOnChange = watchConfiguration(file)
    world.spawn('auto-reload', (thread) => reloadOnChange(thread, () => house.reload(thread)))
  }
  // The supervisor watches its own parent.
  if (asprocess && isOnly) endWithParent(world)
}

/** Ends the process when the one that started it has gone. */
export function endWithParent(world: World): void {
  world.spawn('parent', async (thread) => {
    await untilOrphaned(thread)
    process.kill(process.pid, 'SIGTERM')
  })
}

/** Writes the pid file, for as long as the process runs. */
export function writePidFile(log: Log, config: Pick<Config, 'pid' | 'origins'>): void {
  try {
    const file = new PidFile(config.pid, process.pid, config.origins.has('pid'))
    process.on('exit', () => file.remove())
  } catch (error) {
    log.warn({ err: error }, 'cannot write the pid file')
  }
}

/** The name of this server, which is kept beside the pid file. */
export function serverId(world: World, config: Config): string {
  const fresh = `vid-${world.newId().slice(1)}`
  try {
    return keepServerId(config.serverId, config.pid, fresh, config.origins.has('pid'))
  } catch (error) {
    world.log.warn({ err: error }, 'cannot keep the id of the server beside the pid file')
    return config.serverId || fresh
  }
}

function announce(log: Log, { addresses: { rtmp, rtmps, http, https, api, secureApi, exporter } }: House): void {
  for (const endpoint of rtmp) log.info({}, `RTMP listens on ${formatEndpoint(endpoint)}`)
  for (const endpoint of rtmps) log.info({}, `RTMPS listens on ${formatEndpoint(endpoint)}`)
  for (const { host, port } of http) {
    log.info({}, `HTTP listens on ${formatEndpoint({ host, port })}: page and players on http://localhost:${port}/`)
  }
  for (const endpoint of https) log.info({}, `HTTPS listens on ${formatEndpoint(endpoint)}`)
  for (const endpoint of api) log.info({}, `HTTP API listens on ${formatEndpoint(endpoint)}`)
  for (const endpoint of secureApi) log.info({}, `HTTPS API listens on ${formatEndpoint(endpoint)}`)
  for (const endpoint of exporter) log.info({}, `metrics: http://${formatEndpoint(endpoint)}/metrics`)
  const rtmpPort = rtmp[0]?.port
  if (rtmpPort === undefined) return
  const base = `rtmp://localhost${rtmpPort === 1935 ? '' : `:${rtmpPort}`}/live/livestream`
  log.info({}, `publish: ffmpeg -re -i FILE -c:v libx264 -preset veryfast -g 50 -c:a aac -f flv ${base}`)
  log.info({}, `play:    ffplay ${base}`)
}

/** The files of the console, which has parts of the default page too. */
export function consoleFiles(): Map<string, PageFile> {
  const shared = [...pageFiles('page')].filter(([path]) => path === '/mpegts.js' || path === '/icon.svg')
  return new Map([...pageFiles('console'), ...shared])
}

/** The files of a page, which the build puts beside the program. */
export function pageFiles(name: 'page' | 'console' = 'page'): Map<string, PageFile> {
  const dir = join(dirname(fileURLToPath(import.meta.url)), name)
  const files = new Map<string, PageFile>()
  for (const file of readdirSync(dir)) {
    const contentType = CONTENT_TYPES[extname(file)]
    if (contentType) files.set(`/${file}`, { contentType, bytes: readFileSync(join(dir, file)) })
  }
  return files
}
