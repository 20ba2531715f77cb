import type { Endpoint, Pipe, PipeHandler } from '../network.ts'
import { Flow, type Parcel } from './flow.ts'
import type { Life } from './life.ts'
import { type Path, pieceBytes } from './path.ts'
import type { SeededRandom } from './random.ts'
import type { Simulation } from './simulation.ts'

/** How long a piece is under way at most, beside the latency. */
const MAX_PIECE_MS = 1_000
const LEAST_PIECE_BYTES = 1_460
/** Keep-alive of a connection whose peer is silently gone: 60 s of silence, then nine probes 75 s apart. */
const KEEP_ALIVE_MS = 735_000

/** What a connection needs of the network around it. */
export interface Wire {
  readonly simulation: Simulation
  readonly random: SeededRandom
  path: Path
  /** Whether nothing gets through between the two machines at present. */
  isCut(): boolean
}

/** The end of a connection in one process. */
export class SimPipe implements Pipe {
  readonly remote: Endpoint
  readonly local: Endpoint
  readonly life: Life
  readonly #wire: Wire
  readonly #onClosed: (pipe: SimPipe) => void
  readonly #out = new Flow()
  #peer: SimPipe | null = null
  #handler: PipeHandler | null = null
  #isPaused = false
  #isClosed = false
  #deliveryIsDue = false
  /** The most that `pendingBytes` has been. */
  mostPendingBytes = 0

  constructor(wire: Wire, life: Life, local: Endpoint, remote: Endpoint, onClosed: (pipe: SimPipe) => void) {
    this.#wire = wire
    this.life = life
    this.local = local
    this.remote = remote
    this.#onClosed = onClosed
  }

  static join(one: SimPipe, other: SimPipe): void {
    one.#peer = other
    other.#peer = one
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  get pendingBytes(): number {
    return this.#out.waiting.length
  }

  attach(handler: PipeHandler): void {
    this.#handler = handler
    this.#planDelivery()
  }

  write(bytes: Buffer, behind?: Buffer): boolean {
    if (behind) this.write(bytes)
    return this.#write(behind ?? bytes)
  }

  #write(bytes: Buffer): boolean {
    if (this.#isClosed || bytes.length === 0) return this.pendingBytes === 0
    if (this.#out.wantsEnd) throw new Error('write after end')
    this.#wire.simulation.operations++
    this.#out.waiting.push(bytes)
    this.#fillKernel()
    this.#send()
    this.mostPendingBytes = Math.max(this.mostPendingBytes, this.pendingBytes)
    return this.pendingBytes === 0
  }

  pause(): void {
    this.#isPaused = true
  }

  resume(): void {
    this.#isPaused = false
    this.#planDelivery()
  }

  end(): void {
    this.#out.wantsEnd = true
    this.#send()
  }

  destroy(): void {
    if (this.#isClosed) return
    const isUnread = this.#in.received.length > 0
    this.#close(null)
    this.#out.waiting.clear()
    if (isUnread) this.#reset()
    else this.end()
  }

  /** The machine is gone: the peer is told nothing, and gives up when its keep-alive has failed for long enough. */
  vanish(): void {
    this.#isClosed = true
    this.#handler = null
    this.#leavePeer()
  }

  /** There is nobody here any more who could tell the peer. */
  #leavePeer(): void {
    const { simulation, random } = this.#wire
    simulation.after(random.between(KEEP_ALIVE_MS, KEEP_ALIVE_MS * 1.1), () => this.#peer?.fail('ETIMEDOUT'))
  }

  /** The connection breaks on this side. */
  fail(code: string): void {
    this.#out.sending.clear()
    this.#close(Object.assign(new Error(`connection ${code}`), { code }))
  }

  /** A middlebox breaks the connection: both ends are told. */
  sever(): void {
    this.fail('ECONNRESET')
    this.#other.fail('ECONNRESET')
  }

  /** From now on the connection is like this. */
  usePath(change: Partial<Path>): void {
    this.#wire.path = { ...this.#wire.path, ...change }
  }

  /** The path works again: what was lost in either direction is sent again. @returns false: it does not work */
  retransmit(): boolean {
    if (this.#wire.isCut()) return false
    for (const pipe of [this, this.#other]) {
      const { lost } = pipe.#out
      pipe.#out.lost = []
      for (const parcel of lost) pipe.#arrive(parcel)
    }
    return true
  }

  get #other(): SimPipe {
    if (!this.#peer) throw new Error('a pipe without a peer')
    return this.#peer
  }

  get #in(): Flow {
    return this.#other.#out
  }

  #fillKernel(): void {
    const { waiting, sending } = this.#out
    for (let room = this.#room(sending.length); room > 0 && waiting.length > 0; room = this.#room(sending.length)) {
      sending.push(waiting.take(room))
    }
  }

  #room(taken: number): number {
    return this.#wire.path.bufferBytes - taken
  }

  /** Sends as much as the receiver's kernel has room for, and then the end. */
  #send(): void {
    const { sending, waiting, received } = this.#out
    const hadPending = waiting.length > 0
    for (;;) {
      const room = this.#room(received.length + this.#out.travelling)
      // As kernels do: no crumbs while the receiver's window is nearly closed.
      if (sending.length === 0 || room < Math.min(sending.length, LEAST_PIECE_BYTES)) break
      const { path, random } = this.#wire
      // A piece is under way for a second at most: on a slow way much would otherwise come late and at once.
      const most = Math.min(room, sending.length, path.bytesPerMs * MAX_PIECE_MS)
      const piece = sending.take(pieceBytes(most, path, random))
      this.#out.travelling += piece.length
      this.#travel(piece)
      this.#fillKernel()
    }
    if (hadPending && waiting.length === 0) this.life.happen(0, () => this.#handler?.onDrain())
    if (this.#out.wantsEnd && !this.#out.hasSentEnd && sending.length + waiting.length === 0) {
      this.#out.hasSentEnd = true
      this.#travel('end')
    }
  }

  #travel(parcel: Parcel): void {
    const { path, simulation, random } = this.#wire
    const flow = this.#out
    const bytes = typeof parcel === 'string' ? 0 : parcel.length
    flow.freeMs = Math.max(flow.freeMs, simulation.nowMs) + bytes / path.bytesPerMs
    const arrivalMs = flow.freeMs + path.latencyMs + random.between(0, path.jitterMs)
    flow.lastArrivalMs = Math.max(flow.lastArrivalMs, arrivalMs)
    simulation.after(flow.lastArrivalMs - simulation.nowMs, () => this.#arrive(parcel))
  }

  #arrive(parcel: Parcel): void {
    if (this.#wire.isCut() || this.#out.lost.length > 0) {
      // A reset is sent once; what is behind it is answered by another one.
      if (parcel !== 'reset') this.#out.lost.push(parcel)
      // Its machine may go before it is sent again.
      if (typeof parcel === 'string') this.#leavePeer()
    } else this.#other.#receive(parcel)
  }

  #receive(parcel: Parcel): void {
    if (parcel === 'reset') {
      this.#in.received.clear()
      this.fail('ECONNRESET')
    } else if (this.#isClosed) {
      if (parcel !== 'end') this.#reset()
    } else if (parcel === 'end') {
      this.#in.hasReceivedEnd = true
      this.#planDelivery()
    } else {
      this.#in.travelling -= parcel.length
      this.#in.received.push(parcel)
      this.#planDelivery()
    }
  }

  /** Tells the peer that there is nothing here. */
  #reset(): void {
    this.#out.waiting.clear()
    this.#out.sending.clear()
    this.#out.hasSentEnd = true
    this.#travel('reset')
  }

  #planDelivery(): void {
    if (this.#deliveryIsDue || !this.#handler || this.#isPaused || this.#isClosed) return
    const { received, hasReceivedEnd } = this.#in
    if (received.length === 0 && !hasReceivedEnd) return
    this.#deliveryIsDue = true
    this.life.happen(0, () => this.#deliver())
  }

  /** Hands over one read's worth. */
  #deliver(): void {
    this.#deliveryIsDue = false
    if (!this.#handler || this.#isPaused || this.#isClosed) return
    const flow = this.#in
    if (flow.received.length > 0) {
      const { path, random } = this.#wire
      // A copy, as a kernel makes it: what a sender changes behind its write is seen.
      const bytes = Buffer.from(flow.received.take(pieceBytes(flow.received.length, path, random)))
      this.#handler.onData(bytes)
      this.#other.#send()
    } else if (flow.hasReceivedEnd) {
      flow.hasReceivedEnd = false
      this.#handler.onEnd()
    }
    this.#planDelivery()
  }

  #close(error: Error | null): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#onClosed(this)
    const handler = this.#handler
    this.#handler = null
    if (handler) this.life.happen(0, () => handler.onClose(error))
  }
}
