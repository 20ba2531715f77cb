/** A timer that is running; `cancel` of one that already fired does nothing. */
export interface Timer {
  cancel(): void
}

/**
 * The only source of time, timers, turns and randomness for everything above `st`. There are two: the real
 * one (`real/clock.ts`) and a simulated one (`sim/life.ts`) that jumps from event to event under a seed.
 */
export interface Clock {
  /** Milliseconds since an arbitrary start, monotonic, with fractions. */
  nowMs(): number
  /** Milliseconds since 1970, as users and other machines understand time. May jump. */
  wallMs(): number
  /** Calls `fire` once after `delayMs` (0 .. 2^31-1). */
  after(delayMs: number, fire: () => void): Timer
  /** Calls `run` once in the next turn of the event loop, after pending input and output was looked at. */
  nextTurn(run: () => void): void
  /** Unpredictable bytes in the real world, seeded ones in the simulated world. */
  randomBytes(count: number): Buffer
  /** Which of `count` > 0 threads that are ready goes first, 0 .. count - 1; absent: the one that is ready longest. */
  pick?(count: number): number
}

/** The timeout of a wait that has no limit of its own: somebody else must end it by `interrupt`. */
export const FOREVER = Infinity
