import { CodecError } from '../codec/errors.ts'
import { CORS_HEADERS, isPreflight, preflightHeaders } from '../http/cors.ts'
import { HttpError } from '../http/error.ts'
import { type HttpRequest, RequestParser } from '../http/message.ts'
import { responseHead } from '../http/response.ts'
import { asError, ClosedError, TimeoutError } from '../st/errors.ts'
import type { Endpoint } from '../st/network.ts'
import type { Socket } from '../st/socket.ts'
import type { Thread } from '../st/thread.ts'
import type { ServerContext } from './context.ts'
import { logEnd } from './ending.ts'
import { SERVER_NAME } from './options.ts'
import { clientOf } from './real-ip.ts'

/** For a peer to take a short answer. */
const ANSWER_TIMEOUT_MS = 15_000
/** A large answer is written in such pieces. */
const FILE_PIECE_BYTES = 512 * 1024
/** How long a client whose connection is closed may take to read the answer. */
const LINGER_MS = 1_000

/** What HTTP needs to know of its server; without `limits` nobody counts who goes beyond one. */
export type HttpContext = Pick<ServerContext, 'options' | 'version'> & Partial<Pick<ServerContext, 'limits'>>

/** Of names in a path or query that cannot be a stream's. */
const NAME_ERRORS: ReadonlySet<string> = new Set(['name_invalid', 'name_too_long', 'query_too_long'])
/** It may repeat what was asked for: no browser is to take it for a page. */
const TEXT_HEADERS = { 'Content-Type': 'text/plain; charset=utf-8', 'X-Content-Type-Options': 'nosniff' }
const NOTHING = Buffer.alloc(0)
const CORS = Object.entries(CORS_HEADERS)

type Headers = Readonly<Record<string, string | number>>

/** One request and the means to answer it. */
export class HttpExchange {
  readonly request: HttpRequest
  readonly socket: Socket
  readonly #context: HttpContext
  readonly #parser: RequestParser
  /** Whether the connection may serve another request; a handler that spoils it says so. */
  keepAlive: boolean
  /** The body of this resource has no length: a 200 to HEAD must not name one. */
  isEndless = false
  /** Whether pages of other sites may read the answer. */
  crossdomain: boolean

  constructor(request: HttpRequest, socket: Socket, context: HttpContext, parser: RequestParser) {
    this.request = request
    this.#parser = parser
    this.socket = socket
    this.#context = context
    this.keepAlive = request.keepAlive && !request.chunked
    this.crossdomain = context.options.crossdomain
  }

  /** Who asks: also behind proxies, as far as they are trusted. */
  get peer(): Endpoint {
    return clientOf(this.request.headers, this.socket.peer, this.#context.options.proxies)
  }

  /**
   * The body of the request; null when it is longer than `maxBytes` or comes in chunks, which is read by nobody here.
   * @throws TimeoutError, InterruptedError; ClosedError when it did not come whole
   */
  async body(thread: Thread, maxBytes: number): Promise<Buffer | null> {
    const { contentLength, chunked } = this.request
    if (chunked || contentLength > maxBytes) {
      this.keepAlive = false
      return null
    }
    const { clock } = thread.world
    const { requestTimeoutMs } = this.#context.options.limits
    const deadlineMs = clock.nowMs() + requestTimeoutMs
    for (;;) {
      const body = this.#parser.takeBody()
      if (body) return body
      const leftMs = Math.ceil(deadlineMs - clock.nowMs())
      if (leftMs <= 0) throw new TimeoutError('read of a body', requestTimeoutMs)
      const bytes = await this.socket.read(thread, leftMs)
      if (!bytes) throw new ClosedError('peer ended in the body of a request')
      this.#parser.push(bytes)
    }
  }

  /** The begin of the body, as far as it has come with the head. Who takes it reads the rest from the socket. */
  takeRest(): Buffer {
    return this.#parser.rest()
  }

  /** The head of an answer. @param bodyBytes null: its length is not told, or `headers` say it */
  head(status: number, headers: Headers, bodyBytes: number | null = null): Buffer {
    return responseHead(status, headers, this.request.version, this.#commonHeaders(bodyBytes))
  }

  /** Sends a whole answer; to HEAD, and with 204 and 304, without the body. @throws StError */
  async answer(thread: Thread, status: number, headers: Headers, body: Buffer | string): Promise<void> {
    const bytes = typeof body === 'string' ? Buffer.from(body) : body
    const hasNoBody = status === 204 || status === 304
    const isLengthTold = !hasNoBody && !(this.isEndless && status === 200)
    const head = this.head(status, headers, isLengthTold ? bytes.length : null)
    const isBodySent = this.request.method !== 'HEAD' && !hasNoBody
    if (!this.socket.write(head, isBodySent ? bytes : undefined)) await this.socket.drain(thread, ANSWER_TIMEOUT_MS)
  }

  /** Sends a whole answer of any size in pieces: `timeoutMs` is the limit for each. @throws StError */
  async answerFile(thread: Thread, status: number, headers: Headers, bytes: Buffer, timeoutMs: number): Promise<void> {
    const head = this.head(status, headers, bytes.length)
    const body = this.request.method === 'HEAD' ? NOTHING : bytes
    let isTaken = this.socket.write(head, body.subarray(0, FILE_PIECE_BYTES))
    for (let at = FILE_PIECE_BYTES; at < body.length; at += FILE_PIECE_BYTES) {
      if (!isTaken) await this.socket.drain(thread, timeoutMs)
      isTaken = this.socket.write(body.subarray(at, at + FILE_PIECE_BYTES))
    }
    if (!isTaken) await this.socket.drain(thread, timeoutMs)
  }

  /** A short text for people. */
  answerText(thread: Thread, status: number, text: string, headers: Headers = {}): Promise<void> {
    return this.answer(thread, status, { ...TEXT_HEADERS, ...headers }, `${text}\n`)
  }

  // Member by member here and wherever each request passes: V8 gives an object that is made by spreads a shape of its own.
  #commonHeaders(bodyBytes: number | null): Headers {
    const headers: Record<string, string | number> = {
      Server: `${SERVER_NAME}/${this.#context.version}`,
      Connection: this.keepAlive ? 'keep-alive' : 'close',
    }
    if (this.crossdomain) for (const [name, value] of CORS) headers[name] = value
    if (bodyBytes !== null) headers['Content-Length'] = bodyBytes
    return headers
  }
}

/** Serves a connection that is no longer one of requests, until its end. */
export type Takeover = (thread: Thread) => Promise<void>

/**
 * Answers a request (true), leaves it to the next handler (false), or takes the connection over: then all that served
 * its requests is let go first, which is most of what a player would cost.
 */
export interface HttpHandler {
  (thread: Thread, exchange: HttpExchange): Promise<boolean | Takeover>
  /** Takes requests of every method, OPTIONS too, and says itself which it allows; else it gets GET and HEAD only. */
  readonly anyMethod?: boolean
}

/** Serves one HTTP connection, request by request, until it ends. */
export async function serveHttp(
  thread: Thread,
  socket: Socket,
  context: HttpContext,
  handlers: readonly HttpHandler[],
): Promise<void> {
  let failure: Error | null = null
  try {
    const takeover = await serveRequests(thread, socket, context, handlers)
    if (takeover) {
      await takeover(thread)
      await socket.closeGently(thread, LINGER_MS)
    }
  } catch (error) {
    failure = asError(error)
    context.limits?.note(failure, socket.peer.host)
  } finally {
    socket.close()
  }
  logEnd(thread, failure, { receivedBytes: socket.receivedBytes, sentBytes: socket.sentBytes }, 'debug')
}

/** Request by request, until the connection has ended (null) or belongs to somebody else. */
async function serveRequests(
  thread: Thread,
  socket: Socket,
  context: HttpContext,
  handlers: readonly HttpHandler[],
): Promise<Takeover | null> {
  const parser = new RequestParser(context.options.limits)
  for (;;) {
    const request = await nextRequest(thread, socket, context, parser)
    if (!request) return null
    const exchange = new HttpExchange(request, socket, context, parser)
    const takeover = await handle(thread, exchange, context, handlers)
    if (takeover) return takeover
    if (!exchange.keepAlive) {
      await socket.closeGently(thread, LINGER_MS)
      return null
    }
  }
}

/** The next request; null when the peer ended or was idle for too long. */
async function nextRequest(
  thread: Thread,
  socket: Socket,
  { options, limits }: HttpContext,
  parser: RequestParser,
): Promise<HttpRequest | null> {
  const { clock } = thread.world
  const { requestTimeoutMs } = options.limits
  const deadlineMs = clock.nowMs() + requestTimeoutMs
  try {
    for (;;) {
      const request = parser.read()
      if (request) return request
      const leftMs = Math.ceil(deadlineMs - clock.nowMs())
      if (leftMs <= 0) throw new TimeoutError('read of a request', requestTimeoutMs)
      const bytes = await socket.read(thread, leftMs)
      if (!bytes) return null
      parser.push(bytes)
    }
  } catch (error) {
    if (error instanceof HttpError) await refuse(thread, socket, error)
    else if (error instanceof TimeoutError) {
      if (!parser.partial) return null
      limits?.slowRequest(socket.peer.host)
    }
    throw error
  }
}

/** The framing is lost: say why, then the connection is closed. */
async function refuse(thread: Thread, socket: Socket, error: HttpError): Promise<void> {
  const body = Buffer.from(`${error.message}\n`)
  const head = responseHead(
    error.status,
    { Connection: 'close', ...TEXT_HEADERS, 'Content-Length': body.length },
    '1.1',
  )
  socket.write(Buffer.concat([head, body]))
  await socket.closeGently(thread, LINGER_MS)
}

async function handle(
  thread: Thread,
  exchange: HttpExchange,
  context: HttpContext,
  handlers: readonly HttpHandler[],
): Promise<Takeover | null> {
  const { request } = exchange
  const isRead = request.method === 'GET' || request.method === 'HEAD'
  try {
    for (const handler of handlers) {
      if (!isRead && !handler.anyMethod) continue
      const outcome = await handler(thread, exchange)
      if (outcome) return outcome === true ? null : outcome
    }
  } catch (error) {
    if (!(error instanceof CodecError) || !NAME_ERRORS.has(error.code)) throw error
    context.limits?.note(error, exchange.socket.peer.host)
  }
  if (isRead) await exchange.answerText(thread, 404, 'Not found.')
  else if (context.options.crossdomain && isPreflight(request)) {
    await exchange.answer(thread, 204, preflightHeaders(request), '')
  } else {
    exchange.keepAlive = false
    await exchange.answerText(thread, 405, 'Only GET and HEAD are served here.', { Allow: 'GET, HEAD, OPTIONS' })
  }
  return null
}
