import { createHash } from 'node:crypto'
import type { Behind, PortKind } from '../behind/server.ts'
import type { DolphinOptions } from './options.ts'

/** A stream that has connections, and the server that they all go to. */
interface Home {
  readonly server: Behind
  connections: number
}

/** Who wants a server, and which ones have failed already. */
interface Wish {
  readonly kind: PortKind
  /** `app/stream`; null: it is not known, or does not matter. */
  readonly stream: string | null
  readonly tried: ReadonlySet<Behind>
}

/** Chooses servers for connections, by the policy. */
export class Choice {
  readonly #options: Pick<DolphinOptions, 'policy' | 'fillConnections'>
  readonly #servers: readonly Behind[]
  /** A stream stays whole although servers come and go: as long as it has a connection, the next one follows it. */
  readonly #homes = new Map<string, Home>()

  constructor(options: Pick<DolphinOptions, 'policy' | 'fillConnections'>, servers: readonly Behind[]) {
    this.#options = options
    this.#servers = servers
  }

  /**
   * The server for one more connection, which counts from now on: call `leave` when it has ended, or was not made.
   * Servers that are down are tried when there are no others. @returns null: none is left
   */
  enter({ kind, stream, tried }: Wish): Behind | null {
    const possible = this.#servers.filter((one) => one.options[kind] !== null && !tried.has(one))
    const up = possible.filter(({ isUp }) => isUp)
    const server = this.#choose(up.length > 0 ? up : possible, stream)
    if (!server) return null
    server.open++
    if (stream === null) return server
    const home = this.#homes.get(stream)
    if (home?.server === server) home.connections++
    else this.#homes.set(stream, { server, connections: 1 })
    return server
  }

  /** A connection to `server` has ended. */
  leave(server: Behind, stream: string | null): void {
    server.open--
    const home = stream === null ? undefined : this.#homes.get(stream)
    // The stream may have moved since.
    if (stream === null || home?.server !== server) return
    home.connections--
    if (home.connections === 0) this.#homes.delete(stream)
  }

  #choose(servers: readonly Behind[], stream: string | null): Behind | null {
    const { policy, fillConnections } = this.#options
    const home = stream === null ? undefined : this.#homes.get(stream)?.server
    if (home && servers.includes(home)) return home
    if (policy === 'hash' && stream !== null) return heaviest(servers, stream)
    const notFull = policy === 'fill' ? servers.find(({ open }) => open < fillConnections) : undefined
    return notFull ?? leastLoaded(servers)
  }
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
