/** What differs between two configurations. */
import { isDeepStrictEqual } from 'node:util'
import { type Config, makeConfig } from './config.ts'
import { ROOT_DIRECTIVES, VHOST_DIRECTIVES } from './directives.ts'
import type { Directives, Setting } from './setting.ts'
import { type RawValues, type RootConfig, valueKey, type VhostConfig } from './values.ts'

/** One setting, list of blocks or vhost that is not what it was. */
export interface Change {
  /** `max_connections`, `vhost.NAME.play.gop_cache`, `vhost.NAME.ingest`, `vhost.NAME` for a vhost that comes or goes. */
  readonly path: string
  /** True: a reload applies it to all that runs; 'new': to connections that come from then on; false: it needs a start. */
  readonly reload: boolean | 'new'
  /** As it is written in a file; null: absent; of a secret, `***`; of blocks, their names. */
  readonly before: string | null
  readonly after: string | null
}

/** What must be done to get from one configuration to another, in the order of the tables. */
export function changes(before: Config, after: Config): readonly Change[] {
  const found = compare(ROOT_DIRECTIVES, rawOf(before), rawOf(after), '')
  for (const name of new Set([...before.vhosts.keys(), ...after.vhosts.keys()])) {
    const [old, now] = [before.vhosts.get(name), after.vhosts.get(name)]
    if (old && now) found.push(...compare(VHOST_DIRECTIVES, rawOf(old), rawOf(now), `vhost.${name}.`))
    else found.push({ path: `vhost.${name}`, reload: true, before: old ? name : null, after: now ? name : null })
  }
  return found
}

/** What is in force after a reload: `loaded`, but what counts from the next start is as it was. */
export function inForce(running: Config, loaded: Config): Config {
  const vhosts = new Map(loaded.vhosts)
  for (const [name, now] of vhosts) {
    const old = running.vhosts.get(name)
    if (old)
      vhosts.set(name, { ...(kept(VHOST_DIRECTIVES, rawOf(old), rawOf(now)) as Omit<VhostConfig, 'name'>), name })
  }
  const root = kept(ROOT_DIRECTIVES, rawOf(running), rawOf(loaded)) as RootConfig
  return makeConfig(root, vhosts, loaded)
}

function kept(table: Directives, running: RawValues, loaded: RawValues): RawValues {
  const values: Record<string, unknown> = {}
  for (const [name, entry] of Object.entries(table)) {
    if (entry.kind === 'foreign') continue
    const key = valueKey(name, entry)
    const [old, now] = [running[key], loaded[key]]
    if (entry.kind === 'block') values[key] = kept(entry.children, rawOf(old), rawOf(now))
    else values[key] = entry.reload ? now : old
  }
  return values
}

function compare(table: Directives, before: RawValues, after: RawValues, place: string): Change[] {
  const found: Change[] = []
  for (const [name, entry] of Object.entries(table)) {
    const path = place + name
    const key = valueKey(name, entry)
    const [old, now] = [before[key], after[key]]
    if (entry.kind === 'block') found.push(...compare(entry.children, rawOf(old), rawOf(now), `${path}.`))
    else if (entry.kind === 'foreign' || isDeepStrictEqual(old, now)) continue
    else if (entry.kind === 'blocks') found.push({ path, reload: entry.reload, before: names(old), after: names(now) })
    else found.push({ path, reload: entry.reload, before: shown(entry, old), after: shown(entry, now) })
  }
  return found
}

function rawOf(values: unknown): RawValues {
  return values as RawValues
}

function shown(setting: Setting<unknown, string>, value: unknown): string | null {
  const lines = setting.print(value)
  if (lines.length === 0) return null
  return setting.isSecret ? '***' : lines.join('; ')
}

function names(blocks: unknown): string | null {
  return (blocks as readonly { readonly name: string }[]).map(({ name }) => name).join(' ') || null
}
