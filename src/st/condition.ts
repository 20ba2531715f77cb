import { type Follower, Followers } from './followers.ts'
import { type Thread } from './thread.ts'
import { WaitList } from './wait-list.ts'

/**
 * A condition variable as State Threads has it (`st_cond_t`): a signal has no memory, wakes the first waiter
 * or nobody. Between two waits nothing else runs, so what was tested before the wait still holds when it begins.
 */
export class Condition extends WaitList {
  readonly #what: string
  #followers: Followers | null = null

  /**
   * @param what names the wait in errors and in the list of threads, for example 'next batch'
   * @param isForInput its threads need not queue behind a broadcast: see Scheduler
   */
  constructor(what: string, isForInput = false) {
    super(isForInput)
    this.#what = what
  }

  /**
   * Suspends `thread` until a signal or a broadcast.
   * @param timeoutMs > 0, or FOREVER
   * @throws TimeoutError, InterruptedError
   */
  wait(thread: Thread, timeoutMs: number): Promise<void> {
    return thread.world.scheduler.block(thread, this, timeoutMs, this.#what)
  }

  /**
   * Lets `follower` do its step, and again at each broadcast, until it says no. What a thread does over and over between
   * two equal waits is then a plain call in its turn: 10,000 players that are up to date cost no promise, no
   * continuation and no queueing for each batch.
   * A signal reaches them when no thread waits otherwise.
   * @param timeoutMs since the follower was active last, late by up to 250 ms; or FOREVER
   * @throws TimeoutError, InterruptedError; what the step throws
   */
  follow(thread: Thread, follower: Follower, timeoutMs: number): Promise<void> {
    if (!follower.step()) return Promise.resolve()
    this.#followers ??= new Followers()
    return thread.world.scheduler.blockFollowing(thread, this.#followers, follower, timeoutMs, this.#what)
  }

  /** Ends the `follow` in which `thread` waits, if it does, as if its step had said no. */
  release(thread: Thread): void {
    const { waiter } = thread
    if (waiter && waiter.followers === this.#followers) thread.world.scheduler.wake(waiter, null)
  }

  /** Wakes the thread that has waited longest. */
  signal(): void {
    const waiter = this.first
    if (waiter) waiter.thread.world.scheduler.wake(waiter, null)
    else this.#followers?.broadcast()
  }

  /**
   * As `signal`, but only from the event loop itself, while no thread runs: a follower does its step at once when nobody
   * waits for a turn. Its turn would be the next one in any case; asking for it costs an idle server as much as the step.
   */
  arrive(): void {
    const waiter = this.first
    if (waiter) waiter.thread.world.scheduler.wake(waiter, null)
    else this.#followers?.arrive()
  }

  /** Wakes all that wait now; who waits again while they are being woken waits for the next broadcast. */
  broadcast(): void {
    for (let waiter = this.first; waiter; waiter = this.first) {
      waiter.thread.world.scheduler.wake(waiter, null)
    }
    this.#followers?.broadcast()
  }
}
