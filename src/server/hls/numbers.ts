/** 2023-01-01, ms since 1970: numbers stay below 2^31 until 2029. */
export const EPOCH_MS = 1_672_531_200_000
const SEGMENT_MS = 100
const DISCONTINUITY_MS = 1_000
/** A prime: a restart each hour or each night does not come back to the same number. */
const DISCONTINUITIES = 997
/** The number is set back when it is so far ahead of the clock: SRS. */
const MOST_AHEAD = 20

/**
 * The number of a stream's first segment: one that is further than where the stream was before the server was started
 * anew, since no stream has more than ten segments a second.
 */
export function firstSequence(wallMs: number): number {
  return Math.max(0, Math.floor((wallMs - EPOCH_MS) / SEGMENT_MS))
}

/**
 * The number of its discontinuities before that: another one than in the life of the server before, so that players
 * do not take the times of the two for the same, also when they are a second apart. Small, since hls.js has an array with that many places and walks
 * through it for each segment.
 */
export function firstDiscontinuity(wallMs: number): number {
  return Math.max(0, Math.floor((wallMs - EPOCH_MS) / DISCONTINUITY_MS)) % DISCONTINUITIES
}

/** With `hls_ts_floor`: numbers by the clock, so that servers that write the same stream have the same ones. */
export class FloorNumbers {
  #next: number | null = null

  /** The number of the segment that begins now. */
  take(wallMs: number, fragmentMs: number): number {
    const floor = Math.floor(wallMs / fragmentMs)
    const number = this.#next === null || this.#next - floor > MOST_AHEAD ? floor - 1 : this.#next
    this.#next = number + 1
    return number
  }

  /** How far the numbers are ahead of the clock, ms. */
  aheadMs(wallMs: number, fragmentMs: number): number {
    return this.#next === null ? 0 : (this.#next - 1 - Math.floor(wallMs / fragmentMs)) * fragmentMs
  }
}
