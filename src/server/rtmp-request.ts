import { asText } from '../rtmp/amf-value.ts'
import type { AmfObject } from '../rtmp/amf0.ts'
import type { RtmpMessage } from '../rtmp/message.ts'
import { parseStreamUrl, type StreamUrl, streamKey } from '../rtmp/url.ts'
import { StreamBusyError } from '../stream/source.ts'
import { clientUrl, limitedText, type Wish } from './client.ts'
import { RedirectError, RefusedError } from './gate.ts'
import type { LimitOptions } from './limits.ts'
import type { ServerOptions } from './options.ts'
import { knowsMultitrack, redirected, status } from './rtmp-answers.ts'

/** What is kept of the command object of `connect`: RTMP 1.0 section 7.2.1.1. Texts that are too long count as absent. */
export interface RtmpRequest {
  /** '' when the client sent none, which SRS refuses. */
  readonly tcUrl: string
  readonly app: string
  readonly pageUrl: string
  readonly swfUrl: string
  /** The client's program, for example `FMLE/3.0 (compatible; Lavf60.3.100)`. */
  readonly flashVer: string
  readonly multitrack: boolean
  /** Servers through which it asks: see Client. */
  readonly chain: string
}

/** Before `connect`. */
export const NO_REQUEST: RtmpRequest = readRequest({})

/** Takes what is needed from the command object, which may be large, and lets the rest go. */
export function readRequest(command: AmfObject): RtmpRequest {
  const text = (name: string): string => limitedText(asText(command[name]))
  return {
    tcUrl: text('tcUrl'),
    app: text('app'),
    pageUrl: text('pageUrl'),
    swfUrl: text('swfUrl'),
    flashVer: text('flashVer'),
    multitrack: knowsMultitrack(command),
    chain: text('sluice_chain'),
  }
}

/** Where a stream of this connection is. @throws CodecError 'name_…', 'query_too_long' */
export function requestedUrl({ tcUrl, app }: RtmpRequest, streamName: string, limits: LimitOptions): StreamUrl {
  return parseStreamUrl({ tcUrl, app, streamName }, limits)
}

/** Which stream is meant, and what serves it. @throws RefusedError 'refused_name', CodecError 'name_…', 'query_too_long' */
export function readWish(
  request: RtmpRequest,
  streamName: string,
  options: ServerOptions,
  as: Pick<Wish, 'role' | 'type'>,
): Wish {
  const url = requestedUrl(request, streamName, options.limits)
  const vhost = options.resolveVhost(url.vhost)
  if (!vhost) throw new RefusedError('refused_name', 'vhost is not served here.')
  if (url.stream === '') throw new RefusedError('refused_name', 'stream name is empty.')
  const sourceKey = streamKey({ vhost: vhost.name, app: url.app, stream: url.stream })
  return { role: as.role, type: as.type, vhost, url: clientUrl(url, request), sourceKey }
}

/** How a client is told that it may not publish or play; null when the error is another one. */
export function refusal(error: unknown, streamId: number, role: Wish['role'], stream: string): RtmpMessage | null {
  if (error instanceof StreamBusyError) {
    return status(streamId, 'error', 'NetStream.Publish.BadName', `${stream} is already published.`)
  }
  if (error instanceof RedirectError) return redirected(error.tcUrl, error.url)
  if (!(error instanceof RefusedError)) return null
  return status(streamId, 'error', refusalCode(error, role), error.message)
}

/** OBS and GStreamer know `Publish.Denied` as a matter of rights, `BadName` as one of the stream key. */
function refusalCode(error: RefusedError, role: Wish['role']): string {
  if (role === 'play') return error.status === 404 ? 'NetStream.Play.StreamNotFound' : 'NetStream.Play.Failed'
  return error.code === 'refused_name' ? 'NetStream.Publish.BadName' : 'NetStream.Publish.Denied'
}
