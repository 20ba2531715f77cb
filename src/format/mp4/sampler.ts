import type { Sample } from './sample.ts'
import type { Mp4Track } from './track.ts'

/** A frame as a live source has it: its end is not known before the next one comes. */
export interface Frame {
  /** Decode time, ms, not less than that of the frame before. */
  readonly dtsMs: number
  /** Presentation minus decode time, ms; 0 for sound. */
  readonly compositionMs: number
  readonly isKey: boolean
  /** The codec's own bytes. */
  readonly bytes: Buffer
}

/** What is not said takes the value named. */
export interface SamplerOptions {
  /** A longer time to the next frame is a hole and not the length of a frame, ms. Default 60,000. */
  readonly maxGapMs?: number
}

const DEFAULT_MAX_GAP_MS = 60_000
/** As long as the only picture of a track, whose next one never came. */
const DEFAULT_FRAME_MS = 40
/**
 * Sound goes by the number of its samples as long as its times, which are whole ms and often jitter or come in pairs,
 * are not further away than this; then it goes by its times again. Less than people hear between picture and sound.
 */
const SOUND_TOLERANCE_MS = 50
const TEMPORAL_DELIMITER = Buffer.of(0x12, 0)
const ENTRY_TYPE_OFFSET = 4
const ENTRY_TYPE_END = 8

/**
 * Makes samples of the frames of one track, one behind: a sample is done when the next frame has come. Times grow by
 * at least one tick. Where a sample does not begin at the end of the one before (a hole of more than `maxGapMs`) a new
 * fragment must begin.
 */
export class TrackSampler {
  readonly #track: Mp4Track
  readonly #isSound: boolean
  readonly #isAv1: boolean
  readonly #maxGapTicks: number
  #last: { -readonly [Member in keyof Sample]: Sample[Member] } | null = null
  /** What the newest sample whose end was seen lasted. */
  #usualTicks: number

  constructor(track: Mp4Track, { maxGapMs = DEFAULT_MAX_GAP_MS }: SamplerOptions = {}) {
    this.#track = track
    this.#isSound = track.kind === 'audio'
    this.#isAv1 = track.entry.toString('latin1', ENTRY_TYPE_OFFSET, ENTRY_TYPE_END) === 'av01'
    this.#maxGapTicks = this.#ticks(maxGapMs)
    this.#usualTicks = this.#ticks(DEFAULT_FRAME_MS)
  }

  /**
   * Takes a frame and gives the one before it. With `byTime` sound takes this frame's own time instead of counting
   * samples on: at the beginning of a segment, so that what a segment holds does not depend on where it all began,
   * and two servers that get the same times write the same bytes.
   */
  push(frame: Frame, byTime = false): Sample | null {
    const last = this.#last
    const dts = this.#decodeTime(frame, byTime)
    // Counted from the decode time that was given: a tick added to that must not move the picture.
    const compositionTicks = this.#isSound ? 0 : this.#ticks(frame.dtsMs + frame.compositionMs) - dts
    const bytes = this.#isAv1 ? withoutDelimiter(frame.bytes) : frame.bytes
    this.#last = { dts, duration: 0, compositionTicks, isKey: this.#isSound || frame.isKey, bytes }
    if (last) this.#end(last, dts - last.dts)
    return last
  }

  /** Gives the last frame, as long as its bytes say, or as the one before; null when there is none. */
  flush(): Sample | null {
    const last = this.#last
    this.#last = null
    if (last) last.duration = this.#usualLength(last)
    return last
  }

  #end(sample: { duration: number; readonly bytes: Buffer }, ticks: number): void {
    const isHole = ticks > this.#maxGapTicks
    sample.duration = isHole ? this.#usualLength(sample) : ticks
    if (!isHole) this.#usualTicks = ticks
  }

  #usualLength({ bytes }: { readonly bytes: Buffer }): number {
    return this.#lengthOf(bytes) || this.#usualTicks
  }

  #decodeTime({ dtsMs }: Frame, byTime: boolean): number {
    const ownTicks = this.#ticks(dtsMs)
    const last = this.#last
    if (!last) return ownTicks
    const counted = last.dts + this.#lengthOf(last.bytes)
    const isCounted = counted > last.dts && Math.abs(counted - ownTicks) <= this.#ticks(SOUND_TOLERANCE_MS)
    return isCounted && !byTime ? counted : Math.max(ownTicks, last.dts + 1)
  }

  #lengthOf(bytes: Buffer): number {
    return this.#track.frameTicks?.(bytes) ?? 0
  }

  #ticks(ms: number): number {
    return Math.round((ms * this.#track.timescale) / 1000)
  }
}

/** ISO BMFF leaves temporal delimiters out of samples (AV1 in ISOBMFF 2.4); some encoders leave them in. */
function withoutDelimiter(bytes: Buffer): Buffer {
  const has = bytes.length > TEMPORAL_DELIMITER.length && TEMPORAL_DELIMITER.equals(bytes.subarray(0, 2))
  return has ? bytes.subarray(TEMPORAL_DELIMITER.length) : bytes
}
