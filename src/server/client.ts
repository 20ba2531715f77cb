import type { StreamUrl } from '../rtmp/url.ts'
import type { Endpoint } from '../st/network.ts'
import type { Socket } from '../st/socket.ts'
import type { Thread } from '../st/thread.ts'
import type { VhostOptions } from './options.ts'

/** What a client asked for, as it said it; one object for each request, shared by all who look at it. */
export interface ClientUrl {
  /** `rtmp://host/app`; of an HTTP player `http://host:port/app`. */
  readonly tcUrl: string
  /** The page in which a player runs: `pageUrl` of RTMP's connect, `Referer` of HTTP. */
  readonly pageUrl: string
  readonly swfUrl: string
  readonly schema: string
  readonly host: string
  readonly port: number
  /** As asked for; `Client.vhost` is what serves it. */
  readonly vhost: string
  readonly app: string
  readonly stream: string
  /** The query with its leading '?', or ''. */
  readonly param: string
}

/** What has piled up for a player. */
export interface PlayerQueue {
  /** Bytes that are there for it and that the kernel has not taken yet. */
  readonly pendingBytes: number
  /** Packets that it did not get because it was too slow. */
  readonly droppedPackets: number
}

/** One client of the server, for API, callbacks, access rules and logs: references to what is there anyway. */
export interface Client {
  /** The connection's eight characters, which every line of its log carries. */
  readonly id: string
  /** Interrupt it to end the client. */
  readonly thread: Thread
  readonly socket: Socket
  /** `clock.nowMs()` when it connected. */
  readonly startedMs: number
  /** Where it really comes from: behind a trusted proxy not the socket's other end. */
  readonly peer: Endpoint
  readonly transport: 'rtmp' | 'http'
  /** Null until it has said what it wants. */
  role: 'publish' | 'play' | null
  /** SRS's word: `fmle-publish`, `flash-publish`, `haivision-publish`, `rtmp-play`, `flv-play`; `unknown` at first. */
  type: string
  /** What serves it; null until it is known. */
  vhost: VhostOptions | null
  url: ClientUrl
  /** Key of its stream, `vhost/app/stream`; of several on one connection, of the one that is published or began last. */
  sourceKey: string | null
  /** A player's. */
  queue: PlayerQueue | null
  /** Servers through which it asks, by their ids, with commas; '' for a client that is none. */
  chain: string
  /** Why it is ended, when it is to be told so before it is interrupted; else ''. */
  farewell: string
}

/** What a client wants of a stream, as the members of the client say it. */
export interface Wish {
  readonly role: 'publish' | 'play'
  readonly type: string
  readonly vhost: VhostOptions
  readonly url: ClientUrl
  readonly sourceKey: string
}

/** What is remembered of a client that has ended. */
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
  /** It broke the protocol, or was hit by a fault of ours; who goes, is slow or is refused ends well. */
  readonly isError: boolean
}

/** URLs that a client sends and that are kept as long as it is there: with the query that the names' parser allows. */
const MAX_TEXT_LENGTH = 10_240

const NOTHING_ASKED: ClientUrl = Object.freeze({
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
})

/** A client that has connected and has not said yet what it wants. */
export function newClient(
  thread: Thread,
  socket: Socket,
  transport: Client['transport'],
  peer: Endpoint = socket.peer,
): Client {
  return {
    id: thread.id,
    thread,
    socket,
    startedMs: thread.world.clock.nowMs(),
    peer,
    transport,
    role: null,
    type: 'unknown',
    vhost: null,
    url: NOTHING_ASKED,
    sourceKey: null,
    queue: null,
    chain: '',
    farewell: '',
  }
}

/** A text that a client sent, to be kept; '' when it is longer than any that makes sense. */
export function limitedText(text: string): string {
  return text.length > MAX_TEXT_LENGTH ? '' : text
}

/**
 * Says what a client wants, from now on. Member by member: V8 gives objects that are made by a spread or by
 * Object.assign a shape of their own, which would cost more than all that is in them.
 */
export function identify(client: Client, wish: Wish): void {
  client.role = wish.role
  client.type = wish.type
  client.vhost = wish.vhost
  client.url = wish.url
  client.sourceKey = wish.sourceKey
}

/** What is kept of a request for a stream. `url` holds the names as they were read, `said` the texts beside them. */
export function clientUrl(url: StreamUrl, said: { tcUrl: string; pageUrl: string; swfUrl: string }): ClientUrl {
  return {
    tcUrl: said.tcUrl,
    pageUrl: said.pageUrl,
    swfUrl: said.swfUrl,
    schema: url.schema,
    host: url.host,
    port: url.port,
    vhost: url.vhost,
    app: url.app,
    stream: url.stream,
    param: url.param,
  }
}
