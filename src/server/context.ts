import type { World } from '../st/world.ts'
import type { Hub } from '../stream/hub.ts'
import type { Clients } from './clients.ts'
import type { ServerOptions } from './options.ts'

/** What every connection of a server shares. */
export interface ServerContext {
  readonly world: World
  readonly hub: Hub
  readonly clients: Clients
  readonly options: ServerOptions
  /** Of this program, for example `0.1.0`. */
  readonly version: string
}
