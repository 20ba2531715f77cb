import type { Clock, Timer } from '../../../src/st/clock.ts'

interface RunningTimer {
  readonly dueMs: number
  readonly fire: () => void
}

/** A clock that stands until the test moves it, and whose turns run when the test says so. */
export class TestClock implements Clock {
  #nowMs = 1_000
  #turns: (() => void)[] = []
  #randomByte = 0
  readonly #timers = new Set<RunningTimer>()

  get pendingTimers(): number {
    return this.#timers.size
  }

  get pendingTurns(): number {
    return this.#turns.length
  }

  nowMs(): number {
    return this.#nowMs
  }

  wallMs(): number {
    return 1_700_000_000_000 + this.#nowMs
  }

  after(delayMs: number, fire: () => void): Timer {
    // What setTimeout does with other values is a surprise: 1 ms, and a warning.
    if (!(delayMs >= 0 && delayMs < 2 ** 31)) throw new RangeError(`delay of ${delayMs} ms`)
    const timer = { dueMs: this.#nowMs + delayMs, fire }
    this.#timers.add(timer)
    return { cancel: () => this.#timers.delete(timer) }
  }

  nextTurn(run: () => void): void {
    this.#turns.push(run)
  }

  randomBytes(count: number): Buffer {
    const bytes = Buffer.alloc(count)
    for (let i = 0; i < count; i++) bytes[i] = this.#randomByte++ * 7
    return bytes
  }

  /** Moves time and fires what falls due, in order; no thread runs meanwhile. */
  elapse(durationMs: number): void {
    const endMs = this.#nowMs + durationMs
    for (let timer = this.#nextUntil(endMs); timer; timer = this.#nextUntil(endMs)) this.#fire(timer)
    this.#nowMs = endMs
  }

  /** Fires the next timer now, before its time, as real timers do by fractions of a millisecond. */
  fireEarly(): void {
    const timer = this.#nextUntil(Infinity)
    if (!timer) throw new Error('no timer is running')
    this.#timers.delete(timer)
    timer.fire()
  }

  /** One turn: what was asked for until now, and all microtasks after it. */
  async turn(): Promise<void> {
    const turns = this.#turns
    this.#turns = []
    for (const run of turns) run()
    await microtasks()
  }

  /** Turns until nobody asks for one. */
  async settle(): Promise<void> {
    await microtasks()
    while (this.#turns.length > 0) await this.turn()
  }

  /** Moves time from timer to timer and lets all threads run after each. */
  async pass(durationMs: number): Promise<void> {
    const endMs = this.#nowMs + durationMs
    await this.settle()
    for (let timer = this.#nextUntil(endMs); timer; timer = this.#nextUntil(endMs)) {
      this.#fire(timer)
      await this.settle()
    }
    this.#nowMs = endMs
  }

  #fire(timer: RunningTimer): void {
    this.#nowMs = Math.max(this.#nowMs, timer.dueMs)
    this.#timers.delete(timer)
    timer.fire()
  }

  #nextUntil(endMs: number): RunningTimer | null {
    let next: RunningTimer | null = null
    for (const timer of this.#timers) {
      if (timer.dueMs <= endMs && (!next || timer.dueMs < next.dueMs)) next = timer
    }
    return next
  }
}

/** A turn of the real event loop begins only when no microtask is left. */
export function microtasks(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}
