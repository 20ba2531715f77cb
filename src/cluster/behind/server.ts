/** What stands behind a proxy. */
import { type Endpoint, formatEndpoint } from '../../st/network.ts'
import type { Thread } from '../../st/thread.ts'
import type { World } from '../../st/world.ts'

/** The protocols that a proxy passes on; each has ports of its own. */
export type PortKind = 'rtmp' | 'http'

/** A server behind, as it is configured. */
export interface BehindOptions {
  readonly name: string
  /** Where it listens; null: it does not serve this protocol. */
  readonly rtmp: Endpoint | null
  readonly http: Endpoint | null
  /** The program that is this server, to be started and kept running; empty: somebody else does. */
  readonly start: readonly string[]
}

/** A server behind, as it is now. */
export class Behind {
  readonly options: BehindOptions
  readonly #world: World
  /** Connections to it: now, ever, and those that could not be made. */
  open = 0
  total = 0
  failed = 0
  /** Bytes that it got and gave, of connections that have ended. */
  receivedBytes = 0
  sentBytes = 0
  /** The threads of connections that are to end with it. */
  readonly connections = new Set<Thread>()
  /** Null: it is up. */
  #downSinceMs: number | null = null

  constructor(world: World, options: BehindOptions) {
    this.#world = world
    this.options = options
  }

  get name(): string {
    return this.options.name
  }

  /** Whether it answered when it was tried last. */
  get isUp(): boolean {
    return this.#downSinceMs === null
  }

  /** Says whether it answers; a change is logged. */
  set isUp(isUp: boolean) {
    if (isUp === this.isUp) return
    this.#downSinceMs = isUp ? null : this.#world.clock.nowMs()
    const { rtmp, http } = this.options
    const at = [rtmp, http].flatMap((one) => (one ? [formatEndpoint(one)] : [])).join(' ')
    const fields = { server: this.name, at, open: this.open }
    if (isUp) this.#world.log.info(fields, 'server is up')
    else this.#world.log.warn(fields, 'server is down')
  }

  /** For how long it has been down, ms. */
  get downMs(): number {
    return this.#downSinceMs === null ? 0 : this.#world.clock.nowMs() - this.#downSinceMs
  }
}
