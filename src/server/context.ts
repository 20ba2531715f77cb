import type { World } from '../st/world.ts'
import type { Hub } from '../stream/hub.ts'
import type { Clients } from './clients.ts'
import type { Gate } from './gate.ts'
import type { Limits } from './limits.ts'
import type { ServerOptions } from './options.ts'
import type { Refusals } from './refusals.ts'
import type { Upstream } from './upstream.ts'

/** What every connection of a server shares. */
export interface ServerContext {
  readonly world: World
  readonly hub: Hub
  readonly options: ServerOptions
  /** Counts who went beyond one. */
  readonly limits: Limits
  readonly clients: Clients
  /** Who may do what; also whether a stream is free. */
  readonly gate: Gate
  /** Counts who is refused for what no gate knows of. */
  readonly refusals: Pick<Refusals, 'count'>
  /** Null: there is none. */
  readonly upstream: Upstream | null
  /** Of this program, for example `0.1.0`. */
  readonly version: string
}
