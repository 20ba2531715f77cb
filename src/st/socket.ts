import { Condition } from './condition.ts'
import { FOREVER } from './clock.ts'
import { ClosedError, StError, TimeoutError } from './errors.ts'
import type { Follower } from './followers.ts'
import type { ConnectOptions, Endpoint, Pipe, PipeHandler, ServerTls } from './network.ts'
import type { Thread } from './thread.ts'

/** Input that nobody has read yet; beyond it the peer is slowed down by TCP. */
const INPUT_LIMIT_BYTES = 256 * 1024

/** Each piece costs memory of its own: what a peer sends in single bytes is put together after so many. */
const INPUT_LIMIT_PIECES = 1_024

/** Shared by all sockets, and never changed. */
const NO_INPUT: Buffer[] = []

const DONE = Promise.resolve()

const ignoreNothing = (): void => {}

/**
 * A connection in blocking style. Like State Threads' I/O it tries first and waits only when it must: `tryRead` and
 * `write` are plain calls, and what follows them (`read`, `drain`) is awaited only when they could not do it all.
 * At most one thread reads at a time; several may write, whole messages at a time.
 */
export class Socket implements PipeHandler {
  // What a write touches comes first: with 10,000 players each further line of memory counts.
  #pipe: Pipe
  #closed = false
  /** Bytes sent (handed to the kernel or waiting for it) and received since the start. */
  sentBytes = 0
  receivedBytes = 0
  readonly #readable = new Condition('read', true)
  readonly #drained = new Condition('write')
  /** NO_INPUT when empty: an array that once held something keeps room for 17. */
  #input: Buffer[] = NO_INPUT
  #inputBytes = 0
  /** As much unread input slows the peer down; less for who only passes it on. One read of the kernel is kept whole. */
  inputLimitBytes = INPUT_LIMIT_BYTES
  /** What `followInput` reads may change after its step; who sets this keeps nothing of it. */
  lendsInput = false
  #paused = false
  #discards = false
  #ended = false
  #error: Error | null = null
  #onHangup: (reason: string) => void = ignoreNothing
  /** Who is really at the other end: `remote`, unless that is a proxy which named the client it speaks for. */
  peer: Endpoint

  constructor(pipe: Pipe) {
    this.#pipe = pipe
    this.peer = pipe.remote
    pipe.attach(this)
  }

  get remote(): Endpoint {
    return this.#pipe.remote
  }

  get local(): Endpoint {
    return this.#pipe.local
  }

  get closed(): boolean {
    return this.#closed
  }

  /** The peer has ended its side; what it sent before may still be there. */
  get ended(): boolean {
    return this.#ended
  }

  /** Bytes written that the kernel has not taken yet. */
  get pendingBytes(): number {
    return this.#pipe.pendingBytes
  }

  /** What has arrived first, or null when nothing is there. Never waits. */
  tryRead(): Buffer | null {
    const bytes = this.#input.shift()
    if (!bytes) return null
    if (this.#input.length === 0) this.#input = NO_INPUT
    this.#consumed(bytes.length)
    return bytes
  }

  /**
   * Waits until something is there and takes it.
   * @returns null when the peer has ended its side
   * @throws TimeoutError, InterruptedError; ClosedError when the connection broke
   */
  async read(thread: Thread, timeoutMs: number): Promise<Buffer | null> {
    for (;;) {
      const bytes = this.tryRead()
      if (bytes) return bytes
      if (this.isAtEnd()) return null
      await this.untilInput(thread, timeoutMs)
    }
  }

  /** True when the peer has ended its side and all of it has been read. @throws ClosedError when the connection broke */
  isAtEnd(): boolean {
    if (this.#input.length > 0) return false
    if (this.#closed) throw this.#closedError()
    return this.#ended
  }

  /**
   * Waits until there may be something for `tryRead`, or the end; only after both have been looked for. For readers
   * that put pieces together: `read` would be one more frame under each of them.
   * @throws TimeoutError, InterruptedError
   */
  untilInput(thread: Thread, timeoutMs: number): Promise<void> {
    return this.#readable.wait(thread, timeoutMs)
  }

  /** Lets `reader` do its step now and when something has come or has ended, until it says no: see Condition.follow. */
  followInput(thread: Thread, reader: Follower, timeoutMs: number): Promise<void> {
    return this.#readable.follow(thread, reader, timeoutMs)
  }

  /** The first byte that is there, which stays; null: there is none. */
  get nextByte(): number | null {
    return this.#input[0]?.[0] ?? null
  }

  /** Exactly `count` bytes if they are there, else null. Never waits. */
  take(count: number): Buffer | null {
    if (this.#inputBytes < count) return null
    const bytes = this.#input.length === 1 ? (this.#input[0] as Buffer) : Buffer.concat(this.#input)
    this.#input = bytes.length > count ? [bytes.subarray(count)] : NO_INPUT
    this.#consumed(count)
    return bytes.subarray(0, count)
  }

  /**
   * Waits for exactly `count` bytes, at most 256 KB: more is never kept unread.
   * @param timeoutMs limit for all of them together: a peer that drips single bytes does not renew it
   * @throws TimeoutError, InterruptedError; ClosedError when the peer ended before
   */
  async readFully(thread: Thread, count: number, timeoutMs: number): Promise<Buffer> {
    if (count > INPUT_LIMIT_BYTES) throw new RangeError(`read of ${count} bytes, at most ${INPUT_LIMIT_BYTES}`)
    const deadlineMs = thread.world.clock.nowMs() + timeoutMs
    for (;;) {
      const bytes = this.take(count)
      if (bytes) return bytes
      if (this.#closed) throw this.#closedError()
      if (this.#ended) throw new ClosedError(`peer ended after ${this.#inputBytes} of ${count} bytes`)
      const leftMs = deadlineMs - thread.world.clock.nowMs()
      if (leftMs <= 0) throw new TimeoutError(`read of ${count} bytes`, timeoutMs)
      await this.#readable.wait(thread, timeoutMs === FOREVER ? FOREVER : Math.ceil(leftMs))
    }
  }

  /**
   * Sends bytes without copying them: they must not change any more.
   * @param behind goes with them in the same call of the kernel: a body with its head
   * @returns true when the kernel took them all; else the writer calls `drain` before it makes more
   * @throws ClosedError
   */
  write(bytes: Buffer, behind?: Buffer): boolean {
    if (this.#closed) throw this.#closedError()
    this.sentBytes += bytes.length + (behind?.length ?? 0)
    return this.#pipe.write(bytes, behind)
  }

  /** Waits until the kernel has taken all. @throws TimeoutError (the peer does not read), InterruptedError, ClosedError */
  drain(thread: Thread, timeoutMs: number): Promise<void> {
    return this.#pipe.pendingBytes === 0 && !this.#closed ? DONE : this.#drain(thread, timeoutMs)
  }

  async #drain(thread: Thread, timeoutMs: number): Promise<void> {
    while (this.#pipe.pendingBytes > 0) {
      if (this.#closed) throw this.#closedError()
      await this.#drained.wait(thread, timeoutMs)
    }
    if (this.#closed) throw this.#closedError()
  }

  /** `write` and, when needed, `drain`. */
  async writeFully(thread: Thread, bytes: Buffer, timeoutMs: number): Promise<void> {
    if (!this.write(bytes)) await this.drain(thread, timeoutMs)
  }

  /** Ends this side: what is pending is sent, then FIN. The peer may go on; nothing may be written any more. */
  endOutput(): void {
    if (!this.#closed) this.#pipe.end()
  }

  /**
   * Goes on in TLS, as the server; the port must have been opened for it. What has come already counts as the beginning
   * of the handshake.
   * @throws TimeoutError, InterruptedError; ClosedError when the handshake failed
   */
  async startTls(thread: Thread, tls: ServerTls, timeoutMs: number): Promise<void> {
    const deadlineMs = thread.world.clock.nowMs() + timeoutMs
    const handshake = { isOver: false }
    this.#secure(tls, () => {
      handshake.isOver = true
      this.#readable.broadcast()
    })
    while (!handshake.isOver) {
      if (this.#closed) throw this.#closedError()
      if (this.#ended) throw new ClosedError('peer ended in the TLS handshake')
      const leftMs = Math.ceil(deadlineMs - thread.world.clock.nowMs())
      if (leftMs <= 0) throw new TimeoutError('TLS handshake', timeoutMs)
      await this.#readable.wait(thread, leftMs)
    }
  }

  #secure(tls: ServerTls, onSecure: () => void): void {
    if (this.#closed) throw this.#closedError()
    if (!this.#pipe.startTls) throw new TypeError('the port was not opened for TLS')
    const early = this.take(this.#inputBytes) ?? Buffer.alloc(0)
    this.receivedBytes -= early.length
    this.#pipe = this.#pipe.startTls(tls, early, onSecure)
    this.#pipe.attach(this)
  }

  /**
   * For a thread that only writes: from now on input is thrown away unread, and the peer's end or break interrupts
   * the thread, which may be waiting for something else than this socket.
   */
  hangupInterrupts(thread: Thread): void {
    this.#discardInput()
    this.#onHangup = (reason) => thread.interrupt(reason)
    if (this.#ended || this.#closed) this.#hangUp()
  }

  /**
   * Ends the connection so that the peer can still read all that was written: sends it, then FIN, and reads the
   * peer's rest into the void until it ends too. (A close with unread input makes the kernel send a reset, which
   * destroys what the peer has not read yet.) Closed in any case when it returns.
   * @param lingerMs limit for the whole
   */
  async closeGently(thread: Thread, lingerMs: number): Promise<void> {
    const { clock } = thread.world
    const deadlineMs = clock.nowMs() + lingerMs
    const leftMs = (): number => Math.max(1, Math.ceil(deadlineMs - clock.nowMs()))
    this.#onHangup = ignoreNothing
    this.#discardInput()
    try {
      // A peer that has ended its side already may still be reading.
      while (this.#pipe.pendingBytes > 0 && !this.#closed) await this.#drained.wait(thread, leftMs())
      if (this.#closed) return
      this.#pipe.end()
      while (!this.#ended && !this.#closed) await this.#readable.wait(thread, leftMs())
    } catch (error) {
      // A peer that does not end in time is what the limit is for; everything else is the caller's affair.
      if (!(error instanceof StError) || error.code !== 'st_timeout') throw error
    } finally {
      this.close()
    }
  }

  /** Closes at once; who waits in a read or a write of this socket gets ClosedError. */
  close(): void {
    if (this.#closed) return
    // It is not the peer who hangs up, and the thread that closes must not be interrupted by it.
    this.#onHangup = ignoreNothing
    this.#pipe.destroy()
    this.onClose(null)
  }

  onData(bytes: Buffer): void {
    this.receivedBytes += bytes.length
    if (this.#discards) return
    if (this.#input === NO_INPUT) this.#input = [bytes]
    else this.#input.push(bytes)
    this.#inputBytes += bytes.length
    if (this.#input.length >= INPUT_LIMIT_PIECES) this.#input = [Buffer.concat(this.#input)]
    if (this.#inputBytes >= this.inputLimitBytes && !this.#paused) {
      this.#paused = true
      this.#pipe.pause()
    }
    this.#readable.arrive()
    if (this.lendsInput && this.#input.at(-1) === bytes) this.#input[this.#input.length - 1] = Buffer.from(bytes)
  }

  onEnd(): void {
    this.#ended = true
    this.#readable.broadcast()
    this.#hangUp()
  }

  onDrain(): void {
    this.#drained.broadcast()
  }

  onClose(error: Error | null): void {
    if (this.#closed) return
    this.#closed = true
    this.#error = error
    this.#readable.broadcast()
    this.#drained.broadcast()
    this.#hangUp()
  }

  /** Once only: the break that follows an end must not interrupt the clean-up. */
  #hangUp(): void {
    const onHangup = this.#onHangup
    this.#onHangup = ignoreNothing
    onHangup('peer_closed')
  }

  #discardInput(): void {
    this.#discards = true
    this.#input = NO_INPUT
    this.#consumed(this.#inputBytes)
  }

  #consumed(count: number): void {
    this.#inputBytes -= count
    if (this.#paused && this.#inputBytes < this.inputLimitBytes) {
      this.#paused = false
      this.#pipe.resume()
    }
  }

  #closedError(): ClosedError {
    const why = this.#error?.message ?? 'closed'
    return new ClosedError(`connection is closed: ${why}`, this.#error ? { cause: this.#error } : undefined)
  }
}

/**
 * Opens a connection.
 * @throws TimeoutError, InterruptedError; ClosedError when it was refused or cannot be reached
 */
export async function connect(thread: Thread, where: ConnectOptions, timeoutMs: number): Promise<Socket> {
  const settled = new Condition(`connect to ${where.host}:${where.port}`)
  let result: Pipe | Error | null = null
  const giveUp = thread.world.network.connect(where, (outcome) => {
    result = outcome
    settled.signal()
  })
  try {
    // A world may answer within the call.
    if (!result) await settled.wait(thread, timeoutMs)
  } catch (error) {
    giveUp()
    const late = result as Pipe | Error | null
    if (late && !(late instanceof Error)) late.destroy()
    throw error
  }
  const outcome = result as Pipe | Error | null
  if (outcome instanceof Error) throw new ClosedError(`connect failed: ${outcome.message}`, { cause: outcome })
  return new Socket(outcome as unknown as Pipe)
}
