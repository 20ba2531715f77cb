/** A rate over less than this says nothing. */
const SHORTEST_MS = 1_000

/**
 * How fast a counter grew lately: over the last half to whole window, or since the start while that is shorter. Two
 * remembered points are enough, so that each of 10,000 clients may have one.
 */
export class Rate {
  #olderMs: number
  #newerMs: number
  #olderCount: number
  #newerCount: number
  #perSecond = 0

  /** @param count the counter's value at `startMs` */
  constructor(startMs: number, count = 0) {
    this.#olderMs = startMs
    this.#newerMs = startMs
    this.#olderCount = count
    this.#newerCount = count
  }

  get perSecond(): number {
    return this.#perSecond
  }

  /** Takes the counter's value; any number of times, at any distance. */
  sample(nowMs: number, count: number, windowMs: number): void {
    if (nowMs - this.#newerMs >= windowMs / 2) {
      this.#olderMs = this.#newerMs
      this.#olderCount = this.#newerCount
      this.#newerMs = nowMs
      this.#newerCount = count
    }
    const elapsedMs = nowMs - this.#olderMs
    this.#perSecond = elapsedMs < SHORTEST_MS ? 0 : ((count - this.#olderCount) * 1000) / elapsedMs
  }
}

/** Bytes in and out, with SRS's rates over 30 s. */
export class Traffic {
  receivedBytes = 0
  sentBytes = 0
  readonly #received: Rate
  readonly #sent: Rate

  constructor(startMs: number) {
    this.#received = new Rate(startMs)
    this.#sent = new Rate(startMs)
  }

  sample(nowMs: number): void {
    this.#received.sample(nowMs, this.receivedBytes, BYTES_WINDOW_MS)
    this.#sent.sample(nowMs, this.sentBytes, BYTES_WINDOW_MS)
  }

  /** Kilobits each second. */
  get kbps(): { recv_30s: number; send_30s: number } {
    return { recv_30s: kilobits(this.#received), send_30s: kilobits(this.#sent) }
  }
}

const BYTES_WINDOW_MS = 30_000

function kilobits(rate: Rate): number {
  return Math.round((rate.perSecond * 8) / 1000)
}
