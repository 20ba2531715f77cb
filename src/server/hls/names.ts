/** The names of playlists, segments and keys: paths below `hls_path` and, with a slash in front, of URLs. */
import { createHash } from 'node:crypto'
import { posix } from 'node:path'
import { escapeName } from '../../format/m3u8/text.ts'

/** What a stream is called. */
export interface StreamNames {
  readonly vhost: string
  readonly app: string
  readonly stream: string
}

/** Who a stream is. */
export interface HlsIdentity {
  /** Of its source. */
  readonly key: string
  readonly names: StreamNames
  readonly playlistName: string
}

/** What else a segment's name may hold. */
export interface SegmentFacts {
  readonly sequence: number
  /** `[timestamp]`: ms since 1970, or with `hls_ts_floor` the number by the clock. */
  readonly timestamp: number
  /** Wall clock at its begin, ms since 1970. */
  readonly wallMs: number
  readonly durationMs: number
}

type Values = Readonly<Record<string, string>>

/** The names in the key of a source, `vhost/app/stream`. */
export function namesOf(sourceKey: string): StreamNames {
  const [vhost = '', ...path] = sourceKey.split('/')
  const stream = path.pop() ?? ''
  return { vhost, app: path.join('/'), stream }
}

/** A playlist's name by its template. */
export function playlistName(template: string, names: StreamNames): string {
  return fill(template, { ...names })
}

/** A segment's, part's, initialization segment's or key's name by its template. */
export function segmentName(template: string, names: StreamNames, facts: SegmentFacts): string {
  const { sequence, timestamp, wallMs, durationMs } = facts
  const { vhost, app, stream } = names
  const date = new Date(wallMs)
  return fill(template, {
    vhost,
    app,
    stream,
    seq: String(sequence),
    timestamp: String(timestamp),
    duration: String(Math.round(durationMs)),
    2006: String(date.getFullYear()),
    '01': twoDigits(date.getMonth() + 1),
    '02': twoDigits(date.getDate()),
    15: twoDigits(date.getHours()),
    '04': twoDigits(date.getMinutes()),
    '05': twoDigits(date.getSeconds()),
    999: String(date.getMilliseconds()).padStart(3, '0'),
  })
}

/** Facts for a file that is called after what stands in it. */
export function contentFacts(bytes: Buffer): SegmentFacts {
  const number = createHash('sha256').update(bytes).digest().readUInt32BE()
  return { sequence: number, timestamp: number, wallMs: 0, durationMs: 0 }
}

/** Whether a name is known only when the segment has ended. */
export function needsDuration(template: string): boolean {
  return template.includes('[duration]')
}

/** Whether a template never gives a name twice: numbers of segments go on over a restart. */
export function givesUniqueNames(template: string): boolean {
  return /\[(?:seq|timestamp)\]/.test(template)
}

/** `text` put behind a name, in front of its ending: `live/a-7.m4s` and `.2` is `live/a-7.2.m4s`. */
export function withSuffix(name: string, text: string): string {
  const ending = posix.extname(name)
  return name.slice(0, name.length - ending.length) + text + ending
}

/** Reads app and stream from the path of a request for a playlist; null when it is none. */
export function matchPlaylist(template: string, vhost: string, path: string): { app: string; stream: string } | null {
  const groups = playlistPattern(template, vhost).exec(path)?.groups
  return groups?.['stream'] === undefined ? null : { app: groups['app'] ?? '', stream: groups['stream'] }
}

/** A file's URI as a playlist names it: relative to that, or behind `hls_entry_prefix`. */
export function entryUri(prefix: string, playlist: string, name: string): string {
  const relative = posix.relative(posix.dirname(playlist), name)
  if (prefix === '') return escapePath(relative)
  return prefix + (prefix.endsWith('/') ? escapePath(relative) : `/${escapePath(posix.normalize(name))}`)
}

/** A path, percent-encoded part by part. */
export function escapePath(path: string): string {
  return path.split('/').map(escapeName).join('/')
}

/** Templates come from the configuration: there are few of them. */
const patterns = new Map<string, RegExp>()

function playlistPattern(template: string, vhost: string): RegExp {
  const key = `${vhost}/${template}`
  let pattern = patterns.get(key)
  if (!pattern) {
    const source = rooted(template)
      .replace('[vhost]', vhost)
      .replace(/[.*+?^${}()|\\]/g, '\\$&')
      .replace('[app]', '(?<app>.+)')
      .replace('[stream]', '(?<stream>[^/]+)')
    pattern = new RegExp(`^${source}$`)
    patterns.set(key, pattern)
  }
  return pattern
}

function fill(template: string, values: Values): string {
  const filled = template.replace(/\[(\w+)\]/g, (place, name: string) => values[name] ?? place)
  return rooted(filled).slice(1)
}

/** `./live/x` and `/live/x` are `/live/x`. */
function rooted(path: string): string {
  return posix.normalize(`/${path}`)
}

function twoDigits(value: number): string {
  return String(value).padStart(2, '0')
}
