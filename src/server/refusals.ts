import type { Thread } from '../st/thread.ts'
import type { World } from '../st/world.ts'
import { type Gate, RedirectError, RefusedError } from './gate.ts'

/** A flood of refusals is one line of the log each second for each reason. */
const REPORT_MS = 1_000

/** One reason: how often, how much of that the log has not said yet, and what happened last. */
interface Reason {
  total: number
  unsaid: number
  example: string
}

/** Counts whoever was not let in, by reason, and tells the log at most once a second. */
export class Refusals {
  readonly #world: World
  /** By code; the codes are the program's, so there are few. */
  readonly #reasons = new Map<string, Reason>()
  #reporter: Thread | null = null

  constructor(world: World) {
    this.#world = world
  }

  /** Refusals since the start, by code. */
  get totals(): ReadonlyMap<string, number> {
    return new Map([...this.#reasons].map(([code, { total }]) => [code, total]))
  }

  /**
   * Counts one refusal. Never waits.
   * @param code stable and of the program's making: 'refused_limit'
   * @param example who and why, for people
   */
  count(code: string, example: string): void {
    const reason = this.#reasons.get(code) ?? { total: 0, unsaid: 0, example }
    reason.total++
    reason.unsaid++
    reason.example = example
    this.#reasons.set(code, reason)
    if (this.#reporter) return
    this.#report()
    this.#reporter = this.#world.spawn('refusals', (thread) => this.#run(thread))
  }

  /** Ends the thread that reports, which says what is left. */
  async stop(thread: Thread): Promise<void> {
    await this.#reporter?.stop(thread, 'server stops')
  }

  /** Runs as long as there is something to say. */
  async #run(thread: Thread): Promise<void> {
    try {
      do await thread.sleep(REPORT_MS)
      while (this.#report())
    } finally {
      this.#reporter = null
      this.#report()
    }
  }

  #report(): boolean {
    let hasSaid = false
    for (const [code, reason] of this.#reasons) {
      if (reason.unsaid === 0) continue
      this.#world.log.warn(
        { code, count: reason.unsaid, total: reason.total, last: reason.example },
        'clients were refused',
      )
      reason.unsaid = 0
      hasSaid = true
    }
    return hasSaid
  }
}

/** The same gate, with every refusal counted; who is sent elsewhere is none. */
export function countRefusals(gate: Gate, refusals: Refusals): Gate {
  return {
    async enter(thread, event, client) {
      try {
        return await gate.enter(thread, event, client)
      } catch (error) {
        const isRefusal = error instanceof RefusedError && !(error instanceof RedirectError)
        if (isRefusal) refusals.count(error.code, `${client.peer.host}: ${error.message}`)
        throw error
      }
    },
    locates: (vhost) => gate.locates?.(vhost) ?? false,
    resume: (event, client) => gate.resume?.(event, client) ?? null,
  }
}
