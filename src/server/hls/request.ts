import { parseStreamUrl, streamKey } from '../../rtmp/url.ts'
import { clientUrl, limitedText, type Wish } from '../client.ts'
import type { ServerContext } from '../context.ts'
import type { HttpExchange } from '../http-session.ts'
import type { LimitOptions } from '../limits.ts'
import type { VhostOptions } from '../options.ts'
import { matchPlaylist } from './names.ts'

/** What a request for a playlist says in its query (RFC 8216bis 6.2.5). */
export interface Directives {
  /** The viewer's id; null without. */
  readonly ctx: string | null
  /** The vhost, when it is named there. */
  readonly vhost: string | null
  /** Waits until the playlist has this segment, and this part of it. */
  readonly sequence: number | null
  readonly part: number | null
  /** Segments that the player knows may be left out. */
  readonly skips: boolean
}

/** Nearly every one: what it names is clear at once. */
const PLAIN_HOST = /^([\w-][\w.-]{0,253})(?::\d+)?$/

const NOTHING: Directives = { ctx: null, vhost: null, sequence: null, part: null, skips: false }

/** Reads the query. What is no number is not there. */
export function readDirectives(query: string): Directives {
  if (query === '') return NOTHING
  const values = new URLSearchParams(query)
  const skip = values.get('_HLS_skip')
  return {
    ctx: values.get('hls_ctx'),
    vhost: values.get('vhost') ?? values.get('domain'),
    sequence: count(values.get('_HLS_msn')),
    part: count(values.get('_HLS_part')),
    skips: skip === 'YES' || skip === 'v2',
  }
}

/** The vhost that a request means, by its query, else by its host. @throws CodecError */
export function vhostOf(exchange: HttpExchange, context: ServerContext, asked: string | null): VhostOptions | null {
  return context.options.resolveVhost(asked ?? vhostName(hostOf(exchange)))
}

function vhostName(host: string): string {
  const plain = PLAIN_HOST.exec(host)?.[1]
  return plain ?? parseStreamUrl({ tcUrl: `http://${host}/`, app: '', streamName: '' }).vhost
}

/** The viewer that a request for a playlist makes; null when the vhost has no such playlist. @throws CodecError */
export function locate(exchange: HttpExchange, vhost: VhostOptions, limits: LimitOptions): Wish | null {
  const { path, query, headers } = exchange.request
  // A decoded '?' or '#' would be taken for the start of a query below; no encoder can publish such a name.
  if (/[?#]/.test(path)) return null
  const names = matchPlaylist(vhost.hls.hlsM3u8File, vhost.name, path)
  if (!names) return null
  const tcUrl = `http://${hostOf(exchange)}/${names.app}`
  const url = parseStreamUrl({ tcUrl, app: names.app, streamName: `${names.stream}${query}` }, limits)
  const said = { tcUrl, pageUrl: limitedText(headers.get('referer') ?? ''), swfUrl: '' }
  return {
    role: 'play',
    type: 'hls-play',
    vhost,
    // As SRS says it.
    url: { ...clientUrl(url, said), stream: `${names.stream}.m3u8` },
    sourceKey: streamKey({ vhost: vhost.name, app: url.app, stream: url.stream }),
  }
}

function hostOf({ request }: HttpExchange): string {
  return request.headers.get('host') ?? ''
}

function count(text: string | null): number | null {
  return text !== null && /^\d{1,15}$/.test(text) ? Number(text) : null
}
