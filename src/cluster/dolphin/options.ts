import type { Endpoint } from '../../st/network.ts'
import type { WatchOptions } from '../behind/watch.ts'
import type { BehindOptions } from '../behind/server.ts'

/** How a server is chosen for a connection. */
export type Policy = 'fill' | 'least' | 'hash'

/** What a dolphin is told. */
export interface DolphinOptions extends WatchOptions {
  /** Public addresses; host '' is every address of the machine. */
  readonly rtmp: readonly Endpoint[]
  readonly http: readonly Endpoint[]
  readonly servers: readonly BehindOptions[]
  readonly policy: Policy
  /** With `fill`: the next server is taken when one has so many connections. */
  readonly fillConnections: number
  readonly maxConnections: number
  readonly idleTimeoutMs: number
  /** Where the words of the servers that are started are kept; null: nowhere. */
  readonly programLogDir: string | null
}
