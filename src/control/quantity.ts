/** The kinds of settings that hold numbers: counts, sizes, times. */
import { type Parsed, type Setting, type SettingFacts, word } from './setting.ts'

/** Bounds of a number. Inside `min`..`max` but outside `usual` it is taken with a warning. */
export interface Range {
  readonly min: number
  readonly max: number
  readonly usual?: readonly [number, number]
}

/** An integer without unit. */
export function integer(range: Range, facts: SettingFacts<number>): Setting<number> {
  const allowed = `an integer, ${range.min} to ${range.max}`
  const parse = (text: string): Parsed<number> =>
    /^\d{1,15}$/.test(text) ? inRange(Number(text), range, text) : { wrong: text }
  return word({ suffix: '', allowed, parse, print: String }, facts)
}

/** A number that may have a fraction. */
export function decimal(range: Range, facts: SettingFacts<number>): Setting<number> {
  const allowed = `a number, ${range.min} to ${range.max}`
  const parse = (text: string): Parsed<number> =>
    /^\d{1,12}(?:\.\d{1,6})?$/.test(text) ? inRange(Number(text), range, text) : { wrong: text }
  return word({ suffix: '', allowed, parse, print: String }, facts)
}

const KILO = 1024
const SIZE_UNITS: Readonly<Record<string, number>> = { '': 1, k: KILO, m: KILO * KILO, g: KILO * KILO * KILO }

/** A number of bytes: `60000`, `64k`, `2m`. */
export function bytes(range: Range, facts: SettingFacts<number>): Setting<number> {
  const allowed = `a number of bytes, ${range.min} to ${range.max} (64k, 2m)`
  const parse = (text: string): Parsed<number> => {
    const value = scaled(/^(\d{1,12})([kmg]?)$/i.exec(text), SIZE_UNITS)
    return value === null ? { wrong: text } : inRange(value, range, text)
  }
  return word({ suffix: '', allowed, parse, print: String }, facts)
}

const MS_PER = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const

/**
 * A time, in the typed result always in ms: a plain number is in `unit`, or the unit is written: `350ms`, `10s`, `2m`.
 * The range and the default are in ms.
 */
export function duration(unit: 'ms' | 's', rangeMs: Range, facts: SettingFacts<number>): Setting<number, 'Ms'> {
  const per = MS_PER[unit]
  const allowed = `a time in ${unit}, ${rangeMs.min / per} to ${rangeMs.max / per} (or 500ms, 10s, 2m)`
  const parse = (text: string): Parsed<number> => {
    const value = scaled(/^(\d{1,12}(?:\.\d{1,6})?)(ms|s|m|h|)$/.exec(text), { ...MS_PER, '': per })
    return value === null ? { wrong: text } : inRange(Math.round(value), rangeMs, text)
  }
  return word({ suffix: 'Ms', allowed, parse, print: (value) => String(value / per) }, facts)
}

function scaled(match: RegExpExecArray | null, units: Readonly<Record<string, number>>): number | null {
  if (match === null) return null
  const factor = units[(match[2] ?? '').toLowerCase()]
  return factor === undefined ? null : Number(match[1]) * factor
}

function inRange(value: number, range: Range, text: string): Parsed<number> {
  if (value < range.min || value > range.max) return { wrong: text }
  const [low, high] = range.usual ?? [range.min, range.max]
  if (value < low || value > high) return { value, warning: `${text} is outside the usual ${low} to ${high}` }
  return { value }
}
