import { FLV_SCRIPT, flvHeader, flvTagSize, writeFlvTag } from './tag.ts'

const NUMBER = 0
const BOOLEAN = 1
const STRING = 2
const OBJECT = 3
const ECMA_ARRAY = 8
const STRICT_ARRAY = 10
const OBJECT_END = Buffer.of(0, 0, 9)
/** ffmpeg stops reading metadata at a longer one. */
const MAX_STRING_BYTES = 1023
/** A marker and eight bytes. */
const NUMBER_BYTES = 9
const EVENT = 'onMetaData'

const DEFAULT_KEY_FRAMES = 1024
const MAX_KEY_FRAMES = 3_600
/** What this file knows better than whoever gives metadata. */
const OWN: ReadonlySet<string> = new Set([
  'duration',
  'filesize',
  'lasttimestamp',
  'hasAudio',
  'hasVideo',
  'hasKeyframes',
  'keyframes',
])

/** What is known when a recording ends. */
export interface RecordingEnd {
  /** From time 0 of the file to the end of its last frame, ms. */
  readonly durationMs: number
  readonly fileBytes: number
  readonly hasAudio: boolean
  readonly hasVideo: boolean
}

interface KeyFrame {
  timeMs: number
  position: number
}

/**
 * The first bytes of a recorded FLV file: the file header and `onMetaData` with `duration`, `filesize` and an index of
 * key frames, by which players seek. They are written twice: as `opening` when the recording begins, and over that,
 * just as long, as `closing` when it ends. A recording that was not closed is a live stream to players: it plays and has
 * no length. Source: FLV 10.1 E.5, AMF0 2; the index is flvtool2's, which flv.js, mpegts.js and ffmpeg read.
 */
export class FlvRecording {
  readonly #plain: readonly Buffer[]
  readonly #maxKeyFrames: number
  #keyFrames: KeyFrame[] = []
  /** Of so many key frames one is kept. */
  #stride = 1
  #seen = 0

  /**
   * @param metadata numbers, booleans and strings of at most 1,023 bytes are written, the rest is not
   * @param maxKeyFrames 2 to 3,600: room that is kept for the index, 18 bytes each; of more key frames every second one
   *   is left out, as often as it takes
   */
  constructor(metadata: Readonly<Record<string, unknown>>, maxKeyFrames: number = DEFAULT_KEY_FRAMES) {
    this.#plain = Object.entries(metadata).flatMap(([name, value]) => (OWN.has(name) ? [] : property(name, value)))
    this.#maxKeyFrames = Math.min(Math.max(2, maxKeyFrames), MAX_KEY_FRAMES)
  }

  /** The beginning of the file, which does not know yet how it ends. */
  opening(hasAudio: boolean, hasVideo: boolean): Buffer {
    return this.#write({ durationMs: 0, fileBytes: 0, hasAudio, hasVideo }, [])
  }

  /**
   * Notes a key frame, so that players find it.
   * @param timeMs its time in the file
   * @param position where its tag begins. The first is to be the video's sequence header, which is of the key type too:
   *   players by flv.js's kind leave out the first one
   */
  addKeyFrame(timeMs: number, position: number): void {
    const number = this.#seen++
    if (this.#isKept(number) && this.#keyFrames.length === this.#maxKeyFrames) this.#thinOut()
    if (this.#isKept(number)) this.#keyFrames.push({ timeMs, position })
  }

  /** The same bytes with all that is known at the end, to be written over the beginning of the file. */
  closing(end: RecordingEnd): Buffer {
    return this.#write(end, this.#keyFrames)
  }

  /** The sequence header, the first frame and each STRIDE-th after it. */
  #isKept(number: number): boolean {
    return number === 0 || (number - 1) % this.#stride === 0
  }

  #thinOut(): void {
    this.#stride *= 2
    this.#keyFrames = this.#keyFrames.filter((_frame, index) => index === 0 || index % 2 === 1)
  }

  #write({ durationMs, fileBytes, hasAudio, hasVideo }: RecordingEnd, keyFrames: readonly KeyFrame[]): Buffer {
    const index = Buffer.concat([
      key('keyframes'),
      Buffer.of(OBJECT),
      key('times'),
      ...numbers(keyFrames.map(({ timeMs }) => timeMs / 1000)),
      key('filepositions'),
      ...numbers(keyFrames.map(({ position }) => position)),
      OBJECT_END,
    ])
    const properties = [
      ...property('duration', durationMs / 1000),
      ...property('filesize', fileBytes),
      ...this.#plain,
      ...property('hasAudio', hasAudio),
      ...property('hasVideo', hasVideo),
      index,
    ]
    return fileHead(hasAudio, hasVideo, properties, this.#maxKeyFrames - keyFrames.length)
  }
}

function fileHead(hasAudio: boolean, hasVideo: boolean, properties: readonly Buffer[], unused: number): Buffer {
  // The room that the index does not take is filled with numbers behind the metadata, which nobody reads.
  const filler = Buffer.alloc(2 * NUMBER_BYTES * unused)
  const values = counted(ECMA_ARRAY, properties.length)
  const payload = Buffer.concat([stringValue(EVENT), values, ...properties, OBJECT_END, filler])
  const header = flvHeader(hasAudio, hasVideo)
  const out = Buffer.alloc(header.length + flvTagSize(payload.length))
  header.copy(out)
  writeFlvTag(out, header.length, FLV_SCRIPT, 0, payload)
  return out
}

/** Name and value, or nothing when AMF0 has no short form of them. */
function property(name: string, value: unknown): Buffer[] {
  if (name === '' || Buffer.byteLength(name) > MAX_STRING_BYTES) return []
  const bytes = plainValue(value)
  return bytes ? [Buffer.concat([key(name), bytes])] : []
}

function plainValue(value: unknown): Buffer | null {
  if (typeof value === 'number') return numberValue(value)
  if (typeof value === 'boolean') return Buffer.of(BOOLEAN, value ? 1 : 0)
  if (typeof value === 'string' && Buffer.byteLength(value) <= MAX_STRING_BYTES) return stringValue(value)
  return null
}

function key(name: string): Buffer {
  const text = Buffer.from(name)
  const out = Buffer.alloc(2 + text.length)
  out.writeUInt16BE(text.length)
  text.copy(out, 2)
  return out
}

function stringValue(text: string): Buffer {
  return Buffer.concat([Buffer.of(STRING), key(text)])
}

function numberValue(value: number): Buffer {
  const out = Buffer.alloc(NUMBER_BYTES)
  out.writeUInt8(NUMBER)
  out.writeDoubleBE(value, 1)
  return out
}

function numbers(values: readonly number[]): Buffer[] {
  return [counted(STRICT_ARRAY, values.length), ...values.map(numberValue)]
}

function counted(marker: number, count: number): Buffer {
  const out = Buffer.alloc(5)
  out.writeUInt8(marker)
  out.writeUInt32BE(count, 1)
  return out
}
