/** The shapes that directives have. */

/** What became of a directive's arguments. */
export type Parsed<T> = { readonly value: T; readonly warning?: string } | { readonly wrong: string }

/** What every kind of setting says about one directive. */
export interface SettingFacts<T> {
  /** The value when the directive is absent; null: the directive is required. */
  readonly default: T | null
  /** One or two sentences for the documentation. */
  readonly meaning: string
  /**
   * True: a reload applies a new value to all that runs; 'new': to connections that come from then on; false: it counts
   * from the next start.
   */
  readonly reload: boolean | 'new'
  /** Said instead of what the kind says about allowed values. */
  readonly allowed?: string
  /** Arguments for the documentation, where the default has no text of its own. */
  readonly example?: string
  /** Environment variables beside the one that follows from the path. */
  readonly env?: readonly string[]
  /** True: no environment variable sets it. */
  readonly noEnv?: boolean
  /** A vhost's setting takes its default from this root directive. */
  readonly defaultFrom?: string
  /** True: a vhost does not take this value from `__defaultVhost__`. */
  readonly notInherited?: boolean
  /** True: the value is never shown. */
  readonly isSecret?: boolean
  /** What to say about a value that is taken but does not do what one may think. */
  warn?(value: T): string | undefined
}

/**
 * How a directive carries its value: in one word, in several, in several lines of the same name (`allow play all;`), or
 * in a block of names of the user's choice. For the last two, each line gives a list, and the lists are joined.
 */
export type Form = 'word' | 'words' | 'lines' | 'pairs'

/** One directive with a value. `S` is added to its name in the typed result, so that units show in names. */
export interface Setting<T, S extends string = ''> extends SettingFacts<T> {
  readonly kind: 'setting'
  readonly form: Form
  /** What may be written, for documentation and errors: "an integer, 1 to 100". */
  readonly allowed: string
  readonly suffix: S
  parse(args: readonly string[]): Parsed<T>
  /** The arguments that give the value, one text for each line that it takes. */
  print(value: T): readonly string[]
}

/** One directive with a block. */
export interface Block<C extends Directives> {
  readonly kind: 'block'
  readonly meaning: string
  readonly children: C
  /** True: a vhost that has this block takes nothing of the one in `__defaultVhost__`. */
  readonly isWhole?: boolean
  /** True: a second one is an error, else it has no effect. */
  readonly isSingle?: boolean
}

/** A block that may stand several times, with a name: `ingest NAME { }`. The name may be absent. */
export interface Blocks<C extends Directives> {
  readonly kind: 'blocks'
  readonly meaning: string
  readonly children: C
  readonly reload: boolean
  /** A name for the documentation. */
  readonly example: string
  readonly notInherited?: boolean
}

/** A directive of SRS for something that is no part of Sluice: accepted with whatever is in it, and ignored. */
export interface Foreign {
  readonly kind: 'foreign'
  /** What it is: "WebRTC". */
  readonly what: string
}

/** What may stand for one name. */
export type Entry = Setting<unknown, string> | Block<Directives> | Blocks<Directives> | Foreign

/** The directives of one level, by name. */
export interface Directives {
  readonly [name: string]: Entry
}

/** Makes a block of directives. */
export function block<const C extends Directives>(
  meaning: string,
  children: C,
  facts: Partial<Pick<Block<C>, 'isWhole' | 'isSingle'>> = {},
): Block<C> {
  return { kind: 'block', meaning, children, ...facts }
}

/** Makes a block that may stand several times. */
export function blocks<const C extends Directives>(
  facts: Omit<Blocks<C>, 'kind' | 'children'>,
  children: C,
): Blocks<C> {
  return { kind: 'blocks', ...facts, children }
}

/** Makes a directive that is accepted and ignored. */
export function foreign(what: string): Foreign {
  return { kind: 'foreign', what }
}

/** What a kind of one word knows: the rest follows. */
interface WordKind<T, S extends string> {
  readonly suffix: S
  readonly allowed: string
  parse(word: string): Parsed<T>
  print(value: T): string
}

/** Makes a setting of one word. */
export function word<T, S extends string = ''>(kind: WordKind<T, S>, facts: SettingFacts<T>): Setting<T, S> {
  const { suffix, allowed } = kind
  const parse = (args: readonly string[]): Parsed<T> =>
    args.length === 1 ? kind.parse(args[0] ?? '') : { wrong: args.join(' ') }
  const print = (value: T): readonly string[] => [kind.print(value)].filter((printed) => printed !== '')
  return { kind: 'setting', form: 'word', suffix, allowed, ...facts, parse, print }
}

/** `vhost.play.gop_cache` -> `SRS_VHOST_PLAY_GOP_CACHE`. */
export function envName(path: string): string {
  return `SRS_${path.replaceAll('.', '_').toUpperCase()}`
}

/** The environment variables of a setting, in the order in which they count. */
export function envNames(setting: Setting<unknown, string>, path: string): readonly string[] {
  if (setting.noEnv || setting.form === 'lines' || setting.form === 'pairs') return []
  return [envName(path), ...(setting.env ?? [])]
}
