/** The kinds of values that directives take: how each is read from text, and what is said when it is wrong. */

/** Where a listener is bound. */
export interface ListenAddress {
  /** An IPv4 or IPv6 address without brackets; null: every address of the machine. */
  readonly host: string | null
  /** 0..65535; 0 lets the system choose a free port. */
  readonly port: number
}

/** What became of a directive's arguments. */
export type Parsed<T> = { readonly value: T; readonly warning?: string } | { readonly wrong: string }

/** What every kind of setting says about one directive. */
export interface SettingFacts<T> {
  /** The value when the directive is absent; null: the directive is required. */
  readonly default: T | null
  /** One sentence for the documentation. */
  readonly meaning: string
  /** True: a reload applies a new value to the running server; false: it counts from the next start. */
  readonly reload: boolean
  /** Said instead of what the kind says about allowed values. */
  readonly allowed?: string
  /** Environment variables beside the one that follows from the path. */
  readonly env?: readonly string[]
  /** True: no environment variable sets it. */
  readonly noEnv?: boolean
  /** A vhost's setting takes its default from this root directive. */
  readonly defaultFrom?: string
  /** True: a vhost does not take this value from `__defaultVhost__`. */
  readonly notInherited?: boolean
}

/** One directive with a value. `S` is added to its name in the typed result, so that units show in names. */
export interface Setting<T, S extends string = ''> extends SettingFacts<T> {
  readonly kind: 'setting'
  /** What may be written, for documentation and errors: "an integer, 1 to 100". */
  readonly allowed: string
  readonly suffix: S
  parse(args: readonly string[]): Parsed<T>
}

/** One directive with a block. */
export interface Block<C extends Directives> {
  readonly kind: 'block'
  readonly meaning: string
  readonly children: C
}

/** The directives of one level, by name. */
export interface Directives {
  readonly [name: string]: Setting<unknown, string> | Block<Directives>
}

/** Makes a block of directives. */
export function block<const C extends Directives>(meaning: string, children: C): Block<C> {
  return { kind: 'block', meaning, children }
}

/** `on` or `off`. */
export function flag(facts: SettingFacts<boolean>): Setting<boolean> {
  const parse = single((word): Parsed<boolean> => {
    if (word === 'on' || word === 'off') return { value: word === 'on' }
    return { wrong: word }
  })
  return { kind: 'setting', suffix: '', allowed: 'on or off', ...facts, parse }
}

/** One of the given words; '' as default when none need be chosen. */
export function choice<const T extends string, const D extends T | ''>(
  words: readonly T[],
  facts: SettingFacts<D>,
): Setting<T | D> {
  const parse = single((word): Parsed<T> => {
    const value = words.find((candidate) => candidate === word)
    return value === undefined ? { wrong: word } : { value }
  })
  return { kind: 'setting', suffix: '', allowed: `one of ${words.join(', ')}`, ...facts, parse }
}

/** A text; `pattern` restricts it and `allowed` says how. */
export function text(facts: SettingFacts<string>, pattern = /./, allowed = 'a text'): Setting<string> {
  const parse = single((word): Parsed<string> => (pattern.test(word) ? { value: word } : { wrong: word }))
  return { kind: 'setting', suffix: '', allowed, ...facts, parse }
}

/** Any number of texts. */
export function texts(facts: SettingFacts<readonly string[]>): Setting<readonly string[]> {
  return { kind: 'setting', suffix: '', allowed: 'texts', ...facts, parse: (args) => ({ value: args }) }
}

/** Bounds of a number. Inside `min`..`max` but outside `usual` it is taken with a warning. */
export interface Range {
  readonly min: number
  readonly max: number
  readonly usual?: readonly [number, number]
}

/** An integer without unit. */
export function integer(range: Range, facts: SettingFacts<number>): Setting<number> {
  const parse = single((word) => (/^\d{1,15}$/.test(word) ? inRange(Number(word), range, word) : { wrong: word }))
  return { kind: 'setting', suffix: '', allowed: `an integer, ${range.min} to ${range.max}`, ...facts, parse }
}

const KILO = 1024
const SIZE_UNITS: Readonly<Record<string, number>> = { '': 1, k: KILO, m: KILO * KILO, g: KILO * KILO * KILO }

/** A number of bytes: `60000`, `64k`, `2m`. */
export function bytes(range: Range, facts: SettingFacts<number>): Setting<number> {
  const allowed = `a number of bytes, ${range.min} to ${range.max} (64k, 2m)`
  const parse = single((word): Parsed<number> => {
    const value = scaled(/^(\d{1,12})([kmg]?)$/i.exec(word), SIZE_UNITS)
    return value === null ? { wrong: word } : inRange(value, range, word)
  })
  return { kind: 'setting', suffix: '', allowed, ...facts, parse }
}

const MS_PER = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const

/**
 * A time, in the typed result always in ms: a plain number is in `unit`, or the unit is written: `350ms`, `10s`, `2m`.
 * The range and the default are in ms.
 */
export function duration(unit: 'ms' | 's', rangeMs: Range, facts: SettingFacts<number>): Setting<number, 'Ms'> {
  const per = MS_PER[unit]
  const allowed = `a time in ${unit}, ${rangeMs.min / per} to ${rangeMs.max / per} (or 500ms, 10s, 2m)`
  const parse = single((word): Parsed<number> => {
    const value = scaled(/^(\d{1,12}(?:\.\d{1,6})?)(ms|s|m|h|)$/.exec(word), { ...MS_PER, '': per })
    return value === null ? { wrong: word } : inRange(Math.round(value), rangeMs, word)
  })
  return { kind: 'setting', suffix: 'Ms', allowed, ...facts, parse }
}

/** One or more listening addresses: `1935`, `127.0.0.1:1935`, `[::1]:1935`. */
export function addresses(facts: SettingFacts<readonly ListenAddress[]>): Setting<readonly ListenAddress[]> {
  const parse = (args: readonly string[]): Parsed<readonly ListenAddress[]> => {
    const value: ListenAddress[] = []
    for (const arg of args) {
      const address = parseAddress(arg)
      if (address === null) return { wrong: arg }
      value.push(address)
    }
    return value.length === 0 ? { wrong: '' } : { value }
  }
  return { kind: 'setting', suffix: '', allowed: '[ip:]port or [ipv6]:port, one or more', ...facts, parse }
}

const ADDRESS = /^(?:(\d{1,3}(?:\.\d{1,3}){3}):|\[([0-9a-fA-F:.]+)\]:)?(\d{1,5})$/
const MAX_PORT = 65_535

function parseAddress(word: string): ListenAddress | null {
  const match = ADDRESS.exec(word)
  if (match === null) return null
  const [, ipv4, ipv6, portText] = match
  const port = Number(portText)
  if (port > MAX_PORT) return null
  if (ipv4 !== undefined) return ipv4.split('.').every((part) => Number(part) <= 255) ? { host: ipv4, port } : null
  if (ipv6 !== undefined) return URL.canParse(`http://[${ipv6}]/`) ? { host: ipv6, port } : null
  return { host: null, port }
}

function single<T>(parse: (word: string) => Parsed<T>): (args: readonly string[]) => Parsed<T> {
  return (args) => (args.length === 1 ? parse(args[0] ?? '') : { wrong: args.join(' ') })
}

function scaled(match: RegExpExecArray | null, units: Readonly<Record<string, number>>): number | null {
  if (match === null) return null
  const factor = units[(match[2] ?? '').toLowerCase()]
  return factor === undefined ? null : Number(match[1]) * factor
}

function inRange(value: number, range: Range, word: string): Parsed<number> {
  if (value < range.min || value > range.max) return { wrong: word }
  const [low, high] = range.usual ?? [range.min, range.max]
  if (value < low || value > high) return { value, warning: `${word} is outside the usual ${low} to ${high}` }
  return { value }
}
