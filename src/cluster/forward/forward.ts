import { CodecError } from '../../codec/errors.ts'
import { asError, InterruptedError, StError } from '../../st/errors.ts'
import type { Socket } from '../../st/socket.ts'
import type { Thread } from '../../st/thread.ts'
import type { PacketReader } from '../../stream/packet-reader.ts'
import type { Publication } from '../../stream/publication.ts'
import type { RtmpIntroduction } from '../edge/rtmp-pull.ts'
import { pushPackets } from '../rtmp-push.ts'
import { openPublisher, type RtmpTarget } from '../rtmp-target.ts'

/** SRS's: for the connect and each answer, and before the next attempt. */
const ANSWER_TIMEOUT_MS = 3_000
const BACK_OFF_MS = 3_000
const SEND_TIMEOUT_MS = 30_000
/** For the last packets to arrive. */
const LINGER_MS = 1_000

/**
 * Publishes a stream on another server too, for as long as it is published here: what comes while the other one is not
 * there is kept for `queue_length`.
 */
export class Forward {
  /** The stream's key. */
  readonly stream: string
  readonly target: RtmpTarget
  readonly #publication: Publication
  readonly #reader: PacketReader
  #socket: Socket | null = null
  #sentBytes = 0
  /** `clock.nowMs()` since when the other server takes the stream; null: it does not. */
  connectedMs: number | null = null
  /** Why it does not; '' as long as nothing is known. */
  failure = ''

  constructor(stream: string, publication: Publication, target: RtmpTarget) {
    this.stream = stream
    this.target = target
    this.#publication = publication
    this.#reader = publication.readLive()
  }

  /** Of all connections together. */
  get sentBytes(): number {
    return this.#sentBytes + (this.#socket?.sentBytes ?? 0)
  }

  /** What the other server was too slow for, or was not there for. */
  get droppedPackets(): number {
    return this.#reader.droppedPackets
  }

  /** Until the publish ends. @throws InterruptedError */
  async run(thread: Thread, introduction: RtmpIntroduction): Promise<void> {
    const { text: to } = this.target
    try {
      do {
        const failure = await this.#once(thread, introduction)
        if (!failure) return
        const { message: reason } = failure
        if (reason !== this.failure) thread.log.warn({ to, reason }, 'forward failed: tried again every 3 s')
        this.failure = reason
      } while (!(await this.#publication.untilEnded(thread, BACK_OFF_MS)))
    } finally {
      this.#publication.unread(this.#reader)
    }
  }

  /** @returns why it ended; null: with the stream */
  async #once(thread: Thread, introduction: RtmpIntroduction): Promise<Error | null> {
    try {
      const client = await openPublisher(thread, this.target, introduction, ANSWER_TIMEOUT_MS)
      const { socket } = client.connection
      this.#socket = socket
      this.connectedMs = thread.world.clock.nowMs()
      thread.log.info({ to: this.target.text }, 'forwarding')
      try {
        await pushPackets(thread, client, this.#reader, { sendTimeoutMs: SEND_TIMEOUT_MS })
        await socket.closeGently(thread, LINGER_MS)
        return null
      } finally {
        client.close()
        this.#disconnected(thread, socket)
      }
    } catch (caught) {
      const error = asError(caught)
      if (error instanceof InterruptedError || !(error instanceof StError || error instanceof CodecError)) throw error
      return error
    }
  }

  #disconnected(thread: Thread, { sentBytes }: Socket): void {
    this.#socket = null
    this.connectedMs = null
    this.#sentBytes += sentBytes
    const { droppedPackets: dropped } = this
    thread.log.info({ to: this.target.text, sentBytes, dropped }, 'forward connection ended')
  }
}
