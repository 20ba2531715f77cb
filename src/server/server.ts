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
import { Door } from './door.ts'
import { allOf, type Gate } from './gate.ts'
import { flvHandler } from './http-flv.ts'
import { HlsHandler } from './hls/http-hls.ts'
import type { HlsNotices } from './hls/notices.ts'
import { HlsService } from './hls/service.ts'
import { type HttpHandler, serveHttp } from './http-session.ts'
import type { ServerOptions } from './options.ts'
import { type PageFile, pageHandler } from './page.ts'
import { countRefusals, Refusals } from './refusals.ts'
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
  /** Who is told of HLS segments. */
  readonly hlsNotices?: HlsNotices
}

/** What happens to the connections of a listener. */
interface Service {
  readonly protocol: 'rtmp' | 'http'
  serve(thread: Thread, socket: Socket): Promise<void>
}

/** A running server: its listeners, its streams, and the thread of every connection. */
export class Server {
  readonly hub = new Hub()
  readonly clients = new Clients()
  /** Who was not let in, by reason. */
  readonly refusals: Refusals
  readonly #world: World
  readonly #listeners: Listener[] = []
  readonly #acceptors: Thread[] = []
  readonly #connections = new Set<Thread>()
  readonly #rtmp: Endpoint[] = []
  readonly #http: Endpoint[] = []
  readonly #context: ServerContext
  readonly #door: Door
  readonly #hls: HlsService

  constructor(world: World, options: ServerOptions, version: string, gates: ServerGates = {}) {
    this.#world = world
    this.refusals = new Refusals(world)
    this.#door = new Door(options, this.refusals)
    const all = allOf([...(gates.access ?? []), new BusyGate(this.hub), ...(gates.callbacks ?? [])])
    const { hub, clients } = this
    this.#context = { world, hub, options, clients, gate: countRefusals(all, this.refusals), version }
    this.#hls = new HlsService(this.#context, gates.hlsNotices ?? null)
  }

  /** Where it listens, with the ports that the system chose. */
  get addresses(): ServerAddresses {
    return { rtmp: this.#rtmp, http: this.#http }
  }

  /** Streams as HLS. */
  get hls(): Pick<HlsService, 'reload'> {
    return this.#hls
  }

  get connections(): number {
    return this.#connections.size
  }

  /**
   * Opens the ports and begins to serve.
   * @param guests what else is served at an address of HTTP, behind the server's own paths
   * @throws the system's error when a port cannot be opened; those that were are closed again
   */
  async start(
    where: ServerAddresses,
    page: ReadonlyMap<string, PageFile>,
    guests: (address: Endpoint) => readonly HttpHandler[] = () => [],
  ): Promise<void> {
    const context = this.#context
    const rtmp: Service = { protocol: 'rtmp', serve: (thread, socket) => serveRtmp(thread, socket, context) }
    const hls = new HlsHandler(context, this.#hls)
    const own = [hls.handle, flvHandler(context), streamsHandler(context, this.#rtmp), pageHandler(page)]
    try {
      for (const address of where.rtmp) this.#rtmp.push(await this.#listen(address, rtmp))
      for (const address of where.http) {
        const handlers = [...own, ...guests(address)]
        const http: Service = {
          protocol: 'http',
          serve: (thread, socket) => serveHttp(thread, socket, context, handlers),
        }
        this.#http.push(await this.#listen(address, http))
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
    await this.#hls.stop(thread)
    await this.refusals.stop(thread)
  }

  async #listen(address: Endpoint, service: Service): Promise<Endpoint> {
    const listener = await Listener.open(this.#world, address.host, address.port)
    this.#listeners.push(listener)
    this.#acceptors.push(this.#world.spawn('accept', (thread) => this.#accept(thread, listener, service)))
    return listener.local
  }

  async #accept(thread: Thread, listener: Listener, service: Service): Promise<void> {
    for (;;) {
      const socket = await this.#next(thread, listener)
      if (!socket) return
      const address = this.#door.admit(socket, this.#connections.size)
      if (address === null) socket.close()
      else this.#begin(socket, address, service)
    }
  }

  #begin(socket: Socket, admitted: string, service: Service): void {
    let address: string | null = admitted
    const identify = async (thread: Thread): Promise<void> => {
      address = await this.#door.identify(thread, socket)
      if (address !== null) await service.serve(thread, socket)
    }
    const connection = this.#world.spawn(
      'connection',
      // No frame around the service: it would stay as long as the connection.
      (thread) => (this.#door.needsHeader(socket, service.protocol) ? identify(thread) : service.serve(thread, socket)),
      (thread) => {
        if (address !== null) this.#door.leave(address)
        socket.close()
        this.#connections.delete(thread)
      },
    )
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
