import { CodecError } from '../codec/errors.ts'
import { ChunkStream } from './chunk-stream.ts'
import { controlValue, DEFAULT_CHUNK_BYTES, MSG, parseChunkSize, type RtmpMessage } from './message.ts'

// RTMP 1.0 section 5.3.1, one chunk: | basic header | message header | extended timestamp | payload |
//
//   basic header    5.3.1.1   |fmt:2|csid:6|                                   csid 2..63
//                             |fmt:2|  0   | csid - 64:8 |                     csid 64..319
//                             |fmt:2|  1   | csid - 64:16, low byte first |    csid 64..65599
//   message header  5.3.1.2   | timestamp:24 | length:24 | type:8 | stream id:32, low byte first |    fmt 0
//                             | delta:24     | length:24 | type:8 |                                   fmt 1
//                             | delta:24     |                                                        fmt 2
//                             nothing                                                                 fmt 3
//   extended        5.3.1.3   | timestamp or delta:32 |    when the last 24-bit one is 0xFFFFFF
const FMT_SHIFT = 6
const CSID_MASK = 0x3f
const CSID_OFFSET = 64
const FMT_FULL = 0
const FMT_SAME_STREAM = 1
const FMT_CONTINUE = 3
const MESSAGE_HEADER_BYTES = [11, 7, 3, 0] as const
const LENGTH_AT = 3
const TYPE_AT = 6
const STREAM_ID_AT = 7
const EXTENDED = 0xffffff
const EXTENDED_BYTES = 4
const NOTHING = Buffer.alloc(0)

// Answers of compareU32, the more certain the greater.
const DIFFERS = 0
const TOO_SHORT = 1
const SAME = 2

/** What one peer may make a `ChunkReader` keep. */
export interface ChunkLimits {
  /** Longest message, in bytes. Default 8 MiB. */
  readonly maxMessageBytes: number
  /** Bytes that have arrived of messages that are not complete, over all chunk streams. Default 16 MiB. */
  readonly maxPartialBytes: number
  /** Chunk streams in use. Default 64. */
  readonly maxChunkStreams: number
}

/** For those who are not told otherwise. */
export const CHUNK_LIMITS: ChunkLimits = { maxMessageBytes: 8 << 20, maxPartialBytes: 16 << 20, maxChunkStreams: 64 }

/**
 * Makes messages out of the bytes of one RTMP connection, after its handshake: RTMP 1.0 section 5.3. Push what has
 * arrived, read until null. Set Chunk Size and Abort are obeyed here and handed out too; empty messages are skipped.
 * A payload is a Buffer of its own: the pushed buffers are let go as soon as they are read.
 */
export class ChunkReader {
  readonly #limits: ChunkLimits
  /** A handful as a rule, so that to look through them is quick. */
  #streams: readonly ChunkStream[] = []
  /** Beyond `#bytes`; null when there is nothing: an empty array that once held something keeps room for 17. */
  #queue: Buffer[] | null = null
  #bytes: Buffer = NOTHING
  #pos = 0
  /** The chunk stream of the chunk in progress, and how much payload that chunk still lacks. */
  #stream = new ChunkStream(0)
  #chunkLeft = 0
  #chunkBytes = DEFAULT_CHUNK_BYTES
  #partialBytes = 0

  constructor(limits = CHUNK_LIMITS) {
    this.#limits = limits
  }

  /** Adds bytes that have arrived. It may not change before it is read or `letGo` is called. */
  push(bytes: Buffer): void {
    if (bytes.length === 0) return
    if (this.#pos === this.#bytes.length && !this.#queue) this.#use(bytes)
    else if (this.#queue) this.#queue.push(bytes)
    else this.#queue = [bytes]
  }

  /**
   * The next whole message, or null when more bytes are needed. After an error the reader is of no use.
   * @throws CodecError 'chunk_first_fmt', 'chunk_mid_message', 'chunk_message_too_large', 'chunk_partial_too_large',
   *   'chunk_too_many_streams', 'chunk_size_invalid', 'message_short'
   */
  read(): RtmpMessage | null {
    for (;;) {
      const message = this.#chunkLeft > 0 ? this.#readPayload() : null
      if (message !== null) return message
      const isChunkOver = this.#chunkLeft === 0
      if (isChunkOver && this.#readHeader()) continue
      if (!this.#refill()) return null
    }
  }

  /** What has been pushed may change from now on: the little that has not been read is copied. */
  letGo(): void {
    if (this.#pos === this.#bytes.length && !this.#queue) return
    this.#use(Buffer.concat([this.#bytes.subarray(this.#pos), ...(this.#queue ?? [])]))
    this.#queue = null
  }

  /** What has been pushed behind the last message that was read; null: that is in the middle of another one. */
  get rest(): Buffer | null {
    if (this.#chunkLeft > 0 || this.#streams.some((stream) => stream.isOpen)) return null
    return Buffer.concat([this.#bytes.subarray(this.#pos), ...(this.#queue ?? [])])
  }

  /** Goes on to the next pushed buffer, with the few bytes of an unfinished header before it. */
  #refill(): boolean {
    const isUsedUp = this.#pos === this.#bytes.length
    const next = this.#queue?.shift()
    if (this.#queue?.length === 0) this.#queue = null
    if (next === undefined) {
      if (isUsedUp) this.#use(NOTHING)
      return false
    }
    this.#use(isUsedUp ? next : Buffer.concat([this.#bytes.subarray(this.#pos), next]))
    return true
  }

  #use(bytes: Buffer): void {
    this.#bytes = bytes
    this.#pos = 0
  }

  /** Takes what is there of the open chunk's payload; the message when that was the last of it. */
  #readPayload(): RtmpMessage | null {
    const stream = this.#stream
    const bytes = this.#bytes
    const spanBytes = this.#spanOf(stream)
    if (spanBytes > 0) return this.#readSpan(stream, spanBytes)
    const count = Math.min(this.#chunkLeft, bytes.length - this.#pos)
    this.#countPartial(count)
    stream.append(bytes, this.#pos, count)
    this.#pos += count
    this.#chunkLeft -= count
    return stream.arrivedBytes === stream.header.messageBytes ? this.#finish(stream) : null
  }

  /**
   * How far a message of several chunks reaches from its first byte of payload on, when all of it is there and nothing but
   * the shortest header, of one byte, stands between two chunks; 0: it must be read chunk by chunk.
   */
  #spanOf({ csid, header, arrivedBytes }: ChunkStream): number {
    const { messageBytes, isExtended } = header
    const chunkBytes = this.#chunkBytes
    if (messageBytes <= chunkBytes || arrivedBytes > 0 || isExtended || csid >= CSID_OFFSET) return 0
    const spanBytes = messageBytes + Math.ceil(messageBytes / chunkBytes) - 1
    const end = this.#pos + spanBytes
    if (end > this.#bytes.length) return 0
    const goesOn = (FMT_CONTINUE << FMT_SHIFT) | csid
    for (let at = this.#pos + chunkBytes; at < end; at += chunkBytes + 1) if (this.#bytes[at] !== goesOn) return 0
    return spanBytes
  }

  #readSpan(stream: ChunkStream, spanBytes: number): RtmpMessage {
    this.#countPartial(stream.header.messageBytes)
    stream.appendAll(this.#bytes, this.#pos, spanBytes, this.#chunkBytes)
    this.#pos += spanBytes
    this.#chunkLeft = 0
    return this.#finish(stream)
  }

  #countPartial(count: number): void {
    this.#partialBytes += count
    const { maxPartialBytes } = this.#limits
    if (this.#partialBytes > maxPartialBytes) {
      const text = `unfinished messages may have ${maxPartialBytes} bytes, have ${this.#partialBytes}`
      throw new CodecError('chunk_partial_too_large', text)
    }
  }

  #finish(stream: ChunkStream): RtmpMessage {
    this.#partialBytes -= stream.arrivedBytes
    const message = stream.take()
    if (message.typeId === MSG.SET_CHUNK_SIZE) this.#chunkBytes = parseChunkSize(message)
    else if (message.typeId === MSG.ABORT) this.#abort(controlValue(message))
    return message
  }

  #abort(csid: number): void {
    const stream = this.#streams.find((candidate) => candidate.csid === csid)
    if (stream === undefined) return
    this.#partialBytes -= stream.arrivedBytes
    stream.drop()
  }

  /** Reads the next chunk header. False when not all of it is there: then nothing has changed. */
  #readHeader(): boolean {
    const bytes = this.#bytes
    const left = bytes.length - this.#pos
    if (left === 0) return false
    const first = bytes[this.#pos]!
    const fmt = first >> FMT_SHIFT
    const csidBits = first & CSID_MASK
    const basicBytes = csidBits > 1 ? 1 : csidBits + 2
    if (left < basicBytes + MESSAGE_HEADER_BYTES[fmt]!) return false
    const at = this.#pos + basicBytes
    const stream = this.#findStream(csidBits > 1 ? csidBits : this.#longCsid(basicBytes), fmt)
    return fmt === FMT_CONTINUE ? this.#readContinue(stream, at) : this.#readFields(stream, fmt, at)
  }

  #longCsid(basicBytes: number): number {
    const at = this.#pos + 1
    return CSID_OFFSET + (basicBytes === 2 ? this.#bytes.readUInt8(at) : this.#bytes.readUInt16LE(at))
  }

  #findStream(csid: number, fmt: number): ChunkStream {
    if (this.#stream.csid === csid) return this.#stream
    for (const stream of this.#streams) if (stream.csid === csid) return stream
    return this.#addStream(csid, fmt)
  }

  /** librtmp sends its first ping with a type 1 header, so what that lacks starts as 0. */
  #addStream(csid: number, fmt: number): ChunkStream {
    if (fmt > FMT_SAME_STREAM) {
      throw new CodecError('chunk_first_fmt', `chunk stream ${csid} must start with type 0 or 1, starts with ${fmt}`)
    }
    const { maxChunkStreams } = this.#limits
    if (this.#streams.length >= maxChunkStreams) {
      throw new CodecError('chunk_too_many_streams', `chunk stream ${csid} is over the limit of ${maxChunkStreams}`)
    }
    const stream = new ChunkStream(csid)
    // As long as what is in it: a push would make room for 17.
    this.#streams = [...this.#streams, stream]
    return stream
  }

  /** The fields of types 0, 1 and 2. In the middle of a message they may only repeat what it started with. */
  #readFields(stream: ChunkStream, fmt: number, at: number): boolean {
    const bytes = this.#bytes
    const extendedAt = at + MESSAGE_HEADER_BYTES[fmt]!
    const shortMs = bytes.readUIntBE(at, 3)
    const isExtended = shortMs === EXTENDED
    const end = isExtended ? extendedAt + EXTENDED_BYTES : extendedAt
    if (bytes.length < end) return false
    const { header } = stream
    if (fmt <= FMT_SAME_STREAM) this.#readLengthAndType(stream, fmt, at)
    if (fmt === FMT_FULL) header.streamId = bytes.readUInt32LE(at + STREAM_ID_AT)
    header.timeMs = isExtended ? bytes.readUInt32BE(extendedAt) : shortMs
    header.isExtended = isExtended
    if (!stream.isOpen) stream.open(fmt === FMT_FULL ? header.timeMs : stream.timestampMs + header.timeMs)
    this.#beginChunk(stream, end)
    return true
  }

  #readLengthAndType(stream: ChunkStream, fmt: number, at: number): void {
    const { csid, header } = stream
    const messageBytes = this.#bytes.readUIntBE(at + LENGTH_AT, 3)
    const typeId = this.#bytes.readUInt8(at + TYPE_AT)
    const isSame = messageBytes === header.messageBytes && typeId === header.typeId
    if (stream.isOpen && (fmt === FMT_FULL || !isSame)) {
      const text = `type ${fmt} header for ${messageBytes} bytes of type ${typeId} on chunk stream ${csid}`
      const open = `${stream.arrivedBytes} of ${header.messageBytes} bytes of type ${header.typeId}`
      throw new CodecError('chunk_mid_message', `${text} comes after ${open}`)
    }
    const { maxMessageBytes } = this.#limits
    if (messageBytes > maxMessageBytes) {
      throw new CodecError('chunk_message_too_large', `message may have ${maxMessageBytes} bytes, has ${messageBytes}`)
    }
    header.messageBytes = messageBytes
    header.typeId = typeId
  }

  /**
   * A type 3 header goes on with the open message, or starts one whose delta is the last one, which after a type 0
   * header is its timestamp (5.3.1.2.4). Where the extended field is due but missing, the writer (librtmp,
   * nginx-rtmp) holds the delta, 0, for too small to need one.
   */
  #readContinue(stream: ChunkStream, at: number): boolean {
    const { header } = stream
    const extended = header.isExtended ? this.#compareExtended(stream, at) : DIFFERS
    if (extended === TOO_SHORT) return false
    const deltaMs = header.isExtended && extended === DIFFERS ? 0 : header.timeMs
    if (!stream.isOpen) stream.open(stream.timestampMs + deltaMs)
    this.#beginChunk(stream, extended === SAME ? at + EXTENDED_BYTES : at)
    return true
  }

  /**
   * Old clients leave out the extended field of type 3 chunks, against 5.3.1.3: four bytes that are neither the field
   * of the last header nor, as some write there, the time of the open message are payload.
   */
  #compareExtended(stream: ChunkStream, at: number): number {
    const asField = compareU32(this.#bytes, at, stream.header.timeMs)
    if (asField === SAME || !stream.isOpen) return asField
    return Math.max(asField, compareU32(this.#bytes, at, stream.timestampMs))
  }

  #beginChunk(stream: ChunkStream, payloadAt: number): void {
    this.#stream = stream
    this.#pos = payloadAt
    // 0 for an empty message: the next header follows at once.
    this.#chunkLeft = Math.min(this.#chunkBytes, stream.header.messageBytes - stream.arrivedBytes)
  }
}

/** Compares as many of the four bytes as are there, so that a difference is seen without waiting for the rest. */
function compareU32(bytes: Buffer, at: number, value: number): number {
  const count = Math.min(EXTENDED_BYTES, bytes.length - at)
  for (let i = 0; i < count; i++) {
    if (bytes[at + i] !== ((value >>> (24 - 8 * i)) & 0xff)) return DIFFERS
  }
  return count === EXTENDED_BYTES ? SAME : TOO_SHORT
}
