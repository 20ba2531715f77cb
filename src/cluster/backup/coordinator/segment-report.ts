/** What servers say of a finished segment: SRS's callbacks. */

/** Names of a stream, each of them fit for a path. */
export interface StreamName {
  readonly vhost: string
  /** May have slashes. */
  readonly app: string
  readonly stream: string
}

/** A segment that a server has finished. */
export interface SegmentReport {
  readonly side: string
  readonly name: StreamName
  /** Differs for each publish: numbers begin anew then. */
  readonly session: string
  readonly seqNo: number
  /** 0: not said. */
  readonly durationMs: number
  /** Path below the server's root, percent-encoded or not. */
  readonly url: string
  /** Of the playlist, likewise. */
  readonly m3u8Url: string
  /** Hashes of the other coordinator's copy, and of the initialization segment for it; '': it has none. */
  readonly hash: string
  readonly initHash: string
}

/** The session of segments of which nothing but the name was told. */
export const NOTIFY_SESSION = 'notify'

const DEFAULT_VHOST = '__defaultVhost__'
const MAX_URL_LENGTH = 2_048
const MAX_DURATION_MS = 600_000
const MAX_PARTS = 8
/** No separators of paths or URLs, no control characters, and no hidden files. */
const PART = /^(?!\.)[^\p{Cc}/\\?#%]{1,200}$/u

/** By which a stream is known. */
export function keyOf({ vhost, app, stream }: StreamName): string {
  return `${vhost}/${app}/${stream}`
}

/** The names in a key; null when it is none. */
export function nameOfKey(key: string): StreamName | null {
  const [vhost = '', ...path] = key.split('/')
  return streamName(vhost, path.slice(0, -1).join('/'), path.at(-1) ?? '')
}

/** Reads the body of on_hls; null when it is not understood, or names what cannot be served. */
export function readOnHls(side: string, body: string): SegmentReport | null {
  const said = parsed(body)
  if (!said || said['action'] !== 'on_hls') return null
  const { vhost, app, stream, client_id: session, seq_no: seqNo, duration, url, m3u8_url: m3u8Url } = said
  const name = streamName(vhost, app, stream)
  if (!name || !isText(session) || !isCount(seqNo) || !isPath(url) || !isPath(m3u8Url)) return null
  const durationMs = Number(duration) * 1000
  if (!(durationMs >= 0 && durationMs <= MAX_DURATION_MS)) return null
  return { side, name, session, seqNo, durationMs, url, m3u8Url, hash: '', initHash: '' }
}

/**
 * Reads the query of on_hls_notify, `app=[app]&stream=[stream]&ts_url=[ts_url]`; null likewise. It does not say the
 * number: `count` takes its place, which goes up with each.
 */
export function readOnHlsNotify(side: string, query: URLSearchParams, count: number): SegmentReport | null {
  const name = streamName(query.get('vhost') ?? DEFAULT_VHOST, query.get('app'), query.get('stream'))
  const tsUrl = query.get('ts_url')
  if (!name || !isPath(tsUrl)) return null
  const url = `${name.app}/${tsUrl}`
  const m3u8Url = `${name.app}/${name.stream}.m3u8`
  return { side, name, session: NOTIFY_SESSION, seqNo: count, durationMs: 0, url, m3u8Url, hash: '', initHash: '' }
}

/** Reads what the other coordinator says of a segment that it has copied; null likewise. */
export function readHave(body: string): SegmentReport | null {
  const said = parsed(body)
  if (!said || !isText(said['side'])) return null
  const { side, hash, init_hash: initHash } = said
  const report = readOnHls(side, JSON.stringify({ ...said, action: 'on_hls' }))
  return report && isHash(hash) && (initHash === '' || isHash(initHash)) ? { ...report, hash, initHash } : null
}

/** What `readHave` reads. */
export function haveBody({
  side,
  name,
  session,
  seqNo,
  durationMs,
  url,
  m3u8Url,
  hash,
  initHash,
}: SegmentReport): string {
  const segment = { client_id: session, seq_no: seqNo, duration: durationMs / 1000, url, m3u8_url: m3u8Url }
  return JSON.stringify({ side, ...name, ...segment, hash, init_hash: initHash })
}

/** JSON, if it is an object. */
export function parsed(body: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(body)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null
  } catch (error) {
    if (error instanceof SyntaxError) return null
    throw error
  }
}

function streamName(vhost: unknown, app: unknown, stream: unknown): StreamName | null {
  if (!isText(vhost) || !isText(app) || !isText(stream)) return null
  const parts = [vhost, ...app.split('/'), stream]
  return parts.length <= MAX_PARTS && parts.every((part) => PART.test(part)) ? { vhost, app, stream } : null
}

/** Of a URL, a playlist's or segment's: with a host in front of it when the server writes such playlists. */
function isPath(value: unknown): value is string {
  return isText(value) && value.length <= MAX_URL_LENGTH && !value.split(/[/\\]/).includes('..')
}

export function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}

/** A whole number that is not negative. */
export function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

export function isHash(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-f]{64}$/.test(value)
}
