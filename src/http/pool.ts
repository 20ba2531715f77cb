/** HTTP requests over connections that are kept: for callbacks and other calls of the server to others. */
import { CodecError } from '../codec/errors.ts'
import { Condition } from '../st/condition.ts'
import { asError, ClosedError, StError, TimeoutError } from '../st/errors.ts'
import type { ConnectOptions } from '../st/network.ts'
import { connect, type Socket } from '../st/socket.ts'
import type { Thread } from '../st/thread.ts'
import type { World } from '../st/world.ts'
import { type ClientRequest, encodeRequest, type HttpResponse, ResponseParser } from './client.ts'

/** Connections to one host and port: slow answers to so many do not hold up the next. */
const MAX_CONNECTIONS = 256
const MAX_KEPT = 16
/** Node's servers close an idle connection after 5 s, most others later: ours must go first. */
const IDLE_MS = 4_000
const MAX_BODY_BYTES = 64 * 1024

/** What is asked, and where. */
export interface PoolRequest {
  readonly method: ClientRequest['method']
  /** `http:` or `https:`; a user and a password in it become basic authentication. */
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  /** A longer answer is an error; absent: 64 KB. */
  readonly maxBodyBytes?: number
}

/**
 * No answer came. `code`: `http_connect_failed` (nothing was sent: refused, unreachable, no such name, certificate not
 * valid), `http_timeout`, `http_closed` (the connection ended before the answer did), `http_response_invalid`,
 * `http_head_too_long`, `http_body_too_long`.
 */
export class HttpCallError extends StError {}

/** A host and port, and the connections to it. */
class Origin {
  readonly where: ConnectOptions
  readonly kept: Kept[] = []
  readonly freed = new Condition('free connection')
  /** Connections that there are, kept ones included. */
  connections = 0

  constructor(where: ConnectOptions) {
    this.where = where
  }
}

interface Kept {
  readonly socket: Socket
  readonly untilMs: number
}

/** Sends requests and reads their whole answers, in blocking style; connections are kept for the next request. */
export class HttpPool {
  readonly #world: World
  readonly #origins = new Map<string, Origin>()
  #sweeper: Thread | null = null
  #isStopped = false

  constructor(world: World) {
    this.#world = world
  }

  /**
   * One request and its answer, whatever its status. What went to a kept connection that its server had closed
   * meanwhile goes to a new one: it is never sent more than twice.
   * @param timeoutMs limit for all of it
   * @throws HttpCallError, InterruptedError
   */
  async request(thread: Thread, request: PoolRequest, timeoutMs: number): Promise<HttpResponse> {
    const deadlineMs = this.#world.clock.nowMs() + timeoutMs
    const bytes = encode(request)
    const origin = this.#origin(request.url)
    for (let mayBeKept = true; ; mayBeKept = false) {
      const { socket, isKept } = await this.#take(thread, origin, mayBeKept, deadlineMs)
      const parser = new ResponseParser(request.maxBodyBytes ?? MAX_BODY_BYTES)
      let keptUntilMs = 0
      try {
        const response = await exchange(thread, socket, bytes, parser, deadlineMs)
        if (response.keepAlive && !parser.hasRest) keptUntilMs = this.#world.clock.nowMs() + idleMs(response)
        return response
      } catch (error) {
        const failure = callError(error)
        if (!isKept || failure.code !== 'http_closed' || parser.hasBegun) throw failure
      } finally {
        this.#give(origin, socket, keptUntilMs)
      }
    }
  }

  /** Closes the kept connections, and those in use when they are given back. */
  async stop(thread: Thread): Promise<void> {
    this.#isStopped = true
    this.#dropKept(Infinity)
    await this.#sweeper?.stop(thread, 'no connection is kept')
  }

  #origin(url: URL): Origin {
    const key = `${url.protocol}//${url.host}`
    let origin = this.#origins.get(key)
    if (!origin) {
      origin = new Origin(whereIs(url))
      this.#origins.set(key, origin)
    }
    return origin
  }

  async #take(
    thread: Thread,
    origin: Origin,
    mayBeKept: boolean,
    deadlineMs: number,
  ): Promise<{ socket: Socket; isKept: boolean }> {
    try {
      for (;;) {
        const kept = origin.kept.pop()
        if (kept && mayBeKept && isUsable(kept, this.#world.clock.nowMs())) return { socket: kept.socket, isKept: true }
        if (kept) this.#give(origin, kept.socket, 0)
        else if (origin.connections < MAX_CONNECTIONS)
          return { socket: await this.#open(thread, origin, deadlineMs), isKept: false }
        else await origin.freed.wait(thread, leftMs(thread, deadlineMs))
      }
    } catch (error) {
      throw error instanceof ClosedError ? callError(error, 'http_connect_failed') : callError(error)
    }
  }

  async #open(thread: Thread, origin: Origin, deadlineMs: number): Promise<Socket> {
    origin.connections++
    try {
      return await connect(thread, origin.where, leftMs(thread, deadlineMs))
    } catch (error) {
      origin.connections--
      origin.freed.signal()
      throw error
    }
  }

  /** @param keptUntilMs 0: it cannot be used again */
  #give(origin: Origin, socket: Socket, keptUntilMs: number): void {
    if (keptUntilMs > 0 && !this.#isStopped && origin.kept.length < MAX_KEPT) {
      origin.kept.push({ socket, untilMs: keptUntilMs })
      this.#sweeper ??= this.#world.spawn('http-pool', (thread) => this.#sweep(thread))
    } else {
      socket.close()
      origin.connections--
    }
    origin.freed.signal()
  }

  /** Lives as long as connections are kept. */
  async #sweep(thread: Thread): Promise<void> {
    try {
      while ([...this.#origins.values()].some(({ kept }) => kept.length > 0)) {
        await thread.sleep(IDLE_MS)
        this.#dropKept(this.#world.clock.nowMs())
      }
    } finally {
      this.#sweeper = null
    }
  }

  #dropKept(nowMs: number): void {
    for (const origin of this.#origins.values()) {
      for (const kept of origin.kept.splice(0)) {
        if (isUsable(kept, nowMs)) origin.kept.push(kept)
        else this.#give(origin, kept.socket, 0)
      }
    }
  }
}

function encode({ method, url, headers, body }: PoolRequest): Buffer {
  const { username, password } = url
  const user = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString('base64')
  const all = {
    Host: url.host,
    Connection: 'Keep-Alive',
    ...(username === '' ? {} : { Authorization: `Basic ${user}` }),
    ...headers,
  }
  return encodeRequest({ method, target: url.pathname + url.search, headers: all, body })
}

/** Where to connect for a URL of HTTP or HTTPS. @param isVerified whether the certificate is looked at */
export function whereIs({ protocol, hostname, port }: URL, isVerified = true): ConnectOptions {
  const host = hostname.replace(/^\[|\]$/g, '')
  const isTls = protocol === 'https:'
  return { host, port: Number(port) || (isTls ? 443 : 80), ...(isTls ? { tls: { serverName: host, isVerified } } : {}) }
}

async function exchange(
  thread: Thread,
  socket: Socket,
  request: Buffer,
  parser: ResponseParser,
  deadlineMs: number,
): Promise<HttpResponse> {
  await socket.writeFully(thread, request, leftMs(thread, deadlineMs))
  for (;;) {
    const response = parser.read()
    if (response) return response
    const bytes = await socket.read(thread, leftMs(thread, deadlineMs))
    if (!bytes) return parser.end()
    parser.push(bytes)
  }
}

/** A server says what it keeps by `Keep-Alive: timeout=5`, in seconds. */
function idleMs({ headers }: HttpResponse): number {
  const [, seconds] = /timeout=(\d{1,6})/.exec(headers.get('keep-alive') ?? '') ?? []
  return seconds === undefined ? IDLE_MS : Math.min(IDLE_MS, Number(seconds) * 800)
}

/** A byte that nobody asked for makes a connection as useless as its end. */
function isUsable({ socket, untilMs }: Kept, nowMs: number): boolean {
  return nowMs < untilMs && !socket.closed && !socket.ended && !socket.tryRead()
}

function leftMs(thread: Thread, deadlineMs: number): number {
  const left = Math.ceil(deadlineMs - thread.world.clock.nowMs())
  if (left <= 0) throw new TimeoutError('HTTP request', 0)
  return left
}

/** What went wrong, as HttpCallError; an interrupt and faults of ours are thrown on. */
function callError(error: unknown, closedCode = 'http_closed'): HttpCallError {
  const cause = asError(error)
  const { message } = cause
  if (cause instanceof TimeoutError) return new HttpCallError('http_timeout', 'no answer in time', { cause })
  if (cause instanceof ClosedError) return new HttpCallError(closedCode, message, { cause })
  if (!(cause instanceof CodecError)) throw cause
  return new HttpCallError(cause.code === 'http_response_cut' ? 'http_closed' : cause.code, message, { cause })
}
