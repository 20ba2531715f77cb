import type { Disk } from '../../src/st/disk.ts'
import { RealClock } from '../../src/st/real/clock.ts'
import { RealDisk } from '../../src/st/real/disk.ts'
import { RealNetwork } from '../../src/st/real/network.ts'
import { RealPlatform } from '../../src/st/real/platform.ts'
import { RealPrograms } from '../../src/st/real/programs.ts'
import type { Log } from '../../src/st/log.ts'
import type { Thread } from '../../src/st/thread.ts'
import { World } from '../../src/st/world.ts'

/** One line as the log got it. */
export interface LogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly fields: Record<string, unknown>
  readonly text: string
}

/** A log that prints nothing and keeps its lines. */
export class RecordingLog implements Log {
  readonly lines: LogLine[] = []

  debug(fields: object, text: string): void {
    this.#keep('debug', fields, text)
  }

  info(fields: object, text: string): void {
    this.#keep('info', fields, text)
  }

  warn(fields: object, text: string): void {
    this.#keep('warn', fields, text)
  }

  error(fields: object, text: string): void {
    this.#keep('error', fields, text)
  }

  #keep(level: LogLine['level'], fields: object, text: string): void {
    this.lines.push({ level, fields: { ...fields }, text })
  }
}

/**
 * A world on the real clock and the real network, with a log that can be looked at.
 * @param useHandles see RealNetwork
 */
export function makeWorld(useHandles = true, disk: Disk = new RealDisk()): { world: World; log: RecordingLog } {
  const log = new RecordingLog()
  return {
    world: new World(new RealClock(), new RealNetwork(useHandles), log, disk, new RealPrograms(), new RealPlatform()),
    log,
  }
}

/**
 * Runs `body` as a thread of `world`: settles when the thread has ended, with the body's value or with what it threw
 * (also an InterruptedError). The failure is the caller's and therefore neither logged nor counted by the world.
 */
export function runThread<T>(world: World, body: (thread: Thread) => Promise<T>): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    world.spawn('test', async (thread) => {
      try {
        const value = await body(thread)
        // In the next turn the thread is gone from the world too.
        setImmediate(() => resolve(value))
      } catch (error) {
        setImmediate(() => reject(error))
      }
    })
  })
}
