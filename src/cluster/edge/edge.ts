import type { Client } from '../../server/client.ts'
import type { GateEvent, Leave } from '../../server/gate.ts'
import type { Upstream, Wanting } from '../../server/upstream.ts'
import type { Thread } from '../../st/thread.ts'
import type { PublishWatcher } from '../../stream/hub.ts'
import type { EdgeOptions } from './options.ts'
import type { EdgeParts } from './parts.ts'
import { PublishRelay } from './publish-relay.ts'
import { Pull } from './pull.ts'

/** For publishers that have left: until their last packets are at the origin. */
const LAST_PACKETS_MS = 2_000

/** What is pulled, by key. A class of its own so that the simulation can make it forget: a look-up must find what is there. */
export class Pulls extends Map<string, Pull> {}

/**
 * An edge: streams of its vhosts come from origins as long as somebody here wants them, once however many do, and what is
 * published here is published at an origin first.
 */
export class Edge implements Upstream {
  readonly #parts: EdgeParts
  readonly #pulls = new Pulls()
  /** Those too that are just ending. */
  readonly #all = new Set<Pull>()
  /** By the thread of the publisher. */
  readonly #relays = new Map<Thread, PublishRelay>()
  /** The last relay of a stream, which may have packets at hand when the publisher comes back. */
  readonly #lastRelays = new Map<string, PublishRelay>()
  #turn = 0
  #isStopped = false

  constructor(parts: EdgeParts) {
    this.#parts = parts
  }

  /** Told by the hub of each publish. */
  readonly published: PublishWatcher = (_source, publication) => {
    this.#relays.get(publication.publisher)?.begin(publication)
  }

  /** @throws RefusedError, InterruptedError */
  async enter(thread: Thread, event: GateEvent, client: Client): Promise<Leave | null> {
    const { vhost, sourceKey } = client
    if (!vhost || sourceKey === null) return null
    if (event === 'play') return this.want({ ...client, vhost, sourceKey })
    if (event !== 'publish' || !this.#optionsOf(vhost.name)) return null
    return this.#relay(thread, client, vhost.name, sourceKey)
  }

  serves(vhost: string): boolean {
    return this.#optionsOf(vhost) !== null
  }

  /** Finds the pull or begins it, in one step. */
  want(by: Wanting): Leave | null {
    const { name } = by.vhost
    const { sourceKey: key } = by
    if (this.#isStopped || !this.#optionsOf(name)) return null
    const pull = this.#pulls.get(key) ?? this.#begin(by, key)
    return pull.want(by.chain)
  }

  /** The configuration has changed. */
  refresh(): void {
    for (const pull of this.#pulls.values()) pull.refresh()
  }

  async stop(thread: Thread): Promise<void> {
    this.#isStopped = true
    for (const pull of this.#all) await pull.stop(thread, 'server stops')
    for (const relay of this.#lastRelays.values()) await relay.stop(thread, LAST_PACKETS_MS)
  }

  #begin({ id, type, vhost, url, sourceKey, chain }: Wanting, key: string): Pull {
    const before = [...this.#all].findLast((pull) => pull.key === key) ?? null
    const first = { id, type, vhost, url, sourceKey, chain }
    const pull = new Pull(
      this.#parts,
      first,
      this.#liveOptions(vhost.name),
      this.#turn++,
      before,
      () => this.#pulls.delete(key),
      (gone) => this.#all.delete(gone),
    )
    this.#pulls.set(key, pull)
    this.#all.add(pull)
    return pull
  }

  async #relay(thread: Thread, client: Client, vhost: string, key: string): Promise<Leave> {
    await this.#lastRelays.get(key)?.stop(thread, LAST_PACKETS_MS)
    const relay = new PublishRelay(this.#parts, client, this.#liveOptions(vhost), this.#turn++, () => {
      if (this.#lastRelays.get(key) === relay) this.#lastRelays.delete(key)
    })
    await relay.open(thread)
    this.#relays.set(thread, relay)
    this.#lastRelays.set(key, relay)
    return () => {
      this.#relays.delete(thread)
      relay.end()
    }
  }

  /** Null: no edge. */
  #optionsOf(vhost: string): EdgeOptions | null {
    const options = this.#parts.optionsOf(vhost)
    return options?.mode === 'remote' ? options : null
  }

  #liveOptions(vhost: string): () => EdgeOptions {
    const first = this.#parts.optionsOf(vhost)
    return () => {
      const options = this.#parts.optionsOf(vhost) ?? first
      if (!options) throw new Error(`vhost ${vhost} has no settings`)
      return options
    }
  }
}
