import { FOREVER } from './clock.ts'
import { asError, InterruptedError, StError } from './errors.ts'
import { IdentityLog, type Log } from './log.ts'
import type { Waiter } from './scheduler.ts'
import { WaitList } from './wait-list.ts'
import type { World } from './world.ts'

/** Called when a thread has ended, however; may not throw. */
export type OnEnd = (thread: Thread) => void

/** What a thread does, top to bottom. It gets itself, because every wait says which thread waits. */
export type Body = (thread: Thread) => Promise<void>

/**
 * A cooperative thread: an async function with an identity. Every function that may block takes the thread as its
 * first parameter and a timeout as its last one, so a signature tells whether the world may change during a call.
 */
export class Thread {
  /** Eight characters that name the connection in logs, API and callbacks; a child has its parent's. */
  readonly id: string
  readonly name: string
  readonly world: World
  /** The wait in which this thread stands; owned by the scheduler. */
  waiter: Waiter | null = null
  /** The turn in which it ran last; owned by the scheduler. */
  turn = -1
  #joiners: WaitList | null = null
  #pendingInterrupt: InterruptedError | null = null
  #ended = false
  #failure: Error | null = null

  constructor(world: World, id: string, name: string) {
    this.world = world
    this.id = id
    this.name = name
  }

  /** Lines that carry the identity. Made when needed: most of its life a thread says nothing. */
  get log(): Log {
    return new IdentityLog(this.world.log, this.id)
  }

  get ended(): boolean {
    return this.#ended
  }

  /** Starts a child with the same identity; it runs from the next turn on. Whoever spawns it joins it. */
  spawn(name: string, body: Body): Thread {
    return this.world.start(this.id, name, body)
  }

  /**
   * Wakes the thread at its wait with InterruptedError, or at its next wait when it waits nowhere. Delivered once:
   * clean-up in `finally` may wait again. A second interrupt before delivery changes nothing.
   */
  interrupt(reason: string): void {
    if (this.#ended || this.#pendingInterrupt) return
    this.#pendingInterrupt = new InterruptedError(reason)
    this.world.scheduler.interrupt(this, this.#pendingInterrupt)
  }

  /** The interrupt that is due, taken away; null when there is none. For the scheduler, which delivers it. */
  takeInterrupt(): InterruptedError | null {
    const interrupt = this.#pendingInterrupt
    this.#pendingInterrupt = null
    return interrupt
  }

  /**
   * Waits for this thread's end.
   * @throws what the thread ended with, except its own InterruptedError; TimeoutError, InterruptedError of `by`;
   *   StError 'st_deadlock' when a thread joins itself
   */
  async join(by: Thread, timeoutMs: number): Promise<void> {
    if (by === this) throw new StError('st_deadlock', `thread ${this.name} joins itself`)
    if (!this.#ended) {
      this.#joiners ??= new WaitList()
      await this.world.scheduler.block(by, this.#joiners, timeoutMs, `join of ${this.name}`)
    }
    if (this.#failure) throw this.#failure
  }

  /**
   * Interrupts the thread and waits until it has ended, for `finally` blocks of its owner: returns only then. Its
   * failure is logged, not thrown; an interrupt of `by` meanwhile is kept and delivered at the next wait of `by`.
   * @throws StError 'st_deadlock' when a thread stops itself
   */
  async stop(by: Thread, reason: string): Promise<void> {
    if (by === this) throw new StError('st_deadlock', `thread ${this.name} stops itself`)
    this.interrupt(reason)
    let kept: InterruptedError | null = null
    while (!this.#ended) {
      try {
        await this.join(by, FOREVER)
      } catch (error) {
        if (this.#failure && error === this.#failure) this.#report(this.#failure)
        else if (error instanceof InterruptedError) kept ??= error
        else throw error
      }
    }
    if (kept) by.interrupt(kept.reason)
  }

  /** Suspends this thread for `durationMs` >= 0. @throws InterruptedError */
  async sleep(durationMs: number): Promise<void> {
    try {
      await this.world.scheduler.block(this, null, Math.max(1, durationMs), 'sleep')
    } catch (error) {
      if (error instanceof StError && error.code === 'st_timeout') return
      throw error
    }
  }

  /** Lets all others that are ready run first. @throws InterruptedError */
  yield(): Promise<void> {
    return this.world.scheduler.yield(this)
  }

  /**
   * For the world: runs the body from the next turn on and settles the thread; never throws. Not an async function
   * around the body: its frame would cost each of 10,000 players half a kilobyte.
   */
  run(body: Body, onEnd: OnEnd): void {
    this.yield().then(
      () => this.#begin(body, onEnd),
      (error: unknown) => this.#end(asError(error), onEnd),
    )
  }

  #begin(body: Body, onEnd: OnEnd): void {
    try {
      body(this).then(
        () => this.#end(null, onEnd),
        (error: unknown) => this.#end(asError(error), onEnd),
      )
    } catch (error) {
      this.#end(asError(error), onEnd)
    }
  }

  #end(error: Error | null, onEnd: OnEnd): void {
    this.#ended = true
    this.world.scheduler.ended(this)
    this.world.threads.delete(this)
    onEnd(this)
    if (error && !(error instanceof InterruptedError)) {
      this.#failure = error
      // A failure that nobody waits for would be lost.
      if (!this.#joiners?.first) this.#report(error)
    }
    while (this.#joiners?.first) this.world.scheduler.wake(this.#joiners.first, null)
  }

  #report(error: Error): void {
    this.world.failures++
    this.log.error({ err: error, thread: this.name }, 'thread failed')
  }
}
