import { type ConnectOptions } from '../st/network.ts'
import { connect } from '../st/socket.ts'
import type { Thread } from '../st/thread.ts'
import type { AmfObject, AmfValue } from './amf0.ts'
import { CodecError } from '../codec/errors.ts'
import { type Command, decodeCommand, encodeCommand } from './command.ts'
import { RtmpConnection } from './connection.ts'
import { MSG, type RtmpMessage, setChunkSize, USER_EVENT, userControl } from './message.ts'

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
}

/** The server answered a command with an error: `_error`, or a status of level `error`. */
export class RtmpRefusedError extends CodecError {
  constructor(command: string, info: AmfValue) {
    super('rtmp_refused', `${command} was refused: ${JSON.stringify(info)}`)
  }
}

/** An RTMP client that publishes or plays one stream, in blocking style. All waits of an exchange have one timeout. */
export class RtmpClient {
  readonly connection: RtmpConnection
  readonly #thread: Thread
  readonly #timeoutMs: number
  #transactionId = 0
  #streamId = 0

  private constructor(thread: Thread, connection: RtmpConnection, timeoutMs: number) {
    this.#thread = thread
    this.connection = connection
    this.#timeoutMs = timeoutMs
  }

  /** The message stream that the server gave. */
  get streamId(): number {
    return this.#streamId
  }

  /**
   * Connects, shakes hands, sends `connect` and `createStream`.
   * @param timeoutMs limit for each answer
   * @throws RtmpRefusedError, CodecError, StError
   */
  static async open(thread: Thread, options: RtmpClientOptions, timeoutMs: number): Promise<RtmpClient> {
    const socket = await connect(thread, options, timeoutMs)
    try {
      const connection = new RtmpConnection(socket)
      await connection.offerHandshake(thread, timeoutMs)
      const client = new RtmpClient(thread, connection, timeoutMs)
      connection.send(setChunkSize(OUT_CHUNK_BYTES))
      const { app, tcUrl, connectExtra } = options
      await client.#call(CSID_COMMAND, 'connect', { app, tcUrl, flashVer: 'LNX 9,0,124,2', ...connectExtra })
      const created = await client.#call(CSID_COMMAND, 'createStream', null)
      client.#streamId = typeof created.args[1] === 'number' ? created.args[1] : 1
      return client
    } catch (error) {
      socket.close()
      throw error
    }
  }

  /** Starts publishing. @throws RtmpRefusedError (BadName), CodecError, StError */
  async publish(streamName: string): Promise<void> {
    this.#send(CSID_STREAM, this.#streamId, 'publish', null, streamName, 'live')
    await this.#status('publish', 'NetStream.Publish.Start')
  }

  /** Starts playing. @throws RtmpRefusedError, CodecError, StError */
  async play(streamName: string): Promise<void> {
    this.#send(CSID_STREAM, this.#streamId, 'play', null, streamName, -2000)
    this.connection.send(userControl(USER_EVENT.SET_BUFFER_LENGTH, this.#streamId, 1000))
    await this.#status('play', 'NetStream.Play.Start')
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
    for (;;) {
      const command = await this.#nextCommand(name)
      if (command.transactionId !== transactionId) continue
      if (command.name === '_error') throw new RtmpRefusedError(name, command.args[1])
      if (command.name === '_result') return command
    }
  }

  async #status(name: string, code: string): Promise<void> {
    for (;;) {
      const command = await this.#nextCommand(name)
      if (command.name !== 'onStatus') continue
      const info = command.args[1] as AmfObject | null | undefined
      if (info?.['level'] === 'error') throw new RtmpRefusedError(name, info)
      if (info?.['code'] === code) return
    }
  }

  async #nextCommand(awaited: string): Promise<Command> {
    for (;;) {
      const message = await this.read(this.#timeoutMs)
      if (!message)
        throw new RtmpRefusedError(awaited, { code: 'closed', description: 'the server ended the connection' })
      if (message.typeId === MSG.COMMAND_AMF0 || message.typeId === MSG.COMMAND_AMF3) {
        return decodeCommand(message.typeId, message.payload)
      }
    }
  }

  #send(csid: number, streamId: number, name: string, ...args: AmfValue[]): number {
    const transactionId = ++this.#transactionId
    const payload = encodeCommand(name, transactionId, ...args)
    this.connection.send({ csid, timestampMs: 0, typeId: MSG.COMMAND_AMF0, streamId, payload })
    return transactionId
  }
}
