import { CodecError } from '../../codec/errors.ts'
import { Column, RunColumn } from './column.ts'

/** A part of a file. */
export interface ByteRange {
  readonly offset: number
  readonly length: number
}

/** What a fragment says of a sample; times in ticks of its track. */
export interface IndexedSample {
  readonly duration: number
  readonly bytes: number
  readonly compositionTicks: number
  readonly isKey: boolean
}

/** Samples of one track that lie behind each other in a file. */
export interface IndexedRun {
  readonly trackId: number
  /** Decode time of the first one. */
  readonly dts: number
  /** Where the first one lies in the file. */
  readonly offset: number
  readonly samples: readonly IndexedSample[]
}

const MAX_UINT32 = 0xff_ff_ff_ff
const UINT32_RANGE = 2 ** 32
/** About what an object of two numbers takes. */
const RANGE_BYTES = 64
const DEFAULT_MAX_BYTES = 256 * 1024 * 1024

/**
 * Where the samples of a fragmented recording lie and when they are to be shown: what the index of a finished file is
 * made of. Tables are kept as the file will have them, 4 bytes a sample, 8 more where its duration and 8 more where its
 * composition time is not that of the sample before, 4 for a key frame among others, 8 for a run: 4 bytes a frame of AAC,
 * 12 to 20 bytes a picture with B-frames.
 */
export class SampleIndex {
  readonly #maxBytes: number
  readonly #tracks = new Map<number, TrackIndex>()
  readonly #ranges: ByteRange[] = []
  #mediaBytes = 0

  /** @param maxBytes bounds the memory: by default 256 MiB, about five days of 25 pictures a second with sound */
  constructor(maxBytes: number = DEFAULT_MAX_BYTES) {
    this.#maxBytes = maxBytes
  }

  /** Memory of the tables. */
  get bytes(): number {
    let bytes = this.#ranges.length * RANGE_BYTES
    for (const track of this.#tracks.values()) bytes += track.bytes
    return bytes
  }

  /** Bytes of all samples' ranges together: the media of the finished file. */
  get mediaBytes(): number {
    return this.#mediaBytes
  }

  /** What is to be copied from the recording, one behind the other. */
  get ranges(): readonly ByteRange[] {
    return this.#ranges
  }

  /** The samples of a track, null when it has none. */
  track(id: number): TrackIndex | null {
    return this.#tracks.get(id) ?? null
  }

  /**
   * Adds a fragment: the bytes of its mdat and the runs that lie in them.
   * @throws CodecError 'mp4_index_too_big', 'mp4_fragment_disorder' when a run begins before the last sample of its track,
   *   'mp4_time_invalid'
   */
  addFragment(data: ByteRange, runs: readonly IndexedRun[]): void {
    if (this.bytes > this.#maxBytes) {
      throw new CodecError('mp4_index_too_big', `an index has ${this.#maxBytes} bytes, this has ${this.bytes}`)
    }
    for (const run of runs) {
      if (run.samples.length > 0) this.#trackOf(run.trackId).addRun(run, this.#mediaBytes + run.offset - data.offset)
    }
    this.#ranges.push(data)
    this.#mediaBytes += data.length
  }

  #trackOf(id: number): TrackIndex {
    const known = this.#tracks.get(id)
    if (known) return known
    const track = new TrackIndex()
    this.#tracks.set(id, track)
    return track
  }
}

/** The tables of one track. */
export class TrackIndex {
  /** stts, less the newest sample, which lasts until the next run. */
  readonly #durations = new RunColumn()
  readonly compositions = new RunColumn()
  /** Numbers of the samples at which decoding can begin, from 1; empty as long as that is true of all. */
  readonly keys = new Column()
  readonly sizes = new Column()
  /** For each chunk its place in the media, as two halves. */
  readonly #places = new Column()
  /** For each change of it the first chunk, its samples and the description 1. */
  readonly chunks = new Column()
  #chunkSamples = 0
  #firstDts = -1
  #firstComposition = 0
  #lastDts = 0
  #lastDuration = 0
  #hasComposition = false
  #hasOnlyKeys = true

  get bytes(): number {
    const columns = [this.#durations, this.compositions, this.keys, this.sizes, this.#places, this.chunks]
    return columns.reduce((sum, column) => sum + column.bytes, 0)
  }

  /** Decode time of the first sample, ticks. */
  get firstDts(): number {
    return this.#firstDts
  }

  /** Composition offset of the first sample, ticks. */
  get firstComposition(): number {
    return this.#firstComposition
  }

  /** From the first sample's decode time to the end of the last one, ticks. */
  get duration(): number {
    return this.#lastDts + this.#lastDuration - this.#firstDts
  }

  /** Some sample is not shown at its decode time. */
  get hasComposition(): boolean {
    return this.#hasComposition
  }

  /** Decoding can begin at every sample. */
  get hasOnlyKeys(): boolean {
    return this.#hasOnlyKeys
  }

  get chunkCount(): number {
    return this.#places.length / 2
  }

  /** Durations of all samples, the last one's as its fragment says. */
  durations(): { entries: number; pieces: Buffer[] } {
    const last = new RunColumn()
    last.push(this.#lastDuration)
    return { entries: this.#durations.entries + 1, pieces: [...this.#durations.pieces(), ...last.pieces()] }
  }

  /** Where a chunk lies in the media. */
  place(chunk: number): number {
    return this.#places.at(2 * chunk) * UINT32_RANGE + this.#places.at(2 * chunk + 1)
  }

  /** Adds a run that has samples, which lies at `place` in the media. Throws CodecError, see SampleIndex. */
  addRun({ dts, samples }: IndexedRun, place: number): void {
    this.#addChunk(place, samples.length)
    this.#endLast(dts)
    for (const sample of samples) this.#addSample(sample)
  }

  #addChunk(place: number, samples: number): void {
    this.#places.push(Math.floor(place / UINT32_RANGE))
    this.#places.push(place % UINT32_RANGE)
    if (samples === this.#chunkSamples) return
    this.#chunkSamples = samples
    for (const value of [this.chunkCount, samples, 1]) this.chunks.push(value)
  }

  /** A finished file has no times but durations: the sample before a run lasts until the run begins. */
  #endLast(dts: number): void {
    if (this.sizes.length === 0) {
      this.#firstDts = dts
      this.#lastDts = dts
      return
    }
    const duration = dts - this.#lastDts
    if (duration < 0) throw new CodecError('mp4_fragment_disorder', `a run begins at ${dts}, before ${this.#lastDts}`)
    if (duration > MAX_UINT32) throw new CodecError('mp4_time_invalid', `a sample cannot last ${duration} ticks`)
    this.#lastDuration = duration
  }

  #addSample({ duration, bytes, compositionTicks, isKey }: IndexedSample): void {
    const isFirst = this.sizes.length === 0
    if (isFirst) this.#firstComposition = compositionTicks
    else {
      this.#durations.push(this.#lastDuration)
      this.#lastDts += this.#lastDuration
    }
    this.#lastDuration = duration
    this.sizes.push(bytes)
    this.#addKey(isKey)
    this.compositions.push(compositionTicks >>> 0)
    if (compositionTicks !== 0) this.#hasComposition = true
  }

  #addKey(isKey: boolean): void {
    const number = this.sizes.length
    if (!isKey && this.#hasOnlyKeys) {
      this.#hasOnlyKeys = false
      for (let before = 1; before < number; before++) this.keys.push(before)
    }
    if (isKey && !this.#hasOnlyKeys) this.keys.push(number)
  }
}
