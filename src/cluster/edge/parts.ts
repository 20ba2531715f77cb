import type { VhostOptions } from '../../server/options.ts'
import type { Clients } from '../../server/clients.ts'
import type { StreamFeed } from '../../server/upstream.ts'
import type { Thread } from '../../st/thread.ts'
import type { World } from '../../st/world.ts'
import type { Hub } from '../../stream/hub.ts'
import type { OriginFinder } from '../origin/origin.ts'
import type { EdgeOptions, OriginAddress } from './options.ts'
import type { SelfDescription } from './upnode.ts'

/** What an edge stands on. Of the server, which is made with the edge, it gets ways to reach it. */
export interface EdgeParts {
  readonly world: World
  readonly self: SelfDescription
  readonly hub: () => Hub
  readonly clients: () => Clients
  /** See Server.feed. */
  readonly feed: (thread: Thread, key: string, vhost: VhostOptions) => StreamFeed
  /** The settings of a vhost; of one that is gone, the last ones. */
  readonly optionsOf: (vhost: string) => EdgeOptions | null
  /** Knows the origins of a stream; what it does not know, the settings do. */
  readonly finder: OriginFinder
  /** What is said to an origin before RTMP, on behalf of the client or pull with this id. */
  readonly preface?: (id: string) => Buffer
  /** Told of each connection to an origin before it is made, and of its end by what it returns. */
  readonly asking?: (origin: OriginAddress) => AskingEnd
}

/** A connection to an origin has ended: how many bytes of media and headers it brought, and for how long it served. */
export type AskingEnd = (receivedBytes: number, servedMs: number) => void
