import { asError, InterruptedError } from '../st/errors.ts'
import { FOREVER } from '../st/clock.ts'
import { Mutex } from '../st/mutex.ts'
import type { Thread } from '../st/thread.ts'
import type { Reloader, ReloadReport } from './api/options.ts'
import { changes, inForce } from './changes.ts'
import { type Config, ConfigError } from './config.ts'
import type { Settings } from './settings.ts'

/** Where a reload stands, as SRS counts it. */
const STATE = { init: 0, parsing: 10, applying: 30, finished: 90 } as const
/** SRS's code for a configuration that cannot be used. */
const CONFIG_INVALID = 1023
const ID_LENGTH = 7

/** What a reload needs of the rest of the program. */
export interface ReloadParts {
  readonly settings: Settings
  /** Reads the configuration again. @throws ConfigError */
  readonly load: () => Config
  /**
   * Does all that may fail, and changes nothing that anybody sees.
   * @returns puts it in force, at once; never fails
   * @throws Error why it cannot be done
   */
  readonly prepare: (thread: Thread, config: Config) => Promise<() => void>
}

/**
 * Reads the configuration again and puts it in force, whole or not at all: a file with a mistake, or a port that cannot
 * be opened, changes nothing. SIGHUP and the API come here; one reload runs at a time.
 */
export class Reload implements Reloader {
  readonly #parts: ReloadParts
  readonly #mutex = new Mutex()
  #last: ReloadReport = { rid: '', err: 0, msg: 'Success', state: STATE.init }

  constructor(parts: ReloadParts) {
    this.#parts = parts
  }

  get last(): ReloadReport {
    return this.#last
  }

  /** Returns when it is over, well or not. @throws InterruptedError */
  async reload(thread: Thread): Promise<ReloadReport> {
    await this.#mutex.lock(thread, FOREVER)
    try {
      const rid = thread.world.newId().slice(0, ID_LENGTH)
      this.#last = { rid, ...(await this.#run(thread)) }
    } finally {
      this.#mutex.unlock(thread)
    }
    return this.#last
  }

  async #run(thread: Thread): Promise<Omit<ReloadReport, 'rid'>> {
    let state: number = STATE.parsing
    try {
      const loaded = this.#parts.load()
      for (const warning of loaded.warnings) thread.log.warn({}, warning)
      state = STATE.applying
      await this.#apply(thread, loaded)
    } catch (error) {
      if (error instanceof InterruptedError) throw error
      const { message } = asError(error)
      const problems = error instanceof ConfigError ? error.problems : [message]
      thread.log.error({ problems }, 'reload failed: nothing has changed')
      return { err: CONFIG_INVALID, msg: message, state }
    }
    return { err: 0, msg: 'Success', state: STATE.finished }
  }

  async #apply(thread: Thread, loaded: Config): Promise<void> {
    const { settings, prepare } = this.#parts
    const running = settings.config
    const next = inForce(running, loaded)
    const commit = await prepare(thread, next)
    settings.apply(next)
    commit()
    for (const { path, reload, before, after } of changes(running, loaded)) {
      if (reload === 'new') thread.log.info({ path, before, after }, 'setting changed for new connections')
      else if (reload) thread.log.info({ path, before, after }, 'setting changed')
      else thread.log.warn({ path, before, after }, 'setting counts from the next start')
    }
    thread.log.info({}, 'configuration reloaded')
  }
}
