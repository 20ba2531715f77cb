/** The configuration as it is in force, setting by setting, and where each value is from. */
import { maskedQuery } from '../rtmp/url.ts'
import type { Config } from './config.ts'
import { ROOT_DIRECTIVES, VHOST_DIRECTIVES } from './directives.ts'
import type { Directives, Setting } from './setting.ts'
import { type RawValues, valueKey } from './values.ts'

/** One setting in force. */
export interface EffectiveSetting {
  /** `max_connections`, `vhost.NAME.play.gop_cache`, `vhost.NAME.ingest.ID.input.url`. */
  readonly path: string
  /** As it is written in a file; null: there is none; of a secret, `***`. */
  readonly value: string | null
  /** `FILE:LINE` or `environment NAME`; null: it is the default. */
  readonly origin: string | null
  readonly reload: boolean | 'new'
  readonly meaning: string
}

/** All settings, in the order of the tables. Passwords in URLs, and what looks like a key in their queries, are `***`. */
export function effectiveSettings(config: Config): readonly EffectiveSetting[] {
  const { origins, vhosts } = config
  const found = level(ROOT_DIRECTIVES, rawOf(config), '', origins)
  for (const [name, vhost] of vhosts) found.push(...level(VHOST_DIRECTIVES, rawOf(vhost), `vhost.${name}.`, origins))
  return found
}

function level(table: Directives, values: RawValues, place: string, origins: Config['origins']): EffectiveSetting[] {
  const found: EffectiveSetting[] = []
  for (const [name, entry] of Object.entries(table)) {
    const path = place + name
    const value = values[valueKey(name, entry)]
    if (entry.kind === 'block') found.push(...level(entry.children, rawOf(value), `${path}.`, origins))
    else if (entry.kind === 'blocks') {
      for (const [index, one] of (value as readonly { readonly name: string }[]).entries()) {
        found.push(...level(entry.children, rawOf(one), `${path}.${one.name || index}.`, origins))
      }
    } else if (entry.kind === 'setting') {
      const { reload, meaning } = entry
      found.push({ path, value: shown(entry, value), origin: origins.get(path) ?? null, reload, meaning })
    }
  }
  return found
}

function shown(setting: Setting<unknown, string>, value: unknown): string | null {
  const lines = value === null ? [] : setting.print(value)
  if (lines.length === 0) return null
  return setting.isSecret ? '***' : masked(lines.join('; '))
}

/** Who may see the configuration need not know the passwords of others that stand in it. */
function masked(text: string): string {
  return text.replace(/:\/\/[^\s/@]*@/g, '://***@').replace(/\?\S*/g, maskedQuery)
}

function rawOf(values: unknown): RawValues {
  return values as RawValues
}
