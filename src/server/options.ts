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
  }
  readonly publish: {
    readonly firstpktTimeoutMs: number
    readonly normalTimeoutMs: number
    readonly takeoverAfterMs: number
  }
  readonly httpRemux: {
    readonly enabled: boolean
    readonly mount: string
    readonly waitPublisherMs: number
    readonly hasAudio: boolean
    readonly hasVideo: boolean
  }
  readonly hls: { readonly enabled: boolean }
}

/** What the server needs to know of its configuration. */
export interface ServerOptions {
  readonly maxConnections: number
  readonly crossdomain: boolean
  /** How often a publisher logs its counts, ms. */
  readonly pithyPrintMs: number
  /** The settings for a requested vhost: its own, else those of `__defaultVhost__`; null when it is not served. */
  resolveVhost(name: string): VhostOptions | null
}

/** The signature that clients see. */
export const SERVER_NAME = 'Sluice'
