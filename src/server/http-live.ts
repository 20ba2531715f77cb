import type { HttpRequest } from '../http/message.ts'
import { asksForWebSocket, WS_VERSION, webSocketHeaders } from '../http/websocket.ts'
import { maskedQuery } from '../rtmp/url.ts'
import { asError, InterruptedError, StError } from '../st/errors.ts'
import { formatEndpoint } from '../st/network.ts'
import type { Thread } from '../st/thread.ts'
import { type Cursor, oneByOne } from '../stream/cursor.ts'
import type { Hub } from '../stream/hub.ts'
import type { Publication } from '../stream/publication.ts'
import type { Source } from '../stream/source.ts'
import type { WireFormat } from '../stream/wire-format.ts'
import { BARE, type BatchFrame, CHUNKED } from './batch-frame.ts'
import { type Client, identify, limitedText, newClient, type PlayerQueue, type Wish } from './client.ts'
import type { ServerContext } from './context.ts'
import { describeEnd, isFault } from './ending.ts'
import type { MediaKinds } from './flv-format.ts'
import { type Leave, RefusedError } from './gate.ts'
import type { HttpExchange, HttpHandler } from './http-session.ts'
import { askedOf, wishOf } from './http-wish.ts'
import { LIVE_FORMATS, type LiveFormat } from './live-format.ts'
import { locationOf } from './location.ts'
import { liveEnding, matchMount } from './mount.ts'
import type { VhostOptions } from './options.ts'
import { Visit } from './visit.ts'
import { checkWebSocket, MESSAGES, WebSocketControl } from './web-socket.ts'

/** For the first frame of a publisher that is there: SRS's timeout for publishers that send nothing. */
const FIRST_FRAME_TIMEOUT_MS = 20_000

/** What edges say in a request: the servers through which they ask, and which client of theirs it is for. */
const CHAIN_HEADER = 'x-sluice-chain'
const UPNODE_HEADER = 'x-sluice-upnode'
const MAX_UPNODE_TEXT = 192

/** `GET /{app}/{stream}.flv`, `.ts`, `.aac` or `.mp3`, by the vhost's `http_remux.mount`, also as a WebSocket. */
export function liveHandler(context: ServerContext): HttpHandler {
  return async (thread, exchange) => {
    const wanted = locate(exchange, context)
    if (!wanted) return false
    exchange.isEndless = true
    if (exchange.request.method === 'HEAD') {
      await answerHead(thread, exchange, context.hub, wanted)
      return true
    }
    // From here on the connection is the player's alone: what else it sends is not answered.
    exchange.keepAlive = false
    const client = newClient(thread, exchange.socket, 'http', exchange.peer)
    client.chain = limitedText(exchange.request.headers.get(CHAIN_HEADER) ?? '')
    identify(client, wanted)
    const upnode = limitedText(exchange.request.headers.get(UPNODE_HEADER) ?? '')
    if (upnode !== '') thread.log.info({ upnode: upnode.slice(0, MAX_UPNODE_TEXT) }, 'identified')
    const player = new LivePlayer(context, exchange, client, wanted.format)
    return (owner) => player.run(owner)
  }
}

/** Whether the request is for a live stream that is published at this moment. */
export function isLiveNow(exchange: HttpExchange, context: ServerContext): boolean {
  const wanted = liveEnding(exchange.request.path) && locate(exchange, context)
  return wanted !== null && context.hub.isPublished(wanted.sourceKey)
}

/** The vhost of a live stream that the request asks for; null: it asks for none. */
export function liveVhost(exchange: HttpExchange, context: ServerContext): VhostOptions | null {
  return locate(exchange, context)?.vhost ?? null
}

/** A live stream and the form in which it is wanted. */
interface LiveWish extends Wish {
  readonly format: LiveFormat
}

async function answerHead(thread: Thread, exchange: HttpExchange, hub: Hub, wanted: LiveWish): Promise<void> {
  const { sourceKey: key, format } = wanted
  if (hub.isPublished(key)) await exchange.answer(thread, 200, liveHeaders(format), '')
  else await exchange.answerText(thread, 404, `No stream ${key}.`)
}

/** One player over HTTP, from its request to its end. */
class LivePlayer implements PlayerQueue {
  readonly #context: ServerContext
  readonly #client: Client
  readonly #format: LiveFormat
  readonly #frame: BatchFrame
  /** Let go with the head of the answer. */
  #exchange: HttpExchange | null
  /** Of a player over WebSocket. */
  #control: WebSocketControl | null = null
  #wire: WireFormat | null = null
  #cursor: Cursor | null = null
  #refusal: string | null = null

  constructor(context: ServerContext, exchange: HttpExchange, client: Client, format: LiveFormat) {
    this.#context = context
    this.#client = client
    this.#format = format
    this.#frame = frameFor(exchange.request)
    this.#exchange = exchange
    client.queue = this
  }

  get pendingBytes(): number {
    return this.#client.socket.pendingBytes + (this.#cursor?.pendingBytes ?? 0)
  }

  get droppedPackets(): number {
    return this.#cursor?.droppedPackets ?? 0
  }

  /** A client's life: connected, then playing and played, or refused. @throws StError */
  async run(thread: Thread): Promise<void> {
    const { peer, socket } = this.#client
    const protocol = this.#frame === MESSAGES ? this.#format.protocol.replace('http', 'ws') : this.#format.protocol
    thread.log.info({ peer: formatEndpoint(peer), protocol }, 'connected')
    const visit = new Visit(this.#context, this.#client)
    let leave: Leave | null = null
    let failure: Error | null = null
    try {
      if (this.#frame === MESSAGES)
        this.#control = new WebSocketControl(thread, socket, this.#context.options.limits.maxWebsocketBytes)
      else socket.hangupInterrupts(thread)
      leave = await this.#enter(thread, visit)
      if (leave) await this.#play(thread)
    } catch (error) {
      failure = this.#control?.violation ?? asError(error)
      throw failure
    } finally {
      leave?.()
      await this.#control?.close(thread, failure === null)
      visit.end(this.#reason(failure), isFault(failure))
    }
  }

  #reason(failure: Error | null): string {
    return failure ? describeEnd(failure) : (this.#refusal ?? 'stream ended')
  }

  /** @returns null when the player was refused, and told so */
  async #enter(thread: Thread, visit: Visit): Promise<Leave | null> {
    try {
      if (this.#exchange && this.#frame === MESSAGES) checkWebSocket(this.#exchange, this.#context)
      return await visit.enter(thread, 'play')
    } catch (error) {
      if (!(error instanceof RefusedError)) throw error
      const { role, sourceKey: stream } = this.#client
      this.#refusal = error.message
      thread.log.info({ role, stream, reason: error.message, code: error.code }, 'refused')
      const headers = error.status === 426 ? WS_VERSION : locationOf(error, this.#exchange?.request.target ?? '')
      await this.#exchange?.answerText(thread, error.status, error.message, headers)
      return null
    }
  }

  // Each async call within another one costs a waiting player a third of a kilobyte: there are three.
  async #play(thread: Thread): Promise<void> {
    const { socket, url, vhost, sourceKey } = this.#client
    if (!vhost || sourceKey === null) throw new Error('the player has not said what it wants')
    const { hub } = this.#context
    const source = hub.acquire(sourceKey)
    source.players++
    let publication: Publication | null = null
    let failure: Error | null = null
    try {
      thread.log.info({ stream: sourceKey, param: maskedQuery(url.param) }, 'playing')
      publication = await waitPublisher(thread, source, vhost.httpRemux.waitPublisherMs)
      const isLive = publication !== null && (await publication.settled(thread, FIRST_FRAME_TIMEOUT_MS))
      if (isLive && publication && this.#join(publication, vhost)) {
        socket.write(this.#opening(publication, vhost))
        await this.#pump(thread, vhost)
      } else await this.#answerNothing(thread, isLive)
    } catch (error) {
      failure = asError(error)
      throw error
    } finally {
      if (this.#cursor && this.#wire) publication?.leave(this.#cursor, this.#wire)
      source.players--
      hub.release(source)
      const { sentBytes } = socket
      const reason = this.#reason(failure)
      thread.log.info({ stream: sourceKey, reason, sentBytes, dropped: this.droppedPackets }, 'played')
    }
  }

  /** @returns false when there is nothing in the stream that this form carries */
  #join(publication: Publication, vhost: VhostOptions): boolean {
    const originMs = vhost.play.timeJitter === 'zero' && !publication.isAtc ? publication.beginMs : 0
    this.#wire = this.#format.wire(publication, this.#frame, kindsOf(vhost), originMs)
    this.#cursor = this.#wire && publication.enter(this.#wire)
    return this.#cursor !== null
  }

  async #answerNothing(thread: Thread, isLive: boolean): Promise<void> {
    const { sourceKey } = this.#client
    const text = isLive ? `Stream ${sourceKey} has nothing for ${this.#format.contentType}.` : `No stream ${sourceKey}.`
    await this.#exchange?.answerText(thread, 404, text)
  }

  async #pump(thread: Thread, vhost: VhostOptions): Promise<void> {
    const { socket } = this.#client
    while (this.#cursor && !this.#cursor.ended) {
      await this.#cursor.follow(thread, vhost.play.sendMinIntervalMs > 0 ? oneByOne(socket) : socket)
      await socket.drain(thread, vhost.play.sendTimeoutMs)
      if (vhost.play.sendMinIntervalMs > 0) await thread.sleep(vhost.play.sendMinIntervalMs)
    }
    const { end } = this.#frame
    if (end.length > 0) await socket.writeFully(thread, end, vhost.play.sendTimeoutMs)
  }

  /** The head of the answer and what the format has in front, which says what the stream really has. */
  #opening(publication: Publication, vhost: VhostOptions): Buffer {
    const exchange = this.#exchange
    if (!exchange) throw new Error('the answer has begun already')
    this.#exchange = null
    const head = this.#head(exchange)
    const header = this.#format.header(publication, kindsOf(vhost))
    if (header.length === 0) return head
    return Buffer.concat([head, this.#frame.head(header.length), header, this.#frame.tail])
  }

  #head(exchange: HttpExchange): Buffer {
    if (this.#control) {
      this.#control.open()
      return exchange.head(101, webSocketHeaders(exchange.request))
    }
    const transfer = this.#frame === CHUNKED ? { 'Transfer-Encoding': 'chunked' } : {}
    return exchange.head(200, { ...liveHeaders(this.#format), ...transfer })
  }
}

function frameFor(request: HttpRequest): BatchFrame {
  if (asksForWebSocket(request)) return MESSAGES
  return request.version === '1.0' ? BARE : CHUNKED
}

function kindsOf({ httpRemux }: VhostOptions): MediaKinds {
  return { audio: httpRemux.hasAudio, video: httpRemux.hasVideo }
}

function liveHeaders({ contentType }: LiveFormat): Record<string, string> {
  return { 'Content-Type': contentType, 'Cache-Control': 'no-store' }
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

function locate({ request }: HttpExchange, { options }: ServerContext): LiveWish | null {
  const asked = liveEnding(request.path) && askedOf(request, options)
  if (!asked?.vhost.httpRemux.enabled) return null
  const { httpRemux, hls } = asked.vhost
  const names = matchMount(httpRemux.mount, request.path)
  // Segments of HLS have such names too.
  if (!names || (names.ending === '.ts' && hls.enabled)) return null
  const format = LIVE_FORMATS[names.ending]
  return { ...wishOf(request, asked, names, { role: 'play', type: format.clientType }, options), format }
}
