import { CodecError } from '../../codec/errors.ts'
import { ClosedError, TimeoutError } from '../../st/errors.ts'
import type { Socket } from '../../st/socket.ts'
import type { Thread } from '../../st/thread.ts'

const LF = 0x0a
/** What a client says of itself has limits of its own, far below. */
const MAX_LINE_BYTES = 256 * 1024
/** An edge may answer with a part of its log: a million characters, and what they need as JSON in JSON. */
export const MAX_ANSWER_BYTES = 8 * 1024 * 1024
const NOTHING = Buffer.alloc(0)

/** One object as a line. */
export function jsonLine(value: object): Buffer {
  return Buffer.from(`${JSON.stringify(value)}\n`)
}

/** Objects from a connection, one a line. What follows a line stays where it is: it may be something else. */
export class JsonLines {
  readonly #socket: Socket
  readonly #maxBytes: number
  #left: Buffer = NOTHING
  #scanned = 0

  constructor(socket: Socket, maxBytes = MAX_LINE_BYTES) {
    this.#socket = socket
    this.#maxBytes = maxBytes
  }

  /**
   * The next one.
   * @throws TimeoutError, InterruptedError; ClosedError at the end; CodecError 'line_invalid'
   */
  async next<T>(thread: Thread, timeoutMs: number): Promise<T> {
    const { clock } = thread.world
    const deadlineMs = clock.nowMs() + timeoutMs
    for (;;) {
      const end = this.#left.indexOf(LF, this.#scanned)
      if (end >= 0) return this.#take(end) as T
      this.#scanned = this.#left.length
      if (this.#scanned > this.#maxBytes) throw new CodecError('line_invalid', 'a line is too long')
      const leftMs = Math.ceil(deadlineMs - clock.nowMs())
      if (leftMs <= 0) throw new TimeoutError('read of a line', timeoutMs)
      const bytes = await this.#socket.read(thread, leftMs)
      if (!bytes) throw new ClosedError('the other process has ended the connection')
      this.#left = this.#scanned === 0 ? bytes : Buffer.concat([this.#left, bytes])
    }
  }

  #take(end: number): unknown {
    const text = this.#left.toString('utf8', 0, end)
    this.#left = this.#left.subarray(end + 1)
    this.#scanned = 0
    try {
      return JSON.parse(text) as unknown
    } catch (error) {
      throw new CodecError('line_invalid', 'a line is no JSON', { cause: error })
    }
  }
}
