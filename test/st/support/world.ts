import type { Disk } from '../../../src/st/disk.ts'
import { StError } from '../../../src/st/errors.ts'
import type { Programs } from '../../../src/st/programs.ts'
import type { Thread } from '../../../src/st/thread.ts'
import { World } from '../../../src/st/world.ts'
import { RecordingLog } from '../../support/world.ts'
import { TestClock } from './clock.ts'
import { TestNetwork } from './network.ts'

/** A world in which time stands, nothing runs and nobody connects unless the test says so. */
export interface TestWorld {
  readonly world: World
  readonly clock: TestClock
  readonly network: TestNetwork
  readonly log: RecordingLog
}

export function makeTestWorld(disk?: Disk, programs?: Programs): TestWorld {
  const clock = new TestClock()
  const network = new TestNetwork()
  const log = new RecordingLog()
  return { world: new World(clock, network, log, disk, programs), clock, network, log }
}

/** How a call ended: 'ok', or the code of its StError. Other errors pass through. */
export async function outcome(call: Promise<unknown>): Promise<string> {
  try {
    await call
    return 'ok'
  } catch (error) {
    if (error instanceof StError) return error.code
    throw error
  }
}

/** Starts a thread that makes one call and notes `name outcome` when it has ended. */
export function noting(
  world: World,
  notes: string[],
  name: string,
  call: (thread: Thread) => Promise<unknown>,
): Thread {
  return world.spawn(name, async (thread) => {
    notes.push(`${name} ${await outcome(call(thread))}`)
  })
}

/** Lets others run until something is true; the event loop is polled each time. */
export async function until(thread: Thread, isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await thread.yield()
}
