import { CodecError } from '../../codec/errors.ts'
import { parseAudioTag } from '../../format/flv/audio.ts'
import { FlvReader, type FlvTag } from '../../format/flv/reader.ts'
import { FlvRecording } from '../../format/flv/recording.ts'
import {
  FLV_AUDIO,
  FLV_HEADER_BYTES,
  FLV_PREVIOUS_TAG_SIZE_BYTES,
  FLV_SCRIPT,
  FLV_VIDEO,
  flvTagSize,
} from '../../format/flv/tag.ts'
import { parseVideoTag } from '../../format/flv/video.ts'
import { asObject } from '../../rtmp/amf-value.ts'
import { decodeAmf0 } from '../../rtmp/amf0.ts'
import type { Disk, DiskFile } from '../../st/disk.ts'
import type { Thread } from '../../st/thread.ts'
import { DISK_TIMEOUT_MS } from './folders.ts'
import { FrameTimes } from './frame-times.ts'

const PIECE_BYTES = 1024 * 1024
const TAGS: ReadonlySet<number> = new Set([FLV_SCRIPT, FLV_VIDEO, FLV_AUDIO])
const FIRST_TAG = FLV_HEADER_BYTES + FLV_PREVIOUS_TAG_SIZE_BYTES

/**
 * Gives a recording whose writer was stopped its length and its index, and cuts off the tag that is not whole.
 * @returns false when there is no frame in it
 * @throws DiskError, TimeoutError, InterruptedError
 */
export async function finishFlv(thread: Thread, disk: Disk, path: string): Promise<boolean> {
  const file = await disk.open(thread, path, 'update', DISK_TIMEOUT_MS)
  try {
    const scan = new FlvScan()
    await readTags(thread, file, scan)
    await scan.endWithWhole(thread, file)
    await file.truncate(thread, scan.end, DISK_TIMEOUT_MS)
    const closing = scan.closing()
    if (closing) await file.write(thread, closing, 0, DISK_TIMEOUT_MS)
    await file.sync(thread, DISK_TIMEOUT_MS)
    return scan.hasFrames
  } finally {
    await file.close(thread, DISK_TIMEOUT_MS)
  }
}

async function readTags(thread: Thread, file: DiskFile, scan: FlvScan): Promise<void> {
  const reader = new FlvReader()
  for (let position = 0; ; position += PIECE_BYTES) {
    const bytes = await file.read(thread, PIECE_BYTES, position, DISK_TIMEOUT_MS)
    reader.push(bytes)
    try {
      for (let tag = reader.read(); tag; tag = reader.read()) if (!scan.take(tag)) return
    } catch (error) {
      // A machine that lost its power can leave anything behind what was written.
      if (error instanceof CodecError) return
      throw error
    }
    if (bytes.length < PIECE_BYTES) return
  }
}

/** What the whole tags of a file say. */
class FlvScan {
  readonly #times = new FrameTimes()
  #recording: FlvRecording | null = null
  #headBytes = 0
  #hasSeekPoint = false
  #newest: FlvTag | null = null
  /** Behind the last whole tag. */
  end = FIRST_TAG

  get hasFrames(): boolean {
    return this.#times.has('video') || this.#times.has('audio')
  }

  /** @returns false when it is none: a power cut can leave zeros where the end of a file was */
  take(tag: FlvTag): boolean {
    if (!TAGS.has(tag.typeId)) return false
    if (this.#newest) this.#add(this.#newest)
    this.#newest = tag
    return true
  }

  /**
   * The last tag is whole if the size behind it is that of the tag; those before it are: another one follows. Zeros at
   * the end of a file are what a power cut leaves.
   */
  async endWithWhole(thread: Thread, file: DiskFile): Promise<void> {
    const tag = this.#newest
    if (!tag) return
    const bytes = flvTagSize(tag.payload.length)
    const position = this.end + bytes - FLV_PREVIOUS_TAG_SIZE_BYTES
    const size = Buffer.alloc(FLV_PREVIOUS_TAG_SIZE_BYTES)
    size.writeUInt32BE(bytes - size.length)
    const found = await file.read(thread, size.length, position, DISK_TIMEOUT_MS)
    if (found.length === size.length ? !found.equals(size) : tag.payload.at(-1) === 0) return
    if (found.length < size.length) await file.write(thread, size, position, DISK_TIMEOUT_MS)
    this.#add(tag)
  }

  #add(tag: FlvTag): void {
    if (tag.typeId === FLV_SCRIPT && this.end === FIRST_TAG) this.#begin(tag)
    else if (tag.typeId === FLV_VIDEO) this.#addVideo(tag)
    else if (tag.typeId === FLV_AUDIO && parseAudioTag(tag.payload).type === 'frame') {
      this.#times.note('audio', tag.timestampMs)
    }
    this.end += flvTagSize(tag.payload.length)
  }

  /** What belongs to the beginning of the file; null when that is not as we write it. */
  closing(): Buffer | null {
    const closing = this.#recording?.closing({
      durationMs: this.#times.durationMs,
      fileBytes: this.end,
      hasAudio: this.#times.has('audio'),
      hasVideo: this.#times.has('video'),
    })
    return closing?.length === this.#headBytes ? closing : null
  }

  #begin({ payload }: FlvTag): void {
    const [, metadata] = decodeAmf0(payload)
    this.#recording = new FlvRecording(asObject(metadata) ?? {})
    this.#headBytes = FIRST_TAG + flvTagSize(payload.length)
  }

  #addVideo({ timestampMs, payload }: FlvTag): void {
    const { type, isKey } = parseVideoTag(payload)
    const isFirstHeader = type === 'header' && !this.#hasSeekPoint
    if (isFirstHeader || isKey) {
      this.#recording?.addKeyFrame(timestampMs, this.end)
      this.#hasSeekPoint = true
    }
    if (type === 'frame') this.#times.note('video', timestampMs)
  }
}
