/** From configuration text and environment to typed values. Pure: files and environment are handed in. */
import { isAbsolute, join } from 'node:path'
import { checkCertificates, checkCluster, checkRoot, checkVhost, type Finding } from './checks.ts'
import { ROOT_DIRECTIVES, VHOST_DIRECTIVES } from './directives.ts'
import { type Environment, unknownVariables } from './environment.ts'
import { type ConfigProblem, type Directive, parseConfig } from './grammar.ts'
import { modernise } from './old-spellings.ts'
import { Reader } from './reader.ts'
import type { Directives } from './setting.ts'
import { type RawValues, type RootConfig, typed, type VhostConfig } from './values.ts'

/** The vhost that serves every name that is not configured, and that gives the others their defaults. */
const DEFAULT_VHOST = '__defaultVhost__'
const ENVIRONMENT = 'environment'

/** Log levels from all to little. */
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error'

/** A whole configuration. */
export interface Config extends RootConfig {
  /** From srs_log_level_v2, else from srs_log_level. */
  readonly logLevel: LogLevel
  readonly vhosts: ReadonlyMap<string, VhostConfig>
  /** What is odd but no error, one text each, with its place. */
  readonly warnings: readonly string[]
  /**
   * Where values are from: `file:line` or `environment SRS_…`, by path: `http_api.listen`, `vhost.NAME.play.gop_cache`,
   * `vhost.NAME.ingest.ID.input.url`. A path that is not there has its default.
   */
  readonly origins: ReadonlyMap<string, string>
  /** The settings for a vhost's name: its own, else `__defaultVhost__`'s; null when neither is there or it is off. */
  resolveVhost(name: string): VhostConfig | null
}

/** Where a configuration comes from. */
export interface ConfigSource {
  /** The main file; null: the environment alone, with one `__defaultVhost__`. */
  readonly file: string | null
  /** Gives a file's text, throws when it cannot. Relative names (`include`) are relative to the working directory. */
  readonly readFile: (path: string) => string
  readonly env: Environment
  /** How many files the process may open; absent or null: not known. */
  readonly openFiles?: number | null
}

/** A configuration that cannot be used. The message has one line for each problem: `file:line: what is wrong`. */
export class ConfigError extends Error {
  readonly code = 'config_invalid'
  readonly problems: readonly string[]

  constructor(problems: readonly string[]) {
    super(problems.join('\n'))
    this.name = 'ConfigError'
    this.problems = problems
  }
}

/** Loads, checks and types a configuration. @throws ConfigError with every problem that was found. */
export function loadConfig(source: ConfigSource): Config {
  const { file, env, openFiles = null } = source
  const parsed = readSource(source)
  const modern = modernise(parsed.directives)
  const reader = new Reader(env, parsed.problems, modern.warnings)
  for (const message of unknownVariables(env)) reader.warning(ENVIRONMENT, message)
  const rawRoot = readRoot(modern.directives, source, reader, parsed.problems.length === 0)
  const root = typed(ROOT_DIRECTIVES, rawRoot) as RootConfig
  const vhosts = readVhosts(modern.directives, file, reader, rawRoot)
  // The process has not gone there yet.
  const readNamed = (path: string): string => source.readFile(isAbsolute(path) ? path : join(root.workDir, path))
  const findings = [
    ...checkRoot(root, openFiles),
    ...checkCertificates({ ...root, vhosts }, readNamed),
    ...checkCluster({ ...root, vhosts }),
    ...[...vhosts.values()].flatMap(checkVhost),
  ]
  for (const finding of findings) report(finding, reader, file ?? ENVIRONMENT)
  if (reader.problems.length > 0) throw new ConfigError(reader.problems)
  return makeConfig(root, vhosts, reader)
}

/** Reads and parses the file. @throws ConfigError when it cannot be read */
export function readSource(source: Pick<ConfigSource, 'file' | 'readFile'>): {
  directives: readonly Directive[]
  problems: readonly ConfigProblem[]
} {
  const { file } = source
  if (file === null) return { directives: [], problems: [] }
  let content: string
  try {
    content = source.readFile(file)
  } catch (error) {
    throw new ConfigError([`${file}: cannot be read: ${error instanceof Error ? error.message : String(error)}`])
  }
  return parseConfig(content, file, source.readFile)
}

function readRoot(
  directives: readonly Directive[],
  { file }: ConfigSource,
  reader: Reader,
  isWhole: boolean,
): RawValues {
  const rootOnly = directives.filter((directive) => directive.name !== 'vhost')
  const values = reader.read(ROOT_DIRECTIVES, [rootOnly], { path: '', place: '', otherNames: ['vhost'] })
  // In a file that could not be parsed whole, it may stand in the part that is lost.
  if (isWhole) requireAll(ROOT_DIRECTIVES, values, file, reader)
  return { ...values, listen: values['listen'] ?? [] }
}

/** Adds a problem for each setting that is required and absent. */
function requireAll(table: Directives, values: RawValues, file: string | null, reader: Reader): void {
  for (const [name, entry] of Object.entries(table)) {
    if (entry.kind !== 'setting' || values[name] !== null) continue
    const variable = file === null ? ` (SRS_${name.toUpperCase()})` : ''
    reader.problem(file ?? ENVIRONMENT, `${name} is missing: it needs ${entry.allowed}${variable}`)
  }
}

function readVhosts(
  directives: readonly Directive[],
  file: string | null,
  reader: Reader,
  root: RawValues,
): ReadonlyMap<string, VhostConfig> {
  const blocks = vhostBlocks(directives, file, reader)
  const inherited = blocks.get(DEFAULT_VHOST) ?? []
  const vhosts = new Map<string, VhostConfig>()
  for (const [name, own] of blocks) {
    const layers = name === DEFAULT_VHOST ? [own] : [own, inherited]
    const values = reader.read(VHOST_DIRECTIVES, layers, { path: 'vhost.', place: `vhost.${name}.`, root })
    vhosts.set(name, { ...(typed(VHOST_DIRECTIVES, values) as Omit<VhostConfig, 'name'>), name })
  }
  return vhosts
}

/** The directives of each vhost by its name. Without a file there is the default vhost, with nothing but defaults. */
function vhostBlocks(
  directives: readonly Directive[],
  file: string | null,
  reader: Reader,
): Map<string, readonly Directive[]> {
  const blocks = new Map<string, readonly Directive[]>()
  if (file === null) blocks.set(DEFAULT_VHOST, [])
  for (const directive of directives) {
    if (directive.name !== 'vhost') continue
    const [name, ...more] = directive.args
    if (directive.children === null || name === undefined || more.length > 0) {
      reader.problem(directive, 'vhost needs one name and a block: vhost NAME { }')
    } else if (/[/\\?#]/.test(name)) {
      reader.problem(directive, `vhost "${name}" is not allowed: a name without / \\ ? #`)
    } else if (blocks.has(name)) {
      reader.problem(directive, `vhost "${name}" is there already`)
    } else {
      blocks.set(name, directive.children)
    }
  }
  return blocks
}

function report({ place, message, isError }: Finding, reader: Reader, file: string): void {
  const where = reader.origins.get(place) ?? file
  if (isError) reader.problem(where, message)
  else reader.warning(where, message)
}

const LEVEL_BY_OLD_NAME = { verbose: 'trace', info: 'debug', trace: 'info', warn: 'warn', error: 'error' } as const

/** The level of the log, in the usual names. */
export function levelOf({ srsLogLevel, srsLogLevelV2 }: Pick<RootConfig, 'srsLogLevel' | 'srsLogLevelV2'>): LogLevel {
  return srsLogLevelV2 === '' ? LEVEL_BY_OLD_NAME[srsLogLevel] : srsLogLevelV2
}

/** A configuration of its values. */
export function makeConfig(
  root: RootConfig,
  vhosts: ReadonlyMap<string, VhostConfig>,
  { warnings, origins }: Pick<Config, 'warnings' | 'origins'>,
): Config {
  return {
    ...root,
    logLevel: levelOf(root),
    vhosts,
    warnings,
    origins,
    resolveVhost(name) {
      const vhost = vhosts.get(name) ?? vhosts.get(DEFAULT_VHOST)
      return vhost?.enabled === true ? vhost : null
    },
  }
}
