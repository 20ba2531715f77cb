import type { Thread } from '../st/thread.ts'
import type { Client } from './client.ts'

/**
 * What a client wants to be let in to. `connect` is asked once for each connection, when its first wish is known (as
 * SRS does with on_connect: the stream is known by then), `publish` and `play` for each stream.
 */
export type GateEvent = 'connect' | 'publish' | 'play'

/** Undoes an entry: called exactly once when what was let in has ended, never throws, never waits. */
export type Leave = () => void

/** A client may not do what it wants. The message is told to it: no addresses, no secrets. */
export class RefusedError extends Error {
  /** `refused_security`, `refused_callback`, `refused_limit` ... */
  readonly code: string
  /** What an HTTP client is answered: 403, or 503 when it may come again. */
  readonly status: number

  constructor(code: string, message: string, status = 403) {
    super(message)
    this.name = 'RefusedError'
    this.code = code
    this.status = status
  }
}

/**
 * A client is to go where its stream is: RTMP's redirect as SRS has it, 302 of HTTP. The addresses are for clients that
 * follow; a client that does not follow is refused.
 */
export class RedirectError extends RefusedError {
  /** `rtmp://host:port/app`; of an HTTP client `http://host:port/app`. The vhost is in it when the host does not name it. */
  readonly tcUrl: string
  /** The same with stream and query. */
  readonly url: string

  constructor(tcUrl: string, url: string) {
    super('redirected', 'The stream is on another server.', 302)
    this.name = 'RedirectError'
    this.tcUrl = tcUrl
    this.url = url
  }
}

/** Who may do what: access rules, limits, callbacks. The client's role, vhost, url and source are known. */
export interface Gate {
  /**
   * @returns what to do when it has ended, if anything
   * @throws RefusedError, StreamBusyError, InterruptedError
   */
  enter(thread: Thread, event: GateEvent, client: Client): Promise<Leave | null>
  /** Whether it knows where streams of a vhost are that are not here: then players ask it before they wait for one. */
  locates?(vhost: string): boolean
  /**
   * The client is in already: another run of this server let it in. It is counted, and nobody is asked. Never waits.
   * @returns as `enter` does
   */
  resume?(event: GateEvent, client: Client): Leave | null
}

/** Asks one gate after the other; when one refuses, those before it are left, the last one first. */
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
      return leaves.length > 0 ? () => leaveAll(leaves) : null
    },
    locates: (vhost) => gates.some((gate) => gate.locates?.(vhost)),
    resume(event, client) {
      const leaves = gates.map((gate) => gate.resume?.(event, client) ?? null).filter((leave) => leave !== null)
      return leaves.length > 0 ? () => leaveAll(leaves) : null
    },
  }
}

/** A second call finds nothing left. */
function leaveAll(leaves: Leave[]): void {
  for (let leave = leaves.pop(); leave; leave = leaves.pop()) leave()
}
