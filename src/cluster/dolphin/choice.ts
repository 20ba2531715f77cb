import { createHash } from 'node:crypto'
import type { Behind, PortKind } from '../behind/server.ts'
import type { DolphinOptions } from './options.ts'

/** What a server has of a stream. */
interface Share {
  connections: number
  publishers: number
}

/** Who wants a server, and which ones have failed already. */
interface Wish {
  readonly kind: PortKind
  /** `app/stream`; null: it is not known, or does not matter. */
  readonly stream: string | null
  /** It will bring the stream. */
  readonly publishes: boolean
  readonly tried: ReadonlySet<Behind>
}

/** Chooses servers for connections, by the policy. */
export class Choice {
  readonly #options: Pick<DolphinOptions, 'policy' | 'fillConnections'>
  readonly #servers: readonly Behind[]
  /**
   * A stream stays whole although servers come and go: the next connection follows those that it has, first of all its
   * publisher. While a server did not answer some may have gone elsewhere: these come back by and by.
   */
  readonly #streams = new Map<string, Map<Behind, Share>>()

  constructor(options: Pick<DolphinOptions, 'policy' | 'fillConnections'>, servers: readonly Behind[]) {
    this.#options = options
    this.#servers = servers
  }

  /**
   * The server for one more connection, which counts from now on: call `leave` when it has ended, or was not made.
   * Servers that are down are tried when there are no others. @returns null: none is left
   */
  enter({ kind, stream, publishes, tried }: Wish): Behind | null {
    const possible = this.#servers.filter((one) => one.options[kind] !== null && !tried.has(one))
    const up = possible.filter(({ isUp }) => isUp)
    const server = this.#choose(up.length > 0 ? up : possible, stream)
    if (!server) return null
    server.open++
    if (stream !== null) this.#count(server, stream, 1, publishes)
    return server
  }

  /** A connection to `server` has ended. */
  leave(server: Behind, { stream, publishes }: Pick<Wish, 'stream' | 'publishes'>): void {
    server.open--
    if (stream !== null) this.#count(server, stream, -1, publishes)
  }

  #count(server: Behind, stream: string, change: 1 | -1, publishes: boolean): void {
    const shares = this.#streams.get(stream) ?? new Map<Behind, Share>()
    const share = shares.get(server) ?? { connections: 0, publishers: 0 }
    share.connections += change
    if (publishes) share.publishers += change
    if (share.connections > 0) shares.set(server, share)
    else shares.delete(server)
    if (shares.size > 0) this.#streams.set(stream, shares)
    else this.#streams.delete(stream)
  }

  #choose(servers: readonly Behind[], stream: string | null): Behind | null {
    const { policy, fillConnections } = this.#options
    const shares = stream === null ? undefined : this.#streams.get(stream)
    const home = shares ? homeAmong(servers, shares) : null
    if (home) return home
    if (policy === 'hash' && stream !== null) return heaviest(servers, stream)
    const notFull = policy === 'fill' ? servers.find(({ open }) => open < fillConnections) : undefined
    return notFull ?? leastLoaded(servers)
  }
}

/** Where its publisher is, else most of its connections. @returns null: nowhere among these */
function homeAmong(servers: readonly Behind[], shares: ReadonlyMap<Behind, Share>): Behind | null {
  const found = servers.flatMap((server) => {
    const share = shares.get(server)
    return share ? [{ server, ...share }] : []
  })
  const better = found.toSorted((a, b) => b.publishers - a.publishers || b.connections - a.connections)
  return better[0]?.server ?? null
}

/** The one with the fewest connections; the first of those with as many. */
function leastLoaded(servers: readonly Behind[]): Behind | null {
  return servers.reduce<Behind | null>((best, one) => (best && best.open <= one.open ? best : one), null)
}

/** Rendezvous hashing: every proxy chooses the same one, and a server that goes moves only its own streams. */
function heaviest(servers: readonly Behind[], stream: string): Behind | null {
  const weights = servers.map((server) => ({ server, weight: weightOf(`${server.name} ${stream}`) }))
  return weights.reduce((best, one) => (one.weight > best.weight ? one : best), { server: null, weight: -1 } as Best)
    .server
}

interface Best {
  readonly server: Behind | null
  readonly weight: number
}

function weightOf(text: string): number {
  return createHash('sha256').update(text).digest().readUInt32BE()
}
