/** A side as the election sees it. */
export interface Candidate {
  readonly name: string
  readonly priority: number
  readonly isHealthy: boolean
  /** By the local clock. */
  readonly healthySinceMs: number
}

/** When both begin again at the same time, whichever is first is no reason to leave the other. */
const STEADY_MS = 1_000

/**
 * Which side of a stream is served: the healthy one with the smallest number of priority, and that one for as long as it
 * is healthy. Between two switches some time passes, so that two sides that both limp do not take turns.
 */
export class Election {
  readonly #holdMs: number
  served: string | null = null
  /** By the local clock; when it was chosen, or when its first segment was served. */
  sinceMs = 0
  switches = 0

  constructor(holdMs: number) {
    this.#holdMs = holdMs
  }

  /** The side to serve from now on; null: none has ever had anything. */
  choose(candidates: readonly Candidate[], nowMs: number): string | null {
    const current = candidates.find(({ name }) => name === this.served)
    if (current?.isHealthy) return this.served
    if (current && nowMs - this.sinceMs < this.#holdMs) return this.served
    const [best] = candidates
      .filter(({ isHealthy, healthySinceMs }) => isHealthy && (!current || nowMs - healthySinceMs >= STEADY_MS))
      .toSorted((a, b) => a.priority - b.priority)
    if (best) this.set(best.name, nowMs)
    return this.served
  }

  /** A segment of this side is served; the first one after another side's counts as the switch. */
  shown(name: string, nowMs: number, isFirst: boolean): void {
    this.set(name, nowMs)
    if (isFirst) this.sinceMs = nowMs
  }

  /** Chooses a side: by hand, or as whoever leads has chosen. */
  set(name: string, nowMs: number): void {
    if (name === this.served) return
    if (this.served !== null) this.switches++
    this.served = name
    this.sinceMs = nowMs
  }
}
