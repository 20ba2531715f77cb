import { Condition } from '../../st/condition.ts'
import { asError, InterruptedError } from '../../st/errors.ts'
import { maskedQuery } from '../../rtmp/url.ts'
import type { Endpoint, Pipe } from '../../st/network.ts'
import { Socket } from '../../st/socket.ts'
import type { Thread } from '../../st/thread.ts'
import { type Client, identify, newClient, type Wish } from '../client.ts'
import type { ServerContext } from '../context.ts'
import { describeEnd, isFault } from '../ending.ts'
import { type Leave, RefusedError } from '../gate.ts'
import { Visit } from '../visit.ts'

/** A viewer that asks for no playlist for so many windows is gone: SRS. */
const IDLE_WINDOWS = 2
/** Waits of 10,000 viewers share their timers when they are whole seconds. */
const TIMER_GRAIN_MS = 1_000
/** For those who decide about a viewer: callbacks have a limit of their own. */
const ENTER_TIMEOUT_MS = 60_000
/** Viewers that were ended by hand and are not to come back by themselves. */
const REMEMBERED_KICKS = 1_000
const VIEWER_ID = /^[0-9A-Za-z]{8}$/

/** The client whose requests come over any number of connections: it counts, and has none of its own. */
class ViewerPipe implements Pipe {
  readonly remote: Endpoint
  readonly local: Endpoint
  readonly pendingBytes = 0

  constructor({ peer, local }: Socket, viewer: Endpoint) {
    this.remote = viewer.host === '' ? peer : viewer
    this.local = local
  }

  attach(): void {}
  write(): boolean {
    return true
  }
  pause(): void {}
  resume(): void {}
  end(): void {}
  destroy(): void {}
}

/** One viewer (`hls_ctx`): a client from its first playlist until it asks for no more. */
export class Viewer {
  readonly id: string
  readonly client: Client
  readonly #context: ServerContext
  readonly #idleMs: number
  readonly #decided = new Condition('decision about a viewer')
  #verdict: RefusedError | 'in' | null = null
  #seenMs: number

  constructor(context: ServerContext, thread: Thread, wish: Wish, socket: Socket) {
    this.id = thread.id
    this.#context = context
    this.client = newClient(thread, socket, 'http')
    identify(this.client, wish)
    this.#idleMs = IDLE_WINDOWS * wish.vhost.hls.hlsWindowMs
    this.#seenMs = thread.world.clock.nowMs()
  }

  /** It has asked for something. */
  seen(sentBytes: number): void {
    this.client.socket.sentBytes += sentBytes
    this.#seenMs = this.#context.world.clock.nowMs()
  }

  /** There is nothing for it: it is gone at once. */
  end(): void {
    this.client.thread.interrupt('no stream')
  }

  /** Bytes of a segment. */
  sent(bytes: number): void {
    this.client.socket.sentBytes += bytes
  }

  /** Waits until it was let in. @throws RefusedError, TimeoutError, InterruptedError */
  async entered(thread: Thread): Promise<void> {
    while (!this.#verdict) await this.#decided.wait(thread, ENTER_TIMEOUT_MS)
    if (this.#verdict !== 'in') throw this.#verdict
  }

  /** Its thread. @returns why it ended */
  async run(thread: Thread): Promise<void> {
    const visit = new Visit(this.#context, this.client)
    let leave: Leave | null = null
    let reason = 'idle'
    let isError = false
    try {
      leave = await visit.enter(thread, 'play')
      this.#decide('in')
      thread.log.info(
        { stream: this.client.sourceKey, param: maskedQuery(this.client.url.param), protocol: 'hls' },
        'playing',
      )
      await this.#untilIdle(thread)
    } catch (caught) {
      const error = asError(caught)
      reason = describeEnd(error)
      isError = isFault(error) && !(error instanceof RefusedError)
      this.#decide(error instanceof RefusedError ? error : new RefusedError('refused_ended', 'The viewer has ended.'))
      if (isError) throw error
      if (error instanceof InterruptedError) throw error
    } finally {
      leave?.()
      visit.end(reason, isError)
      thread.log.info({ stream: this.client.sourceKey, reason, sentBytes: this.client.socket.sentBytes }, 'played')
    }
  }

  #decide(verdict: RefusedError | 'in'): void {
    this.#verdict = verdict
    this.#decided.broadcast()
  }

  async #untilIdle(thread: Thread): Promise<void> {
    const { clock } = thread.world
    for (;;) {
      const leftMs = this.#seenMs + this.#idleMs - clock.nowMs()
      if (leftMs <= 0) return
      await thread.sleep(Math.ceil(leftMs / TIMER_GRAIN_MS) * TIMER_GRAIN_MS)
    }
  }
}

/** All viewers, by the id in their URLs. */
export class Viewers {
  readonly #context: ServerContext
  readonly #viewers = new Map<string, Viewer>()
  readonly #kicked = new Set<string>()
  readonly #threads = new Set<Thread>()

  constructor(context: ServerContext) {
    this.#context = context
  }

  get(id: string): Viewer | null {
    return this.#viewers.get(id) ?? null
  }

  /**
   * The viewer with this id, which is made when it is not there (a client may have been idle, or the server started
   * anew); null: a new one.
   * @param peer who asks
   * @returns null when the id cannot be a viewer's of this stream
   * @throws RefusedError, TimeoutError, InterruptedError
   */
  async enter(thread: Thread, id: string | null, wish: Wish, socket: Socket, peer: Endpoint): Promise<Viewer | null> {
    let viewer = id === null ? null : this.get(id)
    if (!viewer) {
      const { world, clients, options } = this.#context
      if (id !== null && (!VIEWER_ID.test(id) || this.#kicked.has(id) || clients.get(id))) return null
      if (this.#viewers.size >= options.maxConnections) {
        throw new RefusedError('refused_limit', 'There are too many viewers.', 503)
      }
      viewer = this.#begin(id ?? world.newId(), wish, new Socket(new ViewerPipe(socket, peer)))
    }
    if (viewer.client.sourceKey !== wish.sourceKey) return null
    await viewer.entered(thread)
    return viewer
  }

  /** Ends all. */
  async stop(thread: Thread): Promise<void> {
    for (const viewer of this.#threads) viewer.interrupt('server stops')
    for (const viewer of this.#threads) await viewer.stop(thread, 'server stops')
  }

  #begin(id: string, wish: Wish, socket: Socket): Viewer {
    const { world } = this.#context
    const begun: { viewer: Viewer | null } = { viewer: null }
    const own = world.start(id, 'hls viewer', async (thread) => {
      try {
        await begun.viewer?.run(thread)
      } catch (error) {
        if (error instanceof InterruptedError && error.reason === 'kicked') this.#remember(id)
        throw error
      } finally {
        this.#viewers.delete(id)
        this.#threads.delete(thread)
      }
    })
    const viewer = new Viewer(this.#context, own, wish, socket)
    begun.viewer = viewer
    this.#threads.add(own)
    this.#viewers.set(id, viewer)
    return viewer
  }

  #remember(id: string): void {
    this.#kicked.add(id)
    if (this.#kicked.size <= REMEMBERED_KICKS) return
    for (const oldest of this.#kicked) {
      this.#kicked.delete(oldest)
      break
    }
  }
}
