import type { Clock, Timer } from '../clock.ts'
import type { SeededRandom } from './random.ts'
import type { Simulation } from './simulation.ts'

/** The wall clock at the start of a simulation: an arbitrary moment. */
const START_WALL_MS = 1_700_000_000_000
/** Timers of real systems come late by a little. */
const TIMER_LATENESS_MS = 1.5
/** What a turn of the event loop costs. */
const MIN_TURN_MS = 0.02
const MAX_TURN_MS = 0.3

/**
 * A process on a simulated machine, from its start to its end, and its clock. What it had planned for after its end
 * never happens: its threads are not ended, they are gone.
 */
export class Life implements Clock {
  readonly #simulation: Simulation
  readonly #random: SeededRandom
  #isOver = false
  #stalledUntilMs = 0
  /** What it has done so far. */
  steps = 0
  /** Timers that run, turns that were asked for. */
  timers = 0
  turns = 0

  constructor(simulation: Simulation, random: SeededRandom) {
    this.#simulation = simulation
    this.#random = random
  }

  get isOver(): boolean {
    return this.#isOver
  }

  /** The end: a kill, or the machine's. */
  end(): void {
    this.#isOver = true
  }

  /** The process does nothing for so long: a long collection of garbage, a machine that swaps, a stopped container. */
  stall(durationMs: number): void {
    this.#stalledUntilMs = Math.max(this.#stalledUntilMs, this.#simulation.nowMs + durationMs)
  }

  nowMs(): number {
    return this.#simulation.nowMs
  }

  wallMs(): number {
    return START_WALL_MS + Math.floor(this.#simulation.nowMs)
  }

  after(delayMs: number, fire: () => void): Timer {
    // What setTimeout does with other values is a surprise: 1 ms, and a warning.
    if (!(delayMs >= 0 && delayMs < 2 ** 31)) throw new RangeError(`delay of ${delayMs} ms`)
    this.timers++
    let isRunning = true
    const stop = (): void => {
      if (isRunning) this.timers--
      isRunning = false
    }
    const timer = this.happen(delayMs + this.#random.between(0, TIMER_LATENESS_MS), () => {
      stop()
      fire()
    })
    return {
      cancel: () => {
        stop()
        timer.cancel()
      },
    }
  }

  nextTurn(run: () => void): void {
    this.turns++
    this.happen(this.#random.between(MIN_TURN_MS, MAX_TURN_MS), () => {
      this.turns--
      run()
    })
  }

  randomBytes(count: number): Buffer {
    return this.#random.bytes(count)
  }

  /** The seeded order among threads that are ready at the same time. */
  pick(count: number): number {
    return this.#random.below(count)
  }

  /** Lets something happen in this process, unless it has ended by then; a process that is stalled does it later. */
  happen(delayMs: number, run: () => void): Timer {
    const attempt = (): void => {
      if (this.#isOver) return
      const leftMs = this.#stalledUntilMs - this.#simulation.nowMs
      if (leftMs > 0) event = this.#simulation.after(leftMs, attempt)
      else {
        this.steps++
        run()
      }
    }
    let event = this.#simulation.after(delayMs, attempt)
    return {
      cancel: () => {
        event.run = null
      },
    }
  }
}
