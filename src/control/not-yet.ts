/** What the table of directives knows and this version does not do. An entry goes when its feature comes. */
import { isDeepStrictEqual } from 'node:util'
import type { Setting } from './setting.ts'

/** What is not served, by the path of the directive that asks for it. */
const NOT_YET: Readonly<Record<string, string>> = {
  'http_server.dir': 'Files from http_server.dir',
  'vhost.play.time_jitter': 'play.time_jitter',
  'vhost.play.mix_correct': 'play.mix_correct',
  'vhost.play.atc': 'play.atc',
  'vhost.play.atc_auto': 'play.atc_auto',
  'vhost.play.send_min_interval': 'play.send_min_interval',
  'vhost.play.reduce_sequence_header': 'play.reduce_sequence_header',
  'vhost.publish.kickoff_for_idle': 'publish.kickoff_for_idle',
  'vhost.http_static.enabled': 'Files of a vhost (http_static)',
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
