import type { Candidate, Election, WritingTurn } from '../../server/hls/shared/share.ts'
import { Condition } from '../../st/condition.ts'
import { DiskError } from '../../st/disk.ts'
import { asError, InterruptedError, StError, TimeoutError } from '../../st/errors.ts'
import { type Clock, FOREVER } from '../../st/clock.ts'
import type { Thread } from '../../st/thread.ts'
import { type Fence, FencedError, type LeaseFacts } from './fence.ts'
import type { BackupOptions } from './options.ts'
import type { RedisLeases } from './redis-leases.ts'
import type { Look, StreamStorage } from './stream-storage.ts'

/** A writer shows so often in the time of a lease that it lives; who stands by looks as often. */
const RENEWALS = 6
const MOST_PAUSE_MS = 1_000
/** Who gave a stream away, or could not write it, does not take it back for so many leases. */
const HOLD_OFF_LEASES = 2
const PRIORITY_MS = 100
/** So long may it take to give a stream back when the server ends. */
const FAREWELL_MS = 3_000

/** What an election knows of its stream and server. */
export interface ElectionParts {
  readonly clock: Clock
  readonly storage: StreamStorage
  readonly redis: RedisLeases | null
  readonly options: () => BackupOptions
  /** Of this server. */
  readonly name: string
  readonly counters: { turns: number; fenced: number }
  /** The thread has ended. */
  readonly onEnd: () => void
  readonly candidate: Candidate
}

/**
 * Decides, with the elections of the other servers, who writes a stream: the lease is a file in the shared storage that its
 * writer goes on to change and, when it answers, a key in Redis. No clocks are compared: a lease is over when it has
 * not changed for its time by the clock of the one who looks.
 */
export class LeaseElection implements Election {
  readonly #parts: ElectionParts
  readonly #changed = new Condition('change of the writer')
  /** The turn of this server; null: it may not write. */
  fence: Fence | null = null
  /** The last one. */
  lastFence: Fence | null = null
  /** What was seen of others. */
  seen: Look | null = null
  #seenMs = 0
  #isWanted = false
  #heldOffMs = 0
  #isAway = false

  constructor(parts: ElectionParts) {
    this.#parts = parts
  }

  /** Takes part as long as there is something to write. */
  want(isWanted: boolean): void {
    this.#isWanted = isWanted
    if (!isWanted) this.giveUp(false)
    this.#changed.broadcast()
  }

  /** Writes no more from now on. @param holdsOff lets the others go first */
  giveUp(holdsOff: boolean): void {
    if (holdsOff) this.#heldOffMs = this.#parts.clock.nowMs() + HOLD_OFF_LEASES * this.#parts.options().leaseMs
    this.fence = null
    this.#changed.broadcast()
  }

  /** The thread. @throws InterruptedError */
  async run(thread: Thread): Promise<void> {
    try {
      for (;;) {
        while (!this.#isWanted) await this.#changed.wait(thread, FOREVER)
        const fence = await this.#stand(thread)
        if (!fence) continue
        this.#begin(thread, fence)
        await this.#hold(thread, fence)
      }
    } finally {
      this.#parts.onEnd()
      await this.#farewell(thread)
    }
  }

  #begin(thread: Thread, fence: Fence): void {
    thread.log.info({ stream: this.#parts.candidate.key, turn: fence.number }, 'HLS: this server writes')
    this.fence = fence
    this.#parts.counters.turns++
  }

  /** Stands by until the stream is ours; null: there is nothing to write any more. */
  async #stand(thread: Thread): Promise<Fence | null> {
    const { storage, name, candidate } = this.#parts
    this.#seenMs = this.#parts.clock.nowMs()
    while (this.#isWanted) {
      try {
        const fence = (await this.#isFree(thread)) ? await this.#take(thread) : null
        if (fence) return await this.#taken(thread, fence)
        await candidate.watch(thread)
        await storage.standBy(thread, name, candidate.side)
        this.#found(thread)
      } catch (error) {
        this.#lost(thread, error)
      }
      await this.#pause(thread, this.#pauseMs)
    }
    await this.#quietly(thread, () => storage.leave(thread, name))
    return null
  }

  /** A turn was begun; null: meanwhile there is nothing to write any more. */
  async #taken(thread: Thread, fence: Fence): Promise<Fence | null> {
    await this.#parts.storage.leave(thread, this.#parts.name)
    this.lastFence = fence
    if (this.#isWanted) return fence
    await fence.release(thread)
    return null
  }

  /** Whether nobody writes. */
  async #isFree(thread: Thread): Promise<boolean> {
    const { storage, redis, candidate } = this.#parts
    const { leaseMs, priority } = this.#parts.options()
    const look = await storage.look(thread)
    const nowMs = this.#parts.clock.nowMs()
    if (look?.number !== this.seen?.number || look?.text !== this.seen?.text) this.#seenMs = nowMs
    this.seen = look
    const silentMs = nowMs - this.#seenMs
    const waitMs = priority * PRIORITY_MS
    if (nowMs < this.#heldOffMs) return false
    if (candidate.isOverdue) return true
    const holder = redis ? await redis.holder(thread, candidate.key) : 'away'
    if (look === null || look.facts?.isWriting === false)
      return silentMs >= waitMs && (holder === null || holder === 'away')
    return (holder === null || holder === 'away') && silentMs >= leaseMs + waitMs
  }

  async #take(thread: Thread): Promise<Fence | null> {
    const { storage, redis, candidate, name } = this.#parts
    const { leaseMs } = this.#parts.options()
    const token = thread.world.newId()
    const number = redis ? await redis.claim(thread, candidate.key, { token }, leaseMs, candidate.isOverdue) : 'away'
    if (number === null) return null
    const facts: LeaseFacts = { name, token, isWriting: true, sinceMs: thread.world.clock.wallMs(), intent: [] }
    return storage.take(thread, facts, number === 'away' ? 1 : number)
  }

  /** Shows that this server lives until its turn is over. */
  async #hold(thread: Thread, fence: Fence): Promise<void> {
    const { redis, candidate, storage } = this.#parts
    const { token } = fence.facts
    while (this.fence === fence) {
      try {
        await fence.renew(thread)
        const isOurs = (await redis?.renew(thread, candidate.key, { token }, this.#parts.options().leaseMs)) ?? true
        if (!isOurs) throw new FencedError(fence.number, null)
        if (await storage.takeSwitch(thread)) candidate.giveAway()
        this.#found(thread)
      } catch (error) {
        if (error instanceof FencedError) this.fenced(thread, fence)
        else this.#lost(thread, error)
      }
      if (this.fence === fence) await this.#pause(thread, this.#pauseMs)
    }
    await this.#release(thread, fence)
  }

  /** Another server has begun a turn, since it saw no life of this one. */
  fenced(thread: Thread, fence: WritingTurn): void {
    if (this.fence !== fence) return
    thread.log.warn({ stream: this.#parts.candidate.key, turn: fence.number }, 'HLS: another server writes now')
    this.#parts.counters.fenced++
    this.giveUp(false)
  }

  async #release(thread: Thread, fence: Fence): Promise<void> {
    const { redis, candidate } = this.#parts
    const { key } = candidate
    await this.#quietly(thread, async () => {
      await fence.release(thread)
      thread.log.info({ stream: key, turn: fence.number }, 'HLS: this server stands by')
    })
    await redis?.drop(thread, key, { token: fence.facts.token })
  }

  /** The server ends, or the stream. */
  async #farewell(thread: Thread): Promise<void> {
    const fence = this.fence
    this.fence = null
    const { clock } = thread.world
    const limitMs = clock.nowMs() + FAREWELL_MS
    if (fence) await this.#release(thread, fence)
    if (clock.nowMs() < limitMs) await this.#quietly(thread, () => this.#parts.storage.leave(thread, this.#parts.name))
  }

  /** What cannot be done now is not needed: the lease ends by itself. */
  async #quietly(thread: Thread, work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      if (error instanceof InterruptedError || !(error instanceof StError)) throw error
      thread.log.info({ stream: this.#parts.candidate.key, reason: error.message }, 'HLS: the lease ends by itself')
    }
  }

  get #pauseMs(): number {
    return Math.min(MOST_PAUSE_MS, this.#parts.options().leaseMs / RENEWALS)
  }

  async #pause(thread: Thread, pauseMs: number): Promise<void> {
    try {
      await this.#changed.wait(thread, pauseMs)
    } catch (error) {
      if (!(error instanceof TimeoutError)) throw error
    }
  }

  #found(thread: Thread): void {
    if (this.#isAway) thread.log.info({ stream: this.#parts.candidate.key }, 'the shared storage answers again')
    this.#isAway = false
  }

  #lost(thread: Thread, caught: unknown): void {
    const error = asError(caught)
    if (!(error instanceof DiskError || error instanceof TimeoutError)) throw error
    const facts = { stream: this.#parts.candidate.key, reason: error.message }
    if (!this.#isAway) thread.log.warn(facts, 'the shared storage does not answer: this server cannot write HLS')
    this.#isAway = true
  }
}
