/** Reads tables of directives: which value counts, where it is from, what is wrong with it. */
import type { Environment } from './environment.ts'
import type { ConfigProblem, Directive } from './grammar.ts'
import { type Blocks, type Directives, type Entry, envName, envNames, type Foreign, type Setting } from './setting.ts'
import { didYouMean } from './suggestion.ts'
import type { RawValues } from './values.ts'

/** A level of blocks. */
export interface Level {
  /** The path of the directives in it, with a last dot: '' or 'vhost.play.'. */
  readonly path: string
  /** The same with the names of vhosts and other blocks: 'vhost.example.com.play.'. */
  readonly place: string
  /** Names that are legal here beside the table's. */
  readonly otherNames?: readonly string[]
  /** The root's values, for settings that take their default from there. */
  readonly root?: RawValues
  /** True: the environment has no say. */
  readonly noEnv?: boolean
}

/** The directives of one name, in the block itself and then in those that it inherits. */
type Found = readonly (readonly Directive[])[]

/** Reads tables and collects what is wrong, so that all of it can be said at once. */
export class Reader {
  /** Where each value that is no default is from: `file:line` or `environment NAME`. By place, see Level. */
  readonly origins = new Map<string, string>()
  readonly #env: Environment
  /** Sets: a value that several vhosts inherit is wrong once. */
  readonly #problems: Set<string>
  readonly #warnings = new Set<string>()
  /** What was said about features. */
  readonly #told = new Set<string>()

  constructor(env: Environment, problems: readonly ConfigProblem[], warnings: readonly ConfigProblem[]) {
    this.#env = env
    this.#problems = new Set(problems.map((found) => placed(found, found.message)))
    for (const found of warnings) this.#warnings.add(placed(found, found.message))
  }

  problem(where: string | Directive, message: string): void {
    this.#problems.add(placed(where, message))
  }

  warning(where: string | Directive, message: string): void {
    this.#warnings.add(placed(where, message))
  }

  get problems(): readonly string[] {
    return [...this.#problems]
  }

  get warnings(): readonly string[] {
    return [...this.#warnings]
  }

  /** Values by directive name. `layers` are the directives of the block itself, then those that it inherits. */
  read(table: Directives, layers: readonly (readonly Directive[])[], level: Level): RawValues {
    this.#checkNames(table, layers[0] ?? [], level)
    const values: Record<string, unknown> = {}
    for (const [name, entry] of Object.entries(table)) {
      const found = layers.map((directives) => directives.filter((directive) => directive.name === name))
      values[name] = this.#readEntry(entry, name, found, level)
    }
    return values
  }

  #readEntry(entry: Entry, name: string, found: Found, level: Level): unknown {
    if (entry.kind === 'setting') return this.#readSetting(entry, name, found, level)
    if (entry.kind === 'blocks') return this.#readBlocks(entry, name, found, level)
    if (entry.kind === 'foreign') return this.#tellForeign(entry, name, found[0] ?? [], level)
    const isOwn = entry.isWhole && (found[0]?.length ?? 0) > 0
    const layers = (isOwn ? found.slice(0, 1) : found).map((directives) => directives[0]?.children ?? [])
    return this.read(entry.children, layers, { ...inner(level, name), otherNames: [] })
  }

  #readBlocks(entry: Blocks<Directives>, name: string, found: Found, level: Level): unknown {
    return firstOf(found, entry.notInherited).map((directive, index) => {
      const ownName = directive.args[0] ?? ''
      const block = inner(level, name)
      const place = `${block.place}${ownName === '' ? index : ownName}.`
      this.origins.set(place.slice(0, -1), placeOf(directive))
      const values = this.read(entry.children, [directive.children ?? []], { ...block, place, noEnv: true })
      return { name: ownName, values }
    })
  }

  /** The environment, else the first layer that has it, else the default. What is not used is checked all the same. */
  #readSetting(setting: Setting<unknown, string>, name: string, found: Found, level: Level): unknown {
    const path = level.path + name
    const directives = firstOf(found, setting.notInherited)
    const inFile = this.#readFile(setting, path, directives)
    const variable = level.noEnv ? undefined : envNames(setting, path).find((candidate) => this.#env[candidate]?.trim())
    const inEnvironment = variable === undefined ? undefined : this.#readVariable(setting, variable)
    if (inEnvironment !== undefined) this.origins.set(level.place + name, `environment ${variable}`)
    else if (inFile !== undefined && directives[0]) this.origins.set(level.place + name, placeOf(directives[0]))
    return inEnvironment ?? inFile ?? level.root?.[setting.defaultFrom ?? ''] ?? setting.default
  }

  #readFile(setting: Setting<unknown, string>, path: string, directives: readonly Directive[]): unknown {
    const [first] = directives
    if (first === undefined || (first.children !== null) !== (setting.form === 'pairs')) return undefined
    if (setting.form === 'word' || setting.form === 'words') return this.#parse(setting, path, first.args, first)
    const lines = setting.form === 'lines' ? directives : (first.children ?? [])
    const parsed = lines.map((line) => {
      const args = setting.form === 'lines' ? line.args : [line.name, ...line.args]
      return this.#parse(setting, path, args, line) as readonly unknown[] | undefined
    })
    return parsed.flatMap((value) => value ?? [])
  }

  #readVariable(setting: Setting<unknown, string>, variable: string): unknown {
    const content = (this.#env[variable] ?? '').trim()
    return this.#parse(setting, variable, setting.form === 'word' ? [content] : content.split(/\s+/), 'environment')
  }

  #parse(setting: Setting<unknown, string>, name: string, args: readonly string[], where: string | Directive): unknown {
    const parsed = setting.parse(args)
    if ('wrong' in parsed) {
      const shown = setting.isSecret ? '***' : parsed.wrong
      const said = parsed.wrong === '' ? `${name} has no value` : `${name} "${shown}" is not allowed`
      this.problem(where, `${said}: it needs ${setting.allowed}`)
      return undefined
    }
    const warning = parsed.warning ?? setting.warn?.(parsed.value)
    if (warning !== undefined) this.warning(where, `${name}: ${warning}`)
    return parsed.value
  }

  #checkNames(table: Directives, directives: readonly Directive[], level: Level): void {
    const seen = new Map<string, Directive>()
    for (const directive of directives) {
      const { name } = directive
      const entry = Object.hasOwn(table, name) ? table[name] : undefined
      if (entry === undefined) {
        const names = [...Object.keys(table), ...(level.otherNames ?? [])]
        const hint = didYouMean(name, names) ?? `known here: ${names.join(', ')}`
        this.problem(directive, `${level.path}${name} is not known; ${hint}`)
      } else {
        this.#checkForm(entry, directive, level.path + name, seen.get(name))
      }
      if (!seen.has(name)) seen.set(name, directive)
    }
  }

  #checkForm(entry: Entry, directive: Directive, path: string, first: Directive | undefined): void {
    const wrong = wrongForm(entry, directive)
    const mayRepeat = entry.kind === 'blocks' || (entry.kind === 'setting' && entry.form === 'lines')
    if (wrong !== null) this.problem(directive, `${path} takes ${wrong}`)
    else if (first === undefined || mayRepeat || entry.kind === 'foreign') return
    else if (entry.kind === 'block' && entry.isSingle) {
      this.problem(directive, `${path} may stand once: there is one on line ${first.line}`)
    } else this.warning(directive, `${path} has no effect: the one on line ${first.line} counts`)
  }

  /** Warns when it is enabled: by its own `enabled on`, or, without a block, by being there and not off. */
  #tellForeign(entry: Foreign, name: string, directives: readonly Directive[], level: Level): undefined {
    const variable = `${envName(level.path + name)}_ENABLED`
    const used = directives.find(({ args, children }) => {
      const [word] = children === null ? args : (children.find((child) => child.name === 'enabled')?.args ?? ['off'])
      return word !== 'off'
    })
    const where = this.#env[variable] === 'on' ? `environment ${variable}` : used && placeOf(used)
    if (where) this.#tellOnce(where, `${entry.what} is not part of Sluice: ignored`)
    return undefined
  }

  /** A feature is told of where it is enabled first. */
  #tellOnce(where: string, message: string): void {
    if (this.#told.has(message)) return
    this.#told.add(message)
    this.warning(where, message)
  }
}

/** What the directive should take instead, or null. */
function wrongForm(entry: Entry, { name, args, children }: Directive): string | null {
  if (entry.kind === 'block') return children === null || args.length > 0 ? `a block: ${name} { }` : null
  if (entry.kind === 'blocks')
    return children === null || args.length > 1 ? `one name and a block: ${name} NAME { }` : null
  if (entry.kind === 'foreign') return null
  if (entry.form === 'pairs') return children === null || args.length > 0 ? `a block: ${name} { }` : null
  return children === null ? null : `no block but ${entry.allowed}`
}

/** The directives of the first layer that has any. */
function firstOf(found: Found, ownOnly: boolean | undefined): readonly Directive[] {
  return (ownOnly ? found.slice(0, 1) : found).find((directives) => directives.length > 0) ?? []
}

function inner(level: Level, name: string): Level {
  return { ...level, path: `${level.path}${name}.`, place: `${level.place}${name}.` }
}

function placeOf({ file, line }: { readonly file: string; readonly line: number }): string {
  return line === 0 ? file : `${file}:${line}`
}

function placed(where: string | { readonly file: string; readonly line: number }, message: string): string {
  return `${typeof where === 'string' ? where : placeOf(where)}: ${message}`
}
