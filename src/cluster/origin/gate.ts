import type { Client } from '../../server/client.ts'
import { type Gate, type GateEvent, type Leave, RefusedError } from '../../server/gate.ts'
import { ClosedError } from '../../st/errors.ts'
import { formatEndpoint } from '../../st/network.ts'
import type { Thread } from '../../st/thread.ts'
import { maskedQuery } from '../../rtmp/url.ts'
import type { Origin, OriginOptions } from './origin.ts'
import { isReachable, redirectTo } from './redirect.ts'
import type { MovedStreams } from './moved-streams.ts'
import type { Registry } from './registry.ts'
import type { Searches } from './search.ts'

/** What the gate of an origin stands on. */
export interface OriginGateParts {
  /** Of a vhost; null when there is none. */
  optionsOf(vhost: string): OriginOptions | null
  /** Whether a stream is published on this server. */
  isHere(key: string): boolean
  readonly searches: Searches
  readonly moved: MovedStreams
  /** Null: there is none, and publishers are accepted everywhere, as in SRS. */
  readonly registry: Registry | null
}

/**
 * The door of an origin that is one of several: a player is sent to the server that has its stream, and a publisher is
 * let in to a stream that no other server has. A stream that is nowhere is waited for, and looked for meanwhile: SRS
 * closes the player at once, but encoders come a little later than players, or come back to another server.
 */
export class OriginGate implements Gate {
  readonly #parts: OriginGateParts
  /** Players that were sent to another server. */
  redirects = 0

  constructor(parts: OriginGateParts) {
    this.#parts = parts
  }

  /** @throws RedirectError, RefusedError, StreamBusyError, ClosedError, InterruptedError */
  async enter(thread: Thread, event: GateEvent, client: Client): Promise<Leave | null> {
    const { vhost, sourceKey: key } = client
    const options = vhost && this.#parts.optionsOf(vhost.name)
    if (!options?.originCluster || options.mode === 'remote' || key === null) return null
    if (event === 'publish') return (await this.#parts.registry?.claim(thread, key)) ?? null
    if (event !== 'play') return null
    if (!this.#parts.isHere(key)) await this.#locate(thread, client, key, options)
    return this.#parts.moved.enter(key, client)
  }

  locates(vhost: string): boolean {
    const options = this.#parts.optionsOf(vhost)
    return options !== null && options.originCluster && options.mode === 'local'
  }

  /** Returns when the stream is here. */
  async #locate(thread: Thread, client: Client, key: string, { waitPublisherMs }: OriginOptions): Promise<void> {
    const parts = this.#parts
    const { socket } = client
    const look = (found: readonly Origin[]): Origin | 'here' | null => {
      // Nobody reads from it meanwhile.
      if (socket.ended || socket.closed) throw new ClosedError('the player has gone')
      return parts.isHere(key) ? 'here' : (found.find((origin) => isReachable(origin, client)) ?? null)
    }
    const place = await parts.searches.locate(thread, key, waitPublisherMs, look)
    if (place === 'here') return
    if (!place) throw new RefusedError('refused_no_stream', `No stream ${key}.`, 404)
    thread.log.info({ stream: key, origin: formatEndpoint(place), param: maskedQuery(client.url.param) }, 'redirected')
    this.redirects++
    throw redirectTo(place, client)
  }
}
