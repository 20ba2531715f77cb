import { Condition } from '../../st/condition.ts'
import { asError, InterruptedError, TimeoutError } from '../../st/errors.ts'
import { Ring } from '../../st/ring.ts'
import type { Thread } from '../../st/thread.ts'
import type { World } from '../../st/world.ts'

/** How many are under way at a time. */
const MAX_WORKERS = 64
/** All players of a server may go at once; beyond this callback servers have been dead for long. */
const MAX_NOTICES = 100_000

/** Something to tell, when its turn has come. It deals with its own failures. */
export type Notice = (thread: Thread) => Promise<void>

/** The notices of one client. */
interface Lane {
  readonly key: string
  readonly notices: Notice[]
}

/**
 * Notices that nobody waits for: those of one lane are told one after the other in their order, the lanes in turns, by
 * threads that are there while there is something to tell.
 */
export class NoticeQueue {
  readonly #world: World
  readonly #lanes = new Map<string, Lane>()
  readonly #ready = new Ring<Lane>()
  readonly #workers = new Set<Thread>()
  readonly #told = new Condition('notices')
  #size = 0
  #dropped = 0

  constructor(world: World) {
    this.#world = world
  }

  /** Notices that wait or are under way. */
  get size(): number {
    return this.#size
  }

  /** Adds a notice to a lane. Never waits. @returns false when there are too many: it is dropped, and that is logged */
  push(key: string, notice: Notice): boolean {
    if (this.#size >= MAX_NOTICES) {
      // One line for each power of ten: whoever drops one may drop thousands.
      if (/^10*$/.test(String(++this.#dropped))) {
        this.#world.log.error({ waiting: this.#size, dropped: this.#dropped }, 'callbacks dropped: too many wait')
      }
      return false
    }
    this.#size++
    const lane = this.#lanes.get(key)
    if (lane) {
      lane.notices.push(notice)
      return true
    }
    const made = { key, notices: [notice] }
    this.#lanes.set(key, made)
    this.#ready.push(made)
    if (this.#workers.size < MAX_WORKERS) this.#hire()
    return true
  }

  /** Waits until all is told, and gives the rest up at the limit; returns when no thread is left. @throws InterruptedError */
  async stop(thread: Thread, limitMs: number): Promise<void> {
    const { clock } = this.#world
    const deadlineMs = clock.nowMs() + limitMs
    try {
      while (this.#size > 0) await this.#told.wait(thread, Math.max(1, Math.ceil(deadlineMs - clock.nowMs())))
    } catch (error) {
      if (!(error instanceof TimeoutError)) throw error
      this.#world.log.warn({ waiting: this.#size }, 'callbacks given up: the server stops')
    } finally {
      for (const worker of this.#workers) await worker.stop(thread, 'server stops')
    }
  }

  #hire(): void {
    const worker = this.#world.spawn('notices', async (thread) => {
      try {
        for (let lane = this.#ready.shift(); lane; lane = this.#ready.shift()) await this.#tell(thread, lane)
      } finally {
        this.#workers.delete(thread)
      }
    })
    this.#workers.add(worker)
  }

  async #tell(thread: Thread, lane: Lane): Promise<void> {
    try {
      await lane.notices[0]?.(thread)
    } catch (error) {
      if (error instanceof InterruptedError) throw error
      // A fault of ours must not cost the notices behind it.
      this.#world.failures++
      this.#world.log.error({ err: asError(error) }, 'callback failed')
    } finally {
      lane.notices.shift()
      this.#size--
      if (lane.notices.length > 0) this.#ready.push(lane)
      else this.#lanes.delete(lane.key)
      if (this.#size === 0) this.#told.broadcast()
    }
  }
}
