/** A server to ask. */
export interface OriginAddress {
  readonly host: string
  /** Null: the usual one of the protocol. */
  readonly port: number | null
  /** For HTTP-FLV, where that is another one. */
  readonly httpPort?: number | null
}

/** `cluster { }` of a vhost, as it is at each look. */
export interface EdgeOptions {
  readonly mode: 'local' | 'remote'
  readonly origin: readonly OriginAddress[]
  readonly balance: 'round_robin' | 'hash'
  readonly protocol: 'rtmp' | 'rtmps' | 'flv' | 'flvs'
  /** Whether the certificates of origins are looked at. */
  readonly originVerify: boolean
  readonly followClient: boolean
  /** `[vhost]` stands for the vhost here. */
  readonly vhost: string
  readonly tokenTraverse: boolean
  readonly debugSrsUpnode: boolean
  readonly originTimeoutMs: number
  readonly lingerMs: number
  readonly outageMs: number
  readonly publishRetryMs: number
  /** The origin is another process of this server: when it says that the publisher has left, the stream ends here too. */
  readonly endsWithOrigin?: boolean
}
