import { flvHeader } from '../format/flv/tag.ts'
import { responseHead } from '../http/response.ts'
import { parseStreamUrl, streamKey } from '../rtmp/url.ts'
import { FOREVER } from '../st/clock.ts'
import { asError, InterruptedError, StError } from '../st/errors.ts'
import type { Thread } from '../st/thread.ts'
import type { Cursor } from '../stream/cursor.ts'
import type { Publication } from '../stream/publication.ts'
import type { Source } from '../stream/source.ts'
import type { WireFormat } from '../stream/wire-format.ts'
import type { ServerContext } from './context.ts'
import { FLV_BARE, FLV_CHUNKED } from './flv-format.ts'
import { describeEnd } from './ending.ts'
import type { HttpExchange, HttpHandler } from './http-session.ts'
import type { VhostOptions } from './options.ts'

const LAST_CHUNK = Buffer.from('0\r\n\r\n', 'latin1')
const VHOST_IN_MOUNT = '[vhost]'

/** What a request for a live stream means. */
interface FlvRequest {
  readonly key: string
  readonly vhost: VhostOptions
  readonly param: string
}

/** `GET /{app}/{stream}.flv`, by the vhost's `http_remux.mount`. */
export function flvHandler(context: ServerContext): HttpHandler {
  return async (thread, exchange) => {
    const wanted = locate(exchange, context)
    if (!wanted) return false
    exchange.isEndless = true
    const source = context.hub.acquire(wanted.key)
    try {
      if (exchange.request.method === 'HEAD') await answerHead(thread, exchange, source)
      else await play(thread, exchange, source, wanted)
    } finally {
      context.hub.release(source)
    }
    return true
  }
}

async function answerHead(thread: Thread, exchange: HttpExchange, source: Source): Promise<void> {
  if (source.publication) await exchange.answer(thread, 200, flvHeaders(), '')
  else await exchange.answerText(thread, 404, `No stream ${source.key}.`)
}

/** A player's life, in two lines of the log. */
async function play(thread: Thread, exchange: HttpExchange, source: Source, wanted: FlvRequest): Promise<void> {
  const { host, port } = exchange.socket.remote
  thread.log.info({ peer: `${host}:${port}`, stream: wanted.key, param: wanted.param, protocol: 'http-flv' }, 'playing')
  let reason = 'stream ended'
  source.players++
  try {
    await serveFlv(thread, exchange, source, wanted)
  } catch (error) {
    reason = describeEnd(asError(error))
    throw error
  } finally {
    source.players--
    thread.log.info({ stream: wanted.key, reason, sentBytes: exchange.socket.sentBytes }, 'played')
  }
}

async function serveFlv(thread: Thread, exchange: HttpExchange, source: Source, wanted: FlvRequest): Promise<void> {
  // From here on the connection is the player's alone: what else it sends is not answered.
  exchange.keepAlive = false
  exchange.socket.hangupInterrupts(thread)
  const publication = await waitPublisher(thread, source, wanted.vhost.httpRemux.waitPublisherMs)
  const format = exchange.request.version === '1.0' ? FLV_BARE : FLV_CHUNKED
  const cursor = publication && (await publication.join(thread, format))
  if (!cursor) {
    await exchange.answerText(thread, 404, `No stream ${wanted.key}.`)
    return
  }
  try {
    await stream(thread, exchange, { publication, cursor, format, sendTimeoutMs: wanted.vhost.play.sendTimeoutMs })
  } finally {
    publication.leave(cursor, format)
    if (cursor.droppedPackets > 0) thread.log.info({ dropped: cursor.droppedPackets }, 'player was slow')
  }
}

interface Playing {
  readonly publication: Publication
  readonly cursor: Cursor
  readonly format: WireFormat
  readonly sendTimeoutMs: number
}

async function stream(thread: Thread, exchange: HttpExchange, playing: Playing): Promise<void> {
  const { socket } = exchange
  const { cursor, sendTimeoutMs } = playing
  if (!socket.write(opening(exchange, playing))) await socket.drain(thread, sendTimeoutMs)
  while (!cursor.ended) {
    const bytes = cursor.next()
    if (!bytes) await cursor.wait(thread, FOREVER)
    else if (!socket.write(bytes)) await socket.drain(thread, sendTimeoutMs)
  }
  if (playing.format === FLV_CHUNKED) await socket.writeFully(thread, LAST_CHUNK, sendTimeoutMs)
}

/** The head of the answer and the FLV header, whose flags say what the stream really has. */
function opening(exchange: HttpExchange, { publication, format }: Playing): Buffer {
  const { hasAudio, hasVideo } = publication.headers
  const transfer = format === FLV_CHUNKED ? { 'Transfer-Encoding': 'chunked' } : {}
  const { version } = exchange.request
  const head = responseHead(200, { ...exchange.commonHeaders, ...flvHeaders(), ...transfer }, version)
  const header = flvHeader(hasAudio, hasVideo)
  return Buffer.concat([head, format.frameHead(header.length), header, format.frameTail])
}

function flvHeaders(): Record<string, string> {
  return { 'Content-Type': 'video/x-flv', 'Cache-Control': 'no-store' }
}

/** SRS's HSTRS, bounded: the player may come before the publisher. @returns null when none came in time */
async function waitPublisher(thread: Thread, source: Source, waitMs: number): Promise<Publication | null> {
  if (source.publication) return source.publication
  if (waitMs === 0) return null
  try {
    return await source.published(thread, waitMs)
  } catch (error) {
    if (error instanceof StError && error.code === 'st_timeout' && !(error instanceof InterruptedError)) return null
    throw error
  }
}

function locate(exchange: HttpExchange, context: ServerContext): FlvRequest | null {
  const { path, query, headers } = exchange.request
  // A decoded '?' or '#' would be taken for the start of a query below; no encoder can publish such a name.
  if (!path.endsWith('.flv') || /[?#]/.test(path)) return null
  const tcUrl = `http://${headers.get('host') ?? ''}/`
  const { vhost: asked, param } = parseStreamUrl({ tcUrl, app: '', streamName: `stream${query}` })
  const vhost = context.options.resolveVhost(asked)
  if (!vhost?.httpRemux.enabled) return null
  const names = matchMount(vhost.httpRemux.mount, path)
  if (!names) return null
  const url = parseStreamUrl({ tcUrl: `http://-/${names.app}`, app: names.app, streamName: names.stream })
  return { key: streamKey({ ...url, vhost: vhost.name }), vhost, param }
}

/** `[vhost]/` at the start of a mount stands for the request's host, which has been looked at already. */
function matchMount(mount: string, path: string): { app: string; stream: string } | null {
  const template = mount.startsWith(VHOST_IN_MOUNT) ? mount.slice(VHOST_IN_MOUNT.length) : mount
  const pattern = template
    .replace(/[.*+?^${}()|\\]/g, '\\$&')
    .replace('[app]', '(?<app>.+)')
    .replace('[stream]', '(?<stream>[^/]+)')
  const groups = new RegExp(`^${pattern}$`).exec(path)?.groups
  return groups?.['stream'] === undefined ? null : { app: groups['app'] ?? '', stream: groups['stream'] }
}
