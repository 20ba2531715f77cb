import { flvHeader } from '../format/flv/tag.ts'
import { responseHead } from '../http/response.ts'
import { maskedQuery, parseStreamUrl, streamKey } from '../rtmp/url.ts'
import { asError, InterruptedError, StError } from '../st/errors.ts'
import { formatEndpoint } from '../st/network.ts'
import type { Thread } from '../st/thread.ts'
import type { Cursor } from '../stream/cursor.ts'
import type { Hub } from '../stream/hub.ts'
import type { Publication } from '../stream/publication.ts'
import type { Source } from '../stream/source.ts'
import type { WireFormat } from '../stream/wire-format.ts'
import { type Client, clientUrl, identify, limitedText, newClient, type PlayerQueue, type Wish } from './client.ts'
import type { ServerContext } from './context.ts'
import { describeEnd, isFault } from './ending.ts'
import { FLV_BARE, FLV_CHUNKED } from './flv-format.ts'
import { type Leave, RefusedError } from './gate.ts'
import type { HttpExchange, HttpHandler } from './http-session.ts'
import { matchMount } from './mount.ts'
import type { VhostOptions } from './options.ts'
import { Visit } from './visit.ts'

/** For the first frame of a publisher that is there: SRS's timeout for publishers that send nothing. */
const FIRST_FRAME_TIMEOUT_MS = 20_000
const LAST_CHUNK = Buffer.from('0\r\n\r\n', 'latin1')

/** `GET /{app}/{stream}.flv`, by the vhost's `http_remux.mount`. */
export function flvHandler(context: ServerContext): HttpHandler {
  return async (thread, exchange) => {
    const wanted = locate(exchange, context)
    if (!wanted) return false
    exchange.isEndless = true
    if (exchange.request.method === 'HEAD') {
      await answerHead(thread, exchange, context.hub, wanted.sourceKey)
      return true
    }
    // From here on the connection is the player's alone: what else it sends is not answered.
    exchange.keepAlive = false
    const client = newClient(thread, exchange.socket, 'http', exchange.peer)
    identify(client, wanted)
    const player = new FlvPlayer(context, exchange, client)
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
class FlvPlayer implements PlayerQueue {
  readonly #context: ServerContext
  readonly #client: Client
  readonly #format: WireFormat
  /** Let go with the head of the answer. */
  #exchange: HttpExchange | null
  #cursor: Cursor | null = null
  #refusal: string | null = null

  constructor(context: ServerContext, exchange: HttpExchange, client: Client) {
    this.#context = context
    this.#client = client
    this.#format = exchange.request.version === '1.0' ? FLV_BARE : FLV_CHUNKED
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
    thread.log.info({ peer: formatEndpoint(peer), protocol: 'http-flv' }, 'connected')
    const visit = new Visit(this.#context, this.#client)
    let leave: Leave | null = null
    let failure: Error | null = null
    try {
      socket.hangupInterrupts(thread)
      leave = await this.#enter(thread, visit)
      if (leave) await this.#play(thread)
    } catch (error) {
      failure = asError(error)
      throw error
    } finally {
      leave?.()
      visit.end(this.#reason(failure), isFault(failure))
    }
  }

  #reason(failure: Error | null): string {
    return failure ? describeEnd(failure) : (this.#refusal ?? 'stream ended')
  }

  /** @returns null when the player was refused, and told so */
  async #enter(thread: Thread, visit: Visit): Promise<Leave | null> {
    try {
      return await visit.enter(thread, 'play')
    } catch (error) {
      if (!(error instanceof RefusedError)) throw error
      const { role, sourceKey: stream } = this.#client
      this.#refusal = error.message
      thread.log.info({ role, stream, reason: error.message, code: error.code }, 'refused')
      await this.#exchange?.answerText(thread, error.status, error.message)
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
      this.#cursor = publication && (await publication.join(thread, this.#format, FIRST_FRAME_TIMEOUT_MS))
      if (publication && this.#cursor) {
        socket.write(this.#opening(publication))
        await this.#pump(thread, this.#cursor, vhost)
      } else await this.#exchange?.answerText(thread, 404, `No stream ${sourceKey}.`)
    } catch (error) {
      failure = asError(error)
      throw error
    } finally {
      if (this.#cursor) publication?.leave(this.#cursor, this.#format)
      source.players--
      hub.release(source)
      const { sentBytes } = socket
      const reason = this.#reason(failure)
      thread.log.info({ stream: sourceKey, reason, sentBytes, dropped: this.droppedPackets }, 'played')
    }
  }

  async #pump(thread: Thread, cursor: Cursor, vhost: VhostOptions): Promise<void> {
    const { socket } = this.#client
    while (!cursor.ended) {
      await cursor.follow(thread, socket)
      await socket.drain(thread, vhost.play.sendTimeoutMs)
    }
    if (this.#format === FLV_CHUNKED) await socket.writeFully(thread, LAST_CHUNK, vhost.play.sendTimeoutMs)
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

function locate(exchange: HttpExchange, context: ServerContext): Wish | null {
  const { path, query, headers } = exchange.request
  // A decoded '?' or '#' would be taken for the start of a query below; no encoder can publish such a name.
  if (!path.endsWith('.flv') || /[?#]/.test(path)) return null
  const host = headers.get('host') ?? ''
  const { vhost: asked, param } = parseStreamUrl({ tcUrl: `http://${host}/`, app: '', streamName: `stream${query}` })
  const vhost = context.options.resolveVhost(asked)
  if (!vhost?.httpRemux.enabled) return null
  const names = matchMount(vhost.httpRemux.mount, path)
  if (!names) return null
  const tcUrl = `http://${host}/${names.app}`
  const url = parseStreamUrl({ tcUrl, app: names.app, streamName: names.stream })
  const said = { tcUrl, pageUrl: limitedText(headers.get('referer') ?? ''), swfUrl: '' }
  return {
    role: 'play',
    type: 'flv-play',
    vhost,
    url: clientUrl({ ...url, vhost: asked, param }, said),
    sourceKey: streamKey({ vhost: vhost.name, app: url.app, stream: url.stream }),
  }
}
