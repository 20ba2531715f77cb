import type { Thread } from '../../st/thread.ts'
import type { Wish } from '../client.ts'
import type { ServerContext } from '../context.ts'

/** A stream is wanted for so many segments after its playlist was asked for last. */
const IDLE_SEGMENTS = 3
const MIN_IDLE_MS = 10_000

interface Wanted {
  seenMs: number
  readonly thread: Thread
}

/**
 * Streams whose playlists are asked for without sessions: those that come from elsewhere must be told that somebody wants
 * them. With sessions each viewer says so for itself.
 */
export class Demand {
  readonly #context: ServerContext
  readonly #wanted = new Map<string, Wanted>()

  constructor(context: ServerContext) {
    this.#context = context
  }

  /** The playlist is asked for. Never waits. */
  seen(wish: Wish): void {
    const { world } = this.#context
    const { sourceKey: key } = wish
    const seenMs = world.clock.nowMs()
    const wanted = this.#wanted.get(key)
    if (wanted) wanted.seenMs = seenMs
    else this.#wanted.set(key, { seenMs, thread: world.spawn('hls demand', (thread) => this.#run(thread, wish)) })
  }

  /** Ends all. */
  async stop(thread: Thread): Promise<void> {
    for (const { thread: own } of this.#wanted.values()) await own.stop(thread, 'server stops')
  }

  async #run(thread: Thread, wish: Wish): Promise<void> {
    const { vhost, sourceKey: key } = wish
    const leave = this.#context.upstream?.want({ ...wish, id: thread.id, chain: '' })
    try {
      for (let leftMs = this.#leftMs(key, vhost.hls); leftMs > 0; leftMs = this.#leftMs(key, vhost.hls)) {
        await thread.sleep(leftMs)
      }
    } finally {
      this.#wanted.delete(key)
      leave?.()
    }
  }

  #leftMs(key: string, { hlsFragmentMs, hlsTdRatio }: Wish['vhost']['hls']): number {
    const seenMs = this.#wanted.get(key)?.seenMs ?? -Infinity
    return (
      seenMs + Math.max(MIN_IDLE_MS, IDLE_SEGMENTS * hlsFragmentMs * hlsTdRatio) - this.#context.world.clock.nowMs()
    )
  }
}
