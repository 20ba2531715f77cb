/** From configuration text and environment to typed values. Pure: files and environment are handed in. */
import { ROOT_DIRECTIVES, VHOST_DIRECTIVES } from './directives.ts'
import { type ConfigProblem, type Directive, parseConfig } from './grammar.ts'
import { securityProblems } from './security/security.ts'
import type { Block, Directives, Setting } from './setting.ts'

/** The vhost that serves every name that is not configured, and that gives the others their defaults. */
const DEFAULT_VHOST = '__defaultVhost__'
const ENV_PREFIX = 'SRS_'
const ENVIRONMENT = 'environment'

type Camel<N extends string> = N extends `${infer A}_${infer B}` ? `${A}${Capitalize<Camel<B>>}` : N
type Suffixed<N extends string, S extends string> = N extends `${string}${S}` ? N : `${N}${S}`
type Key<N extends string, D> =
  D extends Setting<infer _, infer S> ? (S extends '' ? Camel<N> : Suffixed<Camel<N>, S>) : Camel<N>
type Value<D> = D extends Block<infer C> ? Values<C> : D extends Setting<infer T, string> ? T : never
/** The typed result of a table: `gop_cache` becomes `gopCache`; times are in ms and say so: `queueLengthMs`. */
type Values<C extends Directives> = { readonly [N in keyof C & string as Key<N, C[N]>]: Value<C[N]> }

/** The settings of one vhost. */
export interface VhostConfig extends Values<typeof VHOST_DIRECTIVES> {
  readonly name: string
}

/** Log levels from all to little. */
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error'

/** A whole configuration. */
export interface Config extends Values<typeof ROOT_DIRECTIVES> {
  /** From srs_log_level_v2, else from srs_log_level. */
  readonly logLevel: LogLevel
  readonly vhosts: ReadonlyMap<string, VhostConfig>
  /** What is odd but no error, one text each, with its place. */
  readonly warnings: readonly string[]
  /** The settings for a vhost's name: its own, else `__defaultVhost__`'s; null when neither is there or it is off. */
  resolveVhost(name: string): VhostConfig | null
}

/** Where a configuration comes from. */
export interface ConfigSource {
  /** The main file; null: the environment alone, with one `__defaultVhost__`. */
  readonly file: string | null
  /** Gives a file's text, throws when it cannot. Relative names (`include`) are relative to the working directory. */
  readonly readFile: (path: string) => string
  readonly env: Readonly<Record<string, string | undefined>>
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
  const parsed = readSource(source)
  const reader = new Reader(source.env, parsed.problems)
  const rootOnly = parsed.directives.filter((directive) => directive.name !== 'vhost')
  const root = reader.read(ROOT_DIRECTIVES, [rootOnly], { path: '', otherNames: ['vhost'] })
  if (parsed.problems.length === 0) reader.requireAll(ROOT_DIRECTIVES, root, source.file ?? ENVIRONMENT)
  const blocks = vhostBlocks(parsed.directives, source.file, reader)
  const inherited = blocks.get(DEFAULT_VHOST) ?? []
  const vhosts = new Map<string, VhostConfig>()
  for (const [name, own] of blocks) {
    const layers = name === DEFAULT_VHOST ? [own] : [own, inherited]
    const values = reader.read(VHOST_DIRECTIVES, layers, { path: 'vhost.', root })
    vhosts.set(name, { ...(typed(VHOST_DIRECTIVES, values) as Values<typeof VHOST_DIRECTIVES>), name })
  }
  reader.throwProblems()
  const rootValues = typed(ROOT_DIRECTIVES, root) as Values<typeof ROOT_DIRECTIVES>
  const problems = securityProblems({ ...rootValues, vhosts })
  if (problems.length > 0) throw new ConfigError(problems.map((text) => `${source.file ?? ENVIRONMENT}: ${text}`))
  return makeConfig(rootValues, vhosts, reader.warnings())
}

function readSource(source: ConfigSource): { directives: readonly Directive[]; problems: readonly ConfigProblem[] } {
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

const LEVEL_BY_OLD_NAME = { verbose: 'trace', info: 'debug', trace: 'info', warn: 'warn', error: 'error' } as const

function makeConfig(
  root: Values<typeof ROOT_DIRECTIVES>,
  vhosts: ReadonlyMap<string, VhostConfig>,
  warnings: readonly string[],
): Config {
  return {
    ...root,
    logLevel: root.srsLogLevelV2 === '' ? LEVEL_BY_OLD_NAME[root.srsLogLevel] : root.srsLogLevelV2,
    vhosts,
    warnings,
    resolveVhost(name) {
      const vhost = vhosts.get(name) ?? vhosts.get(DEFAULT_VHOST)
      return vhost?.enabled === true ? vhost : null
    },
  }
}

type RawValues = Readonly<Record<string, unknown>>

interface Level {
  /** The path of the block, with its last dot: '' or 'vhost.play.'. */
  readonly path: string
  /** Names that are legal here beside the table's. */
  readonly otherNames?: readonly string[]
  /** The root's values, for settings that take their default from there. */
  readonly root?: RawValues
}

/** Reads tables of directives and collects what is wrong, so that all of it can be said at once. */
class Reader {
  readonly #env: ConfigSource['env']
  /** Sets: a value that several vhosts inherit is wrong once. */
  readonly #problems: Set<string>
  readonly #warnings = new Set<string>()

  constructor(env: ConfigSource['env'], problems: readonly ConfigProblem[]) {
    this.#env = env
    this.#problems = new Set(problems.map((found) => placed(found, found.message)))
  }

  problem(directive: Directive, message: string): void {
    this.#problems.add(placed(directive, message))
  }

  warnings(): readonly string[] {
    return [...this.#warnings]
  }

  throwProblems(): void {
    if (this.#problems.size > 0) throw new ConfigError([...this.#problems])
  }

  /** Values by directive name. `layers` are the directives of the block itself, then those that it inherits. */
  read(table: Directives, layers: readonly (readonly Directive[])[], level: Level): RawValues {
    this.#checkNames(table, layers[0] ?? [], level)
    const values: Record<string, unknown> = {}
    for (const [name, entry] of Object.entries(table)) {
      const path = level.path + name
      const found = layers.map((directives) => directives.find((directive) => directive.name === name))
      if (entry.kind === 'block') {
        const children = found.map((directive) => directive?.children ?? [])
        values[name] = this.read(entry.children, children, { ...level, path: `${path}.`, otherNames: [] })
      } else if (entry.repeated) {
        values[name] = this.#readRepeated(entry, path, layers)
      } else {
        values[name] = this.#readSetting(entry, path, found, level)
      }
    }
    return values
  }

  /** Adds a problem for each setting that is required and absent. */
  requireAll(table: Directives, values: RawValues, file: string): void {
    for (const [name, entry] of Object.entries(table)) {
      if (entry.kind !== 'setting' || values[name] !== null) continue
      this.#problems.add(`${file}: ${name} is missing: it needs ${entry.allowed}`)
    }
  }

  #checkNames(table: Directives, directives: readonly Directive[], level: Level): void {
    const seen = new Map<string, Directive>()
    for (const directive of directives) {
      const { name } = directive
      const path = level.path + name
      const entry = Object.hasOwn(table, name) ? table[name] : undefined
      const first = seen.get(name)
      if (entry === undefined) {
        const names = [...Object.keys(table), ...(level.otherNames ?? [])].join(', ')
        this.problem(directive, `${path} is not known; known here: ${names}`)
      } else if (entry.kind === 'block' && (directive.children === null || directive.args.length > 0)) {
        this.problem(directive, `${path} takes a block: ${name} { }`)
      } else if (entry.kind === 'setting' && directive.children !== null) {
        this.problem(directive, `${path} takes no block but ${entry.allowed}`)
      } else if (first !== undefined && !(entry.kind === 'setting' && entry.repeated)) {
        this.#warnings.add(placed(directive, `${path} has no effect: the one on line ${first.line} counts`))
      }
      seen.set(name, first ?? directive)
    }
  }

  /** The environment, else the first layer that has it, else the default. What is not used is checked all the same. */
  #readSetting(
    setting: Setting<unknown, string>,
    path: string,
    found: readonly (Directive | undefined)[],
    level: Level,
  ): unknown {
    const layers = setting.notInherited ? found.slice(0, 1) : found
    const directive = layers.find((candidate) => candidate !== undefined)
    const inFile = directive?.children === null ? this.#parse(setting, path, directive.args, directive) : undefined
    return this.#readEnvironment(setting, path) ?? inFile ?? level.root?.[setting.defaultFrom ?? ''] ?? setting.default
  }

  /** All of the first layer that has one: rules of two layers, mixed, would mean what neither says. */
  #readRepeated(setting: Setting<unknown, string>, path: string, layers: readonly (readonly Directive[])[]): unknown {
    const name = path.slice(path.lastIndexOf('.') + 1)
    const found = layers.map((directives) => directives.filter((directive) => directive.name === name))
    const directives = found.find((candidates) => candidates.length > 0) ?? []
    return directives.flatMap((directive) =>
      directive.children === null ? (this.#parse(setting, path, directive.args, directive) ?? []) : [],
    )
  }

  #readEnvironment(setting: Setting<unknown, string>, path: string): unknown {
    if (setting.noEnv) return undefined
    for (const variable of [envName(path), ...(setting.env ?? [])]) {
      const words = (this.#env[variable] ?? '').split(/\s+/).filter((word) => word !== '')
      if (words.length > 0) return this.#parse(setting, variable, words, { file: ENVIRONMENT, line: 0 })
    }
    return undefined
  }

  #parse(
    setting: Setting<unknown, string>,
    name: string,
    args: readonly string[],
    place: { readonly file: string; readonly line: number },
  ): unknown {
    const parsed = setting.parse(args)
    if ('wrong' in parsed) {
      const said = parsed.wrong === '' ? `${name} has no value` : `${name} "${parsed.wrong}" is not allowed`
      this.#problems.add(placed(place, `${said}: it needs ${setting.allowed}`))
      return undefined
    }
    if (parsed.warning !== undefined) this.#warnings.add(placed(place, `${name}: ${parsed.warning}`))
    return parsed.value
  }
}

/** `vhost.play.gop_cache` -> `SRS_VHOST_PLAY_GOP_CACHE`. */
function envName(path: string): string {
  return ENV_PREFIX + path.replaceAll('.', '_').toUpperCase()
}

function placed(place: { readonly file: string; readonly line: number }, message: string): string {
  return place.line === 0 ? `${place.file}: ${message}` : `${place.file}:${place.line}: ${message}`
}

/** Renames the values of a table as `Values` says. */
function typed(table: Directives, values: RawValues): RawValues {
  const result: Record<string, unknown> = {}
  for (const [name, entry] of Object.entries(table)) {
    const camel = name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase())
    if (entry.kind === 'block') result[camel] = typed(entry.children, values[name] as RawValues)
    else result[camel.endsWith(entry.suffix) ? camel : camel + entry.suffix] = values[name]
  }
  return result
}
