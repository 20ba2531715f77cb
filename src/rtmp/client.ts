import { type ConnectOptions } from '../st/network.ts'
import { TimeoutError } from '../st/errors.ts'
import { connect } from '../st/socket.ts'
import type { Thread } from '../st/thread.ts'
import type { AmfObject, AmfValue } from './amf0.ts'
import { asObject, asText } from './amf-value.ts'
import { CodecError } from '../codec/errors.ts'
import { type Command, decodeCommand, encodeCommand } from './command.ts'
import { RtmpConnection } from './connection.ts'
import { isCommand, MSG, type RtmpMessage, setChunkSize, USER_EVENT, userControl } from './message.ts'

/** Chunk size that we announce for what we send. */
const OUT_CHUNK_BYTES = 60_000
const CSID_COMMAND = 3
const CSID_STREAM = 8

/** Where and as whom a client connects. */
export interface RtmpClientOptions extends ConnectOptions {
  /** For example `rtmp://host/live`. */
  readonly tcUrl: string
  readonly app: string
  /** More members of the command object of `connect`, for example `capsEx`. */
  readonly connectExtra?: AmfObject
  /** Behind the command object: where servers of SRS's family say who they are. */
  readonly connectArgument?: AmfObject
  /** Sent before the handshake. */
  readonly preface?: Buffer
}

/** The server answered a command with an error: `_error`, or a status of level `error`. */
export class RtmpRefusedError extends CodecError {
  /** What it said: `level`, `code`, `description` and more. */
  readonly info: AmfObject

  constructor(command: string, info: AmfValue) {
    super('rtmp_refused', `${command} was refused: ${JSON.stringify(info)}`)
    this.info = asObject(info)
  }
}

/** The stream is elsewhere: RTMP 302, as SRS and Wowza say it in `ex` of a refusal. */
export class RtmpRedirectError extends RtmpRefusedError {
  /** `rtmp://host:port/app`; '' when only the whole address was told. */
  readonly tcUrl: string
  /** With the stream and its query; '' when only the `tcUrl` was told. */
  readonly url: string

  constructor(command: string, info: AmfObject, { redirect, redirect2 }: AmfObject) {
    super(command, info)
    this.tcUrl = asText(redirect)
    this.url = asText(redirect2)
  }
}

/** The refusal that an answer of level `error` is. */
function refusalOf(command: string, info: AmfValue): RtmpRefusedError {
  const said = asObject(info)
  const ex = asObject(said['ex'])
  const isRedirect = asText(ex['redirect']) !== '' || asText(ex['redirect2']) !== ''
  return isRedirect ? new RtmpRedirectError(command, said, ex) : new RtmpRefusedError(command, info)
}

/**
 * What a command on a running stream says: the code of an `onStatus`, '' for everything else.
 * @throws RtmpRefusedError, RtmpRedirectError when it is a status of level `error`; CodecError
 */
export function statusCode({ typeId, payload }: RtmpMessage, command: string): string {
  const { name, args } = decodeCommand(typeId, payload)
  if (name !== 'onStatus') return ''
  const info = asObject(args[1])
  if (info['level'] === 'error') throw refusalOf(command, info)
  return asText(info['code'])
}

/** An RTMP client that publishes or plays one stream, in blocking style. Each exchange as a whole has the timeout. */
export class RtmpClient {
  readonly connection: RtmpConnection
  readonly #thread: Thread
  readonly #timeoutMs: number
  #transactionId = 0
  #streamId = 0
  #serverInfo: AmfObject = {}

  private constructor(thread: Thread, connection: RtmpConnection, timeoutMs: number) {
    this.#thread = thread
    this.connection = connection
    this.#timeoutMs = timeoutMs
  }

  /** The message stream that the server gave. */
  get streamId(): number {
    return this.#streamId
  }

  /** What the server said of itself in its answer to `connect`, for example `srs_id`. */
  get serverInfo(): AmfObject {
    return this.#serverInfo
  }

  /**
   * Connects, shakes hands, sends `connect` and `createStream`.
   * @param timeoutMs limit for connecting, for the handshake and for each answer
   * @throws RtmpRefusedError, RtmpRedirectError, CodecError, StError
   */
  static async open(thread: Thread, options: RtmpClientOptions, timeoutMs: number): Promise<RtmpClient> {
    const socket = await connect(thread, options, timeoutMs)
    try {
      if (options.preface) socket.write(options.preface)
      const connection = new RtmpConnection(socket)
      await connection.offerHandshake(thread, timeoutMs)
      const client = new RtmpClient(thread, connection, timeoutMs)
      connection.send(setChunkSize(OUT_CHUNK_BYTES))
      const { app, tcUrl, connectExtra, connectArgument } = options
      const asked = { app, tcUrl, flashVer: 'LNX 9,0,124,2', ...connectExtra }
      const more = connectArgument ? [connectArgument] : []
      const connected = await client.#call(CSID_COMMAND, 'connect', asked, ...more)
      client.#serverInfo = asObject(asObject(connected.args[1])['data'])
      const created = await client.#call(CSID_COMMAND, 'createStream', null)
      client.#streamId = typeof created.args[1] === 'number' ? created.args[1] : 1
      return client
    } catch (error) {
      socket.close()
      throw error
    }
  }

  /** Starts publishing. @throws RtmpRefusedError (BadName), RtmpRedirectError, CodecError, StError */
  async publish(streamName: string): Promise<void> {
    this.#send(CSID_STREAM, this.#streamId, 'publish', null, streamName, 'live')
    await this.#status('publish', 'NetStream.Publish.Start')
  }

  /** Starts playing. @throws RtmpRefusedError, RtmpRedirectError, CodecError, StError */
  async play(streamName: string): Promise<void> {
    this.askToPlay(streamName)
    await this.#status('play', 'NetStream.Play.Start')
  }

  /** Asks to play; the caller reads what comes, the answer included: see `statusCode`. @throws ClosedError */
  askToPlay(streamName: string): void {
    this.#send(CSID_STREAM, this.#streamId, 'play', null, streamName, -2000)
    this.connection.send(userControl(USER_EVENT.SET_BUFFER_LENGTH, this.#streamId, 1000))
  }

  /** Sends one media message. @returns true when the kernel took it, else call `connection.socket.drain` */
  sendMedia(typeId: number, timestampMs: number, payload: Buffer): boolean {
    const csid = typeId === MSG.AUDIO ? 4 : typeId === MSG.VIDEO ? 6 : 5
    this.connection.send({ csid, timestampMs, typeId, streamId: this.#streamId, payload })
    return this.connection.socket.pendingBytes === 0
  }

  /** The next message, whatever it is; null at the end. @throws CodecError, StError */
  async read(timeoutMs: number): Promise<RtmpMessage | null> {
    return this.connection.tryRead() ?? (await this.connection.read(this.#thread, timeoutMs))
  }

  close(): void {
    this.connection.socket.close()
  }

  async #call(csid: number, name: string, ...args: AmfValue[]): Promise<Command> {
    const transactionId = this.#send(csid, 0, name, ...args)
    const deadlineMs = this.#deadlineMs()
    for (;;) {
      const { typeId, payload } = await this.#nextCommand(name, deadlineMs)
      const command = decodeCommand(typeId, payload)
      if (command.transactionId !== transactionId) continue
      if (command.name === '_error') throw refusalOf(name, command.args[1])
      if (command.name === '_result') return command
    }
  }

  async #status(name: string, code: string): Promise<void> {
    const deadlineMs = this.#deadlineMs()
    while (statusCode(await this.#nextCommand(name, deadlineMs), name) !== code) continue
  }

  #deadlineMs(): number {
    return this.#thread.world.clock.nowMs() + this.#timeoutMs
  }

  async #nextCommand(awaited: string, deadlineMs: number): Promise<RtmpMessage> {
    for (;;) {
      const leftMs = Math.ceil(deadlineMs - this.#thread.world.clock.nowMs())
      if (leftMs <= 0) throw new TimeoutError(`answer to ${awaited}`, this.#timeoutMs)
      const message = await this.read(leftMs)
      if (!message)
        throw new RtmpRefusedError(awaited, { code: 'closed', description: 'the server ended the connection' })
      if (isCommand(message)) return message
    }
  }

  #send(csid: number, streamId: number, name: string, ...args: AmfValue[]): number {
    const transactionId = ++this.#transactionId
    const payload = encodeCommand(name, transactionId, ...args)
    this.connection.send({ csid, timestampMs: 0, typeId: MSG.COMMAND_AMF0, streamId, payload })
    return transactionId
  }
}
