import { flvHeader } from '../format/flv/tag.ts'
import { responseHead } from '../http/response.ts'
import { parseStreamUrl, streamKey } from '../rtmp/url.ts'
import { asError, InterruptedError, StError } from '../st/errors.ts'
import { formatEndpoint } from '../st/network.ts'
import type { Thread } from '../st/thread.ts'
import type { Socket } from '../st/socket.ts'
import type { Cursor } from '../stream/cursor.ts'
import type { Hub } from '../stream/hub.ts'
import type { Publication } from '../stream/publication.ts'
import type { Source } from '../stream/source.ts'
import type { WireFormat } from '../stream/wire-format.ts'
import type { Client, ClientUrl } from './client.ts'
import type { Clients } from './clients.ts'
import type { ServerContext } from './context.ts'
import { FLV_BARE, FLV_CHUNKED } from './flv-format.ts'
import { describeEnd } from './ending.ts'
import type { HttpExchange, HttpHandler } from './http-session.ts'
import { matchMount } from './mount.ts'
import type { VhostOptions } from './options.ts'

/** For the first frame of a publisher that is there: SRS's timeout for publishers that send nothing. */
const FIRST_FRAME_TIMEOUT_MS = 20_000
const LAST_CHUNK = Buffer.from('0\r\n\r\n', 'latin1')

const always = (): boolean => true

/** What a request for a live stream means. */
interface FlvRequest {
  readonly key: string
  readonly vhost: VhostOptions
  readonly url: ClientUrl
}

/** `GET /{app}/{stream}.flv`, by the vhost's `http_remux.mount`. */
export function flvHandler(context: ServerContext): HttpHandler {
  return async (thread, exchange) => {
    const wanted = locate(exchange, context)
    if (!wanted) return false
    exchange.isEndless = true
    if (exchange.request.method === 'HEAD') {
      await answerHead(thread, exchange, context.hub, wanted.key)
      return true
    }
    // From here on the connection is the player's alone: what else it sends is not answered.
    exchange.keepAlive = false
    const player = new FlvPlayer(exchange, context, wanted)
    return (owner) => player.run(owner)
  }
}

async function answerHead(thread: Thread, exchange: HttpExchange, hub: Hub, key: string): Promise<void> {
  const source = hub.acquire(key)
  const isLive = source.publication !== null
  hub.release(source)
  if (isLive) await exchange.answer(thread, 200, flvHeaders(), '')
  else await exchange.answerText(thread, 404, `No stream ${key}.`)
}

/** One HTTP-FLV player, from its request to its end. */
class FlvPlayer {
  readonly #socket: Socket
  readonly #hub: Hub
  readonly #clients: Clients
  readonly #wanted: FlvRequest
  readonly #format: WireFormat
  /** Let go with the head of the answer. */
  #exchange: HttpExchange | null
  #cursor: Cursor | null = null

  constructor(exchange: HttpExchange, context: ServerContext, wanted: FlvRequest) {
    this.#socket = exchange.socket
    this.#hub = context.hub
    this.#clients = context.clients
    this.#wanted = wanted
    this.#format = exchange.request.version === '1.0' ? FLV_BARE : FLV_CHUNKED
    this.#exchange = exchange
  }

  /** A player's life, in two lines of the log. @throws StError */
  async run(thread: Thread): Promise<void> {
    const { key, url } = this.#wanted
    const { param } = url
    const client = this.#client(thread)
    this.#clients.add(client)
    thread.log.info({ peer: formatEndpoint(this.#socket.remote), stream: key, param, protocol: 'http-flv' }, 'playing')
    const source = this.#hub.acquire(key)
    source.players++
    let reason = 'stream ended'
    let isError = false
    try {
      this.#socket.hangupInterrupts(thread)
      await this.#play(thread, source)
    } catch (error) {
      reason = describeEnd(asError(error))
      isError = !(error instanceof StError)
      throw error
    } finally {
      source.players--
      this.#hub.release(source)
      this.#clients.remove(client, reason, isError)
      thread.log.info({ stream: key, reason, sentBytes: this.#socket.sentBytes }, 'played')
    }
  }

  get pendingBytes(): number {
    return this.#socket.pendingBytes
  }

  /** Packets that were left out because the player was too slow. */
  get droppedPackets(): number {
    return this.#cursor?.droppedPackets ?? 0
  }

  #client(thread: Thread): Client {
    const { key, vhost, url } = this.#wanted
    const startedMs = thread.world.clock.nowMs()
    const kind = { transport: 'http', role: 'play', type: 'flv-play' } as const
    const socket = this.#socket
    const who = { id: thread.id, thread, socket, startedMs, peer: socket.remote }
    return { ...who, ...kind, vhost, url, sourceKey: key, queue: this }
  }

  async #play(thread: Thread, source: Source): Promise<void> {
    const { key, vhost } = this.#wanted
    const publication = await waitPublisher(thread, source, vhost.httpRemux.waitPublisherMs)
    const cursor = publication && (await publication.join(thread, this.#format, FIRST_FRAME_TIMEOUT_MS))
    if (!cursor) {
      await this.#exchange?.answerText(thread, 404, `No stream ${key}.`)
      return
    }
    this.#cursor = cursor
    try {
      this.#socket.write(this.#opening(publication))
      await this.#pump(thread, cursor, vhost.play.sendTimeoutMs)
    } finally {
      publication.leave(cursor, this.#format)
      if (cursor.droppedPackets > 0) thread.log.info({ dropped: cursor.droppedPackets }, 'player was slow')
    }
  }

  async #pump(thread: Thread, cursor: Cursor, sendTimeoutMs: number): Promise<void> {
    const socket = this.#socket
    const write = (bytes: Buffer): boolean => socket.write(bytes)
    while (!cursor.ended) {
      await cursor.follow(thread, write, always)
      await socket.drain(thread, sendTimeoutMs)
    }
    if (this.#format === FLV_CHUNKED) await socket.writeFully(thread, LAST_CHUNK, sendTimeoutMs)
  }

  /** The head of the answer and the FLV header, whose flags say what the stream really has. */
  #opening(publication: Publication): Buffer {
    const exchange = this.#exchange
    if (!exchange) throw new Error('the answer has begun already')
    this.#exchange = null
    const { hasAudio, hasVideo } = publication.headers
    const transfer = this.#format === FLV_CHUNKED ? { 'Transfer-Encoding': 'chunked' } : {}
    const { version } = exchange.request
    const head = responseHead(200, { ...exchange.commonHeaders, ...flvHeaders(), ...transfer }, version)
    const header = flvHeader(hasAudio, hasVideo)
    return Buffer.concat([head, this.#format.frameHead(header.length), header, this.#format.frameTail])
  }
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
  const { vhost: asked, param, host, port } = parseStreamUrl({ tcUrl, app: '', streamName: `stream${query}` })
  const vhost = context.options.resolveVhost(asked)
  if (!vhost?.httpRemux.enabled) return null
  const names = matchMount(vhost.httpRemux.mount, path)
  if (!names) return null
  const url = parseStreamUrl({ tcUrl: `http://-/${names.app}`, app: names.app, streamName: names.stream })
  const { app, stream } = url
  const said = { tcUrl: tcUrl + app, pageUrl: headers.get('referer') ?? '', swfUrl: '', schema: 'http', host, port }
  return { key: streamKey({ ...url, vhost: vhost.name }), vhost, url: { ...said, vhost: asked, app, stream, param } }
}
