import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { LoopDelay, LoopWatch } from '../platform.ts'

/** Fine enough for delays that players feel, and 50 wake-ups a second at most. */
const RESOLUTION_MS = 20
const NS_PER_MS = 1e6

/**
 * Watches how late the event loop comes: what a timer was late, not how long it slept.
 */
export function watchLoopDelay(): LoopWatch {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  histogram.enable()
  // Node counts the timer's own period as delay.
  const lateMs = (ns: number): number => Math.max(0, ns / NS_PER_MS - RESOLUTION_MS)
  const take = (): LoopDelay => {
    const isEmpty = histogram.max === 0
    const delays = {
      p50Ms: isEmpty ? 0 : lateMs(histogram.percentile(50)),
      p99Ms: isEmpty ? 0 : lateMs(histogram.percentile(99)),
      maxMs: isEmpty ? 0 : lateMs(histogram.max),
    }
    histogram.reset()
    return delays
  }
  return { take, stop: () => void histogram.disable() }
}
