import { StError } from './errors.ts'
import { type Thread } from './thread.ts'
import { WaitList } from './wait-list.ts'

/**
 * A lock for sections that contain a wait; between two waits no lock is needed. Handed over in the order of asking
 * (`st_mutex_t`). An interrupt that comes after the hand-over stays for the next wait: the lock is held and must be freed.
 */
export class Mutex {
  readonly #waiters = new WaitList()
  #owner: Thread | null = null

  /** @throws TimeoutError, InterruptedError; StError 'st_deadlock' when the caller already owns it */
  async lock(thread: Thread, timeoutMs: number): Promise<void> {
    if (this.#owner === thread) throw new StError('st_deadlock', `thread ${thread.name} already owns the mutex`)
    if (!this.#owner) {
      this.#owner = thread
      return
    }
    await thread.world.scheduler.block(thread, this.#waiters, timeoutMs, 'mutex')
  }

  /** @throws StError 'st_not_owner' */
  unlock(thread: Thread): void {
    if (this.#owner !== thread) throw new StError('st_not_owner', `thread ${thread.name} does not own the mutex`)
    const next = this.#waiters.first
    this.#owner = next?.thread ?? null
    if (next) thread.world.scheduler.wake(next, null)
  }
}
