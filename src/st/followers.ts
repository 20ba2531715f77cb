import { asError } from './errors.ts'
import type { Scheduler, Waiter } from './scheduler.ts'

/** What a thread does over and over between two equal waits. */
export interface Follower {
  /** Must not wait. @returns whether the thread waits on */
  step(): boolean
  /** When it last did what its timeout is about, in ms of the clock; for those that have one. */
  readonly activeMs?: number
  /** For a timeout that may change meanwhile: counts instead of the one that was given, 5 s after its change at the latest. */
  readonly timeoutMs?: number | undefined
  /** It reads, and does little: when something arrives its step is done at once although others wait for a turn. */
  readonly isPrompt?: boolean
}

/**
 * Threads that wait again and again for the same thing: they stay where they are while their steps are done in their
 * turns. Two dense arrays, since what a broadcast to 10,000 threads costs is the memory it touches for each.
 */
export class Followers {
  readonly #followers: Follower[] = []
  readonly #waiters: Waiter[] = []
  /** The steps from here down to 0 are still to be done. */
  #left = 0
  /** It stands in the scheduler's queue. */
  isQueued = false

  /** Steps that are still to be done. */
  get left(): number {
    return this.#left
  }

  /** Whether the steps may be done as soon as something arrives. */
  get isPrompt(): boolean {
    return this.#followers[0]?.isPrompt ?? false
  }

  add(waiter: Waiter, follower: Follower): void {
    waiter.followers = this
    waiter.follower = follower
    waiter.place = this.#waiters.length
    this.#waiters.push(waiter)
    this.#followers.push(follower)
  }

  /** The last one takes its place: one that had its step may then get another, which finds nothing to do. */
  remove(waiter: Waiter): void {
    const { place } = waiter
    waiter.followers = null
    const lastWaiter = this.#waiters.pop()
    const lastFollower = this.#followers.pop()
    if (lastWaiter && lastFollower && lastWaiter !== waiter) {
      lastWaiter.place = place
      this.#waiters[place] = lastWaiter
      this.#followers[place] = lastFollower
    }
    if (this.#left > this.#waiters.length) this.#left = this.#waiters.length
  }

  /** All are to do their step, in the turns to come. */
  broadcast(): void {
    this.#left = this.#waiters.length
    this.#waiters[0]?.thread.world.scheduler.advance(this)
  }

  /** As `broadcast`, but at once when nobody waits for a turn: see Condition.arrive. */
  arrive(): void {
    this.#left = this.#waiters.length
    this.#waiters[0]?.thread.world.scheduler.advanceNow(this)
  }

  /** Does up to `count` steps; a thread whose step says no, or fails, is woken. @returns how many were done */
  advance(scheduler: Scheduler, count: number): number {
    let done = 0
    for (; done < count && this.#left > 0; done++) {
      const place = --this.#left
      const waiter = this.#waiters[place]
      let failure: Error | null = null
      try {
        if (this.#followers[place]?.step()) continue
      } catch (error) {
        failure = asError(error)
      }
      // The step may have interrupted its own thread, which is woken then.
      if (waiter?.followers === this) scheduler.wake(waiter, failure)
    }
    return done
  }
}
