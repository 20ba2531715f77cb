import { CodecError } from '../../codec/errors.ts'
import { BOX_HEADER_BYTES } from './box.ts'
import { boxType, type ReadBox, readBoxes } from './read-box.ts'
import { readRuns, readTracks } from './read-movie.ts'
import { type ByteRange, type IndexedRun, SampleIndex } from './sample-index.ts'
import type { Mp4Track } from './track.ts'

/** Larger ones are not of us: an hour of sound and pictures in one fragment has 4 MiB. */
const MAX_HEAD_BYTES = 16 * 1024 * 1024

/** What is not said takes its default. */
export interface RecordingOptions {
  /** Bounds the memory of the index, see SampleIndex. */
  readonly maxIndexBytes?: number
}

/**
 * Reads a fragmented recording of ours: the tracks and where their samples lie, without the media. It says which bytes
 * of the file it wants next, the caller reads them. A file that ends in the middle of a fragment, since its writer was
 * killed, is read to its last whole one.
 *
 *     const reading = new RecordingReader(fileBytes)
 *     for (let range = reading.wanted; range; range = reading.wanted) reading.push(await read(range))
 */
export class RecordingReader {
  readonly #fileBytes: number
  readonly #index: SampleIndex
  #tracks: Mp4Track[] = []
  #offset = 0
  /** 0 while a box's header is wanted, else the box's size. */
  #boxBytes = 0
  #runs: IndexedRun[] | null = null
  #isDone = false
  #isCut = false
  #wholeBytes = 0

  constructor(fileBytes: number, { maxIndexBytes }: RecordingOptions = {}) {
    this.#fileBytes = fileBytes
    this.#index = new SampleIndex(maxIndexBytes)
    this.#stopAtEnd()
  }

  /** The part of the file that is to be pushed next, null when all is read. */
  get wanted(): ByteRange | null {
    if (this.#isDone) return null
    return { offset: this.#offset, length: this.#boxBytes === 0 ? BOX_HEADER_BYTES : this.#boxBytes }
  }

  /** Known when all is read. */
  get tracks(): readonly Mp4Track[] {
    return this.#tracks
  }

  /** Complete when all is read. */
  get index(): SampleIndex {
    return this.#index
  }

  /** The file ends within a box: its writer was stopped. */
  get isCut(): boolean {
    return this.#isCut
  }

  /** Behind the last whole fragment. */
  get wholeBytes(): number {
    return this.#wholeBytes
  }

  /**
   * Takes the bytes that were wanted.
   * @throws CodecError 'mp4_bad_box', 'mp4_box_missing', 'mp4_box_too_big', 'mp4_run_unsupported', 'mp4_run_outside', and
   *   those of SampleIndex; then nothing more can be read
   */
  push(bytes: Buffer): void {
    const { wanted } = this
    if (!wanted || bytes.length !== wanted.length) {
      throw new RangeError(`wanted are ${wanted?.length ?? 0} bytes, not ${bytes.length}`)
    }
    if (this.#boxBytes === 0) this.#pushHeader(bytes)
    else this.#pushBox(bytes)
    this.#stopAtEnd()
  }

  #pushHeader(header: Buffer): void {
    const size = header.readUInt32BE(0)
    // A machine that lost its power can leave zeros behind what was written.
    if (size < BOX_HEADER_BYTES || size > this.#fileBytes - this.#offset) return this.#cut()
    const type = boxType(header)
    if (type === 'moov' || type === 'moof') {
      if (size > MAX_HEAD_BYTES) {
        throw new CodecError('mp4_box_too_big', `a ${type} has ${MAX_HEAD_BYTES} bytes, this ${size}`)
      }
      this.#boxBytes = size
      return
    }
    if (type === 'mdat' && this.#runs) {
      this.#addFragment({ offset: this.#offset + BOX_HEADER_BYTES, length: size - BOX_HEADER_BYTES }, this.#runs)
    }
    this.#offset += size
    if (type === 'mdat') this.#wholeBytes = this.#offset
  }

  #pushBox(bytes: Buffer): void {
    const [whole] = readBoxes(bytes)
    if (!whole) throw new CodecError('mp4_bad_box', 'a box without bytes')
    if (whole.type === 'moov') this.#tracks = readTracks(whole)
    else this.#runs = this.#readRuns(whole)
    this.#offset += bytes.length
    this.#boxBytes = 0
  }

  #readRuns(moof: ReadBox): IndexedRun[] {
    const runs = readRuns(moof, this.#offset)
    for (const { trackId } of runs) {
      if (!this.#tracks.some(({ id }) => id === trackId)) {
        throw new CodecError('mp4_box_missing', `there is no track ${trackId}`)
      }
    }
    return runs
  }

  #addFragment(data: ByteRange, runs: readonly IndexedRun[]): void {
    this.#runs = null
    for (const { offset, samples } of runs) {
      const end = samples.reduce((sum, { bytes }) => sum + bytes, offset)
      if (offset < data.offset || end > data.offset + data.length) {
        throw new CodecError('mp4_run_outside', `a run lies at ${offset} to ${end}, outside of its data`)
      }
    }
    this.#index.addFragment(data, runs)
  }

  #stopAtEnd(): void {
    if (this.#isDone || this.#boxBytes > 0) return
    const left = this.#fileBytes - this.#offset
    if (left >= BOX_HEADER_BYTES) return
    if (left > 0) this.#cut()
    else this.#isDone = true
  }

  #cut(): void {
    this.#isDone = true
    this.#isCut = true
  }
}
