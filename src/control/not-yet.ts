/** What the table of directives knows and this version does not do. An entry goes when its feature comes. */
import { isDeepStrictEqual } from 'node:util'
import type { Setting } from './setting.ts'

/** What is not served, by the path of the directive that asks for it. */
const NOT_YET: Readonly<Record<string, string>> = {
  'vhost.play.atc': 'play.atc',
  'vhost.play.atc_auto': 'play.atc_auto',
}

/** Whether nothing but the default of a directive is served. */
export function isNotYet(path: string): boolean {
  return Object.hasOwn(NOT_YET, path)
}

/** What a value asks for that this version does not do; null: nothing. */
export function notYet(path: string, value: unknown, setting: Setting<unknown, string>): string | null {
  const what = Object.hasOwn(NOT_YET, path) ? NOT_YET[path] : undefined
  if (what === undefined || isDeepStrictEqual(value, setting.default)) return null
  return `${what} is not served by this version yet`
}
