/** Passes bytes between two connections, as they are. */
import { type Clock, FOREVER } from '../../st/clock.ts'
import { asError, InterruptedError, StError } from '../../st/errors.ts'
import type { Follower } from '../../st/followers.ts'
import type { Network } from '../../st/network.ts'
import type { Socket } from '../../st/socket.ts'
import type { Thread } from '../../st/thread.ts'
import type { World } from '../../st/world.ts'

/** What may wait on the way in each direction, beside one read of the kernel: a slow reader slows its sender down. */
const UNREAD_LIMIT_BYTES = 16 * 1024

/** What both directions know. */
interface Link {
  /** When a byte went by last, in whichever direction, ms of the clock. */
  activeMs: number
  /** Why it ended, when not by the end of both sides. */
  failure: string | null
}

/**
 * Passes everything on in both directions until both sides have ended; the end of one side is passed on by itself.
 * Returns also when a connection broke. Both are closed then.
 * @param idleMs when nothing went by for so long in either direction, it is over
 * @returns why it ended
 * @throws InterruptedError
 */
export async function pump(thread: Thread, one: Socket, other: Socket, idleMs: number): Promise<string> {
  const link: Link = { activeMs: thread.world.clock.nowMs(), failure: null }
  const there = new Direction(one, other, link, thread.world)
  const back = new Direction(other, one, link, thread.world)
  const backThread = thread.spawn('pump', (own) => back.run(own, idleMs))
  try {
    await there.run(thread, idleMs)
    await backThread.join(thread, FOREVER)
    return link.failure ?? 'ended'
  } finally {
    await backThread.stop(thread, 'connection ended')
    one.close()
    other.close()
  }
}

/** One direction. While all goes well its thread sleeps through it: a step for each arrival passes on what has come. */
class Direction implements Follower {
  /** Else what thousands of connections brought in one turn of the event loop would all be here at once. */
  readonly isPrompt = true
  readonly #from: Socket
  readonly #to: Socket
  readonly #link: Link
  readonly #clock: Clock
  readonly #network: Network

  constructor(from: Socket, to: Socket, link: Link, { clock, network }: World) {
    this.#clock = clock
    this.#network = network
    this.#from = from
    this.#to = to
    this.#link = link
    from.inputLimitBytes = UNREAD_LIMIT_BYTES
  }

  get activeMs(): number {
    return this.#link.activeMs
  }

  /** Passes on what is there. @returns false: the receiver has to take it first, or there is no more */
  step(): boolean {
    for (let bytes = this.#from.tryRead(); bytes; bytes = this.#from.tryRead()) {
      this.#link.activeMs = this.#clock.nowMs()
      if (!this.#to.write(bytes)) return false
      this.#network.giveBack?.(bytes)
    }
    return !this.#from.isAtEnd()
  }

  /** @throws InterruptedError */
  async run(thread: Thread, idleMs: number): Promise<void> {
    try {
      do {
        await this.#to.drain(thread, idleMs)
        await this.#from.followInput(thread, this, idleMs)
      } while (this.#to.pendingBytes > 0 || !this.#from.isAtEnd())
      this.#to.endOutput()
    } catch (error) {
      this.#link.failure ??= asError(error).message
      // The other direction waits at one of these two.
      this.#from.close()
      this.#to.close()
      if (error instanceof InterruptedError || !(error instanceof StError)) throw error
    }
  }
}
