import type { Client } from '../../server/client.ts'
import type { GateEvent } from '../../server/gate.ts'
import type { FromEdge } from './words.ts'

/** So many ends are kept while the origin is not there; of those before them nobody hears. */
const MOST = 20_000

/** What a client had been let in to. */
export interface Entry {
  readonly client: Client
  readonly entry: number
  readonly event: GateEvent
}

/** Ends of clients while there is no line to the origin: the next one is told of them. */
export class Untold {
  #entries: Entry[] = []
  #gone: (FromEdge & { readonly say: 'gone' })[] = []

  /** Something that a client had been let in to is over. */
  add(entry: Entry): void {
    this.#entries.push(entry)
    if (this.#entries.length > MOST) this.#entries.shift()
  }

  /** A client has gone; `add` has been called for all that it was let in to. */
  addGone(word: FromEdge & { readonly say: 'gone' }): void {
    this.#gone.push(word)
    if (this.#gone.length > MOST) this.#gone.shift()
  }

  /** Gives out all, in their order. */
  take(): { readonly entries: readonly Entry[]; readonly gone: readonly FromEdge[] } {
    const all = { entries: this.#entries, gone: this.#gone }
    this.#entries = []
    this.#gone = []
    return all
  }
}
