import { CodecError } from '../codec/errors.ts'

/** A track's decode time may fall back by this much (reordered senders); it is then held, not taken for a restart. */
const BACKWARD_TOLERANCE_MS = 500
/** A track may run ahead of the wall clock by this much before it is taken for a jump. */
const FORWARD_TOLERANCE_MS = 5_000
/** The step after a jump or between two publishes while the real one is not known. */
const DEFAULT_STEP_MS = 40
const MAX_STEP_MS = 1_000

/** A clock of the publisher, known by the newest packet on it: what it showed, where that was placed, when it came. */
interface Line {
  inMs: number
  outMs: number
  seenMs: number
}

interface Track {
  inMs: number
  outMs: number
  stepMs: number
  seenMs: number
  line: Line
}

/**
 * Puts the timestamps of a source's publishers on one line, once, at the entrance.
 *
 * One clock serves all tracks of a publish, so what was in sync stays in sync (a clock for each track, or one
 * clock advanced by whichever track comes, drifts apart: ossrs/srs#1001). When a track jumps (restart at 0, hours
 * ahead), a new clock begins that goes on one step after the track's last packet. Another track stays on the old one
 * as long as its packets are nearer to that, then it moves to the new one too. A track never goes back.
 */
export class Timeline {
  #tracks = new Map<string, Track>()
  #newest: Line | null = null
  #lastOutMs = -1
  /** No packet of this publish may come before it. */
  #floorMs = 0
  #besideMs = 0
  #isAbsolute = false
  /** Corrections made: jumps that began a clock, and packets that were held to keep a track from going back. */
  jumps = 0
  held = 0

  /** The newest decode time that was given out, 0 before the first: what metadata are stamped with. */
  get nowMs(): number {
    return Math.max(0, this.#lastOutMs)
  }

  /** The publisher's own times are kept. */
  get isAbsolute(): boolean {
    return this.#isAbsolute
  }

  /**
   * Starts a publish: its first frame follows the last frame of the publish before; the very first keeps its time.
   * @param isAbsolute `atc`: all keep the times that the publisher gives them, which are only made to go on beyond 2^32
   */
  begin(isAbsolute = false): void {
    this.#tracks = new Map()
    this.#newest = null
    this.#isAbsolute = isAbsolute
    if (isAbsolute) this.#lastOutMs = -1
    this.#besideMs = isAbsolute ? 0 : this.#besideMs
    this.#floorMs = this.nowMs
  }

  /** What the newest packet of a track showed, of those since the last `begin`; null: there was none. */
  lastInMs(track: string): number | null {
    return this.#tracks.get(track)?.inMs ?? null
  }

  /** The time for a packet of the track that has none of its own (a sequence header): no later packet is before it. */
  stamp(track: string): number {
    const last = this.#tracks.get(track)
    return last ? last.outMs : Math.max(this.#floorMs, this.#lastOutMs - BACKWARD_TOLERANCE_MS)
  }

  /**
   * The time for a message beside the media (cue points, text): by its timestamp when that is near the newest media,
   * else with them. Such timestamps are often 0 or stand still, so they set no clock.
   */
  beside(timestampMs: number): number {
    const outMs = this.#newest ? this.#newest.outMs + sinceMs(this.#newest, timestampMs) : this.nowMs
    const isNear = outMs <= this.nowMs && outMs >= this.nowMs - BACKWARD_TOLERANCE_MS
    this.#besideMs = Math.max(this.#besideMs, isNear ? outMs : this.nowMs)
    return this.#besideMs
  }

  /**
   * @param track names the track, for example 'video0'
   * @param timestampMs as received, 0..2^32-1, wraps
   * @param wallMs monotonic time of arrival
   * @returns the decode time: never less than the track's last one; not wrapped
   * @throws CodecError 'time_fell_back' when times are kept and the track's own falls back by more than 500 ms
   */
  correct(track: string, timestampMs: number, wallMs: number): number {
    const last = this.#tracks.get(track)
    const line = this.#isAbsolute ? this.#onlyLine(timestampMs, wallMs) : this.#lineOf(timestampMs, last, wallMs)
    line.outMs += sinceMs(line, timestampMs)
    line.inMs = timestampMs
    line.seenMs = wallMs
    if (this.#isAbsolute) checkAdvance(track, last, line)
    const outMs = this.#hold(line.outMs, last)
    const stepMs = last && outMs > last.outMs ? Math.min(outMs - last.outMs, MAX_STEP_MS) : last?.stepMs
    this.#tracks.set(track, { inMs: timestampMs, outMs, stepMs: stepMs ?? DEFAULT_STEP_MS, seenMs: wallMs, line })
    this.#lastOutMs = Math.max(this.#lastOutMs, outMs)
    return outMs
  }

  #onlyLine(timestampMs: number, wallMs: number): Line {
    this.#newest ??= { inMs: timestampMs, outMs: timestampMs, seenMs: wallMs }
    return this.#newest
  }

  /** The clock by which this packet is to be placed: the track's own, the newest one, or one that begins here. */
  #lineOf(timestampMs: number, last: Track | undefined, wallMs: number): Line {
    const afterMs = last ? last.outMs : this.#lastOutMs
    if (!this.#newest) {
      this.#newest = { inMs: timestampMs, outMs: afterMs < 0 ? timestampMs : afterMs + DEFAULT_STEP_MS, seenMs: wallMs }
      return this.#newest
    }
    const awayMs = (line: Line): number => Math.abs(sinceMs(line, timestampMs) - (wallMs - line.seenMs))
    const own = last?.line ?? this.#newest
    const [near, far] = awayMs(own) < awayMs(this.#newest) ? [own, this.#newest] : [this.#newest, own]
    const earliestMs = afterMs - BACKWARD_TOLERANCE_MS
    // Where another track is already is no jump ahead, however long this one was silent.
    const latestMs = Math.max(afterMs + (last ? wallMs - last.seenMs : 0), this.#lastOutMs) + FORWARD_TOLERANCE_MS
    for (const line of [near, far]) {
      const outMs = line.outMs + sinceMs(line, timestampMs)
      if (outMs >= earliestMs && outMs <= latestMs) return line
    }
    this.jumps++
    // Tracks that restart together can need different places: the clock that they share is then moved, for both.
    const isShared = awayMs(near) <= BACKWARD_TOLERANCE_MS
    const line = isShared ? near : { ...near }
    this.#newest = Object.assign(line, { inMs: timestampMs, outMs: afterMs + (last?.stepMs ?? DEFAULT_STEP_MS) })
    return line
  }

  #hold(outMs: number, last: Track | undefined): number {
    const earliestMs = last ? last.outMs : this.#floorMs
    if (outMs >= earliestMs) return outMs
    this.held++
    return earliestMs
  }
}

function checkAdvance(track: string, last: Track | undefined, { outMs, inMs }: Line): void {
  if (!last || last.outMs - outMs <= BACKWARD_TOLERANCE_MS) return
  throw new CodecError('time_fell_back', `atc keeps times, and that of ${track} fell back from ${last.inMs} to ${inMs}`)
}

/** RTMP timestamps are 32 bits wide (RTMP 1.0, 5.3.1.3: compare by serial arithmetic). */
function sinceMs(line: Line, timestampMs: number): number {
  return (timestampMs - line.inMs) | 0
}
