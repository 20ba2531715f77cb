import { type HlsTrack, mp4Track } from './tracks.ts'

/** Times of messages are whole ms, jitter and come in pairs: so far from the counted ones they are those all the same. */
const FOLLOWS_MS = 30
/** Further away from its own time counted sound is never: less than people hear between picture and sound. */
const COUNTED_MS = 50

/** Says when frames of sound are to be heard, and which of them follow each other without a hole. */
export class SoundClock {
  readonly #directly: boolean
  readonly #lengthMs: (body: Buffer) => number
  /** Where the last frame ends by its samples; NaN before the first. */
  #endMs = Number.NaN

  /** @param directly by the times of the messages; else by the samples. @throws CodecError */
  constructor(track: HlsTrack, directly: boolean) {
    const { frameTicks, timescale } = mp4Track('audio', track)
    this.#directly = directly
    this.#lengthMs = (body) => ((frameTicks?.(body) ?? 0) * 1000) / timescale
  }

  next(dtsMs: number, body: Buffer): { timeMs: number; follows: boolean } {
    const lengthMs = this.#lengthMs(body)
    const awayMs = Math.abs(dtsMs - this.#endMs)
    // Where frames do not tell how long they are, none can be said to follow.
    const follows = lengthMs > 0 && awayMs <= FOLLOWS_MS
    const isCounted = follows || (!this.#directly && awayMs <= COUNTED_MS)
    const timeMs = isCounted && !this.#directly ? this.#endMs : dtsMs
    this.#endMs = (isCounted ? this.#endMs : dtsMs) + lengthMs
    // By their own times they may drift away from the counted ones, so that a new group begins with the true time.
    return { timeMs, follows }
  }
}
