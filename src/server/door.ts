import { CodecError } from '../codec/errors.ts'
import { parseIp } from '../st/address.ts'
import { InterruptedError, StError } from '../st/errors.ts'
import type { Socket } from '../st/socket.ts'
import type { Thread } from '../st/thread.ts'
import type { ServerOptions } from './options.ts'
import { readProxyHeader } from './proxy-protocol.ts'
import type { Refusals } from './refusals.ts'

/** Hex digits of the part of an IPv6 address that one household or server has to itself: 64 bits. */
const IPV6_NETWORK_DIGITS = 16
/** A connection that counts under no address. */
const UNCOUNTED = ''

/** Lets connections in, before a byte of them is read, and learns from trusted proxies who they are. */
export class Door {
  readonly #options: ServerOptions
  readonly #refusals: Refusals
  /** Connections by address; who has none is not in it. */
  readonly #counts = new Map<string, number>()

  constructor(options: ServerOptions, refusals: Refusals) {
    this.#options = options
    this.#refusals = refusals
  }

  /** How many addresses have connections that count. */
  get addresses(): number {
    return this.#counts.size
  }

  /**
   * Decides at accept.
   * @param connections that there are
   * @returns what `leave` takes when the connection has ended; null: it is refused
   */
  admit(socket: Socket, connections: number): string | null {
    const { maxConnections } = this.#options
    if (connections < maxConnections) return this.#count(socket)
    this.#refusals.count('refused_connections', `${socket.remote.host}: max_connections ${maxConnections} is reached`)
    return null
  }

  /** Whether the connection is one on which a trusted proxy must say first whom it speaks for. */
  needsHeader(socket: Socket, protocol: 'rtmp' | 'http'): boolean {
    const { proxies } = this.#options
    return (
      (protocol === 'rtmp' ? proxies.hasRtmpHeader : proxies.hasHttpHeader) && proxies.isTrusted(socket.remote.host)
    )
  }

  /**
   * Reads that header; from then on the client's address counts.
   * @returns as `admit` does
   * @throws InterruptedError
   */
  async identify(thread: Thread, socket: Socket): Promise<string | null> {
    try {
      await readProxyHeader(thread, socket)
    } catch (error) {
      if (error instanceof InterruptedError || !(error instanceof CodecError || error instanceof StError)) throw error
      this.#refusals.count('refused_proxy_header', `${socket.remote.host}: ${error.message}`)
      return null
    }
    return this.#count(socket)
  }

  /** The connection has ended. */
  leave(address: string): void {
    if (address === UNCOUNTED) return
    const left = (this.#counts.get(address) ?? 1) - 1
    if (left > 0) this.#counts.set(address, left)
    else this.#counts.delete(address)
  }

  #count(socket: Socket): string | null {
    const { maxConnectionsPerAddress, proxies } = this.#options
    const { host } = socket.peer
    // A proxy has the connections of many; requests through it cannot be told apart before they are read.
    if (maxConnectionsPerAddress === 0 || proxies.isTrusted(host)) return UNCOUNTED
    const address = countedAs(host)
    const count = this.#counts.get(address) ?? 0
    if (count >= maxConnectionsPerAddress) {
      this.#refusals.count(
        'refused_address',
        `${host}: max_connections_per_address ${maxConnectionsPerAddress} is reached`,
      )
      return null
    }
    this.#counts.set(address, count + 1)
    return address
  }
}

function countedAs(host: string): string {
  const packed = host.includes(':') ? parseIp(host) : null
  return packed === null || packed.length === 8 ? host : packed.slice(0, IPV6_NETWORK_DIGITS)
}
