import type { HttpPool } from '../../http/pool.ts'
import { streamKey } from '../../rtmp/url.ts'
import type { Gate } from '../../server/gate.ts'
import type { Thread } from '../../st/thread.ts'
import type { World } from '../../st/world.ts'
import type { Hub } from '../../stream/hub.ts'
import { clusterAnswer, type ClusterQuery, hostOfPlace, type OwnPlace } from './answer.ts'
import { type CoworkerOptions, Coworkers } from './coworkers.ts'
import { OriginGate } from './gate.ts'
import { MovedStreams } from './moved-streams.ts'
import type { Origin, OriginFinder } from './origin.ts'
import { Registry, type RegistryOptions } from './registry.ts'
import { Searches } from './search.ts'
import { formatEndpoint } from '../../st/network.ts'

/** What an origin that is one of several stands on. */
export interface OriginClusterParts extends CoworkerOptions {
  readonly world: World
  readonly pool: HttpPool
  /** The streams of this server; there when it has started. */
  readonly hub: () => Hub
  /** The name in the configuration of the vhost that serves a name; null: it is not served. */
  vhostOf(name: string): string | null
  /** Null: there is no registry. */
  readonly redis: (RegistryOptions & { readonly address: string }) | null
  readonly place: () => OwnPlace
}

/** An origin and the others beside it: who has which stream. */
export class OriginCluster {
  readonly #parts: OriginClusterParts
  readonly #registry: Registry | null
  readonly #searches: Searches
  readonly #moved: MovedStreams
  /** Asks the registry, and the coworkers when it does not know or cannot be reached. */
  readonly finder: OriginFinder
  readonly #gate: OriginGate

  constructor(parts: OriginClusterParts) {
    const { world, pool, redis } = parts
    this.#parts = parts
    const registry =
      redis &&
      new Registry(world, redis, {
        self: () => this.#self(redis.address),
        published: () => this.#published(),
      })
    const coworkers = new Coworkers(pool, parts)
    this.#registry = registry
    this.finder = {
      async find(thread, key, timeoutMs) {
        const known = (await registry?.find(thread, key, timeoutMs)) ?? []
        return known.length > 0 ? known : coworkers.find(thread, key, timeoutMs)
      },
    }
    this.#searches = new Searches(world, this.finder)
    const isHere = (key: string): boolean => parts.hub().isPublished(key)
    this.#moved = new MovedStreams(world, this.finder, isHere)
    this.#gate = new OriginGate({
      optionsOf: (vhost) => parts.optionsOf(vhost),
      isHere,
      searches: this.#searches,
      moved: this.#moved,
      registry,
    })
  }

  get gate(): Gate {
    return this.#gate
  }

  /** For the metrics. */
  get state(): { isRegistryUp: boolean; announced: number; sought: number; redirects: number } {
    return {
      isRegistryUp: this.#registry?.isUp ?? false,
      announced: this.#registry?.leases ?? 0,
      sought: this.#searches.size,
      redirects: this.#gate.redirects,
    }
  }

  /** Begins, when the server listens. */
  start(): void {
    this.#parts.hub().watchers.add(({ key }) => {
      this.#searches.published(key)
      this.#registry?.published()
    })
    this.#registry?.start()
  }

  /** When no client is left. */
  async stop(thread: Thread): Promise<void> {
    await this.#searches.stop(thread)
    await this.#moved.stop(thread)
    await this.#registry?.stop(thread)
  }

  /** What a coworker is told: `/api/v1/clusters`. */
  answer(query: ClusterQuery): object {
    const { hub, place } = this.#parts
    const vhost = this.#parts.vhostOf(query.vhost)
    const isHere = vhost !== null && hub().isPublished(streamKey({ ...query, vhost }))
    return clusterAnswer(query, isHere ? vhost : null, place())
  }

  /** Streams of the cluster that are published here, however, and their publishers. */
  *#published(): Iterable<readonly [string, Thread]> {
    for (const { key, publication } of this.#parts.hub().sources) {
      const options = this.#parts.optionsOf(key.slice(0, key.indexOf('/')))
      if (publication && options?.originCluster && options.mode === 'local') yield [key, publication.publisher]
    }
  }

  /** As the others are told. */
  #self(address: string): Origin {
    const place = this.#parts.place()
    const host = address || hostOfPlace(place, '')
    const { rtmpPort: port, httpPort, apiPort } = place
    return { host, port, httpPort, api: apiPort === null ? '' : formatEndpoint({ host, port: apiPort }) }
  }
}
