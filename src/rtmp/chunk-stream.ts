import type { RtmpMessage } from './message.ts'

/** Memory that a message may take for its first byte; beyond it, at most twice what has arrived. */
const FIRST_BLOCK_BYTES = 16384
/** Below this a payload comes from Node's shared 8 KB pool, where it keeps nothing but its neighbours alive. */
const POOLED_BYTES = 4096
/** Up to here a loop is as quick as a call of `copy`. */
const LOOP_COPY_BYTES = 24
const NOTHING = Buffer.alloc(0)

/** What a header of type 0, 1 or 2 says; what a type leaves out is as in the header before. */
interface ChunkHeader {
  /** The timestamp (type 0) or its delta (types 1 and 2), the extended one if there is one. */
  timeMs: number
  isExtended: boolean
  messageBytes: number
  typeId: number
  streamId: number
}

/** What a reader remembers of one chunk stream: the last header, and the message that is not complete yet. */
export class ChunkStream {
  readonly csid: number
  /** The last header of type 0, 1 or 2; changed in place. */
  readonly header: ChunkHeader = { timeMs: 0, isExtended: false, messageBytes: 0, typeId: 0, streamId: 0 }
  /** Time of the message in progress, or of the last one: 0..2^32-1. */
  timestampMs = 0
  /** True from the first header of a message until its last byte. */
  isOpen = false
  /** Bytes of the open message that have arrived. */
  arrivedBytes = 0
  #payload: Buffer = NOTHING

  constructor(csid: number) {
    this.csid = csid
  }

  /** Opens the message that the header announces; an empty one is over at once. */
  open(timestampMs: number): void {
    this.timestampMs = timestampMs >>> 0
    this.isOpen = this.header.messageBytes > 0
    this.arrivedBytes = 0
  }

  /** Takes the next `count` bytes of the open message out of `from`, which may not be more than it lacks. */
  append(from: Buffer, offset: number, count: number): void {
    const arrivedBytes = this.arrivedBytes + count
    if (arrivedBytes > this.#payload.length) this.#grow(arrivedBytes)
    copyBytes(from, offset, this.#payload, this.arrivedBytes, count)
    this.arrivedBytes = arrivedBytes
  }

  /** Takes the whole of the open message: its chunks from `offset` on, `spanBytes` with the one byte before each further one. */
  appendAll(from: Buffer, offset: number, spanBytes: number, chunkBytes: number): void {
    const { messageBytes } = this.header
    const block = allocate(spanBytes)
    from.copy(block, 0, offset, offset + spanBytes)
    // A copy within a buffer makes no object, one between two buffers does.
    for (let to = chunkBytes, at = chunkBytes + 1; to < messageBytes; to += chunkBytes, at += chunkBytes + 1) {
      block.copyWithin(to, at, at + chunkBytes)
    }
    this.#payload = block.subarray(0, messageBytes)
    this.arrivedBytes = messageBytes
  }

  /** Hands the open message out, of which every byte has arrived. */
  take(): RtmpMessage {
    const { typeId, streamId } = this.header
    const message = { csid: this.csid, timestampMs: this.timestampMs, typeId, streamId, payload: this.#payload }
    this.drop()
    return message
  }

  /** Forgets the open message, not the header. */
  drop(): void {
    this.isOpen = false
    this.arrivedBytes = 0
    this.#payload = NOTHING
  }

  #grow(needBytes: number): void {
    const wishBytes = Math.max(needBytes, 2 * this.#payload.length, FIRST_BLOCK_BYTES)
    const grown = allocate(Math.min(wishBytes, this.header.messageBytes))
    this.#payload.copy(grown, 0, 0, this.arrivedBytes)
    this.#payload = grown
  }
}

/** A big payload gets memory of its own: in the pool it would keep 8 KB alive, and be kept by its neighbours. */
function allocate(bytes: number): Buffer {
  return bytes < POOLED_BYTES ? Buffer.allocUnsafe(bytes) : Buffer.allocUnsafeSlow(bytes)
}

function copyBytes(from: Buffer, offset: number, to: Buffer, toOffset: number, count: number): void {
  if (count > LOOP_COPY_BYTES) {
    from.copy(to, toOffset, offset, offset + count)
    return
  }
  for (let i = 0; i < count; i++) to[toOffset + i] = from[offset + i]!
}
