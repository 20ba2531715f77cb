import { expect, onTestFinished } from 'vitest'
import type { AmfValue } from '../../src/rtmp/amf0.ts'
import { encodeMessage } from '../../src/rtmp/chunk-writer.ts'
import { encodeCommand } from '../../src/rtmp/command.ts'
import { MSG } from '../../src/rtmp/message.ts'
import { BusyGate } from '../../src/server/busy-gate.ts'
import { Clients } from '../../src/server/clients.ts'
import type { ServerContext } from '../../src/server/context.ts'
import { allOf, type Gate } from '../../src/server/gate.ts'
import { liveHandler } from '../../src/server/http-live.ts'
import { publishHandler } from '../../src/server/http-publish.ts'
import { serveHttp } from '../../src/server/http-session.ts'
import { type LimitOptions, Limits } from '../../src/server/limits.ts'
import type { VhostOptions } from '../../src/server/options.ts'
import { serveRtmp } from '../../src/server/rtmp-session.ts'
import { Socket } from '../../src/st/socket.ts'
import type { Thread } from '../../src/st/thread.ts'
import { Hub } from '../../src/stream/hub.ts'
import type { TestClock } from '../st/support/clock.ts'
import { TestPipe } from '../st/support/network.ts'
import { makeTestWorld, type TestWorld } from '../st/support/world.ts'
import { DEFAULT_LIMITS, testOptions, testVhost, type VhostChanges } from '../support/server.ts'
import { media, type MediaKind } from './media.ts'

const HELLO_BYTES = 1537

/** One connection of a server whose time stands until the test moves it. */
export class StillConnection {
  readonly pipe = new TestPipe()
  readonly #clock: TestClock

  constructor(clock: TestClock) {
    this.#clock = clock
  }

  /** What the server wrote, as one text. */
  get written(): string {
    return Buffer.concat(this.pipe.written).toString('latin1')
  }

  get isClosed(): boolean {
    return this.pipe.isDestroyed
  }

  /** The peer sends something, and the server deals with it. */
  async send(...parts: (Buffer | string)[]): Promise<void> {
    for (const part of parts) this.pipe.handler.onData(Buffer.from(part as string))
    await this.#clock.settle()
  }

  async shakeHands(): Promise<void> {
    await this.send(Buffer.concat([Buffer.of(3), Buffer.alloc(HELLO_BYTES - 1)]), Buffer.alloc(HELLO_BYTES - 1))
  }

  async command(streamId: number, name: string, ...args: AmfValue[]): Promise<void> {
    const payload = encodeCommand(name, 1, ...args)
    await this.send(encodeMessage({ csid: 3, timestampMs: 0, typeId: MSG.COMMAND_AMF0, streamId, payload }, 128))
  }

  async connectToApp(): Promise<void> {
    await this.shakeHands()
    await this.command(0, 'connect', { app: 'live', tcUrl: 'rtmp://127.0.0.1/live' })
  }

  async media(kind: MediaKind, timestampMs: number): Promise<void> {
    const typeId = kind.startsWith('audio') ? MSG.AUDIO : MSG.VIDEO
    await this.send(encodeMessage({ csid: 4, timestampMs, typeId, streamId: 1, payload: media(kind, 'x') }, 128))
  }

  /** The peer's FIN. */
  async end(): Promise<void> {
    this.pipe.handler.onEnd()
    await this.#clock.settle()
  }
}

/** The server's sessions in a world in which time stands: for timeouts of seconds and minutes. */
export class StillServer {
  readonly #test: TestWorld = makeTestWorld()
  readonly #context: ServerContext
  readonly hub = new Hub()
  readonly clients = new Clients()
  /** Who went beyond a limit, by code. */
  readonly refused = new Map<string, number>()
  readonly #vhost: VhostOptions

  /** @param gates asked behind the test whether a stream is free */
  constructor(changes: VhostChanges = {}, gates: readonly Gate[] = [], limits: Partial<LimitOptions> = {}) {
    this.#vhost = testVhost({ minLatency: true, ...changes })
    const options = testOptions(this.#vhost, { limits: { ...DEFAULT_LIMITS, ...limits } })
    const { hub, clients } = this
    const gate = allOf([new BusyGate(hub), ...gates])
    this.#context = {
      world: this.#test.world,
      hub,
      options,
      clients,
      limits: new Limits({ totals: this.refused, count: (code) => this.#count(code) }),
      gate,
      refusals: { count() {} },
      upstream: null,
      version: 'test',
    }
    onTestFinished(() => {
      expect(this.#test.log.lines.filter(({ level }) => level === 'error')).toEqual([])
    })
  }

  #count(code: string): void {
    this.refused.set(code, (this.refused.get(code) ?? 0) + 1)
  }

  get clock(): TestClock {
    return this.#test.clock
  }

  get threads(): number {
    return this.#test.world.threads.size
  }

  /** A reload: who holds the vhost sees its new settings. */
  change(changes: VhostChanges): void {
    Object.assign(this.#vhost, testVhost({ minLatency: true, ...changes }))
  }

  /** Why the last connection ended, by the log. */
  get lastReason(): unknown {
    return this.#test.log.lines.findLast(({ text }) => text.startsWith('connection ended'))?.fields['reason']
  }

  /** The fields of the lines with this text, in order. */
  logged(text: string): Record<string, unknown>[] {
    return this.#test.log.lines.filter((line) => line.text === text).map(({ fields }) => fields)
  }

  /** Lets the log's lines go: for tests that look at memory. */
  forget(): void {
    this.#test.log.lines.length = 0
  }

  rtmp(): Promise<StillConnection> {
    return this.#accept((thread, socket) => serveRtmp(thread, socket, this.#context))
  }

  http(): Promise<StillConnection> {
    return this.#accept((thread, socket) =>
      serveHttp(thread, socket, this.#context, [liveHandler(this.#context), publishHandler(this.#context)]),
    )
  }

  async #accept(serve: (thread: Thread, socket: Socket) => Promise<void>): Promise<StillConnection> {
    const connection = new StillConnection(this.clock)
    const socket = new Socket(connection.pipe)
    this.#test.world.spawn('connection', (thread) => serve(thread, socket))
    await this.clock.settle()
    return connection
  }
}
