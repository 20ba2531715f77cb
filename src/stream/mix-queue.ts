import type { UntimedPacket } from './packet.ts'

/** With so many of one kind, the other one is not waited for any more: SRS. */
const MOST_OF_ONE_KIND = 10

/** A packet and its time as it was received, ms, 0..2^32-1. */
export interface Received {
  readonly packet: UntimedPacket
  readonly timestampMs: number
}

/**
 * Brings the audio and video of a publisher that sends them in bursts into the order of their times: `mix_correct`. A
 * packet goes on when one of the other kind is there too, so each comes later by as much as the other kind is behind.
 */
export class MixQueue {
  readonly #sorted: Received[] = []
  readonly #count = { audio: 0, video: 0 }

  get isEmpty(): boolean {
    return this.#sorted.length === 0
  }

  /** Takes a packet; `next` says what may go on. */
  push(received: Received): void {
    let place = this.#sorted.length
    while (place > 0 && isBefore(received, this.#sorted[place - 1] as Received)) place--
    this.#sorted.splice(place, 0, received)
    this.#count[kindOf(received)]++
  }

  /** The earliest packet, when its turn has come. @param isLast nothing follows: all of them go on */
  next(isLast: boolean): Received | null {
    const { audio, video } = this.#count
    const isDue = (audio > 0 && video > 0) || audio >= MOST_OF_ONE_KIND || video >= MOST_OF_ONE_KIND
    const first = isDue || isLast ? this.#sorted.shift() : undefined
    if (!first) return null
    this.#count[kindOf(first)]--
    return first
  }
}

/** RTMP timestamps are 32 bits wide and wrap. */
function isBefore(one: Received, other: Received): boolean {
  return ((one.timestampMs - other.timestampMs) | 0) < 0
}

function kindOf({ packet }: Received): 'audio' | 'video' {
  return packet.kind === 'audio' ? 'audio' : 'video'
}
