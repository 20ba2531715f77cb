import { ClosedError } from '../st/errors.ts'
import { Listener } from '../st/listener.ts'
import { type Endpoint, formatEndpoint } from '../st/network.ts'
import type { Socket } from '../st/socket.ts'
import type { Thread } from '../st/thread.ts'
import type { World } from '../st/world.ts'
import { type HttpContext, type HttpHandler, serveHttp } from './http-session.ts'

/** The operator's connections do not count as the server's: a full server must still answer. This bounds strangers. */
const MAX_CONNECTIONS = 256

/**
 * Something that is served over HTTP beside the streams, on addresses of its own: the API, the exporter. It lives
 * longer than the server's listeners: while the last players are served, the API still answers.
 */
export class HttpSite {
  readonly #world: World
  readonly #context: HttpContext
  readonly #wanted: readonly Endpoint[]
  readonly #handlers: readonly HttpHandler[]
  readonly #listeners: Listener[] = []
  readonly #acceptors: Thread[] = []
  readonly #connections = new Set<Thread>()

  /** @param addresses where it is to be served; host '' is every address of the machine */
  constructor(world: World, context: HttpContext, addresses: readonly Endpoint[], handlers: readonly HttpHandler[]) {
    this.#world = world
    this.#context = context
    this.#wanted = addresses
    this.#handlers = handlers
  }

  /** Where it listens by itself, with the ports that the system chose. */
  get addresses(): readonly Endpoint[] {
    return this.#listeners.map((listener) => listener.local)
  }

  /** The site's handlers, when it is to be served at an address that somebody else opens; else none. */
  handlersAt(address: Endpoint): readonly HttpHandler[] {
    return this.#wanted.some((wanted) => isSame(wanted, address)) ? this.#handlers : []
  }

  /**
   * Opens its addresses, except those that somebody else has opened.
   * @throws the system's error when a port cannot be opened; those that were are closed again
   */
  async open(others: readonly Endpoint[] = []): Promise<void> {
    try {
      for (const address of this.#wanted) {
        if (!others.some((other) => isSame(other, address))) await this.#listen(address)
      }
    } catch (error) {
      for (const listener of this.#listeners) listener.close()
      throw error
    }
  }

  /** Closes the ports and ends every connection; returns when all their threads are gone. */
  async close(thread: Thread): Promise<void> {
    for (const listener of this.#listeners) listener.close()
    for (const acceptor of this.#acceptors) await acceptor.stop(thread, 'site closes')
    for (const connection of this.#connections) await connection.stop(thread, 'site closes')
  }

  async #listen(address: Endpoint): Promise<void> {
    const listener = await Listener.open(this.#world, address.host, address.port)
    this.#listeners.push(listener)
    this.#acceptors.push(this.#world.spawn('accept', (thread) => this.#accept(thread, listener)))
  }

  async #accept(thread: Thread, listener: Listener): Promise<void> {
    try {
      for (;;) this.#begin(await listener.accept(thread))
    } catch (error) {
      if (!(error instanceof ClosedError)) throw error
    }
  }

  #begin(socket: Socket): void {
    if (this.#connections.size >= MAX_CONNECTIONS) {
      this.#world.log.warn({ peer: formatEndpoint(socket.remote) }, 'connection closed: too many to the HTTP API')
      socket.close()
      return
    }
    const connection = this.#world.spawn('http-site', async (thread) => {
      try {
        await serveHttp(thread, socket, this.#context, this.#handlers)
      } finally {
        socket.close()
        this.#connections.delete(thread)
      }
    })
    this.#connections.add(connection)
  }
}

/** Port 0 is another port each time. */
function isSame(a: Endpoint, b: Endpoint): boolean {
  return a.port !== 0 && a.port === b.port && a.host === b.host
}
