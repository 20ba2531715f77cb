/** Reads the configurations of `sluice dolphin`, `sluice sharp` and `sluice backup`: the same grammar, tables of their own. */
import { ConfigError, type ConfigSource, levelOf, type LogLevel, readSource } from './config.ts'
import { BACKUP_DIRECTIVES } from './directives/backup.ts'
import { DOLPHIN_DIRECTIVES, SHARP_DIRECTIVES } from './directives/proxies.ts'
import { Reader } from './reader.ts'
import type { Directives } from './setting.ts'
import { typed, type Values } from './values.ts'

/** What every configuration says about its process. */
interface Common {
  readonly logLevel: LogLevel
  readonly warnings: readonly string[]
  /** See Config.origins. */
  readonly origins: ReadonlyMap<string, string>
}

/** The configuration of a dolphin. */
export type DolphinConfig = Values<typeof DOLPHIN_DIRECTIVES> & Common

/** The configuration of a sharp. */
export type SharpConfig = Values<typeof SHARP_DIRECTIVES> & Common

/** The configuration of a coordinator. */
export type BackupConfig = Values<typeof BACKUP_DIRECTIVES> & Common

interface Server {
  readonly name: string
  readonly http: readonly { readonly port: number | null }[]
  readonly rtmp?: readonly { readonly port: number | null }[]
}

/** Where it is from does not matter here. */
type Source = Pick<ConfigSource, 'file' | 'readFile' | 'env'>

/** Loads and checks the configuration of a dolphin. @throws ConfigError with every problem that was found */
export function loadDolphinConfig(source: Source): DolphinConfig {
  return load<Values<typeof DOLPHIN_DIRECTIVES>>(source, DOLPHIN_DIRECTIVES, ({ dolphin }) => [
    ...(dolphin.listen.length + dolphin.httpListen.length === 0 ? ['dolphin listens nowhere'] : []),
    ...checkServers('dolphin', dolphin.server),
    ...dolphin.server.flatMap(({ name, start }) => (start.length > 1 ? [`dolphin.server ${name} starts once`] : [])),
    ...missing(dolphin.listen.length > 0, dolphin.server, 'rtmp'),
    ...missing(dolphin.httpListen.length > 0, dolphin.server, 'http'),
  ])
}

/** Loads and checks the configuration of a sharp. @throws ConfigError with every problem that was found */
export function loadSharpConfig(source: Source): SharpConfig {
  return load<Values<typeof SHARP_DIRECTIVES>>(source, SHARP_DIRECTIVES, ({ sharp }) => [
    ...(sharp.listen.length === 0 ? ['sharp listens nowhere'] : []),
    ...checkServers('sharp', sharp.server),
    ...missing(true, sharp.server, 'http'),
  ])
}

/** Loads and checks the configuration of a coordinator. @throws ConfigError with every problem that was found */
export function loadBackupConfig(source: Source): BackupConfig {
  return load<Values<typeof BACKUP_DIRECTIVES>>(source, BACKUP_DIRECTIVES, ({ backup }) => [
    ...(backup.listen.length === 0 ? ['backup listens nowhere'] : []),
    ...(backup.controlListen.length === 0 ? ['backup.control_listen is missing: nobody could call it'] : []),
    ...checkNames('backup', backup.server),
    ...(backup.server.length > 2 ? ['backup has two servers, not more'] : []),
    ...backup.server
      .filter(({ http, dir }) => (http === '') === (dir === ''))
      .map(({ name }) => `backup.server ${name} has either http or dir`),
    ...(backup.peerTimeoutMs < 4 * backup.heartbeatMs ? ['backup.peer_timeout is at least four times heartbeat'] : []),
  ])
}

function load<V extends Parameters<typeof levelOf>[0]>(
  source: Source,
  table: Directives,
  check: (values: V) => readonly string[],
): V & Common {
  const parsed = readSource(source)
  const reader = new Reader(source.env, parsed.problems, [])
  const raw = reader.read(table, [parsed.directives], { path: '', place: '' })
  const values = typed(table, raw) as V
  if (reader.problems.length === 0) for (const wrong of check(values)) reader.problem(source.file ?? '', wrong)
  if (reader.problems.length > 0) throw new ConfigError(reader.problems)
  return { ...values, logLevel: levelOf(values), warnings: reader.warnings, origins: reader.origins }
}

function checkNames(what: string, servers: readonly Pick<Server, 'name'>[]): string[] {
  const names = servers.map(({ name }) => name)
  return [
    ...(names.length === 0 ? [`${what} has no server`] : []),
    ...(names.includes('') ? [`${what}.server needs a name: server NAME { }`] : []),
    ...names.filter((name, index) => names.indexOf(name) !== index).map((name) => `${what}.server ${name} is twice`),
    ...names.filter((name) => /[^\w.-]/.test(name)).map((name) => `${what}.server ${name} is no plain name`),
  ]
}

function checkServers(what: string, servers: readonly Server[]): string[] {
  return [
    ...checkNames(what, servers),
    ...servers.flatMap(({ name, rtmp = [], http }) =>
      [rtmp, http].some((at) => at.length > 1) ? [`${what}.server ${name} has one address for each protocol`] : [],
    ),
    ...servers.flatMap(({ name, rtmp = [], http }) =>
      [...rtmp, ...http].some(({ port }) => port === null) ? [`${what}.server ${name} needs ports`] : [],
    ),
  ]
}

function missing(isWanted: boolean, servers: readonly Server[], kind: 'rtmp' | 'http'): string[] {
  return isWanted && servers.every((server) => (server[kind] ?? []).length === 0) ? [`no server has ${kind}`] : []
}
