/** With so many of one kind, the other one is not waited for any more: SRS. */
const MOST_OF_ONE_KIND = 10

/** A message of a publisher; its time is as it was received, ms, 0..2^32-1. */
export interface MediaMessage {
  readonly kind: 'audio' | 'video'
  readonly timestampMs: number
  readonly payload: Buffer
}

/**
 * Brings the audio and video of a publisher that sends them in bursts into the order of their times: `mix_correct`. A
 * message goes on when one of the other kind is there too, so each comes later by as much as the other kind is behind.
 */
export class MixQueue {
  readonly #sorted: MediaMessage[] = []
  readonly #count = { audio: 0, video: 0 }

  get isEmpty(): boolean {
    return this.#sorted.length === 0
  }

  /** Takes a message; `next` says what may go on. */
  push(message: MediaMessage): void {
    let place = this.#sorted.length
    while (place > 0 && isBefore(message, this.#sorted[place - 1] as MediaMessage)) place--
    this.#sorted.splice(place, 0, message)
    this.#count[message.kind]++
  }

  /** The earliest message, when its turn has come. @param isLast nothing follows: all of them go on */
  next(isLast: boolean): MediaMessage | null {
    const { audio, video } = this.#count
    const isDue = (audio > 0 && video > 0) || audio >= MOST_OF_ONE_KIND || video >= MOST_OF_ONE_KIND
    const first = isDue || isLast ? this.#sorted.shift() : undefined
    if (!first) return null
    this.#count[first.kind]--
    return first
  }
}

/** RTMP timestamps are 32 bits wide and wrap. */
function isBefore(one: MediaMessage, other: MediaMessage): boolean {
  return ((one.timestampMs - other.timestampMs) | 0) < 0
}
