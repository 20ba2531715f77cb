import { NO_PLATFORM, type Platform } from '../platform.ts'
import type { Life } from './life.ts'

/** What one turn costs, ms: an arbitrary figure, which the real machine has no part in. */
const CPU_OF_A_TURN_MS = 0.05

/** A process on a simulated machine as it sees itself: determined by what it does. */
export class SimPlatform implements Platform {
  readonly pid: number
  readonly parentPid = 1
  readonly folder = '/srv'
  readonly commandLine = 'sluice'
  readonly processors = 2
  readonly machine: Platform['machine']
  readonly memory = NO_PLATFORM.memory
  readonly usage = NO_PLATFORM.usage
  readonly interfaces = NO_PLATFORM.interfaces
  readonly readProc = NO_PLATFORM.readProc
  readonly watchLoop = NO_PLATFORM.watchLoop
  readonly #life: Life

  /** @param boots how often the machine has started a process */
  constructor(life: Life, name: string, boots: number) {
    this.#life = life
    this.pid = 1 + boots
    this.machine = { ...NO_PLATFORM.machine, name, system: 'Simulation' }
  }

  cpuMs(): number {
    return this.#life.steps * CPU_OF_A_TURN_MS
  }
}
