import { EventQueue, type SimEvent } from './events.ts'
import { SeededRandom } from './random.ts'

/** After so many events the real event loop has a turn: for those who watch from outside. */
const EVENTS_PER_REAL_TURN = 2_000

/**
 * Virtual time for any number of machines in one process. It jumps from event to event; what happens is determined by
 * the seed. All promises are settled between two events, so that nothing depends on how fast the real machine is.
 */
export class Simulation {
  readonly seed: number
  readonly random: SeededRandom
  readonly #events = new EventQueue()
  #nowMs = 0
  /** Events so far. */
  steps = 0
  /** What the present event has asked of the world: writes, timers, turns. A thread that never waits is seen by it. */
  operations = 0
  /** Looks at the world after each event; what it throws ends the run. */
  watch: (() => void) | null = null

  /** @param seed 0 .. 2^32 - 1 */
  constructor(seed: number) {
    this.seed = seed
    this.random = new SeededRandom(seed)
  }

  /** Milliseconds since the start, with fractions. */
  get nowMs(): number {
    return this.#nowMs
  }

  /** Lets something happen after `delayMs` >= 0. */
  after(delayMs: number, run: () => void): SimEvent {
    this.operations++
    return this.#events.add(this.#nowMs + Math.max(0, delayMs), run)
  }

  /** Lets time pass until `endMs`, or until nothing more can happen. @throws what an event or `watch` throws */
  async runUntil(endMs: number): Promise<void> {
    await realTurn()
    for (let atMs = this.#events.nextMs(); atMs !== null && atMs <= endMs; atMs = this.#events.nextMs()) {
      const event = this.#events.shift()
      this.#nowMs = atMs
      this.operations = 0
      event?.run?.()
      await settled()
      this.watch?.()
      if (++this.steps % EVENTS_PER_REAL_TURN === 0) await realTurn()
    }
    this.#nowMs = Math.max(this.#nowMs, endMs)
  }

  /** Lets `durationMs` pass. */
  run(durationMs: number): Promise<void> {
    return this.runUntil(this.#nowMs + durationMs)
  }
}

/** Node runs ticks when no promise is left to settle. Cheaper than a turn of the event loop, which there are millions of. */
function settled(): Promise<void> {
  return new Promise((resolve) => {
    process.nextTick(resolve)
  })
}

function realTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}
