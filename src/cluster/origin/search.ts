import { Condition } from '../../st/condition.ts'
import { TimeoutError } from '../../st/errors.ts'
import type { Thread } from '../../st/thread.ts'
import type { World } from '../../st/world.ts'
import { leftMs, type Origin, type OriginFinder } from './origin.ts'

/** For one look-up, whoever is asked. */
const FIND_TIMEOUT_MS = 2_000
/** From one look-up to the next, as long as somebody waits for the stream. */
const PAUSE_MS = 1_000
/** A look-up and its pause never take longer. */
const ROUND_TIMEOUT_MS = 2 * (FIND_TIMEOUT_MS + PAUSE_MS)

/** One stream that somebody looks for. */
class Search {
  readonly #changed = new Condition('look-up of a stream')
  readonly thread: Thread
  holders = 0
  #rounds = 0
  #found: readonly Origin[] = []

  constructor(world: World, finder: OriginFinder, key: string, onEnd: (thread: Thread) => void) {
    const body = (thread: Thread): Promise<void> => this.#run(thread, finder, key)
    this.thread = world.spawn('stream search', body, onEnd)
  }

  /** Something else has happened that those who wait look at. */
  changed(): void {
    this.#changed.broadcast()
  }

  /** See Searches.locate. */
  async until<T>(thread: Thread, waitMs: number, look: (found: readonly Origin[]) => T | null): Promise<T | null> {
    const deadlineMs = thread.world.clock.nowMs() + waitMs
    const before = this.#rounds
    for (;;) {
      const seen = look(this.#found)
      if (seen !== null) return seen
      const isLate = thread.world.clock.nowMs() >= deadlineMs
      if (isLate && this.#rounds > before) return null
      try {
        await this.#changed.wait(thread, isLate ? ROUND_TIMEOUT_MS : leftMs(thread, deadlineMs))
      } catch (error) {
        if (!(error instanceof TimeoutError)) throw error
        if (isLate) return null
      }
    }
  }

  async #run(thread: Thread, finder: OriginFinder, key: string): Promise<void> {
    for (;;) {
      this.#found = await finder.find(thread, key, FIND_TIMEOUT_MS)
      this.#rounds++
      this.#changed.broadcast()
      await thread.sleep(PAUSE_MS)
    }
  }
}

/**
 * Looks for streams that players wait for. One look-up a second for each stream, however many wait for it: what players
 * can make this server ask others is bounded by the connections that it takes.
 */
export class Searches {
  readonly #world: World
  readonly #finder: OriginFinder
  readonly #searches = new Map<string, Search>()
  readonly #threads = new Set<Thread>()

  constructor(world: World, finder: OriginFinder) {
    this.#world = world
    this.#finder = finder
  }

  /** Streams that somebody looks for. */
  get size(): number {
    return this.#searches.size
  }

  /**
   * Waits until `look` gives something; it is called with the servers that have the stream after each look-up, and after
   * `published`.
   * @param waitMs since now; 0: one look-up
   * @returns null: it gave nothing in time
   * @throws InterruptedError
   */
  async locate<T>(
    thread: Thread,
    key: string,
    waitMs: number,
    look: (found: readonly Origin[]) => T | null,
  ): Promise<T | null> {
    const search = this.#searches.get(key) ?? this.#begin(key)
    search.holders++
    try {
      return await search.until(thread, waitMs, look)
    } finally {
      search.holders--
      if (search.holders === 0) this.#end(key, search)
    }
  }

  /** The stream is published here. */
  published(key: string): void {
    this.#searches.get(key)?.changed()
  }

  /** Ends all threads; returns when they are gone. */
  async stop(thread: Thread): Promise<void> {
    for (const one of this.#threads) await one.stop(thread, 'server stops')
  }

  #begin(key: string): Search {
    const search = new Search(this.#world, this.#finder, key, (thread) => void this.#threads.delete(thread))
    this.#threads.add(search.thread)
    this.#searches.set(key, search)
    return search
  }

  #end(key: string, search: Search): void {
    this.#searches.delete(key)
    search.thread.interrupt('nobody looks for the stream any more')
  }
}
