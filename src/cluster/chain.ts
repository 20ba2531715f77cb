/** Loops: a stream must not come back to a server through which it is asked for. */
import type { Client } from '../server/client.ts'
import { type Gate, type GateEvent, type Leave, RefusedError } from '../server/gate.ts'
import type { Thread } from '../st/thread.ts'

/** Of servers behind each other; a longer chain is a loop of servers that do not say their ids. */
const MAX_SERVERS = 32

/** The chains of those who ask and, at its end, this server: what it says when it asks in turn. */
export function joinChains(chains: Iterable<string>, ownId: string): string {
  const ids = new Set([...chains].flatMap((chain) => chain.split(',')).filter((id) => id !== '' && id !== ownId))
  return [...[...ids].slice(-MAX_SERVERS), ownId].join(',')
}

/**
 * Refuses whoever asks through this server. Servers say through which others they ask: by `sluice_chain` in the command
 * object of `connect`, by `X-Sluice-Chain` over HTTP, ids with commas between them. The id is another one at every start:
 * servers that share a configuration are no loop.
 */
export class LoopGate implements Gate {
  readonly #ownId: string

  constructor(ownId: string) {
    this.#ownId = ownId
  }

  /** @throws RefusedError 'refused_loop' */
  async enter(_thread: Thread, _event: GateEvent, { chain }: Client): Promise<Leave | null> {
    if (chain === '' || !chain.split(',').includes(this.#ownId)) return null
    throw new RefusedError(
      'refused_loop',
      'The stream would come back to this server: origins and edges form a loop.',
      508,
    )
  }
}
