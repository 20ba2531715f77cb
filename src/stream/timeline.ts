/** A track's decode time may fall back by this much (reordered senders); it is then held, not taken for a restart. */
const BACKWARD_TOLERANCE_MS = 500
/** A track may run ahead of the wall clock by this much before it is taken for a jump. */
const FORWARD_TOLERANCE_MS = 5_000
/** The step after a jump or between two publishes while the real one is not known. */
const DEFAULT_STEP_MS = 40
const MAX_STEP_MS = 1_000

interface Track {
  inMs: number
  outMs: number
  stepMs: number
  seenMs: number
}

/**
 * Puts the timestamps of a source's publishers on one line, once, at the entrance.
 *
 * One offset serves all tracks of a publish, so what was in sync stays in sync (a clock for each track, or one
 * clock advanced by whichever track comes, drifts apart: ossrs/srs#1001). When a track jumps (restart at 0, hours
 * ahead), the offset is moved so that it goes on one step after its last packet; packets of the other track that
 * are still on the old line are recognised by the offset that was valid before. A track never goes back.
 */
export class Timeline {
  #tracks = new Map<string, Track>()
  #offsetMs: number | null = null
  #otherOffsetMs: number | null = null
  #lastInMs = 0
  #lastOutMs = -1
  /** Corrections made: jumps that moved the offset, and packets that were held to keep a track from going back. */
  jumps = 0
  held = 0

  /** The newest decode time that was given out, 0 before the first: what headers and metadata are stamped with. */
  get nowMs(): number {
    return Math.max(0, this.#lastOutMs)
  }

  /** Starts a publish: its first frame follows the last frame of the publish before; the very first keeps its time. */
  begin(): void {
    this.#tracks = new Map()
    this.#offsetMs = null
    this.#otherOffsetMs = null
  }

  /**
   * @param track names the track, for example 'video0'
   * @param timestampMs as received, 0..2^32-1, wraps
   * @param wallMs monotonic time of arrival
   * @returns the decode time: never less than the track's last one; not wrapped
   */
  correct(track: string, timestampMs: number, wallMs: number): number {
    const last = this.#tracks.get(track)
    const inMs = this.#unwrap(timestampMs, last)
    const outMs = this.#place(inMs, last, wallMs)
    if (last) {
      if (outMs > last.outMs) last.stepMs = Math.min(outMs - last.outMs, MAX_STEP_MS)
      last.inMs = inMs
      last.outMs = outMs
      last.seenMs = wallMs
    } else {
      this.#tracks.set(track, { inMs, outMs, stepMs: DEFAULT_STEP_MS, seenMs: wallMs })
    }
    this.#lastInMs = inMs
    this.#lastOutMs = Math.max(this.#lastOutMs, outMs)
    return outMs
  }

  /** RTMP timestamps are 32 bits wide (RTMP 1.0, 5.3.1.3: compare by serial arithmetic). */
  #unwrap(timestampMs: number, last: Track | undefined): number {
    if (this.#offsetMs === null) return timestampMs
    const reference = last ? last.inMs : this.#lastInMs
    return reference + ((timestampMs - reference) | 0)
  }

  #place(inMs: number, last: Track | undefined, wallMs: number): number {
    const afterMs = last ? last.outMs : this.#lastOutMs
    if (this.#offsetMs === null) {
      this.#offsetMs = afterMs < 0 ? 0 : afterMs + DEFAULT_STEP_MS - inMs
      return inMs + this.#offsetMs
    }
    const aheadMs = FORWARD_TOLERANCE_MS + (last ? wallMs - last.seenMs : 0)
    const fits = (outMs: number): boolean => outMs >= afterMs - BACKWARD_TOLERANCE_MS && outMs <= afterMs + aheadMs
    if (fits(inMs + this.#offsetMs)) return this.#hold(inMs + this.#offsetMs, last)
    if (this.#otherOffsetMs !== null && fits(inMs + this.#otherOffsetMs)) {
      return this.#hold(inMs + this.#otherOffsetMs, last)
    }
    this.jumps++
    this.#otherOffsetMs = this.#offsetMs
    this.#offsetMs = afterMs + (last?.stepMs ?? DEFAULT_STEP_MS) - inMs
    return inMs + this.#offsetMs
  }

  #hold(outMs: number, last: Track | undefined): number {
    const floorMs = last ? last.outMs : 0
    if (outMs >= floorMs) return outMs
    this.held++
    return floorMs
  }
}
