import { Condition } from '../st/condition.ts'
import { StError } from '../st/errors.ts'
import type { Thread } from '../st/thread.ts'
import type { StreamOptions } from './options.ts'
import { Publication } from './publication.ts'
import { Timeline } from './timeline.ts'

/** Somebody else publishes this stream and is alive. */
export class StreamBusyError extends StError {
  constructor(key: string, silentMs: number) {
    super('stream_busy', `stream ${key} has a publisher that was heard ${Math.round(silentMs)} ms ago`)
  }
}

/**
 * One live stream, whoever feeds it and whoever plays it. It lives as long as somebody holds it (see Hub), and over
 * the publishers that come and go meanwhile: its players stay, and its timeline goes on.
 */
export class Source {
  readonly key: string
  readonly timeline = new Timeline()
  readonly #published = new Condition('publisher')
  #publication: Publication | null = null
  /** Publishers and players that hold this source; for the hub. */
  holders = 0
  players = 0

  constructor(key: string) {
    this.key = key
  }

  /** The publish that is running, or null. */
  get publication(): Publication | null {
    return this.#publication
  }

  /**
   * Makes the calling thread the publisher. Synchronous: nothing can come between the test and the taking. A
   * publisher that was silent for `takeoverAfterMs` (a dead connection that TCP has not noticed) is interrupted.
   * @throws StreamBusyError
   */
  publish(thread: Thread, options: StreamOptions): Publication {
    const current = this.#publication
    if (current) {
      const silentMs = thread.world.clock.nowMs() - current.lastPacketMs
      if (silentMs < options.takeoverAfterMs) throw new StreamBusyError(this.key, silentMs)
      this.unpublish(current)
      current.publisher.interrupt('replaced by a new publisher')
    }
    const publication = new Publication(thread, options, this.timeline)
    this.#publication = publication
    this.#published.broadcast()
    return publication
  }

  /** Ends a publish; does nothing when it has been replaced or ended before. */
  unpublish(publication: Publication): void {
    publication.end()
    if (this.#publication === publication) this.#publication = null
  }

  /**
   * Waits for a publisher.
   * @throws TimeoutError, InterruptedError
   */
  async published(thread: Thread, timeoutMs: number): Promise<Publication> {
    while (!this.#publication) await this.#published.wait(thread, timeoutMs)
    return this.#publication
  }
}
