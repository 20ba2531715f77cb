import { CodecError } from '../codec/errors.ts'

/** Where a client wants to publish or play. Names are raw as sent: nothing is percent-decoded. */
export interface StreamUrl {
  /** 'rtmp', 'rtmps' ..., in lower case. */
  schema: string
  /** Host of the tcUrl, an IPv6 address without its brackets; '' when the client sent none. */
  host: string
  port: number
  /** The vhost asked for (`?vhost=`, else `?domain=`, else the host), not yet resolved by the configuration. */
  vhost: string
  /** One or more segments joined by '/'; `__defaultApp__` when the client sent none. */
  app: string
  /** Without '/' and without a media extension; '' when the client sent none. */
  stream: string
  /** The query as sent, its leading '?' included, or ''. */
  param: string
}

/** The parts of a stream's address as `connect` (tcUrl, app) and `publish` or `play` (streamName) bring them. */
export interface StreamUrlParts {
  tcUrl: string
  app: string
  streamName: string
}

/** How long names may be. */
export interface NameLimits {
  /** Of the schema, the host, the vhost, the app and the stream, each. */
  readonly maxNameBytes: number
  readonly maxQueryBytes: number
}

const NAME_LIMITS: NameLimits = { maxNameBytes: 255, maxQueryBytes: 8_192 }
const DEFAULT_APP = '__defaultApp__'
const DEFAULT_VHOST = '__defaultVhost__'
const DEFAULT_PORT = 1935
const DEFAULT_TLS_PORT = 443
const MAX_PORT = 65_535

// schema://authority then path and query
const TC_URL = /^([a-z][a-z0-9+.-]*):\/\/([^/?#]*)(.*)$/is
// host[:port], an IPv6 host in brackets
const HOST_AND_PORT = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d+))?$/
const VHOST_IN_PATH = '...vhost...'
/** Flash Media Server's name of an application's default instance. */
const DEFAULT_INSTANCE = '_definst_'
/** Names that products and clouds give to what lets somebody in: `token`, `txSecret`, `auth_key`, `md5`. */
const SECRET_KEY = /token|secret|sign|sig$|passw|pwd|auth|key|md5|hash/i
const QUERY_SEPARATORS = /[,&;?]+/
const MEDIA_EXTENSION = /(?<=.)\.(?:flv|f4v|ts|m3u8|aac|mp3|mp4|m4a|m4v|mpd)$/i
const CONTROL_CHARACTER = /\p{Cc}/u

/**
 * Reads where a client wants to publish or play, by SRS's rules. The query may stand in the tcUrl or in the stream
 * name, with '?' or '#' or as `app...vhost...name`; a stream name with slashes lends its first segments to the app,
 * and an app with slashes lends its last one to an empty stream name. A tcUrl without a path takes `app`'s.
 * @param limits by default 255 bytes for a name and 8,192 for the query
 * @throws CodecError 'name_invalid' when a name holds a control character, a backslash or a segment '.' or '..', or the
 *   query a control character; 'name_too_long', 'query_too_long'
 */
export function parseStreamUrl(parts: StreamUrlParts, limits = NAME_LIMITS): StreamUrl {
  const tcUrl = splitTcUrl(parts.tcUrl)
  const place = splitQuery(tcUrl.path)
  const appField = splitQuery(parts.app)
  const name = splitQuery(parts.streamName.trim())

  const app = segments(place.path)
  if (app.length === 0) app.push(...segments(appField.path))
  const placeQuery = place.query || appField.query
  const { stream, query } = locateStream(app, segments(name.path), placeQuery)

  const param = joinQueries(name.query, query)
  const asked = queryValue(param, 'vhost') || queryValue(param, 'domain')
  const url = {
    schema: tcUrl.schema,
    host: tcUrl.host,
    port: tcUrl.port,
    vhost: asked && asked !== DEFAULT_VHOST ? asked : tcUrl.host,
    app: app.join('/') || DEFAULT_APP,
    stream: stream.replace(MEDIA_EXTENSION, ''),
    param: param === '' || param === `vhost=${DEFAULT_VHOST}` ? '' : `?${param}`,
  }
  checkNames(url, limits)
  return url
}

/** The identity of a stream: two clients with the same key mean the same stream. */
export function streamKey(url: Pick<StreamUrl, 'vhost' | 'app' | 'stream'>): string {
  return `${url.vhost}/${url.app}/${url.stream}`
}

/** The names in the identity of a stream; an app may have slashes. */
export function namesOfKey(key: string): Pick<StreamUrl, 'vhost' | 'app' | 'stream'> {
  const [vhost = '', ...path] = key.split('/')
  const stream = path.pop() ?? ''
  return { vhost, app: path.join('/'), stream }
}

/** A tcUrl that is not a URL leaves everything to `app`: some encoders send only a path, or nothing. */
function splitTcUrl(tcUrl: string): { schema: string; host: string; port: number; path: string } {
  const [, schema = 'rtmp', authority = '', path = ''] = TC_URL.exec(tcUrl.trim()) ?? []
  const afterUser = authority.slice(authority.lastIndexOf('@') + 1)
  const [, ipv6, name = '', port = ''] = HOST_AND_PORT.exec(afterUser) ?? []
  const isTls = schema.toLowerCase() === 'rtmps'
  const portNumber = Number(port)
  return {
    schema: schema.toLowerCase(),
    host: ipv6 ?? name,
    port: portNumber > 0 && portNumber <= MAX_PORT ? portNumber : isTls ? DEFAULT_TLS_PORT : DEFAULT_PORT,
    path,
  }
}

/** Cuts at the first '?' or '#'; `app...vhost...name` counts as `app?vhost=name`. */
function splitQuery(text: string): { path: string; query: string } {
  const queryAt = text.search(/[?#]/)
  const vhostAt = text.indexOf(VHOST_IN_PATH)
  if (vhostAt >= 0 && (queryAt < 0 || vhostAt < queryAt)) {
    const rest = text.slice(vhostAt + VHOST_IN_PATH.length).replace(/[?#]/, '&')
    return { path: text.slice(0, vhostAt), query: `vhost=${rest}` }
  }
  if (queryAt < 0) return { path: text, query: '' }
  return { path: text.slice(0, queryAt), query: text.slice(queryAt + 1) }
}

function segments(path: string): string[] {
  const all = path.split('/').map((segment) => segment.trim())
  return all.filter((segment) => segment !== '' && segment !== DEFAULT_INSTANCE)
}

/** Decides which segment is the stream. Moves the others to `app`, or takes the stream out of it. */
function locateStream(app: string[], name: string[], query: string): { stream: string; query: string } {
  const last = name.pop()
  if (last !== undefined) {
    app.push(...name)
    return { stream: last, query }
  }
  // rtmp://host/app?vhost=v/stream as one URL in the tcUrl
  const slash = query.lastIndexOf('/')
  if (slash >= 0) return { stream: query.slice(slash + 1), query: query.slice(0, slash) }
  return { stream: app.length > 1 ? (app.pop() ?? '') : '', query }
}

/** The stream name's query comes first, because the first value of a key counts. */
function joinQueries(name: string, place: string): string {
  if (name === '' || place === '' || name === place) return name || place
  return `${name}&${place}`
}

/** A query for people and logs: values that may let somebody in are `***`. */
export function maskedQuery(query: string): string {
  return query.replace(/([^=,&;?]+)=[^,&;?]*/g, (pair, key: string) => (SECRET_KEY.test(key) ? `${key}=***` : pair))
}

/** The first value of a key, as sent; '' when there is none. `query` may begin with its '?'. */
export function queryValue(query: string, key: string): string {
  for (const pair of query.split(QUERY_SEPARATORS)) {
    if (pair.startsWith(`${key}=`)) return pair.slice(key.length + 1)
  }
  return ''
}

function checkNames(url: StreamUrl, { maxNameBytes, maxQueryBytes }: NameLimits): void {
  for (const what of ['schema', 'host', 'vhost', 'app', 'stream'] as const) checkName(what, url[what], maxNameBytes)
  if (url.vhost.includes('/')) throw new CodecError('name_invalid', "vhost holds '/'")
  if (CONTROL_CHARACTER.test(url.param)) throw new CodecError('name_invalid', 'query holds a control character')
  const bytes = Buffer.byteLength(url.param)
  if (bytes > maxQueryBytes) throw new CodecError('query_too_long', `query of ${bytes} bytes, limit ${maxQueryBytes}`)
}

/** Names become paths, log lines and keys. The error does not repeat the name: it may be what must not be logged. */
function checkName(what: string, name: string, maxBytes: number): void {
  const bytes = Buffer.byteLength(name)
  if (bytes > maxBytes) throw new CodecError('name_too_long', `${what} of ${bytes} bytes, limit ${maxBytes}`)
  if (CONTROL_CHARACTER.test(name)) throw new CodecError('name_invalid', `${what} holds a control character`)
  if (name.includes('\\')) throw new CodecError('name_invalid', `${what} holds a backslash`)
  if (name.split('/').some((segment) => segment === '.' || segment === '..')) {
    throw new CodecError('name_invalid', `${what} holds a segment '.' or '..'`)
  }
}
