import { randomBytes } from 'node:crypto'
import { performance } from 'node:perf_hooks'
import type { Clock, Timer } from '../clock.ts'

/** The wall clock, Node's timers, the system's randomness. */
export class RealClock implements Clock {
  nowMs(): number {
    return performance.now()
  }

  wallMs(): number {
    return Date.now()
  }

  after(delayMs: number, fire: () => void): Timer {
    const timeout = setTimeout(fire, delayMs)
    return { cancel: () => clearTimeout(timeout) }
  }

  nextTurn(run: () => void): void {
    setImmediate(run)
  }

  randomBytes(count: number): Buffer {
    return randomBytes(count)
  }
}
