import { NO_PLATFORM, type Platform } from '../platform.ts'
import type { Life } from './life.ts'

/** What one turn costs, ms: an arbitrary figure, which the real machine has no part in. */
const CPU_OF_A_TURN_MS = 0.05

/**
 * A process on a simulated machine as it sees itself: determined by what it does.
 * @param boots how often the machine has started a process
 */
export function simPlatform(life: Life, machine: string, boots: number): Platform {
  return {
    ...NO_PLATFORM,
    pid: 1 + boots,
    parentPid: 1,
    folder: '/srv',
    commandLine: 'sluice',
    processors: 2,
    machine: { ...NO_PLATFORM.machine, name: machine, system: 'Simulation' },
    cpuMs: () => life.steps * CPU_OF_A_TURN_MS,
  }
}
