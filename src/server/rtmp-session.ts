import { CodecError } from '../codec/errors.ts'
import { FOREVER } from '../st/clock.ts'
import { asError, StError } from '../st/errors.ts'
import { formatEndpoint } from '../st/network.ts'
import type { Socket } from '../st/socket.ts'
import type { Thread } from '../st/thread.ts'
import { asNumber, asObject, asText } from '../rtmp/amf-value.ts'
import type { AmfObject, AmfValue } from '../rtmp/amf0.ts'
import { type Command, decodeCommand } from '../rtmp/command.ts'
import { RtmpConnection } from '../rtmp/connection.ts'
import { MSG, PEER_LIMIT, type RtmpMessage, setChunkSize, setPeerBandwidth, windowAckSize } from '../rtmp/message.ts'
import { parseStreamUrl, type StreamUrl, streamKey } from '../rtmp/url.ts'
import { StreamBusyError } from '../stream/source.ts'
import { type Client, NO_URL } from './client.ts'
import type { ServerContext } from './context.ts'
import { describeEnd, logEnd } from './ending.ts'
import type { VhostOptions } from './options.ts'
import {
  connectionCommand,
  connectRejected,
  connectResult,
  knowsMultitrack,
  playPaused,
  playStarted,
  publishEnded,
  publishStarted,
  serverIdentity,
  status,
  streamCommand,
} from './rtmp-answers.ts'
import { RtmpPlayer } from './rtmp-player.ts'
import { RtmpPublisher } from './rtmp-publisher.ts'

/** For the handshake, for connect, and for saying what is wanted: SRS's 30 s. */
const OPENING_TIMEOUT_MS = 30_000
/** Between two streams on one connection: SRS's 3 minutes. */
const BETWEEN_STREAMS_TIMEOUT_MS = 180_000
/** How long a refused client may take to read why. */
const REFUSAL_LINGER_MS = 1_000
/** Message streams that one connection may have at a time; Flash clients use a handful. */
const MAX_STREAMS = 8

/** The peer was told why; the connection is ended behind the answer. */
class RefusedError extends Error {}

/**
 * Serves one RTMP connection until it ends, whatever it does: the thread of a publisher, and the one that reads the
 * commands of players.
 */
export async function serveRtmp(thread: Thread, socket: Socket, context: ServerContext): Promise<void> {
  const session = new RtmpSession(thread, socket, context)
  let failure: Error | null = null
  try {
    await session.run()
  } catch (error) {
    failure = asError(error)
  } finally {
    await session.close()
    context.clients.remove(session.client, describeEnd(failure), failure !== null && !(failure instanceof StError))
  }
  logEnd(thread, failure, { receivedBytes: socket.receivedBytes, sentBytes: socket.sentBytes }, 'info')
}

class RtmpSession {
  readonly #thread: Thread
  readonly #socket: Socket
  readonly #context: ServerContext
  readonly #players = new Map<number, RtmpPlayer>()
  readonly #streamIds = new Set<number>()
  readonly #connection: RtmpConnection
  readonly client: Client
  #publisher: RtmpPublisher | null = null
  /** The message stream of the publisher: the end of another one does not concern it. */
  #publishStreamId = 0
  #request: AmfObject = {}
  #hadStream = false
  #saysFmle = false
  #refusal: RefusedError | null = null

  constructor(thread: Thread, socket: Socket, context: ServerContext) {
    this.#thread = thread
    this.#socket = socket
    this.#context = context
    this.#connection = new RtmpConnection(socket, {})
    this.client = {
      id: thread.id,
      thread,
      socket,
      startedMs: thread.world.clock.nowMs(),
      peer: socket.remote,
      transport: 'rtmp',
      role: null,
      type: 'unknown',
      vhost: null,
      url: NO_URL,
      sourceKey: null,
      queue: null,
    }
    context.clients.add(this.client)
  }

  async run(): Promise<void> {
    this.#thread.log.info({ peer: formatEndpoint(this.#socket.remote), protocol: 'rtmp' }, 'connected')
    await this.#connection.acceptHandshake(this.#thread, OPENING_TIMEOUT_MS)
    await this.#connect()
    while (!this.#refusal) {
      const message = this.#connection.tryRead() ?? (await this.#nextTurn())
      if (!message) return
      await this.#dispatch(message)
    }
    this.#thread.log.info({ reason: this.#refusal.message }, 'refused')
    await this.#socket.closeGently(this.#thread, REFUSAL_LINGER_MS)
  }

  /** Ends all that the connection has begun. */
  async close(): Promise<void> {
    try {
      for (const player of this.#players.values()) await player.stop(this.#thread)
      this.#publisher?.end()
    } finally {
      this.#socket.close()
    }
  }

  /** All that had arrived has been dealt with: what the publisher brought may go out, then more is waited for. */
  #nextTurn(): Promise<RtmpMessage | null> {
    this.#publisher?.flush()
    return this.#connection.read(this.#thread, this.#timeoutMs())
  }

  #timeoutMs(): number {
    if (this.#publisher) return this.#publisher.timeoutMs
    for (const player of this.#players.values()) if (!player.ended) return FOREVER
    return this.#hadStream ? BETWEEN_STREAMS_TIMEOUT_MS : OPENING_TIMEOUT_MS
  }

  /** The first message must be the `connect` command: RTMP 1.0 section 7.2.1.1. */
  async #connect(): Promise<void> {
    const message = await this.#connection.read(this.#thread, OPENING_TIMEOUT_MS)
    if (!message) return
    const command = isCommand(message) ? decodeCommand(message.typeId, message.payload) : null
    if (command?.name !== 'connect') {
      throw new CodecError(
        'rtmp_no_connect',
        `first message is ${command?.name ?? `of type ${message.typeId}`}, not connect`,
      )
    }
    this.#request = asObject(command.args[0])
    const vhost = this.#resolveVhost(this.#url('-'))
    if (!vhost || typeof this.#request['tcUrl'] !== 'string') {
      const why = vhost ? 'connect without tcUrl.' : 'vhost is not served here.'
      this.#refuse(why, connectRejected(command.transactionId, why))
      return
    }
    this.#connection.inAckBytes = vhost.inAckSize
    const identity = serverIdentity(this.#context.version, this.#thread.id, this.#socket.local.host)
    this.#connection.send(
      ...(vhost.outAckSize > 0
        ? [windowAckSize(vhost.outAckSize), setPeerBandwidth(vhost.outAckSize, PEER_LIMIT.DYNAMIC)]
        : []),
      setChunkSize(vhost.chunkSize),
      connectResult(command.transactionId, this.#request, identity),
      connectionCommand('onBWDone', 0, null),
    )
  }

  async #dispatch(message: RtmpMessage): Promise<void> {
    if (isCommand(message)) await this.#command(decodeCommand(message.typeId, message.payload), message.streamId)
    else this.#publisher?.take(message)
  }

  async #command(command: Command, streamId: number): Promise<void> {
    const { name, transactionId, args } = command
    switch (name) {
      case 'createStream':
        this.#createStream(transactionId)
        break
      case 'publish':
        this.#publish(streamId, asText(args[1]))
        break
      case 'play':
        await this.#play(streamId, asText(args[1]), asNumber(args[3]))
        break
      case 'FCUnpublish':
        this.#unpublish()
        this.#connection.send(...publishEnded(transactionId, streamId))
        break
      case 'closeStream':
        await this.#endStream(streamId)
        break
      case 'deleteStream':
        await this.#endStream(asNumber(args[1]) || streamId)
        this.#streamIds.delete(asNumber(args[1]))
        break
      default:
        this.#simpleCommand(command, streamId)
    }
  }

  /** Commands that change nothing but what a player gets, or nothing at all. */
  #simpleCommand(command: Command, streamId: number): void {
    const { name, transactionId, args } = command
    const player = this.#players.get(streamId)
    const reply = (...values: AmfValue[]): void => {
      if (transactionId > 0) this.#connection.send(connectionCommand('_result', transactionId, null, ...values))
    }
    switch (name) {
      case 'releaseStream':
      case 'FCPublish':
        this.#saysFmle = true
        reply(undefined)
        break
      case 'pause':
      case 'pauseRaw':
        player?.pause(args[1] === true)
        this.#connection.send(...playPaused(streamId, args[1] === true))
        break
      case 'seek':
        this.#connection.send(status(streamId, 'status', 'NetStream.Seek.Notify', 'A live stream goes on where it is.'))
        break
      case 'receiveAudio':
      case 'receiveVideo':
        player?.receive(name === 'receiveAudio' ? 'audio' : 'video', args[1] !== false)
        reply(null)
        break
      case 'getStreamLength':
        reply(0)
        break
      case 'FCSubscribe':
        this.#connection.send(
          streamCommand(0, 'onFCSubscribe', null, { level: 'status', code: 'NetStream.Play.Start', description: '' }),
        )
        break
      default:
        reply(null)
    }
  }

  #createStream(transactionId: number): void {
    let streamId = 1
    while (this.#streamIds.has(streamId)) streamId++
    if (streamId > MAX_STREAMS)
      throw new CodecError('rtmp_too_many_streams', `more than ${MAX_STREAMS} message streams`)
    this.#streamIds.add(streamId)
    this.#connection.send(connectionCommand('_result', transactionId, null, streamId))
  }

  #publish(streamId: number, streamName: string): void {
    const { url, vhost, why } = this.#locate(streamName)
    if (!vhost || this.#publisher) {
      const text = why || 'This connection publishes already.'
      this.#refuse(text, status(streamId, 'error', 'NetStream.Publish.BadName', text))
      return
    }
    const key = streamKey({ ...url, vhost: vhost.name })
    try {
      this.#publisher = new RtmpPublisher(this.#thread, this.#context, key, vhost)
    } catch (error) {
      if (!(error instanceof StreamBusyError)) throw error
      this.#refuse(
        error.message,
        status(streamId, 'error', 'NetStream.Publish.BadName', `${url.stream} is already published.`),
      )
      return
    }
    this.#identify('publish', this.#saysFmle ? 'fmle-publish' : 'flash-publish', url, vhost)
    this.#publishStreamId = streamId
    this.#hadStream = true
    this.#thread.log.info({ stream: key, param: url.param, encoder: this.#request['flashVer'] ?? '' }, 'publishing')
    this.#connection.send(...publishStarted(streamId))
  }

  async #play(streamId: number, streamName: string, durationMs: number): Promise<void> {
    await this.#stopPlayer(streamId)
    const { url, vhost, why } = this.#locate(streamName)
    if (!vhost) {
      this.#refuse(why, status(streamId, 'error', 'NetStream.Play.Failed', why))
      return
    }
    // Message streams that `createStream` has not given are tolerated, as long as they are few.
    if (this.#players.size >= MAX_STREAMS)
      throw new CodecError('rtmp_too_many_streams', `more than ${MAX_STREAMS} players on one connection`)
    const key = streamKey({ ...url, vhost: vhost.name })
    this.#hadStream = true
    this.#thread.log.info({ stream: key, param: url.param, player: this.#request['flashVer'] ?? '' }, 'playing')
    this.#connection.send(...playStarted(streamId, url.stream))
    const selection = {
      streamId,
      // Not that of the stream's vhost: `connect` may have been to another one.
      chunkBytes: this.#connection.outChunkBytes,
      audio: true,
      video: true,
      multitrack: knowsMultitrack(this.#request),
    }
    const request = { key, vhost, streamName: url.stream, durationMs, selection }
    const player = new RtmpPlayer(this.#thread, this.#connection, this.#context.hub, request)
    this.#players.set(streamId, player)
    this.#identify('play', 'rtmp-play', url, vhost)
    this.client.queue = player
  }

  async #endStream(streamId: number): Promise<void> {
    await this.#stopPlayer(streamId)
    if (streamId === this.#publishStreamId) this.#unpublish()
  }

  async #stopPlayer(streamId: number): Promise<void> {
    const player = this.#players.get(streamId)
    if (!player) return
    this.#players.delete(streamId)
    await player.stop(this.#thread)
  }

  #identify(role: 'publish' | 'play', type: string, url: StreamUrl, vhost: VhostOptions): void {
    const text = (name: string): string => asText(this.#request[name])
    const said = { ...url, tcUrl: text('tcUrl'), pageUrl: text('pageUrl'), swfUrl: text('swfUrl') }
    Object.assign(this.client, { role, type, vhost, url: said, sourceKey: streamKey({ ...url, vhost: vhost.name }) })
  }

  #unpublish(): void {
    this.#publisher?.end()
    this.#publisher = null
  }

  /** Sends the reason; the connection ends when the message that caused it has been dealt with. */
  #refuse(why: string, answer: RtmpMessage): void {
    this.#connection.send(answer)
    this.#refusal = new RefusedError(why)
  }

  #locate(streamName: string): { url: StreamUrl; vhost: VhostOptions | null; why: string } {
    const url = this.#url(streamName)
    const vhost = this.#resolveVhost(url)
    if (!vhost) return { url, vhost, why: 'vhost is not served here.' }
    if (url.stream === '') return { url, vhost: null, why: 'stream name is empty.' }
    return { url, vhost, why: '' }
  }

  #url(streamName: string): StreamUrl {
    return parseStreamUrl({ tcUrl: asText(this.#request['tcUrl']), app: asText(this.#request['app']), streamName })
  }

  #resolveVhost(url: StreamUrl): VhostOptions | null {
    return this.#context.options.resolveVhost(url.vhost)
  }
}

function isCommand(message: RtmpMessage): boolean {
  return message.typeId === MSG.COMMAND_AMF0 || message.typeId === MSG.COMMAND_AMF3
}
