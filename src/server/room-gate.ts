import type { Hub } from '../stream/hub.ts'
import type { Client } from './client.ts'
import { type Gate, type GateEvent, type Leave, RefusedError } from './gate.ts'
import type { LimitOptions } from './limits.ts'

const HTTP_UNAVAILABLE = 503

/** Bounds the streams that clients make by asking for them: `max_streams`, `max_waiting_streams`. */
export class RoomGate implements Gate {
  readonly #hub: Pick<Hub, 'isPublished' | 'publishedStreams'>
  readonly #limits: () => LimitOptions
  /** Clients that are in, or are on their way in, by stream. */
  readonly #clients = new Map<string, number>()

  constructor(hub: Pick<Hub, 'isPublished' | 'publishedStreams'>, limits: () => LimitOptions) {
    this.#hub = hub
    this.#limits = limits
  }

  /** @throws RefusedError 'limit_streams', 'limit_waiting_streams' */
  async enter(_thread: unknown, event: GateEvent, { sourceKey: key }: Client): Promise<Leave | null> {
    if (event === 'connect' || key === null) return null
    if (!this.#clients.has(key)) this.#checkRoom(event, key)
    this.#clients.set(key, (this.#clients.get(key) ?? 0) + 1)
    return () => this.#leave(key)
  }

  #checkRoom(event: GateEvent, key: string): void {
    const { maxStreams, maxWaitingStreams } = this.#limits()
    const streams = this.#clients.size
    if (maxStreams > 0 && streams >= maxStreams) throw refusal('limit_streams', `max_streams ${maxStreams}`)
    if (event === 'publish' || maxWaitingStreams === 0 || this.#hub.isPublished(key)) return
    // What is published and played by nobody makes it count too few: it is no client's doing.
    if (streams - this.#hub.publishedStreams < maxWaitingStreams) return
    throw refusal('limit_waiting_streams', `max_waiting_streams ${maxWaitingStreams}`)
  }

  #leave(key: string): void {
    const left = (this.#clients.get(key) ?? 1) - 1
    if (left > 0) this.#clients.set(key, left)
    else this.#clients.delete(key)
  }
}

function refusal(code: string, limit: string): RefusedError {
  return new RefusedError(code, `${limit} is reached.`, HTTP_UNAVAILABLE)
}
