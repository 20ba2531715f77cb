import type { Thread } from '../st/thread.ts'
import type { Client } from './client.ts'

/** What a client wants to do. */
export type GateEvent = 'connect' | 'publish' | 'play'

/** Undoes an entry: called exactly once when what was let in has ended, never throws, never waits. */
export type Leave = () => void

/** A client may not do what it wants. */
export class RefusedError extends Error {
  readonly code: string
  /** For HTTP clients. */
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
  /** @returns what undoes the entry, or null when there is nothing to undo. @throws RefusedError */
  enter(thread: Thread, event: GateEvent, client: Client): Promise<Leave | null>
}
