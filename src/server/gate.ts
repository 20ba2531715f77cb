import type { Thread } from '../st/thread.ts'
import type { Client } from './client.ts'

/** What a client wants to do. */
export type GateEvent = 'connect' | 'publish' | 'play'

/** Undoes an entry: called exactly once when what was let in has ended, never throws, never waits. */
export type Leave = () => void

/** A client may not do what it wants. The text is for the client: it gives no secret away. */
export class RefusedError extends Error {
  /** 'refused_limit', 'refused_security', 'refused_referer', 'refused_token' ...: refusals are counted by it. */
  readonly code: string
  /** Of the answer to an HTTP client. */
  readonly status: number

  constructor(code: string, message: string, status = 403) {
    super(message)
    this.name = 'RefusedError'
    this.code = code
    this.status = status
  }
}

/** Who may do what: access rules, limits, callbacks. */
export interface Gate {
  /** @throws RefusedError */
  enter(thread: Thread, event: GateEvent, client: Client): Promise<Leave | null>
}

/** Asks in order; when one refuses, those before are left. */
export function allOf(gates: readonly Gate[]): Gate {
  return {
    async enter(thread, event, client) {
      const leaves: Leave[] = []
      try {
        for (const gate of gates) {
          const leave = await gate.enter(thread, event, client)
          if (leave) leaves.push(leave)
        }
      } catch (error) {
        leaveAll(leaves)
        throw error
      }
      return leaves.length > 1 ? () => leaveAll(leaves) : (leaves[0] ?? null)
    },
  }
}

function leaveAll(leaves: readonly Leave[]): void {
  for (const leave of leaves.toReversed()) leave()
}
