import type { Thread } from '../../st/thread.ts'

/** A server to ask. */
export interface OriginAddress {
  readonly host: string
  /** Null: the usual one of the protocol. */
  readonly port: number | null
}

/** `cluster { }` of a vhost, as it is at each look. */
export interface EdgeOptions {
  readonly mode: 'local' | 'remote'
  readonly origin: readonly OriginAddress[]
  readonly balance: 'round_robin' | 'hash'
  readonly protocol: 'rtmp' | 'flv' | 'flvs'
  readonly followClient: boolean
  /** `[vhost]` stands for the vhost here. */
  readonly vhost: string
  readonly tokenTraverse: boolean
  readonly debugSrsUpnode: boolean
  readonly originTimeoutMs: number
  readonly lingerMs: number
  readonly outageMs: number
  readonly publishRetryMs: number
}

/** Finds the origins of a stream where a list does not say them: a registry. */
export interface OriginFinder {
  /**
   * @param key of the stream, `vhost/app/stream`
   * @returns the best first; none: the configured ones are asked
   * @throws InterruptedError; nothing else: what it cannot find out is none
   */
  find(thread: Thread, key: string, timeoutMs: number): Promise<readonly OriginAddress[]>
}
