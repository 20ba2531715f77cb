import type { Endpoint } from '../st/network.ts'
import type { Socket } from '../st/socket.ts'
import type { Thread } from '../st/thread.ts'
import type { VhostOptions } from './options.ts'

/** What a client asked for, as it was said. */
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

/** One client of the server, for the API, callbacks, access rules and logs. */
export interface Client {
  /** That of its thread: 8 characters, the one of the log lines. */
  readonly id: string
  /** Interrupting it ends the client. */
  readonly thread: Thread
  readonly socket: Socket
  /** When it connected, by the world's monotonic clock. */
  readonly startedMs: number
  /** The real address, behind a trusted proxy too. */
  readonly peer: Endpoint
  readonly transport: 'rtmp' | 'http'
  /** Null until it has said what it wants. */
  role: 'publish' | 'play' | null
  /** In SRS's words: `fmle-publish`, `flash-publish`, `rtmp-play`, `flv-play`, `unknown`. */
  type: string
  vhost: VhostOptions | null
  url: ClientUrl
  /** Key of the source, `vhost/app/stream`. */
  sourceKey: string | null
  /** A player's. */
  queue: { readonly pendingBytes: number; readonly droppedPackets: number } | null
}

/** A client that is gone. Times are of the world's monotonic clock. */
export interface EndedClient {
  readonly id: string
  readonly peer: Endpoint
  readonly type: string
  readonly sourceKey: string | null
  readonly startedMs: number
  readonly endedMs: number
  readonly receivedBytes: number
  readonly sentBytes: number
  readonly reason: string
  readonly isError: boolean
}

/** The address of a client that has not said yet what it wants. */
export const NO_URL: ClientUrl = {
  tcUrl: '',
  pageUrl: '',
  swfUrl: '',
  schema: '',
  host: '',
  port: 0,
  vhost: '',
  app: '',
  stream: '',
  param: '',
}
