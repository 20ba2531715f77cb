import { CodecError } from '../../codec/errors.ts'
import { Clients } from '../../server/clients.ts'
import type { Client } from '../../server/client.ts'
import type { Gate } from '../../server/gate.ts'
import type { ProxyOptions } from '../../server/options.ts'
import type { Server } from '../../server/server.ts'
import { Condition } from '../../st/condition.ts'
import { asError, ClosedError, InterruptedError, StError, TimeoutError } from '../../st/errors.ts'
import { Listener } from '../../st/listener.ts'
import type { Endpoint } from '../../st/network.ts'
import type { Socket } from '../../st/socket.ts'
import type { Body, Thread } from '../../st/thread.ts'
import type { World } from '../../st/world.ts'
import { EDGE_HOST, PEER_HEADER } from './http-pass.ts'
import { MIRROR_THREAD } from './mirror.ts'
import { OriginLine } from './origin-line.ts'
import { type Purpose, readPreface } from './preface.ts'
import type { AnswerWord, ProcessWord } from './words.ts'

/** For an edge to say who was there before this origin started. */
const RESUME_MS = 5_000
/** Connections that have not said yet what they are: strangers cannot pile them up. */
const MAX_UNKNOWN = 4_096

/** What the origin of forked edges stands on. */
export interface InnerPortParts {
  readonly world: World
  readonly server: Server
  readonly at: Endpoint
  readonly token: string
  /** Where streams come from that nobody publishes here. */
  readonly upstream: Gate
}

/**
 * Where the edges of this machine reach their origin: for streams, for requests that they pass on, and to ask about their
 * clients. What comes here is not the affair of gates and statistics: the clients behind it are.
 */
export class InnerPort {
  readonly #parts: InnerPortParts
  readonly #life: string
  readonly #threads = new Set<Thread>()
  readonly #lines = new Map<number, OriginLine>()
  /** Connections on which edges pull and publish. */
  readonly clients = new Clients()
  #listener: Listener | null = null
  readonly #lineBegan = new Condition('line of an edge')
  #unknown = 0

  constructor(parts: InnerPortParts) {
    this.#parts = parts
    this.#life = parts.world.newId()
  }

  /** @throws the system's error */
  async start(): Promise<void> {
    const { world, at } = this.#parts
    const listener = await Listener.open(world, at.host, at.port)
    this.#listener = listener
    this.#run(world.newId(), 'inner-port', (thread) => this.#accept(thread, listener))
  }

  async stop(thread: Thread): Promise<void> {
    this.#listener?.close()
    for (const own of this.#threads) own.interrupt('server stops')
    for (const own of this.#threads) await own.stop(thread, 'server stops')
  }

  /** What each edge says of its process; null: it has not yet. By the number of the edge. */
  get processes(): ReadonlyMap<number, ProcessWord | null> {
    return new Map([...this.#lines].map(([edge, { process }]) => [edge, process]))
  }

  /** Asks an edge about its process. Null: it is not there, or does not answer. @throws InterruptedError */
  async ask(thread: Thread, edge: number, path: string, query: string): Promise<AnswerWord | null> {
    try {
      return (await this.#lines.get(edge)?.ask(thread, path, query)) ?? null
    } catch (error) {
      if (error instanceof TimeoutError) return null
      throw error
    }
  }

  /** Whether it stands for a client of an edge. */
  static isMirror(client: Client): boolean {
    return client.thread.name === MIRROR_THREAD
  }

  /** The edges are to read the configuration again. */
  reload(): void {
    for (const line of this.#lines.values()) line.say({ say: 'reload' })
  }

  async #accept(thread: Thread, listener: Listener): Promise<void> {
    try {
      for (;;) this.#begin(await listener.accept(thread))
    } catch (error) {
      if (!(error instanceof ClosedError)) throw error
    }
  }

  #begin(socket: Socket): void {
    if (this.#unknown >= MAX_UNKNOWN) {
      socket.close()
      return
    }
    this.#unknown++
    this.#run(this.#parts.world.newId(), 'inner', async (thread) => {
      const purpose = await this.#identify(thread, socket)
      if (!purpose) return
      // A publisher here has the name that its client has at the edge.
      const id = purpose.for === 'rtmp' ? purpose.id : thread.id
      this.#run(id, `inner-${purpose.for}`, (own) => this.#serve(own, socket, purpose))
    })
  }

  /** @returns null: the connection is closed */
  async #identify(thread: Thread, socket: Socket): Promise<Purpose | null> {
    let purpose: Purpose | null = null
    try {
      const said = await readPreface(thread, socket, this.#parts.token)
      if (said.for === 'rtmp') await this.#untilKnown(thread, said.edge)
      purpose = said
    } catch (error) {
      const failure = asError(error)
      const isExpected = failure instanceof StError || failure instanceof CodecError
      if (failure instanceof InterruptedError || !isExpected) throw error
      thread.log.warn({ reason: failure.message }, 'a connection to the inner port is closed')
    } finally {
      this.#unknown--
      if (!purpose) socket.close()
    }
    return purpose
  }

  /** Waits until an edge has said who is there: whoever publishes must be in the register before its stream begins. */
  async #untilKnown(thread: Thread, edge: number): Promise<void> {
    let line = this.#lines.get(edge)
    for (; !line; line = this.#lines.get(edge)) await this.#lineBegan.wait(thread, RESUME_MS)
    await line.untilResumed(thread, RESUME_MS)
  }

  async #serve(thread: Thread, socket: Socket, purpose: Purpose): Promise<void> {
    const { server, upstream } = this.#parts
    try {
      if (purpose.for === 'rtmp') await server.serveRtmp(thread, socket, { clients: this.clients, gate: upstream })
      else if (purpose.for === 'line') await this.#serveLine(thread, socket, purpose.edge)
      else {
        socket.peer = { host: EDGE_HOST, port: 0 }
        await server.serveHttp(thread, socket, purpose.at, EDGE_PROXIES)
      }
    } finally {
      socket.close()
    }
  }

  async #serveLine(thread: Thread, socket: Socket, edge: number): Promise<void> {
    const { world, server } = this.#parts
    const { gate, clients, options } = server.context
    const parts = { world, clients, gate, door: server.door, vhostOf: (name: string) => options.resolveVhost(name) }
    const line = new OriginLine(parts, socket, this.#life, () => this.#others(line))
    this.#lines.set(edge, line)
    this.#lineBegan.broadcast()
    let reason = ''
    try {
      await line.run(thread)
    } catch (error) {
      const failure = asError(error)
      if (!(failure instanceof StError || failure instanceof CodecError)) throw error
      reason = failure.message
    } finally {
      if (this.#lines.get(edge) === line) this.#lines.delete(edge)
      thread.log.info({ edge, reason }, 'an edge has gone')
    }
  }

  #others(line: OriginLine): number {
    let connections = 0
    for (const other of this.#lines.values()) if (other !== line) connections += other.process?.connections ?? 0
    return connections
  }

  #run(id: string, name: string, body: Body): void {
    this.#threads.add(this.#parts.world.start(id, name, body, (thread) => this.#threads.delete(thread)))
  }
}

/** An edge says whom it passes on. */
const EDGE_PROXIES: ProxyOptions = {
  isTrusted: (host) => host === EDGE_HOST,
  hasRtmpHeader: false,
  hasHttpHeader: false,
  realIpHeader: PEER_HEADER,
}
