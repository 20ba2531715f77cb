import type { Endpoint } from '../../st/network.ts'
import type { Thread } from '../../st/thread.ts'

/** A server of the cluster, and where it is reached; `host` and `port` are those of RTMP, and `host` may be a name. */
export interface Origin extends Endpoint {
  /** Where it serves streams over HTTP; null: nowhere, or it does not say (SRS). */
  readonly httpPort: number | null
  /** Its API, `host:port`; '' when it has none. */
  readonly api: string
}

/** Who knows which servers have a stream. */
export interface OriginFinder {
  /**
   * @param key of the stream: `vhost/app/stream`, the vhost being the one of the configuration
   * @returns servers that have the stream, the best first; none: nobody has it, or nobody could be asked
   * @throws InterruptedError
   */
  find(thread: Thread, key: string, timeoutMs: number): Promise<readonly Origin[]>
}

/** The part of a vhost's `cluster { }` that an origin reads. */
export interface OriginOptions {
  readonly mode: 'local' | 'remote'
  readonly originCluster: boolean
  readonly coworkers: readonly { readonly host: string; readonly port: number | null }[]
  readonly waitPublisherMs: number
}

const MAX_PORT = 65_535

/** What another server says of a port; null when that is none. */
export function asPort(value: unknown): number | null {
  return typeof value === 'number' && Number.isInteger(value) && value > 0 && value <= MAX_PORT ? value : null
}

/** What another server says of its host: a name or an address; '' when it is neither. */
export function asHost(value: unknown): string {
  return typeof value === 'string' && /^[a-zA-Z0-9._:-]{1,253}$/.test(value) ? value : ''
}

/** Time that is left until a deadline, for the timeout of a wait: at least 1 ms. */
export function leftMs(thread: Thread, deadlineMs: number): number {
  return Math.max(1, Math.ceil(deadlineMs - thread.world.clock.nowMs()))
}
