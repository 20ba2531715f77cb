import { Condition } from '../st/condition.ts'
import { StError, TimeoutError } from '../st/errors.ts'
import type { Thread } from '../st/thread.ts'
import type { PublishWatcher } from './hub.ts'
import type { StreamOptions } from './options.ts'
import { Publication } from './publication.ts'
import { Timeline } from './timeline.ts'

/** Somebody else publishes this stream and is alive. */
export class StreamBusyError extends StError {
  constructor(key: string, who: string) {
    super('stream_busy', `stream ${key} has ${who}`)
  }
}

/**
 * One live stream, whoever feeds it and whoever plays it. It lives as long as somebody holds it (see Hub), and over
 * the publishers that come and go meanwhile: its players stay, and its timeline goes on.
 */
export class Source {
  readonly key: string
  readonly timeline = new Timeline()
  readonly #watchers: ReadonlySet<PublishWatcher>
  readonly #count: (more: number) => void
  readonly #published = new Condition('publisher')
  readonly #unclaimed = new Condition('place of a publisher')
  #publication: Publication | null = null
  #claimant: Thread | null = null
  /** Publishers and players that hold this source; for the hub. */
  holders = 0
  players = 0

  /**
   * @param watchers are told of each publish; see Hub
   * @param count is called with 1 when a publish begins and with -1 when it ends
   */
  constructor(key: string, watchers: ReadonlySet<PublishWatcher>, count: (more: number) => void = () => {}) {
    this.key = key
    this.#watchers = watchers
    this.#count = count
  }

  /** The publish that is running, or null. */
  get publication(): Publication | null {
    return this.#publication
  }

  /**
   * Reserves the place of the publisher for the calling thread while others are asked whether it may have it; then
   * `publish` or `unclaim` follows. Who comes meanwhile waits in line: the place is given back when the answer is no.
   * @param timeoutMs limit for the line
   * @throws StreamBusyError (a publisher is there, or the line is too long), InterruptedError
   */
  async claim(thread: Thread, takeoverAfterMs: number, timeoutMs: number): Promise<void> {
    const deadlineMs = thread.world.clock.nowMs() + timeoutMs
    this.#checkFree(thread, takeoverAfterMs)
    while (this.#claimant) {
      await this.#waitInLine(thread, deadlineMs)
      this.#checkFree(thread, takeoverAfterMs)
    }
    this.#claimant = thread
  }

  /** Gives the place back; does nothing when no thread of this identity has claimed it, or publishes by now. */
  unclaim(thread: Thread): void {
    if (this.#claimant?.id !== thread.id) return
    this.#claimant = null
    this.#unclaimed.broadcast()
  }

  /**
   * Makes the calling thread the publisher. Synchronous: nothing can come between the test and the taking. A
   * publisher that was silent for `takeoverAfterMs` (a dead connection that TCP has not noticed) is interrupted.
   * @throws StreamBusyError
   */
  publish(thread: Thread, options: StreamOptions): Publication {
    if (this.#claimant && this.#claimant.id !== thread.id)
      throw new StreamBusyError(this.key, 'a publisher that begins')
    this.#checkFree(thread, options.takeoverAfterMs)
    const current = this.#publication
    if (current) {
      this.unpublish(current)
      current.publisher.interrupt('replaced by a new publisher')
    }
    const publication = new Publication(thread, options, this.timeline)
    this.#publication = publication
    this.#count(1)
    for (const watch of this.#watchers) watch(this, publication)
    this.#published.broadcast()
    this.unclaim(thread)
    return publication
  }

  /** Ends a publish; does nothing when it has been replaced or ended before. */
  unpublish(publication: Publication): void {
    publication.end()
    if (this.#publication !== publication) return
    this.#publication = null
    this.#count(-1)
  }

  /**
   * Waits for a publisher.
   * @throws TimeoutError, InterruptedError
   */
  async published(thread: Thread, timeoutMs: number): Promise<Publication> {
    while (!this.#publication) await this.#published.wait(thread, timeoutMs)
    return this.#publication
  }

  async #waitInLine(thread: Thread, deadlineMs: number): Promise<void> {
    try {
      await this.#unclaimed.wait(thread, Math.max(1, Math.ceil(deadlineMs - thread.world.clock.nowMs())))
    } catch (error) {
      if (error instanceof TimeoutError) throw new StreamBusyError(this.key, 'a publisher that begins')
      throw error
    }
  }

  #checkFree(thread: Thread, takeoverAfterMs: number): void {
    if (!this.#publication) return
    const silentMs = thread.world.clock.nowMs() - this.#publication.lastPacketMs
    if (silentMs >= takeoverAfterMs) return
    throw new StreamBusyError(this.key, `a publisher that was heard ${Math.round(silentMs)} ms ago`)
  }
}
