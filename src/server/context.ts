import type { World } from '../st/world.ts'
import type { Hub } from '../stream/hub.ts'
import type { Gate } from './gate.ts'
import type { ServerOptions } from './options.ts'

/** What every connection of a server shares. */
export interface ServerContext {
  readonly world: World
  readonly hub: Hub
  readonly options: ServerOptions
  /** Asked before a client may do what it wants. */
  readonly gate: Gate
  /** Of this program, for example `0.1.0`. */
  readonly version: string
}
