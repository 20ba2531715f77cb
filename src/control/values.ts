/** From the tables of directives to the types and names of a typed configuration. */
import type { ROOT_DIRECTIVES, VHOST_DIRECTIVES } from './directives.ts'
import type { Block, Blocks, Directives, Entry, Foreign, Setting } from './setting.ts'

type Camel<N extends string> = N extends `${infer A}_${infer B}` ? `${A}${Capitalize<Camel<B>>}` : N
type Suffixed<N extends string, S extends string> = N extends `${string}${S}` ? N : `${N}${S}`
type Key<N extends string, D> = D extends Foreign
  ? never
  : D extends Setting<infer _, infer S>
    ? S extends ''
      ? Camel<N>
      : Suffixed<Camel<N>, S>
    : Camel<N>
type Value<D> =
  D extends Block<infer C>
    ? Values<C>
    : D extends Blocks<infer C>
      ? readonly NamedValues<C>[]
      : D extends Setting<infer T, string>
        ? T
        : never
/** The typed result of a table: `gop_cache` becomes `gopCache`; times are in ms and say so: `queueLengthMs`. */
export type Values<C extends Directives> = { readonly [N in keyof C & string as Key<N, C[N]>]: Value<C[N]> }
/** One of several blocks; '': it has no name. */
type NamedValues<C extends Directives> = { readonly name: string } & Values<C>

/** The typed directives of the root. */
export type RootConfig = Values<typeof ROOT_DIRECTIVES>

/** The settings of one vhost. */
export interface VhostConfig extends Values<typeof VHOST_DIRECTIVES> {
  readonly name: string
}

/** Values by the names of their directives, before they have types. */
export type RawValues = Readonly<Record<string, unknown>>

/** The name of a directive's value in the typed result. */
export function valueKey(name: string, entry: Entry): string {
  const camel = name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase())
  return entry.kind !== 'setting' || camel.endsWith(entry.suffix) ? camel : camel + entry.suffix
}

/** Renames the values of a table as `Values` says. */
export function typed(table: Directives, values: RawValues): RawValues {
  const result: Record<string, unknown> = {}
  for (const [name, entry] of Object.entries(table)) {
    const value = values[name]
    if (entry.kind === 'block') result[valueKey(name, entry)] = typed(entry.children, value as RawValues)
    else if (entry.kind === 'blocks') {
      const named = value as readonly { name: string; values: RawValues }[]
      result[valueKey(name, entry)] = named.map((one) => ({ name: one.name, ...typed(entry.children, one.values) }))
    } else if (entry.kind === 'setting') result[valueKey(name, entry)] = value
  }
  return result
}
