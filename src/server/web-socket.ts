import { CodecError } from '../codec/errors.ts'
import { HttpError } from '../http/error.ts'
import { binaryFrameHead, ClientFrames, closeFrame, PING_FRAME, webSocketHeaders, WS_CLOSE } from '../http/websocket.ts'
import { ClosedError, InterruptedError, StError, TimeoutError } from '../st/errors.ts'
import type { Socket } from '../st/socket.ts'
import type { Thread } from '../st/thread.ts'
import type { BatchFrame } from './batch-frame.ts'
import type { ServerContext } from './context.ts'
import { RefusedError } from './gate.ts'
import type { HttpExchange } from './http-session.ts'

/** A client that has been silent so long is pinged; when it is silent for as long again, it is gone. */
const PING_MS = 30_000
/** For a client to take a pong. */
const PONG_TIMEOUT_MS = 30_000
/** For a client to answer the close frame, and to end. */
const CLOSE_MS = 1_000

/** As much of a site's name is told. */
const MAX_ORIGIN_LENGTH = 100

const NOTHING = Buffer.alloc(0)

/** A batch is a binary message, for WebSocket: encoded once for all players of a stream. */
export const MESSAGES: BatchFrame = { name: '/ws', head: binaryFrameHead, tail: NOTHING, end: NOTHING }

/**
 * Whether a request for a WebSocket can be granted. Browsers let every page open one: the server must look where the page
 * is from, which the page cannot fake. Other programs say nothing of pages.
 * @throws RefusedError
 */
export function checkWebSocket({ request, peer, crossdomain }: HttpExchange, context: ServerContext): void {
  const { websocketOrigins } = context.options
  const origin = request.headers.get('origin')
  try {
    webSocketHeaders(request)
  } catch (error) {
    throw error instanceof HttpError ? new RefusedError(error.code, `${error.message}.`, error.status) : error
  }
  if (origin === undefined || isSameSite(origin, request.headers.get('host') ?? '')) return
  const isAllowed = websocketOrigins.length > 0 ? websocketOrigins.some((site) => isOf(site, origin)) : crossdomain
  if (isAllowed) return
  context.refusals.count('refused_origin', `${peer.host}: the page is from ${origin.slice(0, MAX_ORIGIN_LENGTH)}`)
  throw new RefusedError('refused_origin', 'Pages of this site may not play over WebSocket here.')
}

/** The page came from this server. */
function isSameSite(origin: string, host: string): boolean {
  return URL.canParse(origin) && new URL(origin).host === host.toLowerCase()
}

/** `example.com` is itself and all under it. */
function isOf(site: string, origin: string): boolean {
  if (!URL.canParse(origin)) return false
  const { hostname } = new URL(origin)
  return hostname === site || hostname.endsWith(`.${site}`)
}

/**
 * The client's side of a WebSocket that plays, in a thread of its own beside the player's: answers pings, sends some,
 * and interrupts the player when the client ends, breaks off or breaks the protocol.
 */
export class WebSocketControl {
  readonly #socket: Socket
  readonly #maxMessageBytes: number
  readonly #thread: Thread
  #isOpen = false
  #closeCode: number | null = null
  /** How the client broke the protocol; null: it has not. */
  violation: CodecError | null = null

  /** Begins to read; whoever makes it calls `close`. */
  constructor(owner: Thread, socket: Socket, maxMessageBytes: number) {
    this.#socket = socket
    this.#maxMessageBytes = maxMessageBytes
    this.#thread = owner.spawn('ws-control', (thread) => this.#run(thread, owner))
  }

  /** The request has been granted: from now on there are frames. */
  open(): void {
    this.#isOpen = true
  }

  /**
   * Says why, unless the connection is gone, and ends it; returns when its thread is gone.
   * @param isOver the stream has ended; else the player is sent away
   * @throws InterruptedError
   */
  async close(owner: Thread, isOver: boolean): Promise<void> {
    await this.#thread.stop(owner, 'player ended')
    const socket = this.#socket
    if (!this.#isOpen || socket.closed) return
    socket.write(closeFrame(this.#closeCode ?? (isOver ? WS_CLOSE.normal : WS_CLOSE.goingAway)))
    await socket.closeGently(owner, CLOSE_MS)
  }

  async #run(thread: Thread, owner: Thread): Promise<void> {
    try {
      await this.#read(thread)
      owner.interrupt('peer_closed')
    } catch (error) {
      if (error instanceof CodecError) this.#violated(error)
      else if (error instanceof InterruptedError || !(error instanceof StError)) throw error
      owner.interrupt(error.message)
    }
  }

  #violated(error: CodecError): void {
    this.violation = error
    this.#closeCode = error.code === 'websocket_too_big' ? WS_CLOSE.tooBig : WS_CLOSE.protocolError
  }

  /** Until the client ends. @throws CodecError, TimeoutError, ClosedError, InterruptedError */
  async #read(thread: Thread): Promise<void> {
    let frames: ClientFrames | null = null
    for (;;) {
      const bytes = this.#socket.tryRead() ?? (await this.#next(thread))
      if (!bytes) return
      if (!this.#isOpen) throw new CodecError('websocket_early', 'the client did not wait for the answer')
      // Most players never say anything: this would be most of what they cost.
      frames ??= new ClientFrames(this.#maxMessageBytes)
      const pong = frames.push(bytes)
      if (pong && !this.#socket.write(pong)) await this.#socket.drain(thread, PONG_TIMEOUT_MS)
      this.#closeCode = frames.closeCode
      if (this.#closeCode !== null) return
    }
  }

  /** What the client says next; null when it has ended. */
  async #next(thread: Thread): Promise<Buffer | null> {
    for (let hasPinged = false; ; hasPinged = this.#isOpen) {
      try {
        return await this.#socket.read(thread, PING_MS)
      } catch (error) {
        if (!(error instanceof TimeoutError)) throw error
        if (hasPinged) throw new ClosedError(`no answer to a ping in ${PING_MS} ms`, { cause: error })
        if (this.#isOpen) this.#socket.write(PING_FRAME)
      }
    }
  }
}
