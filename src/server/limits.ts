import type { HeadLimits } from '../http/message.ts'
import type { AmfLimits } from '../rtmp/amf0.ts'
import type { ChunkLimits } from '../rtmp/chunk-reader.ts'
import { HANDSHAKE_TOTAL_BYTES } from '../rtmp/handshake.ts'
import type { NameLimits } from '../rtmp/url.ts'
import { TimeoutError } from '../st/errors.ts'
import type { Client } from './client.ts'
import type { Refusals } from './refusals.ts'

/** What peers may make the server keep: `limits { }` of the configuration. Sizes in bytes. */
export interface LimitOptions extends ChunkLimits, AmfLimits, NameLimits, HeadLimits {
  readonly handshakeTimeoutMs: number
  readonly commandTimeoutMs: number
  readonly maxMetadataBytes: number
  readonly maxUnreadBytes: number
  /** 0: no limit. */
  readonly maxStreams: number
  readonly maxWaitingStreams: number
  readonly requestTimeoutMs: number
  readonly tlsTimeoutMs: number
  readonly maxWebsocketBytes: number
}

/** Who counts refusals: the server's, or a test's. */
type RefusalCounter = Pick<Refusals, 'count' | 'totals'>

/** Codes of refusals and errors, and the directive that set the limit. */
const LIMIT_OF: Readonly<Record<string, string>> = {
  refused_connections: 'max_connections',
  refused_address: 'max_connections_per_address',
  refused_limit: 'play and publish',
  limit_handshake_timeout: 'handshake_timeout',
  limit_command_timeout: 'command_timeout',
  limit_request_timeout: 'request_timeout',
  limit_tls_timeout: 'tls_timeout',
  limit_streams: 'max_streams',
  limit_waiting_streams: 'max_waiting_streams',
  limit_unread: 'max_unread_bytes',
  chunk_message_too_large: 'max_message_bytes',
  flv_tag_too_big: 'max_message_bytes',
  chunk_partial_too_large: 'max_partial_bytes',
  chunk_too_many_streams: 'max_chunk_streams',
  amf0_too_large: 'max_amf_bytes',
  amf0_too_many_values: 'max_amf_values',
  amf0_too_deep: 'max_amf_depth',
  metadata_too_large: 'max_metadata_bytes',
  // These two have no directive: what they say no to is never right.
  name_invalid: 'names',
  http_target_invalid: 'names',
  name_too_long: 'max_name_bytes',
  query_too_long: 'max_query_bytes',
  http_target_too_long: 'max_request_line_bytes',
  http_head_too_long: 'max_request_head_bytes',
  http_too_many_headers: 'max_request_headers',
  websocket_too_big: 'max_websocket_bytes',
}

/** The one place where connections that went beyond a limit are counted. */
export class Limits {
  readonly #refusals: RefusalCounter

  constructor(refusals: RefusalCounter) {
    this.#refusals = refusals
  }

  /** By directive, since the start: every one has a count, so that a graph shows zeros and no gaps. */
  get totals(): ReadonlyMap<string, number> {
    const totals = this.#refusals.totals
    const byLimit = new Map<string, number>()
    for (const [code, name] of Object.entries(LIMIT_OF)) {
      byLimit.set(name, (byLimit.get(name) ?? 0) + (totals.get(code) ?? 0))
    }
    return byLimit
  }

  /** Counts an error when it says that a limit was met; others are none of this. */
  note(error: Error | null, host: string): void {
    const code = error && 'code' in error ? error.code : null
    if (error && typeof code === 'string' && Object.hasOwn(LIMIT_OF, code)) this.#count(code, host, error.message)
  }

  /** The same at the end of an RTMP connection, which may also have been too slow with its first words. */
  noteEnd(error: Error | null, { peer, sourceKey, socket }: Client): void {
    if (!(error instanceof TimeoutError)) this.note(error, peer.host)
    else if (socket.receivedBytes < HANDSHAKE_TOTAL_BYTES) {
      this.#count('limit_handshake_timeout', peer.host, 'the handshake was not over in time')
    } else if (sourceKey === null) this.#count('limit_command_timeout', peer.host, 'no publish or play came in time')
  }

  /** The head of a request was not there in time. */
  slowRequest(host: string): void {
    this.#count('limit_request_timeout', host, 'the head of a request was not there in time')
  }

  /** The handshake of TLS was not over in time. */
  slowTls(host: string): void {
    this.#count('limit_tls_timeout', host, 'the handshake of TLS was not over in time')
  }

  #count(code: string, host: string, why: string): void {
    this.#refusals.count(code, `${host}: ${why} (limit ${LIMIT_OF[code]})`)
  }
}
