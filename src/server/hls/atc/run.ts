import type { HlsSegment } from '../segment.ts'
import type { HlsStream } from '../stream.ts'
import type { HlsTracks } from '../tracks.ts'

/**
 * So many target durations a playlist must have (RFC 8216 6.2.2), and so many segments. Who asks for a shorter one is
 * better off at the other server: a player that comes from there is so far behind the end.
 */
const FEWEST_TARGETS = 3
const FEWEST_SEGMENTS = 3
/** Below it, since hls.js has an array with that many places; a prime. */
const DISCONTINUITIES = 997
/** So many segments of the past, in windows, are still under their names somewhere. */
const KEPT_WINDOWS = 2

/** A segment whose bytes are there. */
export interface AtcSegment {
  readonly number: number
  /** The encoder's, ms. */
  readonly timeMs: number
  readonly durationMs: number
  readonly isTimeOfDay: boolean
  readonly isIndependent: boolean
  /** Pictures in it. */
  readonly pictures: number
  readonly tracks: HlsTracks
  /** See formOf. */
  readonly form: string
  readonly init: Buffer | null
  readonly bytes: Buffer
}

/** For the API. */
export interface AtcState {
  /** Number of the newest segment in the playlist; null: there is none yet. */
  readonly number: number | null
  /** Numbers that were left out since the first one. */
  readonly missing: number
}

/**
 * Puts segments into the playlist of a stream. There they follow each other without a hole, in one form; behind a hole,
 * which this server or the encoder has made, and for another form the playlist begins anew, once there are enough.
 * So it never says anything of a segment that another server, which was started later, would have to know too.
 */
export class AtcRun {
  readonly #stream: HlsStream
  #newest: AtcSegment | null = null
  #waiting: AtcSegment[] = []
  #missing = 0

  constructor(stream: HlsStream) {
    this.#stream = stream
  }

  get state(): AtcState {
    return { number: this.#newest?.number ?? null, missing: this.#missing }
  }

  /** @returns those that are in the playlist now */
  add(segment: AtcSegment, targetSeconds: number): HlsSegment[] {
    if (this.#isRepeated(segment)) return []
    if (this.#waiting.length === 0 && follows(segment, this.#newest) && this.#isNewest()) {
      return this.#publish([segment], targetSeconds)
    }
    if (!follows(segment, this.#waiting.at(-1) ?? null)) this.#waiting = []
    this.#waiting.push(segment)
    if (!isEnough(this.#waiting, targetSeconds)) return []
    const all = this.#waiting
    this.#waiting = []
    this.#beginAnew(segment.form, (all[0]?.number ?? 0) - (this.#newest?.number ?? Infinity) - 1)
    return this.#publish(all, targetSeconds)
  }

  #publish(segments: readonly AtcSegment[], targetSeconds: number): HlsSegment[] {
    return segments.flatMap((segment) => {
      this.#newest = segment
      return this.#put(segment, targetSeconds) ?? []
    })
  }

  #put(segment: AtcSegment, targetSeconds: number): HlsSegment | null {
    const { number, timeMs, durationMs, isTimeOfDay, isIndependent, pictures, tracks, init, bytes } = segment
    this.#stream.open({
      startsAnew: false,
      isIndependent,
      wallMs: isTimeOfDay ? timeMs : null,
      place: { sequence: number, timeMs, isUnique: isTimeOfDay },
      tracks,
      init,
    })
    this.#stream.add({ bytes, durationMs: 0, isIndependent: false })
    if (this.#stream.making) this.#stream.making.frames = pictures
    return this.#stream.commit(durationMs, targetSeconds)
  }

  /** What players must know of another form is told by the number of discontinuities: it follows from the form. */
  #beginAnew(form: string, missing: number): void {
    if (missing > 0 && missing !== Infinity) this.#missing += missing
    this.#stream.restart(Number.parseInt(form.slice(0, 8), 16) % DISCONTINUITIES)
  }

  /** Its number was given out, and may still be played: nothing else may be under its name. */
  #isRepeated({ number, durationMs }: AtcSegment): boolean {
    const behind = (this.#newest?.number ?? -Infinity) - number
    const kept = (KEPT_WINDOWS * this.#stream.options.hlsWindowMs) / Math.max(1, durationMs) + FEWEST_SEGMENTS
    return behind >= 0 && behind <= kept
  }

  /** No publish without absolute times has come between. */
  #isNewest(): boolean {
    return this.#stream.newestSequence === this.#newest?.number
  }
}

function isEnough(segments: readonly AtcSegment[], targetSeconds: number): boolean {
  const ms = segments.reduce((sum, { durationMs }) => sum + durationMs, 0)
  return segments.length >= FEWEST_SEGMENTS && Math.round(ms) >= FEWEST_TARGETS * targetSeconds * 1000
}

function follows(segment: AtcSegment, before: AtcSegment | null): boolean {
  return before !== null && segment.number === before.number + 1 && segment.form === before.form
}
