import type { Thread } from '../st/thread.ts'
import type { Client, EndedClient } from './client.ts'

const MAX_RECENT = 100

/** The register of all clients. */
export class Clients {
  readonly #clients = new Map<string, Client>()
  readonly #recent: EndedClient[] = []
  /** Of the clients that ended; add the living ones for a sum. */
  readonly totals = { clients: 0, errors: 0, receivedBytes: 0, sentBytes: 0 }

  get size(): number {
    return this.#clients.size
  }

  /** The last 100 that ended, in their order. */
  get recent(): readonly EndedClient[] {
    return this.#recent
  }

  all(): IterableIterator<Client> {
    return this.#clients.values()
  }

  get(id: string): Client | null {
    return this.#clients.get(id) ?? null
  }

  add(client: Client): void {
    this.#clients.set(client.id, client)
  }

  remove(client: Client, reason: string, isError: boolean): void {
    if (!this.#clients.delete(client.id)) return
    const { id, peer, type, sourceKey, startedMs, socket } = client
    const { receivedBytes, sentBytes } = socket
    const endedMs = client.thread.world.clock.nowMs()
    this.totals.clients++
    if (isError) this.totals.errors++
    this.totals.receivedBytes += receivedBytes
    this.totals.sentBytes += sentBytes
    this.#recent.push({ id, peer, type, sourceKey, startedMs, endedMs, receivedBytes, sentBytes, reason, isError })
    if (this.#recent.length > MAX_RECENT) this.#recent.shift()
  }

  /**
   * Ends a client; returns when it is gone.
   * @returns false: there is no such client
   * @throws TimeoutError, InterruptedError
   */
  async kick(thread: Thread, id: string, timeoutMs: number): Promise<boolean> {
    const client = this.#clients.get(id)
    if (!client) return false
    client.thread.interrupt('kicked')
    await client.thread.join(thread, timeoutMs)
    return true
  }
}
