/** The step behind a track's last packet when it has only one, and the longest that is believed. */
const DEFAULT_STEP_MS = 40
const LONGEST_STEP_MS = 1_000

interface Track {
  lastMs: number
  stepMs: number
}

/** The timestamps of a file that is played over and over, as those of one endless stream from 0 on. */
export class LoopClock {
  /** Where the present pass begins, and what the file says at that place. */
  #beginMs = 0
  #firstMs: number | null = null
  readonly #tracks = new Map<number, Track>()

  /** The file is played again: it goes on one step behind the last packet of all. */
  again(): void {
    this.#firstMs = null
    for (const { lastMs, stepMs } of this.#tracks.values()) this.#beginMs = Math.max(this.#beginMs, lastMs + stepMs)
  }

  /**
   * @param track tells the tracks of the file apart
   * @param timestampMs in the file
   * @returns when it is due, ms since the begin of the first pass
   */
  place(track: number, timestampMs: number): number {
    this.#firstMs ??= timestampMs
    const outMs = this.#beginMs + Math.max(0, timestampMs - this.#firstMs)
    const known = this.#tracks.get(track)
    const gapMs = known ? outMs - known.lastMs : 0
    const stepMs = gapMs > 0 && gapMs <= LONGEST_STEP_MS ? gapMs : (known?.stepMs ?? DEFAULT_STEP_MS)
    this.#tracks.set(track, { lastMs: outMs, stepMs })
    return outMs
  }
}
