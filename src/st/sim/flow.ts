/** Bytes in order, taken from the front in pieces of any size; nothing is copied. */
class Bytes {
  #parts: Buffer[] = []
  length = 0

  push(bytes: Buffer): void {
    if (bytes.length === 0) return
    this.#parts.push(bytes)
    this.length += bytes.length
  }

  /** At most `count` bytes, of one part: a peer sees other borders than the sender did. */
  take(count: number): Buffer {
    const first = this.#parts[0]
    if (!first) return Buffer.alloc(0)
    const bytes = first.subarray(0, count)
    if (bytes.length === first.length) this.#parts.shift()
    else this.#parts[0] = first.subarray(bytes.length)
    this.length -= bytes.length
    return bytes
  }

  clear(): void {
    this.#parts = []
    this.length = 0
  }
}

/** What travels: bytes, the sender's end, or a reset. */
export type Parcel = Buffer | 'end' | 'reset'

/** One direction of a connection, from the sender's `write` to the receiver's `onData`. */
export class Flow {
  /** Written, and not taken by the sender's kernel. */
  readonly waiting = new Bytes()
  /** In the kernel of the sender. */
  readonly sending = new Bytes()
  /** In the kernel of the receiver. */
  readonly received = new Bytes()
  /** On the wire, or lost and to be sent again. */
  travelling = 0
  /** Lost: the path was cut. In their order. */
  lost: Parcel[] = []
  wantsEnd = false
  hasSentEnd = false
  hasReceivedEnd = false
  /** When the wire is free for the next bytes, and when the last ones arrive. */
  freeMs = 0
  lastArrivalMs = 0
}
