import { CodecError } from '../../codec/errors.ts'
import {
  FLV_FLAG_AUDIO,
  FLV_FLAG_VIDEO,
  FLV_HEADER_BYTES,
  FLV_PREVIOUS_TAG_SIZE_BYTES,
  FLV_TAG_HEADER_BYTES,
} from './tag.ts'

const SIGNATURE = 0x46_4c_56 // 'FLV'
const MAX_HEADER_BYTES = 4096
const DEFAULT_MAX_TAG_BYTES = 16 * 1024 * 1024
const FIRST_STORE_BYTES = 64 * 1024
const SHRINK_RATIO = 8
const TAG_TYPE_MASK = 0x1f
const TAG_FILTER = 0x20
const TIMESTAMP_UPPER_UNIT = 2 ** 24

/** One tag of an FLV file or stream. */
export interface FlvTag {
  /** FLV_AUDIO, FLV_VIDEO, FLV_SCRIPT, or a number that is none of them. */
  typeId: number
  /** Milliseconds, 0 to 2^32 - 1. */
  timestampMs: number
  /** A Buffer of its own. */
  payload: Buffer
}

/** What the file header promises. */
export interface FlvFileHeader {
  hasAudio: boolean
  hasVideo: boolean
}

/**
 * Reads FLV (10.1 E.2 to E.4) that comes in slices of any size: push what came, then read until null. What is held is
 * a small multiple of what has come, never of what a tag declares. The sizes between tags are not checked: encoders
 * write them wrongly and nothing here depends on them.
 */
export class FlvReader {
  readonly #maxTagBytes: number
  #store: Buffer = Buffer.allocUnsafe(0)
  #start = 0
  #end = 0
  #header: FlvFileHeader | null = null

  constructor(options: { maxTagBytes?: number } = {}) {
    this.#maxTagBytes = options.maxTagBytes ?? DEFAULT_MAX_TAG_BYTES
  }

  /** Takes bytes; they are copied. */
  push(bytes: Buffer): void {
    this.#makeRoom(bytes.length)
    bytes.copy(this.#store, this.#end)
    this.#end += bytes.length
  }

  /** The file header, null while it has not come. */
  header(): FlvFileHeader | null {
    this.#readHeader()
    return this.#header
  }

  /**
   * The next tag, null while it has not come whole. Throws CodecError: 'flv_bad_signature', 'flv_bad_header',
   * 'flv_tag_too_big', 'flv_encrypted_tag'; after that nothing more can be read.
   */
  read(): FlvTag | null {
    this.#readHeader()
    const tagStart = this.#start + FLV_PREVIOUS_TAG_SIZE_BYTES
    const payloadStart = tagStart + FLV_TAG_HEADER_BYTES
    if (this.#header === null || payloadStart > this.#end) return null
    // |previous tag size:32| |00:2|filter:1|type:5|size:24|timestamp, lower:24|timestamp, upper:8|stream id:24| payload
    const store = this.#store
    const flags = store.readUInt8(tagStart)
    if ((flags & TAG_FILTER) !== 0) throw new CodecError('flv_encrypted_tag', `tag of type ${flags} is encrypted`)
    const payloadBytes = store.readUIntBE(tagStart + 1, 3)
    if (payloadBytes > this.#maxTagBytes) {
      throw new CodecError('flv_tag_too_big', `a tag may have ${this.#maxTagBytes} bytes, declares ${payloadBytes}`)
    }
    const payloadEnd = payloadStart + payloadBytes
    if (payloadEnd > this.#end) return null
    const upper = store.readUInt8(tagStart + 7)
    const timestampMs = store.readUIntBE(tagStart + 4, 3) + upper * TIMESTAMP_UPPER_UNIT
    const payload = Buffer.from(store.subarray(payloadStart, payloadEnd))
    this.#consume(payloadEnd)
    return { typeId: flags & TAG_TYPE_MASK, timestampMs, payload }
  }

  #readHeader(): void {
    const held = this.#end - this.#start
    if (this.#header !== null || held < FLV_HEADER_BYTES) return
    // |FLV|version:8|00000:5|audio:1|0:1|video:1|header size:32|
    const signature = this.#store.readUIntBE(this.#start, 3)
    if (signature !== SIGNATURE) {
      throw new CodecError('flv_bad_signature', `FLV begins with 0x464c56, found 0x${signature.toString(16)}`)
    }
    const headerBytes = this.#store.readUInt32BE(this.#start + 5)
    if (headerBytes < FLV_HEADER_BYTES || headerBytes > MAX_HEADER_BYTES) {
      const bounds = `${FLV_HEADER_BYTES} to ${MAX_HEADER_BYTES}`
      throw new CodecError('flv_bad_header', `an FLV header has ${bounds} bytes, declares ${headerBytes}`)
    }
    if (held < headerBytes) return
    const flags = this.#store.readUInt8(this.#start + 4)
    this.#header = { hasAudio: (flags & FLV_FLAG_AUDIO) !== 0, hasVideo: (flags & FLV_FLAG_VIDEO) !== 0 }
    this.#consume(this.#start + headerBytes)
  }

  #consume(to: number): void {
    this.#start = to
    const held = this.#end - to
    // One big tag must not keep its store for the rest of a connection.
    const oversized = this.#store.length > FIRST_STORE_BYTES && held <= this.#store.length / SHRINK_RATIO
    if (oversized) this.#moveTo(newStore(held))
  }

  #makeRoom(bytes: number): void {
    if (this.#end + bytes <= this.#store.length) return
    const needed = this.#end - this.#start + bytes
    this.#moveTo(needed <= this.#store.length / 2 ? this.#store : newStore(needed))
  }

  #moveTo(target: Buffer): void {
    this.#store.copy(target, 0, this.#start, this.#end)
    this.#store = target
    this.#end -= this.#start
    this.#start = 0
  }
}

function newStore(bytes: number): Buffer {
  return Buffer.allocUnsafeSlow(Math.max(FIRST_STORE_BYTES, bytes * 2))
}
