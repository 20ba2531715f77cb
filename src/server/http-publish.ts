import { CodecError } from '../codec/errors.ts'
import { FlvReader } from '../format/flv/reader.ts'
import { FLV_AUDIO, FLV_SCRIPT, FLV_VIDEO } from '../format/flv/tag.ts'
import { BodyReader } from '../http/body.ts'
import { responseHead } from '../http/response.ts'
import { maskedQuery } from '../rtmp/url.ts'
import { asError, ClosedError, InterruptedError, StError, TimeoutError } from '../st/errors.ts'
import { formatEndpoint } from '../st/network.ts'
import type { Thread } from '../st/thread.ts'
import { StreamBusyError } from '../stream/source.ts'
import { type Client, identify, limitedText, newClient, type Wish } from './client.ts'
import type { ServerContext } from './context.ts'
import { describeEnd, isFault } from './ending.ts'
import { type Leave, RefusedError } from './gate.ts'
import type { HttpExchange, HttpHandler } from './http-session.ts'
import { askedOf, wishOf } from './http-wish.ts'
import { locationOf } from './location.ts'
import { RtmpPublisher } from './rtmp-publisher.ts'
import { Visit } from './visit.ts'

const METHODS = new Set(['POST', 'PUT'])
const PATH = /^\/(?<app>.+)\/(?<stream>[^/]+)\.flv$/
const MEDIA = new Set([FLV_AUDIO, FLV_VIDEO, FLV_SCRIPT])
/** How long a publisher may take to read what became of it. */
const LINGER_MS = 1_000

/** `POST /{app}/{stream}.flv`, or PUT: a stream that is published as the body of a request, where the vhost allows it. */
export function publishHandler(context: ServerContext): HttpHandler {
  const handle: HttpHandler = (thread, exchange) => {
    const wish = METHODS.has(exchange.request.method) ? locate(exchange, context) : null
    if (!wish) return Promise.resolve(false)
    exchange.keepAlive = false
    const client = newClient(thread, exchange.socket, 'http', exchange.peer)
    identify(client, wish)
    return Promise.resolve((owner: Thread) => new HttpPublisher(context, exchange, client, wish).run(owner))
  }
  return Object.assign(handle, { anyMethod: true })
}

/** One publisher over HTTP, from its request to its end. */
class HttpPublisher {
  readonly #context: ServerContext
  readonly #exchange: HttpExchange
  readonly #client: Client
  readonly #wish: Wish

  constructor(context: ServerContext, exchange: HttpExchange, client: Client, wish: Wish) {
    this.#context = context
    this.#exchange = exchange
    this.#client = client
    this.#wish = wish
  }

  /** A client's life: connected, then publishing and told what became of it. @throws CodecError, StError */
  async run(thread: Thread): Promise<void> {
    thread.log.info({ peer: formatEndpoint(this.#client.peer), protocol: 'http-publish' }, 'connected')
    const visit = new Visit(this.#context, this.#client)
    let publisher: RtmpPublisher | null = null
    let failure: Error | null = null
    try {
      publisher = await this.#enter(thread, visit)
      await this.#receive(thread, publisher)
    } catch (error) {
      failure = asError(error)
    }
    try {
      publisher?.end()
      await this.#answer(thread, failure)
    } finally {
      visit.end(describeEnd(failure), !isRefusal(failure) && isFault(failure))
    }
    if (failure && !isRefusal(failure)) throw failure
  }

  /** @throws RefusedError, StreamBusyError, InterruptedError */
  async #enter(thread: Thread, visit: Visit): Promise<RtmpPublisher> {
    const { sourceKey: stream, vhost, type, url } = this.#wish
    let leave: Leave | null = null
    try {
      leave = await visit.enter(thread, 'publish')
      const publisher = new RtmpPublisher(thread, this.#context, stream, vhost, leave)
      const encoder = limitedText(this.#exchange.request.headers.get('user-agent') ?? '')
      thread.log.info({ stream, param: maskedQuery(url.param), encoder, type }, 'publishing')
      return publisher
    } catch (error) {
      leave?.()
      if (isRefusal(error)) thread.log.info({ role: 'publish', stream, reason: asError(error).message }, 'refused')
      throw error
    }
  }

  /** Reads the body to its end. @throws CodecError, StError */
  async #receive(thread: Thread, publisher: RtmpPublisher): Promise<void> {
    const { socket, request } = this.#exchange
    if (request.headers.get('expect')?.toLowerCase() === '100-continue') socket.write(responseHead(100, {}, '1.1'))
    const { clock } = thread.world
    const body = new BodyReader(request)
    const flv = new FlvReader({ maxTagBytes: this.#context.options.limits.maxMessageBytes })
    let tagMs = clock.nowMs()
    for (let bytes = this.#exchange.takeRest(); ; bytes = await this.#next(thread, publisher, tagMs)) {
      for (const part of body.push(bytes)) flv.push(part)
      for (let tag = flv.read(); tag; tag = flv.read()) {
        tagMs = clock.nowMs()
        if (MEDIA.has(tag.typeId)) publisher.take({ csid: 0, streamId: 0, ...tag })
      }
      if (!body.isOver) continue
      publisher.flush()
      if (!flv.header()) throw new CodecError('flv_bad_header', 'the body ended before the header of FLV')
      return
    }
  }

  /** What has come next; when nothing is there, what has come before goes out first. */
  async #next(thread: Thread, publisher: RtmpPublisher, tagMs: number): Promise<Buffer> {
    const { socket } = this.#exchange
    const there = socket.tryRead()
    if (there) return there
    publisher.flush()
    // Single bytes that drip in are no packet.
    const leftMs = Math.ceil(tagMs + publisher.timeoutMs - thread.world.clock.nowMs())
    if (leftMs <= 0) throw new TimeoutError('packet of the publisher', publisher.timeoutMs)
    const bytes = await socket.read(thread, leftMs)
    if (!bytes) throw new ClosedError('the publisher ended within the body')
    return bytes
  }

  /** Says what became of the publish, as far as somebody is there to hear it. @throws InterruptedError */
  async #answer(thread: Thread, failure: Error | null): Promise<void> {
    const exchange = this.#exchange
    const { socket, request } = exchange
    if (socket.closed) return
    const { status, text } = outcome(failure, this.#client.farewell)
    const headers = failure instanceof RefusedError ? locationOf(failure, request.target) : {}
    const bytes = Buffer.from(`${text}\n`)
    socket.write(
      exchange.head(status, { 'Content-Type': 'text/plain; charset=utf-8', ...headers }, bytes.length),
      bytes,
    )
    await socket.closeGently(thread, LINGER_MS)
  }
}

/** It may not publish, or not now: which is no fault of the connection. */
function isRefusal(error: unknown): error is RefusedError | StreamBusyError {
  return error instanceof RefusedError || error instanceof StreamBusyError
}

/** What the publisher is answered. */
function outcome(failure: Error | null, farewell: string): { status: number; text: string } {
  if (failure === null) return { status: 200, text: 'Published.' }
  if (failure instanceof RefusedError) return { status: failure.status, text: failure.message }
  if (failure instanceof StreamBusyError) return { status: 409, text: 'The stream is published already.' }
  if (failure instanceof CodecError) return { status: 400, text: failure.message }
  if (failure instanceof TimeoutError) return { status: 408, text: failure.message }
  if (failure instanceof InterruptedError) return { status: 503, text: farewell || failure.reason }
  return { status: failure instanceof StError ? 400 : 500, text: 'The publish was cut short.' }
}

function locate({ request }: HttpExchange, { options }: ServerContext): Wish | null {
  const { app = '', stream = '' } = PATH.exec(request.path)?.groups ?? {}
  const asked = stream === '' ? null : askedOf(request, options)
  return asked?.vhost.publish.http
    ? wishOf(request, asked, { app, stream }, { role: 'publish', type: 'flv-publish' }, options)
    : null
}
