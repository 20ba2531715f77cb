import { CodecError } from '../../codec/errors.ts'
import { RtmpConnection } from '../../rtmp/connection.ts'
import { Condition } from '../../st/condition.ts'
import { FOREVER } from '../../st/clock.ts'
import { asError, ClosedError, InterruptedError, StError } from '../../st/errors.ts'
import { Listener } from '../../st/listener.ts'
import { type Endpoint, formatEndpoint } from '../../st/network.ts'
import { connect, type Socket } from '../../st/socket.ts'
import type { Thread } from '../../st/thread.ts'
import type { World } from '../../st/world.ts'
import { proxyHeader } from '../behind/proxy-header.ts'
import { Behind, type PortKind } from '../behind/server.ts'
import { watch } from '../behind/watch.ts'
import { keepRunning } from '../programs/keep-running.ts'
import { askHttp } from './ask-http.ts'
import { askRtmp, repeatRtmp, type RtmpQuestion } from './ask-rtmp.ts'
import { Choice } from './choice.ts'
import type { DolphinOptions } from './options.ts'
import { pump } from './pump.ts'

/** For a client to say which stream it is about. */
const QUESTION_TIMEOUT_MS = 15_000
/** Before a server that has ended is started again; longer each time while it does not stay. */
const RESTART_MS = 500

/** What a connection is about, as far as that matters for where it goes. */
interface Question {
  readonly stream: string | null
  readonly publishes: boolean
  /** What has been read already, as it came. */
  readonly said: Buffer | null
  readonly rtmp: RtmpQuestion | null
}

const NO_QUESTION: Question = { stream: null, publishes: false, said: null, rtmp: null }

/**
 * A proxy for TCP in front of servers of RTMP and HTTP, one for each core, say: chooses one for each connection by a
 * policy and passes the bytes on as they are. Servers may be of any kind; those that it starts it keeps running.
 */
export class Dolphin {
  readonly servers: readonly Behind[]
  readonly #world: World
  readonly #options: DolphinOptions
  readonly #choice: Choice
  readonly #listeners: { readonly kind: PortKind; readonly listener: Listener }[] = []
  readonly #connections = new Set<Thread>()
  readonly #idle = new Condition('last connection')
  readonly #services: Thread[] = []
  /** Connections that were closed since there were too many, or no server. */
  refused = 0

  constructor(world: World, options: DolphinOptions) {
    this.#world = world
    this.#options = options
    this.servers = options.servers.map((server) => new Behind(world, server))
    this.#choice = new Choice(options, this.servers)
  }

  get connections(): number {
    return this.#connections.size
  }

  /** Where it listens, with the ports that the system chose. */
  addresses(kind: PortKind): readonly Endpoint[] {
    return this.#listeners.filter((one) => one.kind === kind).map(({ listener }) => listener.local)
  }

  /** Starts and watches the servers, and opens the ports. @throws the system's error; `stop` it then */
  async start(): Promise<void> {
    for (const server of this.servers) {
      if (server.options.start.length > 0) this.#serve('server', (thread) => this.#keep(thread, server))
      this.#serve('watch', (thread) => watch(thread, server, this.#options))
    }
    for (const kind of ['rtmp', 'http'] as const) {
      for (const { host, port } of this.#options[kind]) await this.#listen(kind, host, port)
    }
  }

  /** Takes nobody in any more; returns when those who are there have gone. @throws InterruptedError */
  async drain(thread: Thread): Promise<void> {
    this.#closePorts()
    while (this.#connections.size > 0) await this.#idle.wait(thread, FOREVER)
  }

  /** Ends everything, the servers that it started last; returns when all threads are gone. */
  async stop(thread: Thread): Promise<void> {
    this.#closePorts()
    for (const connection of this.#connections) connection.interrupt('proxy stops')
    for (const connection of this.#connections) await connection.stop(thread, 'proxy stops')
    for (const service of this.#services) service.interrupt('proxy stops')
    for (const service of this.#services) await service.stop(thread, 'proxy stops')
  }

  #closePorts(): void {
    for (const { listener } of this.#listeners) listener.close()
    this.#listeners.length = 0
  }

  #serve(name: string, body: (thread: Thread) => Promise<void>): void {
    this.#services.push(this.#world.spawn(name, body))
  }

  async #listen(kind: PortKind, host: string, port: number): Promise<void> {
    const listener = await Listener.open(this.#world, host, port)
    this.#listeners.push({ kind, listener })
    this.#serve('accept', (thread) => this.#accept(thread, kind, listener))
  }

  /** Until the port is closed. */
  async #accept(thread: Thread, kind: PortKind, listener: Listener): Promise<void> {
    try {
      for (;;) this.#begin(await listener.accept(thread), kind)
    } catch (error) {
      if (!(error instanceof ClosedError)) throw error
    }
  }

  #begin(client: Socket, kind: PortKind): void {
    if (this.#connections.size >= this.#options.maxConnections) {
      this.refused++
      client.close()
      return
    }
    const connection = this.#world.spawn(
      'connection',
      (thread) => this.#connection(thread, client, kind),
      (thread) => {
        client.close()
        this.#connections.delete(thread)
        if (this.#connections.size === 0) this.#idle.broadcast()
      },
    )
    this.#connections.add(connection)
  }

  /** One client, from its first byte to its last. */
  async #connection(thread: Thread, client: Socket, kind: PortKind): Promise<void> {
    const peer = formatEndpoint(client.remote)
    try {
      const question = this.#options.policy === 'hash' ? await ask(thread, client, kind) : NO_QUESTION
      await this.#pass(thread, client, kind, question)
    } catch (error) {
      if (!(error instanceof StError || error instanceof CodecError)) throw error
      thread.log.info({ peer, reason: error.message }, 'connection reached no server')
    }
  }

  async #pass(thread: Thread, client: Socket, kind: PortKind, question: Question): Promise<void> {
    const { server, socket } = await this.#reach(thread, client, kind, question)
    const startedMs = thread.world.clock.nowMs()
    let reason = ''
    server.connections.add(thread)
    try {
      if (question.said) socket.write(question.said)
      if (question.rtmp) await repeatRtmp(thread, client, socket, question.rtmp, QUESTION_TIMEOUT_MS)
      reason = await pump(thread, client, socket, this.#options.idleTimeoutMs)
    } catch (error) {
      reason = asError(error).message
      if (!(error instanceof StError || error instanceof CodecError)) throw error
    } finally {
      server.connections.delete(thread)
      socket.close()
      server.receivedBytes += socket.sentBytes
      server.sentBytes += socket.receivedBytes
      this.#choice.leave(server, question)
      const { sentBytes, receivedBytes } = client
      const lastedMs = Math.round(thread.world.clock.nowMs() - startedMs)
      const fields = { peer: formatEndpoint(client.remote), server: server.name, stream: question.stream }
      thread.log.info({ ...fields, sentBytes, receivedBytes, lastedMs, reason }, 'connection ended')
    }
  }

  /** Connects to a server, to the next one when the first does not answer. @throws ClosedError, InterruptedError */
  async #reach(
    thread: Thread,
    client: Socket,
    kind: PortKind,
    question: Question,
  ): Promise<{ server: Behind; socket: Socket }> {
    const tried = new Set<Behind>()
    for (;;) {
      const server = this.#choice.enter({ kind, ...question, tried })
      if (!server) {
        this.refused++
        throw new ClosedError('no server answers')
      }
      try {
        const socket = await this.#open(thread, client, server.options[kind], question.rtmp !== null)
        server.total++
        return { server, socket }
      } catch (error) {
        this.#choice.leave(server, question)
        if (error instanceof InterruptedError || !(error instanceof StError || error instanceof CodecError)) throw error
        server.failed++
        server.isUp = false
        tried.add(server)
      }
    }
  }

  async #open(thread: Thread, client: Socket, at: Endpoint | null, isAsked: boolean): Promise<Socket> {
    if (!at) throw new ClosedError('the server has no such port')
    const { connectTimeoutMs, proxyProtocol } = this.#options
    const socket = await connect(thread, at, connectTimeoutMs)
    try {
      if (proxyProtocol) socket.write(proxyHeader(client.remote, client.local))
      if (isAsked) await new RtmpConnection(socket).offerHandshake(thread, connectTimeoutMs)
      return socket
    } catch (error) {
      socket.close()
      throw error
    }
  }

  #keep(thread: Thread, { options, name }: Behind): Promise<void> {
    const { programLogDir } = this.#options
    const values: Readonly<Record<string, string>> = { rtmp: placeOf(options.rtmp), http: placeOf(options.http) }
    const [program = '', ...args] = options.start.map((word) =>
      word.replace(/\[(rtmp|http)\]/g, (_, kind: string) => values[kind] ?? ''),
    )
    const logFile = programLogDir === null ? null : `${programLogDir}/dolphin-${name}.log`
    return keepRunning(thread, { program, args, stdout: null, stderr: null, logFile }, RESTART_MS)
  }
}

/** Which stream a connection is about. @throws StError, CodecError */
async function ask(thread: Thread, client: Socket, kind: PortKind): Promise<Question> {
  if (kind === 'http') {
    return { ...(await askHttp(thread, client, QUESTION_TIMEOUT_MS)), publishes: false, rtmp: null }
  }
  const rtmp = await askRtmp(thread, client, QUESTION_TIMEOUT_MS)
  return { stream: rtmp?.stream ?? null, publishes: rtmp?.publishes ?? false, said: null, rtmp }
}

function placeOf(at: Endpoint | null): string {
  return at ? formatEndpoint(at) : ''
}
