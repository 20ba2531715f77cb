import type { ServerTls } from '../st/network.ts'
import type { HlsOptions } from './hls/options.ts'
import type { LimitOptions } from './limits.ts'
import type { DvrOptions } from './recorder/options.ts'

/**
 * What the server needs to know of a vhost. The names are those of the configuration, so that a typed configuration
 * is one of these as it stands; the server itself does not know where the values come from.
 */
export interface VhostOptions {
  readonly name: string
  readonly chunkSize: number
  readonly minLatency: boolean
  readonly inAckSize: number
  readonly outAckSize: number
  readonly play: {
    readonly gopCache: boolean
    readonly gopCacheMaxFrames: number
    readonly queueLengthMs: number
    readonly mwLatencyMs: number
    readonly sendTimeoutMs: number
    readonly timeJitter: 'full' | 'zero' | 'off'
    readonly mixCorrect: boolean
    readonly atc: boolean
    readonly atcAuto: boolean
    readonly sendMinIntervalMs: number
    readonly reduceSequenceHeader: boolean
  }
  readonly publish: {
    readonly firstpktTimeoutMs: number
    readonly normalTimeoutMs: number
    readonly takeoverAfterMs: number
    readonly kickoffForIdleMs: number
    /** Whether streams are taken over HTTP too. */
    readonly http: boolean
  }
  readonly httpRemux: {
    readonly enabled: boolean
    readonly mount: string
    readonly waitPublisherMs: number
    readonly fastCacheMs: number
    readonly hasAudio: boolean
    readonly hasVideo: boolean
  }
  readonly httpStatic: { readonly enabled: boolean; readonly mount: string; readonly dir: string }
  readonly hls: HlsOptions
  readonly dvr: DvrOptions
}

/** The proxies in front of the server. */
export interface ProxyOptions {
  /** Whether what this address says of its clients is believed. */
  isTrusted(host: string): boolean
  /** Whether the RTMP (HTTP) connections of a trusted proxy begin with a PROXY header; then they all must. */
  readonly hasRtmpHeader: boolean
  readonly hasHttpHeader: boolean
  /** The one request header in which a trusted proxy names the client, in lower case. */
  readonly realIpHeader: 'x-forwarded-for' | 'x-real-ip' | 'forwarded'
}

/** The certificates of the ports that speak TLS. */
export interface TlsOptions {
  readonly rtmps: ServerTls
  readonly https: ServerTls
}

/** What the server needs to know of its configuration. */
export interface ServerOptions {
  readonly maxConnections: number
  /** Of one client address, an IPv6 network of 64 bits counting as one; 0: no limit. Trusted proxies have none. */
  readonly maxConnectionsPerAddress: number
  readonly limits: LimitOptions
  readonly proxies: ProxyOptions
  /** Absent: nothing is served over TLS. */
  readonly tls?: TlsOptions
  readonly crossdomain: boolean
  /** Hosts of the pages that may play over WebSocket, with all under them; none: as `crossdomain` says. */
  readonly websocketOrigins: readonly string[]
  /** The folder whose files are served at `/`; '': there is none. */
  readonly httpDir: string
  /** How often a publisher logs its counts, ms. */
  readonly pithyPrintMs: number
  /** The settings for a requested vhost: its own, else those of `__defaultVhost__`; null when it is not served. */
  resolveVhost(name: string): VhostOptions | null
}

/** The signature that clients see. */
export const SERVER_NAME = 'Sluice'
