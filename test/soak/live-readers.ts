import { FlvReader } from '../../src/format/flv/reader.ts'
import { FLV_AUDIO, FLV_VIDEO } from '../../src/format/flv/tag.ts'
import { FrameRuns } from '../sim/frame-runs.ts'
import { identify, MP3_HEADER, type SentPublish } from '../sim/media.ts'
import type { PlayerCheck } from '../sim/player-check.ts'
import { readTsSegment } from '../sim/ts-segment.ts'

// What players over HTTP get, taken apart while it comes, and every byte looked at. Each `push` returns how many frames came.

/** Takes what comes of a body. */
export interface LiveReader {
  /** @returns frames @throws Violation, CodecError, Error */
  push(bytes: Buffer): number
}

/** FLV in the binary messages of a WebSocket: a server's frames, which are not masked. */
export class WebSocketReader implements LiveReader {
  readonly #flv = new FlvReader()
  readonly #check: PlayerCheck
  #bytes: Buffer = Buffer.alloc(0)

  constructor(check: PlayerCheck) {
    this.#check = check
  }

  push(bytes: Buffer): number {
    this.#bytes = Buffer.concat([this.#bytes, bytes])
    for (let message = this.#message(); message; message = this.#message()) this.#flv.push(message)
    let frames = 0
    for (let tag = this.#flv.read(); tag; tag = this.#flv.read()) {
      if (tag.typeId !== FLV_AUDIO && tag.typeId !== FLV_VIDEO) continue
      this.#check.take(tag.typeId === FLV_AUDIO ? 'audio' : 'video', tag.timestampMs, tag.payload)
      frames++
    }
    return frames
  }

  /** The next one that is data; null: it has not come whole. */
  #message(): Buffer | null {
    for (;;) {
      const bytes = this.#bytes
      const short = bytes.length < 2 ? 0 : bytes.readUInt8(1)
      const headBytes = short === 127 ? 10 : short === 126 ? 4 : 2
      if (bytes.length < headBytes) return null
      const length = short === 127 ? Number(bytes.readBigUInt64BE(2)) : short === 126 ? bytes.readUInt16BE(2) : short
      if (bytes.length < headBytes + length) return null
      this.#bytes = bytes.subarray(headBytes + length)
      if (bytes[0] === 0x82) return bytes.subarray(headBytes, headBytes + length)
      if (bytes[0] !== 0x88 && bytes[0] !== 0x89) throw new Error(`a frame that begins with ${bytes[0]}`)
    }
  }
}

/** Frames without messages around them: of one publish none may be missing, and no publish comes again. */
class LiveRuns {
  readonly #name: string
  readonly #stream: string
  readonly #publishes: readonly SentPublish[]
  #publish = -1
  #runs: FrameRuns | null = null

  constructor(name: string, stream: string, publishes: readonly SentPublish[]) {
    this.#name = name
    this.#stream = stream
    this.#publishes = publishes
  }

  take(bytes: Buffer, dtsMs: number | null): number {
    const publish = identify(bytes)?.publish ?? this.#publish
    if (publish > this.#publish) this.#runs = null
    this.#publish = publish
    this.#runs ??= new FrameRuns(this.#name, this.#stream, this.#publishes)
    return this.#runs.take(bytes, dtsMs)
  }
}

const TS_PACKET_BYTES = 188
const TS_TABLES: ReadonlySet<number> = new Set([0, 0x1001])

/** MPEG-TS without end. */
export class TsReader implements LiveReader {
  readonly #runs: LiveRuns
  #bytes: Buffer = Buffer.alloc(0)

  constructor(name: string, stream: string, publishes: readonly SentPublish[]) {
    this.#runs = new LiveRuns(name, stream, publishes)
  }

  push(bytes: Buffer): number {
    this.#bytes = Buffer.concat([this.#bytes, bytes])
    const whole = this.#lastStart()
    if (whole === 0) return 0
    let frames = 0
    for (const { payload, dtsMs } of readTsSegment(this.#bytes.subarray(0, whole))) {
      const count = this.#runs.take(payload, dtsMs)
      if (count !== 1) throw new Error(`a PES packet of ${count} frames`)
      frames++
    }
    this.#bytes = this.#bytes.subarray(whole)
    return frames
  }

  /** Where the last PES packet begins: all before it have come whole. */
  #lastStart(): number {
    const packets = Math.floor(this.#bytes.length / TS_PACKET_BYTES)
    for (let at = (packets - 1) * TS_PACKET_BYTES; at > 0; at -= TS_PACKET_BYTES) {
      const word = this.#bytes.readUInt16BE(at + 1)
      if ((word & 0x4000) !== 0 && !TS_TABLES.has(word & 0x1fff)) return at
    }
    return 0
  }
}

const ADTS_BYTES = 7
const MOST_ID_BYTES = 19

/** Sound without container, frame behind frame. */
export class SoundReader implements LiveReader {
  readonly #runs: LiveRuns
  readonly #publishes: readonly SentPublish[]
  readonly #isAac: boolean
  #bytes: Buffer = Buffer.alloc(0)

  constructor(name: string, stream: string, publishes: readonly SentPublish[], isAac: boolean) {
    this.#runs = new LiveRuns(name, stream, publishes)
    this.#publishes = publishes
    this.#isAac = isAac
  }

  push(bytes: Buffer): number {
    this.#bytes = Buffer.concat([this.#bytes, bytes])
    let frames = 0
    for (let frame = this.#frame(); frame; frame = this.#frame()) frames += this.#runs.take(frame, null)
    return frames
  }

  /** The next one; null: it has not come whole. */
  #frame(): Buffer | null {
    const bytes = this.#bytes
    const headBytes = this.#isAac ? ADTS_BYTES : MP3_HEADER.length
    if (bytes.length < headBytes + MOST_ID_BYTES) return null
    const end = headBytes + this.#said(bytes.subarray(headBytes)).length
    if (bytes.length < end) return null
    if (this.#isAac) checkAdts(bytes, end)
    else if (!bytes.subarray(0, headBytes).equals(MP3_HEADER)) throw new Error('a frame without the header of MP3')
    this.#bytes = bytes.subarray(end)
    return bytes.subarray(headBytes, end)
  }

  /** What the frame must be. */
  #said(bytes: Buffer): Buffer {
    const id = identify(bytes.subarray(0, MOST_ID_BYTES))
    const message = this.#publishes[id?.publish ?? -1]?.messages[id?.place ?? -1]
    if (!message) throw new Error(`a frame that nobody sent: ${bytes.toString('latin1', 0, 40)}`)
    return message.said
  }
}

function checkAdts(bytes: Buffer, frameBytes: number): void {
  const declared = (bytes.readUIntBE(3, 3) >> 5) & 0x1fff
  const sync = bytes.readUInt16BE(0) & 0xfff6
  if (sync !== 0xfff0 || declared !== frameBytes) throw new Error(`ADTS says ${declared} bytes of ${frameBytes}`)
}
