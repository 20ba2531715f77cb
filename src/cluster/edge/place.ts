/** Where a stream is at an origin. */
import { CodecError } from '../../codec/errors.ts'
import type { RtmpRedirectError } from '../../rtmp/client.ts'
import { parseStreamUrl } from '../../rtmp/url.ts'
import type { ClientUrl } from '../../server/client.ts'
import type { ConnectOptions } from '../../st/network.ts'
import type { EdgeOptions, OriginAddress } from './options.ts'

const DEFAULT_VHOST = '__defaultVhost__'
const RTMP_PORT = 1935
const RTMPS_PORT = 443
const HTTP_PORT = 80
const HTTPS_PORT = 443
/** What a client says to this server and not to the next one. */
const OWN_KEYS = /^(?:vhost|domain|hls_ctx|_HLS_[a-z]+)=/
const URL_UNSAFE = /[^\x21\x24-\x7e]/gu

/** Where an RTMP client connects, and what it asks for. */
export interface RtmpPlace extends ConnectOptions {
  /** Said before RTMP begins, at this place and at none to which it redirects. */
  readonly preface?: Buffer
  readonly tcUrl: string
  readonly app: string
  /** With its query. */
  readonly streamName: string
}

/** The names of a stream. */
export interface StreamNames extends Pick<ClientUrl, 'app' | 'stream' | 'param'> {
  /** As this server resolved it. */
  readonly vhost: string
}

/** A stream at an origin, over RTMP. The vhost is in the host of the tcUrl, as with SRS. */
export function rtmpPlace(options: EdgeOptions, { host, port }: OriginAddress, names: StreamNames): RtmpPlace {
  const vhost = vhostThere(options, names)
  const isTls = options.protocol === 'rtmps'
  const usual = isTls ? RTMPS_PORT : RTMP_PORT
  const own = port ?? usual
  const { app, stream, param } = names
  const authority = `${vhost === DEFAULT_VHOST ? bracketed(host) : vhost}${own === usual ? '' : `:${own}`}`
  return {
    host,
    port: own,
    app,
    tcUrl: `${isTls ? 'rtmps' : 'rtmp'}://${authority}/${app}`,
    streamName: stream + ownQuery(param),
    ...(isTls ? { tls: { serverName: host, isVerified: options.originVerify } } : {}),
  }
}

/** A stream at an origin, over HTTP-FLV. */
export function flvPlace(options: EdgeOptions, origin: OriginAddress, names: StreamNames, isTls: boolean): URL {
  const vhost = vhostThere(options, names)
  const query = ownQuery(names.param)
  const named =
    vhost === DEFAULT_VHOST ? query : `${query}${query === '' ? '?' : '&'}vhost=${encodeURIComponent(vhost)}`
  const path = `${names.app}/${names.stream}.flv`.split('/').map(encodeURIComponent).join('/')
  const { host, port, httpPort } = origin
  const own = httpPort ?? port ?? (isTls ? HTTPS_PORT : HTTP_PORT)
  const text = named.replace(URL_UNSAFE, encodeURIComponent)
  return new URL(`${isTls ? 'https' : 'http'}://${bracketed(host)}:${own}/${path}${text}`)
}

/**
 * Where a redirect points. The stream and its query are what follows the tcUrl, as they stand there.
 * @throws CodecError 'redirect_invalid'
 */
export function redirectedPlace({ tcUrl, url }: RtmpRedirectError, before: RtmpPlace): RtmpPlace {
  const isSplit = tcUrl !== '' && url.startsWith(`${tcUrl}/`)
  if (isSplit) return placeAt(tcUrl, url.slice(tcUrl.length + 1), before)
  if (url === '') return placeAt(tcUrl, before.streamName, before)
  const { schema, host, port, vhost, app, stream, param } = parseStreamUrl({ tcUrl: url, app: '', streamName: '' })
  const hasVhost = /[?&](?:vhost|domain)=/.test(param)
  const query = vhost !== host && !hasVhost ? `?vhost=${vhost}` : ''
  return placeAt(`${schema}://${bracketed(host)}:${port}/${app}${query}`, stream + param, before)
}

/** Of a stream at its place, for logs and the API. */
export function placeName({ host, port }: Pick<ConnectOptions, 'host' | 'port'>): string {
  return `${bracketed(host)}:${port}`
}

function placeAt(tcUrl: string, streamName: string, before: RtmpPlace): RtmpPlace {
  const { schema, host, port, app } = parseStreamUrl({ tcUrl, app: '', streamName: '-' })
  if ((schema !== 'rtmp' && schema !== 'rtmps') || host === '') {
    throw new CodecError('redirect_invalid', 'the redirect is to no RTMP address')
  }
  const place = { host, port, tcUrl, app, streamName }
  return schema === 'rtmps' ? { ...place, tls: { ...before.tls, serverName: host } } : place
}

function vhostThere({ vhost }: EdgeOptions, names: StreamNames): string {
  return vhost.replaceAll('[vhost]', names.vhost)
}

/** Which vhost is meant, the place says; what this server asked of its own client is not the origin's affair. */
function ownQuery(param: string): string {
  const pairs = param.replace(/^\?/, '').split('&')
  const kept = pairs.filter((pair) => !OWN_KEYS.test(pair))
  if (kept.length === pairs.length) return param
  return kept.length > 0 ? `?${kept.join('&')}` : ''
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}
