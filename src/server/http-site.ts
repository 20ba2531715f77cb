import { type Endpoint, formatEndpoint, type ServerTls } from '../st/network.ts'
import type { Socket } from '../st/socket.ts'
import type { Thread } from '../st/thread.ts'
import type { World } from '../st/world.ts'
import { type HttpContext, type HttpHandler, serveHttp } from './http-session.ts'
import { type PortChange, Ports } from './ports.ts'
import { acceptTls } from './tls.ts'

/** The operator's connections do not count as the server's: a full server must still answer. This bounds strangers. */
const MAX_CONNECTIONS = 256

/**
 * Something that is served over HTTP beside the streams, on addresses of its own: the API, the exporter. It lives
 * longer than the server's listeners: while the last players are served, the API still answers.
 */
export class HttpSite {
  readonly #world: World
  readonly #context: HttpContext
  readonly #handlers: readonly HttpHandler[]
  readonly #tls: ServerTls | null
  readonly #maxConnections: number
  readonly #ports: Ports
  #wanted: readonly Endpoint[] = []
  readonly #connections = new Set<Thread>()

  /**
   * @param tls null: it is not served over TLS
   * @param maxConnections more are closed at once
   */
  constructor(
    world: World,
    context: HttpContext,
    handlers: readonly HttpHandler[],
    tls: ServerTls | null = null,
    maxConnections = MAX_CONNECTIONS,
  ) {
    this.#world = world
    this.#context = context
    this.#handlers = handlers
    this.#tls = tls
    this.#maxConnections = maxConnections
    this.#ports = new Ports(world, (socket) => this.#begin(socket), tls !== null)
  }

  /** Where it listens by itself, with the ports that the system chose. */
  get addresses(): readonly Endpoint[] {
    return this.#ports.addresses
  }

  get connections(): number {
    return this.#connections.size
  }

  /** The site's handlers, when it is to be served at an address that somebody else opens; else none. */
  handlersAt(address: Endpoint): readonly HttpHandler[] {
    return this.#wanted.some((wanted) => isSame(wanted, address)) ? this.#handlers : []
  }

  /**
   * Opens the addresses that are not open yet; connections stay when their address goes.
   * @param wanted all addresses from now on; host '' is every address of the machine
   * @param others are opened by somebody else
   * @throws the system's error when one cannot be opened; nothing has changed then
   */
  async prepare(wanted: readonly Endpoint[], others: readonly Endpoint[]): Promise<PortChange> {
    const own = wanted.filter((address) => !others.some((other) => isSame(other, address)))
    const { commit, abort } = await this.#ports.prepare(own)
    return {
      commit: () => {
        this.#wanted = wanted
        commit()
      },
      abort,
    }
  }

  /** Closes the ports and ends every connection; returns when all their threads are gone. */
  async close(thread: Thread): Promise<void> {
    await this.#ports.stop(thread)
    for (const connection of this.#connections) await connection.stop(thread, 'site closes')
  }

  #begin(socket: Socket): void {
    if (this.#connections.size >= this.#maxConnections) {
      this.#world.log.warn({ peer: formatEndpoint(socket.remote) }, 'connection closed: too many')
      socket.close()
      return
    }
    const connection = this.#world.spawn(
      'http-site',
      (thread) => this.#serve(thread, socket),
      (thread) => {
        socket.close()
        this.#connections.delete(thread)
      },
    )
    this.#connections.add(connection)
  }

  async #serve(thread: Thread, socket: Socket): Promise<void> {
    if (this.#tls && !(await acceptTls(thread, socket, this.#tls, this.#context))) return
    await serveHttp(thread, socket, this.#context, this.#handlers)
  }
}

/** Port 0 is another port each time. */
export function isSame(a: Endpoint, b: Endpoint): boolean {
  return a.port !== 0 && a.port === b.port && a.host === b.host
}
