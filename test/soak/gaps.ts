import type { Thread } from '../../src/st/thread.ts'

/** A time in which a healthy player got nothing. */
export interface Gap {
  readonly player: string
  readonly sinceMs: number
  readonly forMs: number
}

const MOST = 5

/** Keeps the longest gaps: of the last minute, and the worst of all. */
export class Gaps {
  #worst: Gap[] = []
  #minuteMs = 0

  add(gap: Gap): void {
    this.#minuteMs = Math.max(this.#minuteMs, gap.forMs)
    if (gap.forMs <= (this.#worst[MOST - 1]?.forMs ?? 0)) return
    // All players wait at the same time: one of them stands for all.
    const same = this.#worst.findIndex((one) => Math.abs(one.sinceMs - gap.sinceMs) < Math.max(one.forMs, gap.forMs))
    if (same >= 0 && (this.#worst[same]?.forMs ?? 0) >= gap.forMs) return
    if (same >= 0) this.#worst.splice(same, 1)
    this.#worst = [...this.#worst, gap].toSorted((one, other) => other.forMs - one.forMs).slice(0, MOST)
  }

  /** The longest since it was asked last, ms. */
  takeMinute(): number {
    const longest = this.#minuteMs
    this.#minuteMs = 0
    return longest
  }

  /** The longest of all. */
  get worst(): readonly Gap[] {
    return this.#worst
  }
}

/** When the frames of one player came. */
export class FrameTimes {
  readonly #thread: Thread
  readonly #gaps: Gaps | null
  readonly #player: string
  #lastMs = 0
  #frames = 0

  /** @param gaps null: the player may miss something */
  constructor(thread: Thread, gaps: Gaps | null, player: string) {
    this.#thread = thread
    this.#gaps = gaps
    this.#player = player
  }

  /** A new connection begins: what was missed before it counts no more. */
  begins(): void {
    this.#lastMs = 0
  }

  /** Whose frames these are, when it got none since this was asked last. */
  takeStarved(): string | null {
    const frames = this.#frames
    this.#frames = 0
    return frames === 0 ? this.#player : null
  }

  received(): void {
    this.#frames++
    const nowMs = this.#thread.world.clock.nowMs()
    const sinceMs = this.#lastMs
    this.#lastMs = nowMs
    if (sinceMs > 0) this.#gaps?.add({ player: this.#player, sinceMs, forMs: nowMs - sinceMs })
  }
}
