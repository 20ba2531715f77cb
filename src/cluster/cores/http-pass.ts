import { CodecError } from '../../codec/errors.ts'
import { ResponseParser } from '../../http/client.ts'
import type { HttpRequest } from '../../http/message.ts'
import { responseHead } from '../../http/response.ts'
import type { HttpExchange, HttpHandler } from '../../server/http-session.ts'
import { asError, ClosedError, InterruptedError, StError } from '../../st/errors.ts'
import { type Endpoint, formatEndpoint } from '../../st/network.ts'
import { connect, type Socket } from '../../st/socket.ts'
import type { Thread } from '../../st/thread.ts'
import { preface } from './preface.ts'

/** Under this address the edges speak to the origin, in whose words they say who the client is. */
export const EDGE_HOST = 'edge'
export const PEER_HEADER = 'x-real-ip'

const CONNECT_MS = 2_000
/** Between two pieces of an answer: a playlist may be waited for. */
const ANSWER_MS = 60_000
/** For a client to take a piece. */
const SEND_MS = 30_000
const MAX_IDLE = 32
/** Of the connection, not of the message; the body of a request is not passed on: nothing here takes one. */
const HOP_BY_HOP = new Set(['connection', 'keep-alive', 'content-length', 'transfer-encoding', 'upgrade', PEER_HEADER])

/** Where requests go. */
export interface PassParts {
  readonly origin: Endpoint
  readonly token: string
  /** Where the client came, as it is configured: what is served there may differ. */
  readonly at: Endpoint
  /** Whether a request is for this server itself. */
  readonly isOwn: (exchange: HttpExchange) => boolean
}

/** Passes requests on to the origin, one by one, over connections that are kept. */
export function passToOrigin(parts: PassParts): HttpHandler {
  const pass = new Pass(parts)
  const answer = async (thread: Thread, exchange: HttpExchange): Promise<boolean> => {
    if (parts.isOwn(exchange)) return false
    await pass.answer(thread, exchange)
    return true
  }
  return Object.assign(answer, { anyMethod: true })
}

class Pass {
  readonly #parts: PassParts
  readonly #idle: Socket[] = []

  constructor(parts: PassParts) {
    this.#parts = parts
  }

  async answer(thread: Thread, exchange: HttpExchange): Promise<void> {
    for (let isFirst = true; ; isFirst = false) {
      const kept = isFirst ? this.#takeIdle() : null
      const answer = new Answer(exchange)
      try {
        const socket = kept ?? (await this.#connect(thread))
        await this.#exchange(thread, exchange.request, exchange, socket, answer)
        return
      } catch (error) {
        const failure = asError(error)
        if (failure instanceof InterruptedError || !(failure instanceof StError || failure instanceof CodecError))
          throw error
        if (answer.hasBegun) throw error
        // A connection that was kept may have been closed meanwhile.
        if (kept) continue
        thread.log.info({ reason: failure.message }, 'the origin does not answer')
        await exchange.answerText(thread, 503, 'The server is starting.')
        return
      }
    }
  }

  async #exchange(
    thread: Thread,
    request: HttpRequest,
    { peer }: HttpExchange,
    socket: Socket,
    answer: Answer,
  ): Promise<void> {
    let isKept = false
    try {
      socket.write(requestHead(request, peer))
      isKept = await answer.pass(thread, socket)
    } finally {
      if (isKept && this.#idle.length < MAX_IDLE) this.#idle.push(socket)
      else socket.close()
    }
  }

  #takeIdle(): Socket | null {
    for (let socket = this.#idle.pop(); socket; socket = this.#idle.pop()) {
      if (!socket.closed && !socket.ended) return socket
      socket.close()
    }
    return null
  }

  async #connect(thread: Thread): Promise<Socket> {
    const { origin, token, at } = this.#parts
    const socket = await connect(thread, origin, CONNECT_MS)
    socket.write(preface(token, { for: 'http', at }))
    return socket
  }
}

/** One answer on its way to the client. */
class Answer {
  readonly #exchange: HttpExchange
  hasBegun = false

  constructor(exchange: HttpExchange) {
    this.#exchange = exchange
  }

  /** @returns whether the connection to the origin may be used again */
  async pass(thread: Thread, origin: Socket): Promise<boolean> {
    const parser = new ResponseParser(Number.MAX_SAFE_INTEGER)
    const isHead = this.#exchange.request.method === 'HEAD'
    for (;;) {
      const isWhole = parser.read() !== null
      if (parser.head && !this.hasBegun) this.#begin(parser.head)
      if (this.hasBegun && isHead) return true
      await this.#send(thread, parser.takeBody())
      if (isWhole) return this.#exchange.keepAlive && !parser.hasRest
      const bytes = await origin.read(thread, ANSWER_MS)
      if (!bytes) return this.#ended(parser)
      parser.push(bytes)
    }
  }

  /** The length of the body is told, or its end is that of the connection. */
  #begin({ status, headers }: NonNullable<ResponseParser['head']>): void {
    const exchange = this.#exchange
    const hasNoBody = status === 204 || status === 304 || exchange.request.method === 'HEAD'
    if (!hasNoBody && !headers.has('content-length')) exchange.keepAlive = false
    const kept = [...headers].filter(([name]) => name === 'content-length' || !HOP_BY_HOP.has(name))
    const all = { ...Object.fromEntries(kept), Connection: exchange.keepAlive ? 'keep-alive' : 'close' }
    exchange.socket.write(responseHead(status, all, exchange.request.version))
    this.hasBegun = true
  }

  async #send(thread: Thread, pieces: readonly Buffer[]): Promise<void> {
    for (const piece of pieces) await this.#exchange.socket.writeFully(thread, piece, SEND_MS)
  }

  /** The origin has closed the connection: that is the end of a body whose length was not told. */
  #ended(parser: ResponseParser): boolean {
    if (!this.hasBegun) throw new ClosedError('the origin has closed the connection')
    parser.end()
    return false
  }
}

function requestHead({ method, target, headers }: HttpRequest, peer: Endpoint): Buffer {
  let head = `${method} ${target} HTTP/1.1\r\n`
  for (const [name, value] of headers) if (!HOP_BY_HOP.has(name)) head += `${name}: ${value}\r\n`
  if (!headers.has('host')) head += 'host: \r\n'
  return Buffer.from(`${head}${PEER_HEADER}: ${formatEndpoint(peer)}\r\n\r\n`, 'latin1')
}
