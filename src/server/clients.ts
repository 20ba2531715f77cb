import { Condition } from '../st/condition.ts'
import { TimeoutError } from '../st/errors.ts'
import type { Thread } from '../st/thread.ts'
import type { Client, EndedClient } from './client.ts'

const RECENT_CLIENTS = 100

/** Sums over all clients that have ended; add the living ones for those of the server. */
export interface ClientTotals {
  clients: number
  errors: number
  receivedBytes: number
  sentBytes: number
}

/** The register of all clients: who is there, who was there last, and the way to end one. */
export class Clients {
  readonly #clients = new Map<string, Client>()
  readonly #recent: EndedClient[] = []
  readonly #removed = new Condition('end of a client')
  /** Are told of each end; may not throw. */
  readonly watchers = new Set<(client: Client, ended: EndedClient) => void>()
  readonly totals: ClientTotals = { clients: 0, errors: 0, receivedBytes: 0, sentBytes: 0 }

  get size(): number {
    return this.#clients.size
  }

  /** The last hundred that ended, the newest last. */
  get recent(): readonly EndedClient[] {
    return this.#recent
  }

  add(client: Client): void {
    this.#clients.set(client.id, client)
  }

  /** The client is gone. Does nothing when it is not there. */
  remove(client: Client, reason: string, isError: boolean): void {
    if (this.#clients.get(client.id) !== client) return
    this.#clients.delete(client.id)
    const { receivedBytes, sentBytes } = client.socket
    this.totals.clients++
    if (isError) this.totals.errors++
    this.totals.receivedBytes += receivedBytes
    this.totals.sentBytes += sentBytes
    const { id, peer, type, sourceKey, startedMs, thread } = client
    const endedMs = thread.world.clock.nowMs()
    const ended = { id, peer, type, sourceKey, startedMs, endedMs, receivedBytes, sentBytes, reason, isError }
    this.#recent.push(ended)
    if (this.#recent.length > RECENT_CLIENTS) this.#recent.shift()
    for (const watch of this.watchers) watch(client, ended)
    this.#removed.broadcast()
  }

  get(id: string): Client | null {
    return this.#clients.get(id) ?? null
  }

  /** All that are there now, in the order in which they came. */
  all(): IterableIterator<Client> {
    return this.#clients.values()
  }

  /** Whether anybody plays this stream, in whatever form. */
  hasPlayer(sourceKey: string): boolean {
    for (const { role, sourceKey: key } of this.#clients.values()) if (role === 'play' && key === sourceKey) return true
    return false
  }

  /**
   * Ends a client; returns when it is gone: its connection is closed, and it holds no stream any more.
   * @returns false when there is no such client
   * @throws TimeoutError, InterruptedError
   */
  async kick(thread: Thread, id: string, timeoutMs: number): Promise<boolean> {
    const client = this.#clients.get(id)
    if (!client) return false
    client.thread.interrupt('kicked')
    const { clock } = thread.world
    const deadlineMs = clock.nowMs() + timeoutMs
    while (this.#clients.get(id) === client) {
      const leftMs = Math.ceil(deadlineMs - clock.nowMs())
      if (leftMs <= 0) throw new TimeoutError(`end of client ${id}`, timeoutMs)
      await this.#removed.wait(thread, leftMs)
    }
    return true
  }
}
