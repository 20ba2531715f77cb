import { ClosedError } from '../st/errors.ts'
import { Listener } from '../st/listener.ts'
import type { Endpoint } from '../st/network.ts'
import type { Socket } from '../st/socket.ts'
import type { Thread } from '../st/thread.ts'
import type { World } from '../st/world.ts'
import { Hub } from '../stream/hub.ts'
import { BusyGate } from './busy-gate.ts'
import { Clients } from './clients.ts'
import type { ServerContext } from './context.ts'
import { allOf, type Gate } from './gate.ts'
import { liveHandler } from './http-flv.ts'
import { serveHttp } from './http-session.ts'
import type { ServerOptions } from './options.ts'
import { type PageFile, pageHandler } from './page.ts'
import { serveRtmp } from './rtmp-session.ts'
import { streamsHandler } from './streams.ts'

/** Where to listen; host '' is every address of the machine. */
export interface ServerAddresses {
  readonly rtmp: readonly Endpoint[]
  readonly http: readonly Endpoint[]
}

/** Who decides beside the server itself who may do what, in the order of asking. */
export interface ServerGates {
  /** Limits and access rules: asked first. */
  readonly access?: readonly Gate[]
  /** Asked last, and about a publisher only when the stream is free. */
  readonly callbacks?: readonly Gate[]
}

type Serve = (thread: Thread, socket: Socket) => Promise<void>

/** A running server: its listeners, its streams, and the thread of every connection. */
export class Server {
  readonly hub = new Hub()
  readonly clients = new Clients()
  readonly #world: World
  readonly #options: ServerOptions
  readonly #listeners: Listener[] = []
  readonly #acceptors: Thread[] = []
  readonly #connections = new Set<Thread>()
  readonly #rtmp: Endpoint[] = []
  readonly #http: Endpoint[] = []
  readonly #version: string
  readonly #gate: Gate

  constructor(world: World, options: ServerOptions, version: string, gates: ServerGates = {}) {
    this.#world = world
    this.#options = options
    this.#version = version
    this.#gate = allOf([...(gates.access ?? []), new BusyGate(this.hub), ...(gates.callbacks ?? [])])
  }

  /** Where it listens, with the ports that the system chose. */
  get addresses(): ServerAddresses {
    return { rtmp: this.#rtmp, http: this.#http }
  }

  get connections(): number {
    return this.#connections.size
  }

  /**
   * Opens the ports and begins to serve.
   * @throws the system's error when a port cannot be opened; those that were are closed again
   */
  async start(where: ServerAddresses, page: ReadonlyMap<string, PageFile>): Promise<void> {
    const context: ServerContext = {
      world: this.#world,
      hub: this.hub,
      options: this.#options,
      clients: this.clients,
      gate: this.#gate,
      version: this.#version,
    }
    const handlers = [liveHandler(context), streamsHandler(context, this.#rtmp), pageHandler(page)]
    try {
      for (const address of where.rtmp) {
        this.#rtmp.push(await this.#listen(address, (thread, socket) => serveRtmp(thread, socket, context)))
      }
      for (const address of where.http) {
        this.#http.push(await this.#listen(address, (thread, socket) => serveHttp(thread, socket, context, handlers)))
      }
    } catch (error) {
      for (const listener of this.#listeners) listener.close()
      throw error
    }
  }

  /** Closes the ports and ends every connection; returns when all their threads are gone. */
  async stop(thread: Thread): Promise<void> {
    for (const listener of this.#listeners) listener.close()
    for (const acceptor of this.#acceptors) await acceptor.stop(thread, 'server stops')
    for (const connection of this.#connections) connection.interrupt('server stops')
    for (const connection of this.#connections) await connection.stop(thread, 'server stops')
  }

  async #listen(address: Endpoint, serve: Serve): Promise<Endpoint> {
    const listener = await Listener.open(this.#world, address.host, address.port)
    this.#listeners.push(listener)
    this.#acceptors.push(this.#world.spawn('accept', (thread) => this.#accept(thread, listener, serve)))
    return listener.local
  }

  async #accept(thread: Thread, listener: Listener, serve: Serve): Promise<void> {
    for (;;) {
      const socket = await this.#next(thread, listener)
      if (!socket) return
      if (this.#connections.size >= this.#options.maxConnections) {
        thread.log.warn({ connections: this.#connections.size }, 'connection closed: max_connections is reached')
        socket.close()
        continue
      }
      this.#begin(socket, serve)
    }
  }

  #begin(socket: Socket, serve: Serve): void {
    const connection = this.#world.spawn('connection', async (thread) => {
      try {
        await serve(thread, socket)
      } finally {
        socket.close()
        this.#connections.delete(thread)
      }
    })
    this.#connections.add(connection)
  }

  async #next(thread: Thread, listener: Listener): Promise<Socket | null> {
    try {
      return await listener.accept(thread)
    } catch (error) {
      if (error instanceof ClosedError) return null
      throw error
    }
  }
}
