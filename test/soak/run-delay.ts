import { readFileSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'

const RESOLUTION_MS = 10

/** How late things were in the time since the last look. */
export interface Lateness {
  readonly atMs: number
  /** The server's loop by its own measure, which is of the last seconds. */
  readonly serverMs: number
  /** How long the server was ready to run and had no CPU. */
  readonly serverWaitedMs: number
  /** The loop of this process. */
  readonly ownMs: number
}

/** Samples of how late server and clients were: who is to blame for a gap. */
export class RunDelays {
  readonly #pid: number
  readonly #own = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  readonly #samples: Lateness[] = []
  #waitedMs: number

  constructor(pid: number) {
    this.#pid = pid
    this.#waitedMs = waitedMs(pid)
    this.#own.enable()
  }

  /** @param serverMs what the server says of its loop */
  sample(atMs: number, serverMs: number): void {
    const before = this.#waitedMs
    this.#waitedMs = waitedMs(this.#pid)
    const ownMs = Math.max(0, this.#own.max / 1e6 - RESOLUTION_MS)
    this.#own.reset()
    this.#samples.push({ atMs, serverMs, serverWaitedMs: this.#waitedMs - before, ownMs })
  }

  /** The worst of the samples that tell of this time. */
  between(fromMs: number, toMs: number): Omit<Lateness, 'atMs'> {
    const first = this.#samples.findIndex(({ atMs }) => atMs >= fromMs)
    const last = this.#samples.findIndex(({ atMs }) => atMs >= toMs)
    const told = this.#samples.slice(Math.max(0, first), last < 0 ? undefined : last + 1)
    const most = (of: (one: Lateness) => number): number => Math.round(Math.max(0, ...told.map(of)))
    return {
      serverMs: most(({ serverMs }) => serverMs),
      serverWaitedMs: most(({ serverWaitedMs }) => serverWaitedMs),
      ownMs: most(({ ownMs }) => ownMs),
    }
  }

  stop(): void {
    this.#own.disable()
  }
}

/** What the kernel says of the process's first thread: nanoseconds on a CPU, nanoseconds in the queue for one, … */
function waitedMs(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[1]) / 1e6
}
