/**
 * Which stream a connection over RTMP is about. A client says so only when its `connect` and, if it plays, its
 * `createStream` have been answered; so these are answered here. Then the server behind gets all that the client has
 * said, byte by byte, and what it answers to these two is left out. From there on bytes pass unchanged both ways.
 */
import { CodecError } from '../../codec/errors.ts'
import { asText } from '../../rtmp/amf-value.ts'
import type { AmfObject, AmfValue } from '../../rtmp/amf0.ts'
import { ChunkReader } from '../../rtmp/chunk-reader.ts'
import { encodeMessage } from '../../rtmp/chunk-writer.ts'
import { type Command, decodeCommand, encodeCommand } from '../../rtmp/command.ts'
import { RtmpConnection } from '../../rtmp/connection.ts'
import {
  controlValue,
  DEFAULT_CHUNK_BYTES,
  isCommand,
  MSG,
  PEER_LIMIT,
  type RtmpMessage,
  setPeerBandwidth,
  windowAckSize,
} from '../../rtmp/message.ts'
import { parseStreamUrl } from '../../rtmp/url.ts'
import { ClosedError, TimeoutError } from '../../st/errors.ts'
import type { Socket } from '../../st/socket.ts'
import type { Thread } from '../../st/thread.ts'

/** C0 of plain RTMP: what begins otherwise (TLS) cannot be read here. */
const VERSION = 3
/** Of what a client says until it names its stream. */
const MAX_SAID_BYTES = 64 * 1024
const LIMITS = { maxMessageBytes: 64 * 1024, maxPartialBytes: 64 * 1024, maxChunkStreams: 16 }
/** Of what a server says until it has answered: its metadata may be among it. */
const SERVER_LIMITS = { maxMessageBytes: 1 << 20, maxPartialBytes: 1 << 20, maxChunkStreams: 64 }
const CSID = 3
const WINDOW_BYTES = 2_500_000
/** What every server gives for the first `createStream`. */
const FIRST_STREAM = 1
/** Which commands name a stream, and whether who says them will publish it. */
const NAMING = new Map([
  ['releaseStream', true],
  ['FCPublish', true],
  ['publish', true],
  ['FCSubscribe', false],
  ['play', false],
])

/** What a client has said and what it was answered. */
export interface RtmpQuestion {
  /** `app/stream`. */
  readonly stream: string
  /** It will publish the stream; else it plays. */
  readonly publishes: boolean
  /** All its bytes after the handshake. */
  readonly said: readonly Buffer[]
  /** The commands that were answered, by their transaction ids. */
  readonly answered: ReadonlyMap<number, string>
}

/**
 * Talks with a client until it names its stream.
 * @returns null: it does not speak plain RTMP; nothing was read then
 * @throws TimeoutError, InterruptedError, ClosedError; CodecError
 */
export async function askRtmp(thread: Thread, socket: Socket, timeoutMs: number): Promise<RtmpQuestion | null> {
  const { clock } = thread.world
  const deadlineMs = clock.nowMs() + timeoutMs
  if (socket.nextByte === null && !socket.isAtEnd()) await socket.untilInput(thread, timeoutMs)
  if (socket.nextByte !== null && socket.nextByte !== VERSION) return null
  await new RtmpConnection(socket).acceptHandshake(thread, timeoutMs)
  const talk = new Talk(socket)
  for (;;) {
    const leftMs = Math.ceil(deadlineMs - clock.nowMs())
    if (leftMs <= 0) throw new TimeoutError('name of a stream', timeoutMs)
    const bytes = await socket.read(thread, leftMs)
    if (!bytes) throw new ClosedError('client ended before it named a stream')
    const stream = talk.take(bytes)
    if (stream !== null) return { stream, publishes: talk.publishes, said: talk.said, answered: talk.answered }
  }
}

/** The server's side of the beginning of a connection. */
class Talk {
  readonly said: Buffer[] = []
  readonly answered = new Map<number, string>()
  publishes = false
  readonly #socket: Socket
  readonly #reader = new ChunkReader(LIMITS)
  #saidBytes = 0
  #place: { tcUrl: string; app: string } | null = null

  constructor(socket: Socket) {
    this.#socket = socket
  }

  /** @returns `app/stream` as soon as it is known. @throws CodecError, ClosedError */
  take(bytes: Buffer): string | null {
    this.said.push(bytes)
    this.#saidBytes += bytes.length
    if (this.#saidBytes > MAX_SAID_BYTES) throw new CodecError('stream_not_named', 'client talks and names no stream')
    this.#reader.push(bytes)
    let stream: string | null = null
    for (let message = this.#reader.read(); message; message = this.#reader.read()) {
      if (stream === null && isCommand(message)) stream = this.#answer(decodeCommand(message.typeId, message.payload))
    }
    return stream
  }

  #answer({ name, transactionId, args }: Command): string | null {
    if (name === 'connect') this.#connected(transactionId, args[0])
    else if (name === 'createStream') this.#reply(transactionId, name, null, FIRST_STREAM)
    else if (this.#place && NAMING.has(name)) {
      const { app, stream } = parseStreamUrl({ ...this.#place, streamName: asText(args[1]) })
      this.publishes = NAMING.get(name) ?? false
      if (stream !== '') return `${app}/${stream}`
    }
    return null
  }

  #connected(transactionId: number, argument: AmfValue | undefined): void {
    const { tcUrl, app, objectEncoding } = (argument ?? {}) as AmfObject
    this.#place = { tcUrl: asText(tcUrl), app: asText(app) }
    this.#send(windowAckSize(WINDOW_BYTES), setPeerBandwidth(WINDOW_BYTES, PEER_LIMIT.DYNAMIC))
    const information = {
      level: 'status',
      code: 'NetConnection.Connect.Success',
      description: 'Connection succeeded',
      objectEncoding: typeof objectEncoding === 'number' ? objectEncoding : 0,
    }
    this.#reply(transactionId, 'connect', { fmsVer: 'FMS/3,5,3,888', capabilities: 127 }, information)
  }

  #reply(transactionId: number, name: string, ...args: AmfValue[]): void {
    this.answered.set(transactionId, name)
    this.#send({
      csid: CSID,
      timestampMs: 0,
      typeId: MSG.COMMAND_AMF0,
      streamId: 0,
      payload: encodeCommand('_result', transactionId, ...args),
    })
  }

  #send(...messages: RtmpMessage[]): void {
    this.#socket.write(Buffer.concat(messages.map((message) => encodeMessage(message, DEFAULT_CHUNK_BYTES))))
  }
}

/**
 * Tells a server what the client has said, and the client what the server answers to that, except what it was answered
 * already. When it returns, both are where they would be without anybody between them.
 * @throws TimeoutError, InterruptedError, ClosedError; CodecError
 */
export async function repeatRtmp(
  thread: Thread,
  client: Socket,
  server: Socket,
  { said, answered }: RtmpQuestion,
  timeoutMs: number,
): Promise<void> {
  const { clock } = thread.world
  const deadlineMs = clock.nowMs() + timeoutMs
  for (const bytes of said) server.write(bytes)
  const reader = new ChunkReader(SERVER_LIMITS)
  const left = new Map(answered)
  let chunkBytes = DEFAULT_CHUNK_BYTES
  for (;;) {
    for (let message = reader.read(); message; message = reader.read()) {
      if (isAnswered(message, left)) continue
      client.write(encodeMessage(message, chunkBytes))
      if (message.typeId === MSG.SET_CHUNK_SIZE) chunkBytes = controlValue(message)
    }
    const rest = left.size === 0 ? reader.rest : null
    if (rest) {
      client.write(rest)
      return
    }
    const leftMs = Math.ceil(deadlineMs - clock.nowMs())
    if (leftMs <= 0) throw new TimeoutError('answer of the server', timeoutMs)
    const bytes = await server.read(thread, leftMs)
    if (!bytes) throw new ClosedError('server ended before it answered')
    reader.push(bytes)
  }
}

/** Whether the client has this answer already; it is taken off the list then. @throws CodecError 'stream_id_other' */
function isAnswered(message: RtmpMessage, left: Map<number, string>): boolean {
  if (!isCommand(message)) return false
  const { name, transactionId, args } = decodeCommand(message.typeId, message.payload)
  const command = name === '_result' ? left.get(transactionId) : undefined
  if (command === undefined) return false
  left.delete(transactionId)
  if (command === 'createStream' && args[1] !== FIRST_STREAM) {
    throw new CodecError('stream_id_other', 'the server numbers its message streams in another way')
  }
  return true
}
