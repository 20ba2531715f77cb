/**
 * Loaded before a Node server (`node --import`), which then runs as it is: tells over IPC how late its event loop was.
 * The monitor wakes the process 200 times a second, so it runs only between `watch` and `loopDelay`, never while CPU is
 * counted.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { serveCalls } from './rpc.mjs'

const SAMPLE_MS = 5
const histogram = monitorEventLoopDelay({ resolution: SAMPLE_MS })

/** The monitor tells how far apart its samples were; an idle loop shows the sampling interval. */
const delayMs = (nanoseconds) => Math.max(0, nanoseconds / 1e6 - SAMPLE_MS)

serveCalls({
  watch: () => {
    histogram.reset()
    histogram.enable()
  },
  loopDelay: () => {
    histogram.disable()
    return {
      p50Ms: delayMs(histogram.percentile(50)),
      p99Ms: delayMs(histogram.percentile(99)),
      maxMs: delayMs(histogram.max),
    }
  },
})
process.channel.unref()
