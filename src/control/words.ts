/** The kinds of settings that hold words: switches, choices, texts, commands. */
import { type Parsed, type Setting, type SettingFacts, word } from './setting.ts'

/** `on` or `off`. */
export function flag(facts: SettingFacts<boolean>): Setting<boolean> {
  return word({ suffix: '', allowed: 'on or off', parse: parseFlag, print: (value) => (value ? 'on' : 'off') }, facts)
}

/** One of the given words; '' as default when none need be chosen. */
export function choice<const T extends string, const D extends T | ''>(
  choices: readonly T[],
  facts: Omit<SettingFacts<D>, 'warn'> & Pick<SettingFacts<T | D>, 'warn'>,
): Setting<T | D> {
  const parse = (asked: string): Parsed<T> => {
    const value = choices.find((candidate) => candidate === asked)
    return value === undefined ? { wrong: asked } : { value }
  }
  return word<T | D>({ suffix: '', allowed: `one of ${choices.join(', ')}`, parse, print: String }, facts)
}

/** What a text may be. */
export interface Pattern {
  readonly test: RegExp
  /** In words, for documentation and errors. */
  readonly allowed: string
  /** How many of them one directive takes; absent: any number. */
  readonly most?: number
}

/** Where callbacks go. */
export const HTTP_URL: Pattern = { test: /^https?:\/\/[^\s/]+/, allowed: 'an http:// or https:// URL' }
const ANY_TEXT: Pattern = { test: /./, allowed: 'a text' }

/** A text of one word. */
export function text(facts: SettingFacts<string>, pattern: Pattern = ANY_TEXT): Setting<string> {
  const parse = (value: string): Parsed<string> => (pattern.test.test(value) ? { value } : { wrong: value })
  return word({ suffix: '', allowed: pattern.allowed, parse, print: quoted }, facts)
}

/** Several texts in one directive: `on_publish URL URL;`. */
export function texts(facts: SettingFacts<readonly string[]>, pattern: Pattern = ANY_TEXT): Setting<readonly string[]> {
  const parse = (args: readonly string[]): Parsed<readonly string[]> => {
    const { test, most = Infinity } = pattern
    const wrong = args.length === 0 ? '' : args.find((arg) => !test.test(arg))
    if (wrong !== undefined) return { wrong }
    return args.length > most ? { wrong: args.join(' ') } : { value: args }
  }
  const allowed = `${pattern.allowed}, ${pattern.most === 2 ? 'one or two' : 'one or more'}`
  return { kind: 'setting', form: 'words', suffix: '', allowed, ...facts, parse, print: printWords }
}

/** Command lines: `publish PROGRAM ARGUMENT ...;`, as many as there are lines. */
export function commands(facts: SettingFacts<readonly Command[]>): Setting<readonly Command[]> {
  const allowed = 'a program and its arguments'
  return { kind: 'setting', form: 'lines', suffix: '', allowed, ...facts, parse: parseCommand, print: printCommands }
}

/** A program and its arguments. */
export type Command = readonly string[]

/** A block of names of the user's choice: `vparams { g 100; bf 3; }`. */
export function pairs(facts: SettingFacts<readonly Pair[]>): Setting<readonly Pair[]> {
  const allowed = 'names with one value each'
  return { kind: 'setting', form: 'pairs', suffix: '', allowed, ...facts, parse: parsePair, print: printPairs }
}

/** One line of a block whose names are of the user's choice. */
export interface Pair {
  readonly name: string
  /** '': there is none. */
  readonly value: string
}

function parseFlag(asked: string): Parsed<boolean> {
  return asked === 'on' || asked === 'off' ? { value: asked === 'on' } : { wrong: asked }
}

function printWords(value: readonly string[]): readonly string[] {
  return value.length === 0 ? [] : [joined(value)]
}

function parseCommand(args: Command): Parsed<readonly Command[]> {
  return args.length === 0 ? { wrong: '' } : { value: [args] }
}

function printCommands(value: readonly Command[]): readonly string[] {
  return value.map(joined)
}

function parsePair([name = '', value = '', ...more]: readonly string[]): Parsed<readonly Pair[]> {
  return more.length === 0 ? { value: [{ name, value }] } : { wrong: [name, value, ...more].join(' ') }
}

function printPairs(value: readonly Pair[]): readonly string[] {
  return value.map((pair) => joined([pair.name, pair.value]))
}

function joined(values: readonly string[]): string {
  return values.map(quoted).join(' ').trim()
}

/** The text as the grammar reads it back. */
function quoted(value: string): string {
  if (!/[\s;{}#'"]/.test(value)) return value
  return value.includes('"') ? `'${value}'` : `"${value}"`
}
