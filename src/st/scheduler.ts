import type { Clock, Timer } from './clock.ts'
import { InterruptedError, TimeoutError } from './errors.ts'
import type { Follower, Followers } from './followers.ts'
import { Ring } from './ring.ts'
import type { Thread } from './thread.ts'
import type { WaitList } from './wait-list.ts'

/** How many threads run in one turn of the event loop. */
const THREADS_PER_TURN = 128
/** How many steps of followers are done in one turn: about 4 ms of writes to players. */
const STEPS_PER_TURN = 512
/** Steps of one broadcast before that of another stream has its turn. */
const STEPS_AT_A_TIME = 64
/** What is left of a follower's timeout is rounded up to this, so that many share a timer. */
const RENEWAL_GRAIN_MS = 250
/** How often a timeout that may change is looked at. */
const CHANGE_LOOK_MS = 5_000

/** Turns are counted up to this, then from 0 again. */
const LAST_TURN = 0x3fffffff

/** The longest delay that a clock's timer knows, about 24 days. */
const LONGEST_TIMER_MS = 2 ** 31 - 1

/** One wait of one thread: where it stands until it is woken, times out or is interrupted. */
export class Waiter {
  readonly thread: Thread
  readonly what: string
  readonly #resolve: () => void
  readonly #reject: (error: Error) => void
  #error: Error | null = null
  list: WaitList | null = null
  prev: Waiter | null = null
  next: Waiter | null = null
  timeouts: TimeoutList | null = null
  earlier: Waiter | null = null
  later: Waiter | null = null
  deadlineMs = 0
  timeoutMs = Infinity
  /** When it began, whole ms of the clock: no object for each waiter. */
  sinceMs = 0
  /** It stands there instead of in a list, at `place`, while `follower` does its steps. */
  followers: Followers | null = null
  follower: Follower | null = null
  place = 0

  constructor(thread: Thread, what: string, resolve: () => void, reject: (error: Error) => void) {
    this.thread = thread
    this.what = what
    this.#resolve = resolve
    this.#reject = reject
  }

  fail(error: Error): void {
    this.#error = error
  }

  /** Lets the thread go on; called by the scheduler in the thread's turn. */
  resume(): void {
    // Until here the interrupt was due, so that a second one in the meantime changed nothing.
    if (this.#error instanceof InterruptedError) this.thread.takeInterrupt()
    if (this.#error) this.#reject(this.#error)
    else this.#resolve()
  }
}

/**
 * The waits that share one timeout. They expire in the order in which they began, so one timer serves them
 * all: 10,000 players that wait 30 s each cost one timer, and starting or ending a wait costs O(1).
 */
class TimeoutList {
  #earliest: Waiter | null = null
  #latest: Waiter | null = null
  readonly #timeoutMs: number
  readonly #scheduler: Scheduler
  #timer: Timer | null = null

  constructor(timeoutMs: number, scheduler: Scheduler) {
    this.#timeoutMs = timeoutMs
    this.#scheduler = scheduler
  }

  add(waiter: Waiter, nowMs: number): void {
    waiter.deadlineMs = nowMs + this.#timeoutMs
    waiter.timeouts = this
    waiter.earlier = this.#latest
    if (this.#latest) this.#latest.later = waiter
    else this.#earliest = waiter
    this.#latest = waiter
    this.#timer ??= this.#arm(this.#timeoutMs)
  }

  remove(waiter: Waiter): void {
    if (waiter.earlier) waiter.earlier.later = waiter.later
    else this.#earliest = waiter.later
    if (waiter.later) waiter.later.earlier = waiter.earlier
    else this.#latest = waiter.earlier
    waiter.timeouts = null
    waiter.earlier = null
    waiter.later = null
    if (this.#earliest) return
    // The timer of an empty list would keep the process awake.
    this.#timer?.cancel()
    this.#timer = null
    this.#scheduler.dropTimeouts(this.#timeoutMs)
  }

  #arm(delayMs: number): Timer {
    // A timer that fires before its time is armed again, so a longer wait takes several.
    const timerMs = Math.min(Math.max(1, Math.ceil(delayMs)), LONGEST_TIMER_MS)
    return this.#scheduler.clock.after(timerMs, () => this.#expire())
  }

  #expire(): void {
    this.#timer = null
    const nowMs = this.#scheduler.clock.nowMs()
    for (let waiter = this.#earliest, later: Waiter | null; waiter; waiter = later) {
      later = waiter.later
      const leftMs = waiter.deadlineMs - nowMs
      if (leftMs > 0) {
        this.#timer = this.#arm(leftMs)
        return
      }
      this.#scheduler.expire(waiter, nowMs)
    }
  }
}

/**
 * The run queue. A wake-up never runs a thread on the spot: it queues it, and the queue is drained in slices,
 * one slice a turn, with the event loop polled in between. A broadcast to 10,000 players therefore delays input and
 * output by one slice, not by 10,000 writes. Threads that waited for input have every second place of a slice, and
 * followers have their steps beside the threads, so that a publisher is read and a new player is answered while a
 * broadcast is still going on. The slice is bounded by count, because the continuations are microtasks and run only
 * after the draining loop has returned: a clock in it measures nothing.
 */
export class Scheduler {
  readonly clock: Clock
  readonly #ready = new Ring<Waiter>()
  readonly #readyForInput = new Ring<Waiter>()
  /** Followers that have steps to do. */
  readonly #broadcasts = new Ring<Followers>()
  readonly #timeouts = new Map<number, TimeoutList>()
  #turnAsked = false
  /** Since when somebody has been waiting for a turn; null: nobody is. */
  #busySinceMs: number | null = null
  #turn = 0
  /** The names of the threads that were let go on in this turn; only the first `#ranCount` count. */
  readonly #ran: string[] = []
  #ranCount = 0
  /** Since when the thread that runs has been running: the end of the slice, or the wait of the thread before it. */
  #runsSinceMs = 0
  /** A thread that holds the event loop for longer is told of by `onHold`. */
  holdLimitMs = Infinity
  /** @param ran names of who ran in the same turn: work between two awaits of theirs may be counted for `thread` */
  onHold: (thread: Thread, heldMs: number, ran: readonly string[]) => void = () => {}

  constructor(clock: Clock) {
    this.clock = clock
  }

  /** Number of threads that are woken and wait for their turn. */
  get readyCount(): number {
    return this.#ready.size + this.#readyForInput.size
  }

  /** How long there has always been somebody who waits for a turn: what is asked of the process is more than it can do. */
  get backlogMs(): number {
    return this.#busySinceMs === null ? 0 : this.clock.nowMs() - this.#busySinceMs
  }

  /**
   * Suspends `thread` at the end of `list` until somebody wakes it.
   * @param timeoutMs 0 < timeoutMs, or FOREVER
   * @throws TimeoutError, InterruptedError (also at once, when an interrupt came before the wait)
   */
  block(thread: Thread, list: WaitList | null, timeoutMs: number, what: string): Promise<void> {
    const interrupt = thread.takeInterrupt()
    if (interrupt) return Promise.reject(interrupt)
    const nowMs = this.clock.nowMs()
    this.#checkHold(thread, nowMs)
    return new Promise((resolve, reject) => {
      const waiter = new Waiter(thread, what, resolve, reject)
      thread.waiter = waiter
      list?.push(waiter)
      waiter.timeoutMs = timeoutMs
      waiter.sinceMs = Math.floor(nowMs)
      if (timeoutMs !== Infinity) this.#timeoutList(timeoutMs).add(waiter, nowMs)
    })
  }

  /** The thread has ended: the last that it did is done. */
  ended(thread: Thread): void {
    this.#checkHold(thread, this.clock.nowMs())
  }

  /** For the list in which `waiter` was: its time is over, unless it follows and was active meanwhile. */
  expire(waiter: Waiter, nowMs: number): void {
    const { follower } = waiter
    const timeoutMs = follower?.timeoutMs ?? waiter.timeoutMs
    const leftMs = (follower?.activeMs ?? -Infinity) + timeoutMs - nowMs
    if (leftMs <= 0) {
      this.wake(waiter, new TimeoutError(waiter.what, timeoutMs))
      return
    }
    waiter.timeouts?.remove(waiter)
    const lookMs = follower?.timeoutMs === undefined ? leftMs : Math.min(leftMs, CHANGE_LOOK_MS)
    this.#timeoutList(Math.ceil(lookMs / RENEWAL_GRAIN_MS) * RENEWAL_GRAIN_MS).add(waiter, nowMs)
  }

  /**
   * Suspends `thread` among `followers`, where `follower` does its steps, until one says no.
   * @param timeoutMs since the follower was active last, late by up to 250 ms
   * @throws as `block`
   */
  blockFollowing(
    thread: Thread,
    followers: Followers,
    follower: Follower,
    timeoutMs: number,
    what: string,
  ): Promise<void> {
    const firstMs = follower.timeoutMs === undefined ? timeoutMs : Math.min(timeoutMs, CHANGE_LOOK_MS)
    const promise = this.block(thread, null, firstMs, what)
    if (thread.waiter) {
      thread.waiter.timeoutMs = timeoutMs
      followers.add(thread.waiter, follower)
    }
    return promise
  }

  /** Does the steps that `followers` have left, in the turns to come. */
  advance(followers: Followers): void {
    if (followers.isQueued) return
    followers.isQueued = true
    this.#broadcasts.push(followers)
    this.#askTurn()
  }

  /** Does the steps that `followers` have left: now, if they are prompt or nobody waits for a turn. For Condition.arrive. */
  advanceNow(followers: Followers): void {
    if (this.#turnAsked && !followers.isPrompt) this.advance(followers)
    else followers.advance(this, followers.left)
  }

  /** Puts `thread` at the end of the run queue at once: its turn comes after all that are ready now. */
  yield(thread: Thread): Promise<void> {
    const promise = this.block(thread, null, Infinity, 'yield')
    if (thread.waiter) this.wake(thread.waiter, null)
    return promise
  }

  /** Ends a wait, well or with `error`. From here on a timeout or an interrupt can no longer change its outcome. */
  wake(waiter: Waiter, error: Error | null): void {
    const queue = waiter.list?.isForInput ? this.#readyForInput : this.#ready
    waiter.list?.remove(waiter)
    waiter.followers?.remove(waiter)
    waiter.timeouts?.remove(waiter)
    waiter.thread.waiter = null
    if (error) waiter.fail(error)
    queue.push(waiter)
    this.#askTurn()
  }

  /** Ends the wait of `thread` by an interrupt, if it waits; else the interrupt stays for its next wait. */
  interrupt(thread: Thread, error: InterruptedError): void {
    if (thread.waiter) this.wake(thread.waiter, error)
  }

  dropTimeouts(timeoutMs: number): void {
    this.#timeouts.delete(timeoutMs)
  }

  #timeoutList(timeoutMs: number): TimeoutList {
    let list = this.#timeouts.get(timeoutMs)
    if (!list) {
      list = new TimeoutList(timeoutMs, this)
      this.#timeouts.set(timeoutMs, list)
    }
    return list
  }

  #askTurn(): void {
    if (this.#turnAsked) return
    this.#turnAsked = true
    this.#busySinceMs ??= this.clock.nowMs()
    this.clock.nextTurn(() => this.#runSlice())
  }

  #runSlice(): void {
    this.#turnAsked = false
    // A small integer for ever: each thread has one.
    this.#turn = (this.#turn + 1) & LAST_TURN
    this.#ranCount = 0
    for (let count = 0; count < THREADS_PER_TURN; count++) {
      const waiter =
        count % 2 === 0
          ? (this.#next(this.#readyForInput) ?? this.#next(this.#ready))
          : (this.#next(this.#ready) ?? this.#next(this.#readyForInput))
      if (!waiter) break
      waiter.thread.turn = this.#turn
      this.#ran[count] = waiter.thread.name
      this.#ranCount = count + 1
      waiter.resume()
    }
    this.#advanceSome()
    // The threads run when this function has returned.
    this.#runsSinceMs = this.clock.nowMs()
    if (this.readyCount > 0 || this.#broadcasts.size > 0) this.#askTurn()
    else if (!this.#turnAsked) this.#busySinceMs = null
  }

  /** A thread runs until it waits: two looks at the clock tell how long it held all others up. */
  #checkHold(thread: Thread, nowMs: number): void {
    // Who did not run in this turn begins only now, or comes from a wait that is none of ours.
    if (thread.turn !== this.#turn) return
    const heldMs = nowMs - this.#runsSinceMs
    this.#runsSinceMs = nowMs
    if (heldMs > this.holdLimitMs) this.onHold(thread, heldMs, this.#ran.slice(0, this.#ranCount))
  }

  #next(queue: Ring<Waiter>): Waiter | undefined {
    if (queue.size > 1 && this.clock.pick) queue.advance(this.clock.pick(queue.size))
    return queue.shift()
  }

  #advanceSome(): void {
    for (let left = STEPS_PER_TURN; left > 0; ) {
      const followers = this.#broadcasts.shift()
      if (!followers) return
      left -= followers.advance(this, Math.min(left, STEPS_AT_A_TIME))
      if (followers.left > 0) this.#broadcasts.push(followers)
      else followers.isQueued = false
    }
  }
}
