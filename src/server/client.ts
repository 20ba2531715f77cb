import type { Endpoint } from '../st/network.ts'
import type { Socket } from '../st/socket.ts'
import type { Thread } from '../st/thread.ts'
import type { VhostOptions } from './options.ts'

/** One client of the server, for API, callbacks, access rules and logs. */
export interface Client {
  /** The thread's: the one of the log lines. */
  readonly id: string
  /** Interrupting it ends the client. */
  readonly thread: Thread
  readonly socket: Socket
  /** By the clock's nowMs(). */
  readonly startedMs: number
  /** The real client address, also behind a trusted proxy. */
  readonly peer: Endpoint
  readonly transport: 'rtmp' | 'http'
  /** Null until it has said what it wants. */
  role: 'publish' | 'play' | null
  /** SRS's text: 'fmle-publish', 'flash-publish', 'rtmp-play', 'flv-play', 'unknown' ... */
  type: string
  vhost: VhostOptions | null
  url: ClientUrl
  /** `vhost/app/stream`, the key of its Source. */
  sourceKey: string | null
  /** A player's queue. */
  queue: { readonly pendingBytes: number; readonly droppedPackets: number } | null
}

/** What a client asked for. */
export interface ClientUrl {
  readonly tcUrl: string
  readonly pageUrl: string
  readonly swfUrl: string
  readonly schema: string
  readonly host: string
  readonly port: number
  readonly vhost: string
  readonly app: string
  readonly stream: string
  /** With its leading '?', or ''. */
  readonly param: string
}
