import type { Packet, UntimedPacket } from './packet.ts'
import type { Timeline } from './timeline.ts'

/** With `atc` the newest key frame of another connection is no older than this, ms. */
const REPEATED_MS = 60_000

/**
 * How a publish goes on over another connection. Servers begin with the newest key frame: when that is the one which came
 * last here, it is the same publish, what has come already is left out, and nothing was lost. Else time goes on where it
 * is, by a new clock, and the picture at its next key frame.
 */
export class Continuation {
  readonly #timeline: Timeline
  readonly #lastKey: Packet | null
  readonly #lastKeyInMs: number
  #isDecided = false
  #needsKey: boolean
  #isRepeat = false
  /** Tracks that are past what has come already. */
  readonly #isPast = new Set<string>()

  /**
   * @param lastKey the newest key frame of the picture; null: there is no picture
   * @param lastKeyInMs what it showed as its time
   */
  constructor(timeline: Timeline, lastKey: Packet | null, lastKeyInMs: number) {
    this.#timeline = timeline
    this.#lastKey = lastKey
    this.#lastKeyInMs = lastKeyInMs
    this.#needsKey = lastKey !== null
  }

  /** Whether a frame of the new connection is to be left out. */
  leavesOut(packet: UntimedPacket, track: string, timestampMs: number): boolean {
    const isPicture = packet.kind === 'video' && packet.trackId === 0
    if (!this.#isDecided) this.#decide(packet, isPicture, track, timestampMs)
    if (this.#needsKey && packet.kind === 'video' && !(isPicture && packet.isKey)) return true
    if (isPicture) this.#needsKey = false
    return this.#isRepeat && this.#hasCome(track, timestampMs)
  }

  #decide({ isKey, payload }: UntimedPacket, isPicture: boolean, track: string, timestampMs: number): void {
    this.#isDecided = true
    const isKnown = this.#lastKeyInMs === timestampMs && this.#lastKey?.payload.equals(payload) === true
    this.#isRepeat = (isPicture && isKey && isKnown) || this.#hasAbsoluteTime(track, timestampMs)
    if (!this.#isRepeat) this.#timeline.begin(this.#timeline.isAbsolute)
  }

  /** Absolute times alone say what has come already. */
  #hasAbsoluteTime(track: string, timestampMs: number): boolean {
    const lastMs = this.#timeline.lastInMs(track)
    return this.#timeline.isAbsolute && lastMs !== null && ((timestampMs - lastMs) | 0) > -REPEATED_MS
  }

  #hasCome(track: string, timestampMs: number): boolean {
    const lastMs = this.#timeline.lastInMs(track)
    const hasCome = !this.#isPast.has(track) && lastMs !== null && ((timestampMs - lastMs) | 0) <= 0
    if (!hasCome) this.#isPast.add(track)
    return hasCome
  }
}
