import type { Thread } from '../../st/thread.ts'
import type { Machine } from '../system/machine.ts'
import type { LoopDelay } from '../../st/platform.ts'
import type { History } from './history.ts'
import type { Statistics } from './statistics.ts'

/** SRS's. */
const INTERVAL_MS = 3_000
/** The loop's delay is that of 15 s, the usual time between two scrapes, so that no peak is missed. */
const SAMPLES_PER_LOOP_DELAY = 5

/** The one thread that looks at everything every few seconds; the way of a packet does nothing for statistics. */
export class Sampler {
  readonly #statistics: Statistics
  readonly #machine: Machine
  readonly #history: History
  readonly #takeLoopDelay: () => LoopDelay
  #loopDelay: LoopDelay = { p50Ms: 0, p99Ms: 0, maxMs: 0 }

  /** @param takeLoopDelay gives the delays since its last call */
  constructor(statistics: Statistics, machine: Machine, history: History, takeLoopDelay: () => LoopDelay) {
    this.#statistics = statistics
    this.#machine = machine
    this.#history = history
    this.#takeLoopDelay = takeLoopDelay
  }

  get loopDelay(): LoopDelay {
    return this.#loopDelay
  }

  /** For ever. @throws InterruptedError */
  async run(thread: Thread): Promise<void> {
    for (let count = 1; ; count++) {
      this.#statistics.refresh()
      this.#machine.sample()
      this.#history.sample()
      if (count % SAMPLES_PER_LOOP_DELAY === 0) this.#loopDelay = this.#takeLoopDelay()
      await thread.sleep(INTERVAL_MS)
    }
  }
}
