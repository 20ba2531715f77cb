import { Condition } from '../st/condition.ts'
import { TimeoutError } from '../st/errors.ts'
import type { Endpoint, ServerTls } from '../st/network.ts'
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
import type { HlsBackups } from './hls/shared/share.ts'
import { liveHandler } from './http-live.ts'
import { publishHandler } from './http-publish.ts'
import { isSame } from './http-site.ts'
import { Limits } from './limits.ts'
import { type HttpHandler, serveHttp } from './http-session.ts'
import type { ProxyOptions, ServerOptions, VhostOptions } from './options.ts'
import { type PageFile, pageHandler } from './page.ts'
import { type PortChange, Ports, prepareAll } from './ports.ts'
import { Recorder, type RecorderOptions } from './recorder/recorder.ts'
import { recordingsHandler } from './recordings.ts'
import { countRefusals, Refusals } from './refusals.ts'
import { RoomGate } from './room-gate.ts'
import { RtmpPublisher } from './rtmp-publisher.ts'
import { serveRtmp } from './rtmp-session.ts'
import { staticHandler } from './static-files.ts'
import { streamsHandler } from './streams.ts'
import { acceptEither, acceptTls } from './tls.ts'
import type { StreamFeed, Upstream } from './upstream.ts'

/** Where to listen; host '' is every address of the machine. */
export interface ServerAddresses {
  readonly rtmp: readonly Endpoint[]
  readonly http: readonly Endpoint[]
  /** One that is in `rtmp` too serves both: the first byte tells which. */
  readonly rtmps?: readonly Endpoint[]
  readonly https?: readonly Endpoint[]
}

/** What stands before the protocol on a port of TLS. */
function overTls(tls: ServerTls | undefined, accept: typeof acceptTls, context: ServerContext): Service['before'] {
  return tls ? (thread, socket) => accept(thread, socket, tls, context) : null
}

/** Who decides beside the server itself who may do what, in the order of asking. */
export interface ServerGates {
  /** Limits and access rules: asked first. */
  readonly access?: readonly Gate[]
  /** Asked last, and about a publisher only when the stream is free. */
  readonly callbacks?: readonly Gate[]
  /** Asked after all others: what it does for a client costs most. */
  readonly upstream?: Upstream
  /** Who is told of HLS segments. */
  readonly hlsNotices?: HlsNotices
  /** Who shares HLS with other servers. */
  readonly hlsBackups?: HlsBackups
  /** Asked before the server's own handlers about each request that came to an address of HTTP. */
  readonly front?: (context: ServerContext, address: Endpoint) => HttpHandler
}

/** What the recorder needs to know beside the settings of a vhost. */
export type ServerRecordings = Omit<RecorderOptions, 'resolveVhost'>

const NO_RECORDINGS: ServerRecordings = { utcTime: false, dvrPaths: () => [], recorded: () => {} }

/** What else is served at an address of HTTP. */
type Guests = (address: Endpoint) => readonly HttpHandler[]

/** What happens to the connections of a listener. */
interface Service {
  readonly protocol: 'rtmp' | 'http'
  /** What stands before the protocol, false: it failed; null: nothing does. */
  readonly before: ((thread: Thread, socket: Socket) => Promise<boolean>) | null
  serve(thread: Thread, socket: Socket): Promise<void>
}

/** A running server: its listeners, its streams, and the thread of every connection. */
export class Server {
  readonly hub = new Hub()
  readonly clients = new Clients()
  readonly recorder: Recorder
  /** Who was not let in, by reason. */
  readonly refusals: Refusals
  /** Who went beyond a limit. */
  readonly limits: Limits
  readonly #world: World
  readonly #connections = new Set<Thread>()
  readonly #idle = new Condition('last connection')
  readonly #rtmp: Ports
  readonly #http: Ports
  readonly #rtmps: Ports
  readonly #https: Ports
  readonly context: ServerContext
  #own: readonly HttpHandler[] = []
  #guests: Guests = () => []
  /** By the address that was asked for. */
  #sites = new Map<Endpoint, Service>()
  /** Addresses of `rtmps` that are in `rtmp` too. */
  #shared: readonly Endpoint[] = []
  /** For who accepts connections on behalf of this server. */
  readonly door: Door
  readonly #hls: HlsService
  readonly #front: ServerGates['front']

  constructor(
    world: World,
    options: ServerOptions,
    version: string,
    gates: ServerGates = {},
    recordings = NO_RECORDINGS,
  ) {
    this.#world = world
    this.#front = gates.front
    this.refusals = new Refusals(world)
    this.limits = new Limits(this.refusals)
    this.door = new Door(options, this.refusals)
    const room = new RoomGate(this.hub, () => options.limits)
    const upstream = gates.upstream ?? null
    const last = upstream ? [upstream] : []
    const all = allOf([room, ...(gates.access ?? []), new BusyGate(this.hub), ...(gates.callbacks ?? []), ...last])
    const gate = countRefusals(all, this.refusals)
    this.recorder = new Recorder(world, this.hub, this.clients, {
      ...recordings,
      resolveVhost: (name) => options.resolveVhost(name),
    })
    const { hub, clients, limits, refusals } = this
    const context: ServerContext = { world, hub, options, limits, clients, gate, refusals, upstream, version }
    this.context = context
    this.#hls = new HlsService(context, gates.hlsNotices ?? null, gates.hlsBackups ?? null)
    const serve: Service['serve'] = (thread, socket) => serveRtmp(thread, socket, context)
    const rtmp: Service = { protocol: 'rtmp', before: null, serve }
    const rtmps: Service = { protocol: 'rtmp', before: overTls(options.tls?.rtmps, acceptTls, context), serve }
    const either: Service = { protocol: 'rtmp', before: overTls(options.tls?.rtmps, acceptEither, context), serve }
    this.#rtmp = new Ports(world, (socket) => this.#take(socket, rtmp))
    const onRtmps = (socket: Socket, wanted: Endpoint): void =>
      this.#take(socket, this.#shared.some((address) => isSame(address, wanted)) ? either : rtmps)
    this.#rtmps = new Ports(world, onRtmps, true)
    const onHttp = (socket: Socket, wanted: Endpoint): void => this.#take(socket, this.#sites.get(wanted))
    this.#http = new Ports(world, onHttp)
    this.#https = new Ports(world, onHttp, true)
  }

  /** Where it listens, with the ports that the system chose. */
  get addresses(): Required<ServerAddresses> {
    const shared = this.#rtmps.addresses.filter(({ port }) => this.#shared.some((address) => address.port === port))
    return {
      rtmp: [...this.#rtmp.addresses, ...shared],
      http: this.#http.addresses,
      rtmps: this.#rtmps.addresses,
      https: this.#https.addresses,
    }
  }

  /** Streams as HLS. */
  get hls(): Pick<HlsService, 'reload' | 'get'> {
    return this.#hls
  }

  /**
   * Lets a thread publish a stream that does not come over one of the server's connections.
   * @throws StreamBusyError
   */
  feed(thread: Thread, key: string, vhost: VhostOptions): StreamFeed {
    return new RtmpPublisher(thread, this.context, key, vhost, () => {})
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
    const context = this.context
    const hls = new HlsHandler(context, this.#hls)
    const streams = streamsHandler(context, () => this.addresses)
    const files = [recordingsHandler(context), staticHandler(context)]
    this.#own = [hls.handle, ...files, liveHandler(context), publishHandler(context), streams, pageHandler(page)]
    this.#guests = guests
    const change = await this.prepare(where)
    change.commit()
    this.recorder.start()
  }

  /**
   * Opens the ports that are new, for a reload: connections stay when their port goes.
   * @throws the system's error when a port cannot be opened; nothing has changed then
   */
  async prepare({ rtmp, http, rtmps = [], https = [] }: ServerAddresses): Promise<PortChange> {
    const isShared = (address: Endpoint): boolean => rtmps.some((other) => isSame(address, other))
    const secure = overTls(this.context.options.tls?.https, acceptTls, this.context)
    const { commit, abort } = await prepareAll([
      () => this.#rtmp.prepare(rtmp.filter((address) => !isShared(address))),
      () => this.#http.prepare(http),
      () => this.#rtmps.prepare(rtmps),
      () => this.#https.prepare(https),
    ])
    return {
      commit: () => {
        this.#shared = rtmp.filter(isShared)
        this.#sites = new Map([
          ...http.map((address) => [address, this.#siteAt(address, null)] as const),
          ...https.map((address) => [address, this.#siteAt(address, secure)] as const),
        ])
        commit()
      },
      abort,
    }
  }

  /** Closes the ports: nobody comes any more, and who is there is served. */
  closePorts(): void {
    for (const ports of [this.#rtmp, this.#http, this.#rtmps, this.#https]) ports.close()
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
    for (const ports of [this.#rtmp, this.#http, this.#rtmps, this.#https]) await ports.stop(thread)
    for (const connection of this.#connections) connection.interrupt('server stops')
    for (const connection of this.#connections) await connection.stop(thread, 'server stops')
    await this.context.upstream?.stop(thread)
    await this.#hls.stop(thread)
    await this.recorder.stop(thread)
    await this.refusals.stop(thread)
  }

  /** Serves an RTMP connection that another process of this server has made, by other gates and in another register. */
  serveRtmp(thread: Thread, socket: Socket, own: Pick<ServerContext, 'clients' | 'gate'>): Promise<void> {
    return serveRtmp(thread, socket, { ...this.context, ...own })
  }

  /**
   * Serves requests of clients that another process has accepted.
   * @param address where they came, as it was asked for
   * @param proxies how it says who they are
   */
  serveHttp(thread: Thread, socket: Socket, address: Endpoint, proxies: ProxyOptions): Promise<void> {
    const { options, version } = this.context
    const own = Object.create(options, { proxies: { value: proxies } }) as ServerOptions
    return serveHttp(thread, socket, { options: own, version }, this.#handlersAt(address))
  }

  #handlersAt(address: Endpoint): readonly HttpHandler[] {
    return [...this.#own, ...this.#guests(address)]
  }

  #siteAt(address: Endpoint, before: Service['before']): Service {
    const front = this.#front ? [this.#front(this.context, address)] : []
    const handlers = [...front, ...this.#handlersAt(address)]
    return { protocol: 'http', before, serve: (thread, socket) => serveHttp(thread, socket, this.context, handlers) }
  }

  #take(socket: Socket, service: Service | undefined): void {
    const address = service ? this.door.admit(socket, this.#connections.size) : null
    if (service && address !== null) this.#begin(socket, address, service)
    else socket.close()
  }

  // No frame and no closure more than it needs: they would stay as long as the connection.
  #begin(socket: Socket, address: string, service: Service): void {
    const hasHeader = this.door.needsHeader(socket, service.protocol)
    const connection =
      hasHeader || service.before
        ? this.#beginLater(socket, address, service, hasHeader)
        : this.#world.spawn(
            'connection',
            (thread) => service.serve(thread, socket),
            (thread) => this.#end(thread, socket, address),
          )
    this.#connections.add(connection)
  }

  /** Something stands before the protocol: the header of a proxy, then the handshake of TLS. */
  #beginLater(socket: Socket, admitted: string, service: Service, hasHeader: boolean): Thread {
    let address: string | null = admitted
    return this.#world.spawn(
      'connection',
      async (thread) => {
        if (hasHeader) address = await this.door.identify(thread, socket)
        if (address === null || (service.before && !(await service.before(thread, socket)))) return
        await service.serve(thread, socket)
      },
      (thread) => this.#end(thread, socket, address),
    )
  }

  #end(thread: Thread, socket: Socket, address: string | null): void {
    if (address !== null) this.door.leave(address)
    socket.close()
    this.#connections.delete(thread)
    if (this.#connections.size === 0) this.#idle.broadcast()
  }
}
