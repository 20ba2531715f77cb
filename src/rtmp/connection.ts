import { StError, TimeoutError } from '../st/errors.ts'
import type { Socket } from '../st/socket.ts'
import type { Thread } from '../st/thread.ts'
import { CHUNK_LIMITS, ChunkReader } from './chunk-reader.ts'
import { encodeMessage } from './chunk-writer.ts'
import { answerHandshake, checkServerHello, HELLO_BYTES, makeClientHello, SERVER_HELLO_BYTES } from './handshake.ts'
import {
  acknowledgement,
  controlValue,
  DEFAULT_CHUNK_BYTES,
  MSG,
  parseUserControl,
  type RtmpMessage,
  USER_EVENT,
  userControl,
} from './message.ts'

const C2_BYTES = HELLO_BYTES - 1
/** Waits for the rest of a message are rounded up to this, so that they share their timers. */
const TIMEOUT_GRAIN_MS = 250
const MAX_UNREAD_BYTES = 4 * 1024 * 1024

/** Who takes the messages of a publisher. Neither call waits. */
export interface MessageSink {
  /** @returns false: the message is not for it */
  take(message: RtmpMessage): boolean
  /** All that had arrived has been taken. */
  flush(): void
  /** How long the next message may take, for one whose limit may change meanwhile: see Follower. */
  readonly timeoutMs?: number | undefined
}

/**
 * RTMP messages over a socket, either side: handshake, chunks, and the protocol's own housekeeping
 * (acknowledgements, pings, chunk sizes), which the threads above never see.
 */
export class RtmpConnection {
  readonly socket: Socket
  readonly #reader: ChunkReader
  #outChunkBytes = DEFAULT_CHUNK_BYTES
  #askedAckBytes = 0
  #ackedBytes = 0
  /** Acknowledge after so many bytes whatever the peer asks; 0: as the peer asks. */
  inAckBytes = 0
  /** Answers that a peer may leave unread before it is given up: it sends requests and never reads. */
  maxUnreadBytes = MAX_UNREAD_BYTES

  constructor(socket: Socket, limits = CHUNK_LIMITS) {
    this.socket = socket
    this.#reader = new ChunkReader(limits)
  }

  /** Chunk size of what this side sends, as it was announced last; for those who encode messages themselves. */
  get outChunkBytes(): number {
    return this.#outChunkBytes
  }

  /** Server side of the handshake: RTMP 1.0 section 5.2. @throws CodecError 'handshake_…', StError */
  async acceptHandshake(thread: Thread, timeoutMs: number): Promise<void> {
    const { clock } = thread.world
    const deadlineMs = clock.nowMs() + timeoutMs
    const hello = await this.socket.readFully(thread, HELLO_BYTES, timeoutMs)
    const answer = answerHandshake(hello, (bytes) => clock.randomBytes(bytes), Math.floor(clock.nowMs()))
    await this.socket.writeFully(thread, answer, timeoutMs)
    await this.socket.readFully(thread, C2_BYTES, Math.max(1, Math.ceil(deadlineMs - clock.nowMs())))
  }

  /** Client side of the handshake. @throws CodecError 'handshake_…', StError */
  async offerHandshake(thread: Thread, timeoutMs: number): Promise<void> {
    const { clock } = thread.world
    const hello = makeClientHello((bytes) => clock.randomBytes(bytes), Math.floor(clock.nowMs()), true)
    await this.socket.writeFully(thread, hello, timeoutMs)
    const answer = await this.socket.readFully(thread, SERVER_HELLO_BYTES, timeoutMs)
    await this.socket.writeFully(thread, checkServerHello(answer, hello), timeoutMs)
  }

  /** The next message if it has arrived whole, else null. Never waits. @throws CodecError */
  tryRead(): RtmpMessage | null {
    for (;;) {
      const message = this.#reader.read()
      if (message) {
        if (!this.#isHousekeeping(message)) return message
        continue
      }
      const bytes = this.socket.tryRead()
      if (!bytes) return null
      this.#reader.push(bytes)
      this.#acknowledge()
    }
  }

  /**
   * Waits for the next message.
   * @param timeoutMs limit for the whole message: single bytes that drip in do not renew it
   * @returns null when the peer has ended
   * @throws CodecError, TimeoutError, InterruptedError, ClosedError
   */
  async read(thread: Thread, timeoutMs: number): Promise<RtmpMessage | null> {
    const { clock } = thread.world
    const startMs = clock.nowMs()
    for (let leftMs = timeoutMs; ; leftMs = timeoutMs - (clock.nowMs() - startMs)) {
      const message = this.tryRead()
      if (message) return message
      if (this.socket.isAtEnd()) return null
      if (leftMs <= 0) throw new TimeoutError('read of a message', timeoutMs)
      const waitMs = leftMs === timeoutMs ? timeoutMs : Math.ceil(leftMs / TIMEOUT_GRAIN_MS) * TIMEOUT_GRAIN_MS
      await this.socket.untilInput(thread, waitMs)
    }
  }

  /**
   * Hands messages to `sink`, in the thread's turns, until one comes that it does not take. The thread sleeps through
   * them: a publisher's packet costs no promise and no continuation.
   * @param timeoutMs for each message, late by up to 250 ms; what the sink says of it counts more
   * @returns the message that was not taken; null when the peer has ended
   * @throws what `sink.take` throws, and as `read`
   */
  async follow(thread: Thread, sink: MessageSink, timeoutMs: number): Promise<RtmpMessage | null> {
    const { clock } = thread.world
    let rest: RtmpMessage | null = null
    const reader = {
      activeMs: clock.nowMs(),
      get timeoutMs(): number | undefined {
        return sink.timeoutMs
      },
      step: (): boolean => {
        try {
          for (let message = this.tryRead(); message; message = this.tryRead()) {
            reader.activeMs = clock.nowMs()
            if (sink.take(message)) continue
            rest = message
            return false
          }
          sink.flush()
          return !this.socket.isAtEnd()
        } finally {
          this.#reader.letGo()
        }
      },
    }
    this.socket.lendsInput = true
    try {
      await this.socket.followInput(thread, reader, timeoutMs)
    } finally {
      this.socket.lendsInput = false
    }
    return rest
  }

  /**
   * Sends messages in one write, so that an answer of several never meets the peer's delayed acknowledgement.
   * @throws ClosedError; StError 'limit_unread' when the peer has left too many answers unread
   */
  send(...messages: RtmpMessage[]): void {
    const bytes = messages.map((message) => this.#encode(message))
    if (this.socket.pendingBytes > this.maxUnreadBytes) {
      throw new StError('limit_unread', `peer left ${this.socket.pendingBytes} bytes of answers unread`)
    }
    this.socket.write(bytes.length === 1 ? (bytes[0] as Buffer) : Buffer.concat(bytes))
  }

  #encode(message: RtmpMessage): Buffer {
    const bytes = encodeMessage(message, this.#outChunkBytes)
    if (message.typeId === MSG.SET_CHUNK_SIZE) this.#outChunkBytes = controlValue(message)
    return bytes
  }

  /** True when the message concerns only the protocol and has been dealt with. */
  #isHousekeeping(message: RtmpMessage): boolean {
    switch (message.typeId) {
      case MSG.SET_CHUNK_SIZE:
      case MSG.ABORT:
      case MSG.ACK:
      case MSG.SET_PEER_BANDWIDTH:
        return true
      case MSG.WINDOW_ACK_SIZE:
        this.#askedAckBytes = controlValue(message)
        return true
      case MSG.USER_CONTROL:
        this.#userControl(message)
        return true
      default:
        return false
    }
  }

  #userControl(message: RtmpMessage): void {
    const { event, value } = parseUserControl(message)
    if (event === USER_EVENT.PING_REQUEST) this.send(userControl(USER_EVENT.PING_RESPONSE, value))
  }

  /** RTMP 1.0 section 5.4.3. At half the window: a peer that stops at a full one never has to. */
  #acknowledge(): void {
    const received = this.socket.receivedBytes
    const windowBytes = this.inAckBytes || this.#askedAckBytes
    if (windowBytes === 0 || received - this.#ackedBytes < windowBytes / 2) return
    this.#ackedBytes = received
    this.send(acknowledgement(received))
  }
}
