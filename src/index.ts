/** `import { createServer } from 'sluice'`: the server as a part of another program. */
import { readFileSync } from 'node:fs'
import { type Config, loadConfig } from './control/config.ts'
import { makeIdentity } from './control/identity.ts'
import { openFileLimit } from './control/process.ts'
import type { CreateServer, LogLine, SluiceOptions } from './embed/api.ts'
import { EmbeddedServer } from './embed/server.ts'
import { HookGate } from './embed/hook-gate.ts'
import { House } from './house.ts'
import { confFile, packageVersion } from './package.ts'
import { consoleFiles, pageFiles } from './run.ts'
import type { Log } from './st/log.ts'
import { RealClock } from './st/real/clock.ts'
import { RealDisk } from './st/real/disk.ts'
import { RealNetwork } from './st/real/network.ts'
import { RealPlatform } from './st/real/platform.ts'
import { RealPrograms } from './st/real/programs.ts'
import { World } from './st/world.ts'

export type * from './embed/api.ts'

/** What stands for the file's name of a configuration that is given as text. */
const TEXT_NAME = 'config'

/**
 * Starts a server; it listens when this returns.
 * @throws Error with code 'config_invalid', or the system's error when a port cannot be opened
 */
export const createServer: CreateServer = async (options = {}) => {
  const load = (): Config => loadConfig(sourceOf(options))
  const config = load()
  const log = logTo(options.log)
  const world = new World(
    new RealClock(),
    new RealNetwork(),
    log,
    new RealDisk(),
    new RealPrograms(),
    new RealPlatform(),
  )
  for (const warning of config.warnings) log.warn({}, warning)
  if (config.edges !== '0') log.warn({}, 'edges has no effect: an embedded server is one process')
  const identity = makeIdentity(world, config.serverId || `vid-${world.newId().slice(1)}`)
  const pages = { page: pageFiles(), console: consoleFiles() }
  const version = packageVersion()
  const callbacks = [new HookGate(options)]
  const house = new House({ world, config, identity, version, ...pages, load, onReload: () => {}, callbacks })
  const server = new EmbeddedServer(world, house)
  try {
    await house.open()
  } catch (error) {
    await server.stop()
    throw error
  }
  return server
}

function sourceOf({ config, configFile, env = {} }: SluiceOptions): Parameters<typeof loadConfig>[0] {
  const openFiles = openFileLimit()
  if (config === undefined) {
    return { file: configFile ?? confFile('sluice.conf'), readFile: readText, env, openFiles }
  }
  return { file: TEXT_NAME, readFile: (path) => (path === TEXT_NAME ? config : readText(path)), env, openFiles }
}

function readText(path: string): string {
  return readFileSync(path, 'utf8')
}

function logTo(write: SluiceOptions['log']): Log {
  const at =
    (level: LogLine['level']) =>
    (fields: object, text: string): void =>
      write?.({ level, text, fields: fields as LogLine['fields'] })
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}
