import { Condition } from '../st/condition.ts'
import { TimeoutError } from '../st/errors.ts'
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
import { HlsHandler } from './hls/http-hls.ts'
import type { HlsNotices } from './hls/notices.ts'
import { HlsService } from './hls/service.ts'
import { liveHandler } from './http-live.ts'
import { type HttpHandler, serveHttp } from './http-session.ts'
import type { ServerOptions } from './options.ts'
import { type PageFile, pageHandler } from './page.ts'
import { type PortChange, Ports, prepareAll } from './ports.ts'
import { Recorder, type RecorderOptions } from './recorder/recorder.ts'
import { recordingsHandler } from './recordings.ts'
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

/** What the recorder needs to know beside the settings of a vhost. */
export type ServerRecordings = Omit<RecorderOptions, 'resolveVhost'>

const NO_RECORDINGS: ServerRecordings = { utcTime: false, dvrPaths: () => [], recorded: () => {} }

/** What else is served at an address of HTTP. */
type Guests = (address: Endpoint) => readonly HttpHandler[]

/** What happens to the connections of a listener. */
interface Service {
  readonly protocol: 'rtmp' | 'http'
  serve(thread: Thread, socket: Socket): Promise<void>
}

/** A running server: its listeners, its streams, and the thread of every connection. */
export class Server {
  readonly hub = new Hub()
  readonly clients = new Clients()
  readonly recorder: Recorder
  /** Who was not let in, by reason. */
  readonly refusals: Refusals
  readonly #world: World
  readonly #connections = new Set<Thread>()
  readonly #idle = new Condition('last connection')
  readonly #rtmp: Ports
  readonly #http: Ports
  readonly #context: ServerContext
  #own: readonly HttpHandler[] = []
  #guests: Guests = () => []
  /** By the address that was asked for. */
  #sites = new Map<Endpoint, Service>()
  readonly #door: Door
  readonly #hls: HlsService

  constructor(
    world: World,
    options: ServerOptions,
    version: string,
    gates: ServerGates = {},
    recordings = NO_RECORDINGS,
  ) {
    this.#world = world
    this.refusals = new Refusals(world)
    this.#door = new Door(options, this.refusals)
    const all = allOf([...(gates.access ?? []), new BusyGate(this.hub), ...(gates.callbacks ?? [])])
    const gate = countRefusals(all, this.refusals)
    this.recorder = new Recorder(world, this.hub, this.clients, {
      ...recordings,
      resolveVhost: (name) => options.resolveVhost(name),
    })
    const context: ServerContext = { world, hub: this.hub, options, clients: this.clients, gate, version }
    this.#context = context
    this.#hls = new HlsService(context, gates.hlsNotices ?? null)
    const rtmp: Service = { protocol: 'rtmp', serve: (thread, socket) => serveRtmp(thread, socket, context) }
    this.#rtmp = new Ports(world, (socket) => this.#take(socket, rtmp))
    this.#http = new Ports(world, (socket, wanted) => this.#take(socket, this.#sites.get(wanted)))
  }

  /** Where it listens, with the ports that the system chose. */
  get addresses(): ServerAddresses {
    return { rtmp: this.#rtmp.addresses, http: this.#http.addresses }
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
  async start(where: ServerAddresses, page: ReadonlyMap<string, PageFile>, guests: Guests = () => []): Promise<void> {
    const context = this.#context
    const hls = new HlsHandler(context, this.#hls)
    const streams = streamsHandler(context, () => this.addresses)
    this.#own = [hls.handle, recordingsHandler(context), liveHandler(context), streams, pageHandler(page)]
    this.#guests = guests
    const change = await this.prepare(where)
    change.commit()
    this.recorder.start()
  }

  /**
   * Opens the ports that are new, for a reload: connections stay when their port goes.
   * @throws the system's error when a port cannot be opened; nothing has changed then
   */
  async prepare(where: ServerAddresses): Promise<PortChange> {
    const { commit, abort } = await prepareAll([
      () => this.#rtmp.prepare(where.rtmp),
      () => this.#http.prepare(where.http),
    ])
    return {
      commit: () => {
        this.#sites = new Map(where.http.map((address) => [address, this.#siteAt(address)]))
        commit()
      },
      abort,
    }
  }

  /** Closes the ports: nobody comes any more, and who is there is served. */
  closePorts(): void {
    this.#rtmp.close()
    this.#http.close()
  }

  /** Waits until nobody is there. @returns false: after `timeoutMs` somebody still was. @throws InterruptedError */
  async untilIdle(thread: Thread, timeoutMs: number): Promise<boolean> {
    if (this.#connections.size === 0) return true
    try {
      await this.#idle.wait(thread, timeoutMs)
      return true
    } catch (error) {
      if (error instanceof TimeoutError) return false
      throw error
    }
  }

  /** Closes the ports and ends every connection; returns when all their threads are gone. */
  async stop(thread: Thread): Promise<void> {
    await this.#rtmp.stop(thread)
    await this.#http.stop(thread)
    for (const connection of this.#connections) connection.interrupt('server stops')
    for (const connection of this.#connections) await connection.stop(thread, 'server stops')
    await this.#hls.stop(thread)
    await this.recorder.stop(thread)
    await this.refusals.stop(thread)
  }

  #siteAt(address: Endpoint): Service {
    const handlers = [...this.#own, ...this.#guests(address)]
    return { protocol: 'http', serve: (thread, socket) => serveHttp(thread, socket, this.#context, handlers) }
  }

  #take(socket: Socket, service: Service | undefined): void {
    const address = service ? this.#door.admit(socket, this.#connections.size) : null
    if (service && address !== null) this.#begin(socket, address, service)
    else socket.close()
  }

  // No frame and no closure more than it needs: they would stay as long as the connection.
  #begin(socket: Socket, address: string, service: Service): void {
    const connection = this.#door.needsHeader(socket, service.protocol)
      ? this.#beginBehindProxy(socket, address, service)
      : this.#world.spawn(
          'connection',
          (thread) => service.serve(thread, socket),
          (thread) => this.#end(thread, socket, address),
        )
    this.#connections.add(connection)
  }

  #beginBehindProxy(socket: Socket, admitted: string, service: Service): Thread {
    let address: string | null = admitted
    return this.#world.spawn(
      'connection',
      async (thread) => {
        address = await this.#door.identify(thread, socket)
        if (address !== null) await service.serve(thread, socket)
      },
      (thread) => this.#end(thread, socket, address),
    )
  }

  #end(thread: Thread, socket: Socket, address: string | null): void {
    if (address !== null) this.#door.leave(address)
    socket.close()
    this.#connections.delete(thread)
    if (this.#connections.size === 0) this.#idle.broadcast()
  }
}
