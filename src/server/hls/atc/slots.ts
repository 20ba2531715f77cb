import { EPOCH_MS } from '../numbers.ts'

/** An encoder whose time is that near to ours sends the time of day, in some time zone. */
const TIME_OF_DAY_MS = 12 * 3_600_000
/** RTMP timestamps have 32 bits. */
const WRAP_MS = 2 ** 32
/** Numbers stay below 2^31 for fragments of 500 ms and more; they come back after 34 years. */
const WRAPS = 256
/** No segment is shorter. */
const SHORTEST_MS = 100

/** Where a time is: in which slot, and how far behind its begin. */
export interface Place {
  readonly slot: number
  readonly offsetMs: number
  /** So far behind the begin the slot's segment waits for a key frame. */
  readonly waitMs: number
}

/**
 * Divides the encoder's time into slots of a fragment each, one for each segment. What slot a time is in follows from
 * the time and the configuration alone, also across the wrap of RTMP's timestamps: of 32 bits, the rest is that which
 * brings the time nearest to the wall clock, of which any clock within some days knows.
 */
export class Slots {
  readonly #fragmentMs: number
  /** What the timeline's times lack. */
  readonly #baseMs: number
  /** The encoder sends the time of day: dates can be told, and slots begin at round ones. */
  readonly isTimeOfDay: boolean
  readonly #waitMs: number

  /**
   * @param dtsMs some time of the publish, as the timeline has it, 0 and up
   * @param wallMs about when that was, ms since 1970
   * @param waitMs for a key frame; what does not fit into a slot is too much
   */
  constructor(dtsMs: number, wallMs: number, fragmentMs: number, waitMs: number) {
    this.#fragmentMs = fragmentMs
    this.#baseMs = Math.max(0, Math.round((wallMs - dtsMs) / WRAP_MS)) * WRAP_MS
    this.isTimeOfDay = wallMs > EPOCH_MS + TIME_OF_DAY_MS && Math.abs(this.timeOf(dtsMs) - wallMs) <= TIME_OF_DAY_MS
    this.#waitMs = waitMs
  }

  /** Whether it was made for these settings. */
  isFor(fragmentMs: number, waitMs: number): boolean {
    return fragmentMs === this.#fragmentMs && waitMs === this.#waitMs
  }

  /** The whole of a time of which the timeline knows 32 bits and what came since. */
  timeOf(dtsMs: number): number {
    return this.#baseMs + dtsMs
  }

  place(timeMs: number): Place {
    return this.isTimeOfDay ? this.#since(timeMs - EPOCH_MS, Infinity) : this.#sinceWrap(timeMs)
  }

  /** Slots begin anew where the 32 bits do, so that an encoder which began at 0 has its key frames where they begin. */
  #sinceWrap(timeMs: number): Place {
    const wraps = Math.floor(timeMs / WRAP_MS)
    // The last one is shorter; when it is too short for a segment, the one before has its time too.
    const count = Math.max(1, Math.ceil((WRAP_MS - 2 * SHORTEST_MS) / this.#fragmentMs))
    const { slot, ...rest } = this.#since(timeMs - wraps * WRAP_MS, count)
    return { slot: (wraps % WRAPS) * count + slot, ...rest }
  }

  /** @param count of slots, up to the wrap */
  #since(ms: number, count: number): Place {
    const slot = Math.min(Math.floor(ms / this.#fragmentMs), count - 1)
    const lengthMs = slot === count - 1 ? WRAP_MS - slot * this.#fragmentMs : this.#fragmentMs
    const waitMs = Math.max(0, Math.min(this.#waitMs, lengthMs - SHORTEST_MS))
    return { slot, offsetMs: ms - slot * this.#fragmentMs, waitMs }
  }
}

/** EXT-X-TARGETDURATION, by the configuration alone: no segment lasts longer than a fragment and the wait. */
export function constantTarget(options: {
  readonly hlsFragmentMs: number
  readonly hlsTdRatio: number
  readonly hlsAtcWaitMs: number
}): number {
  const { hlsFragmentMs, hlsTdRatio, hlsAtcWaitMs } = options
  const longestMs = hlsFragmentMs + Math.min(hlsAtcWaitMs, hlsFragmentMs - SHORTEST_MS)
  return Math.max(1, Math.ceil(longestMs / 1000), Math.ceil((hlsFragmentMs * hlsTdRatio) / 1000))
}
