import { CodecError } from '../codec/errors.ts'
import { FOREVER } from '../st/clock.ts'
import { asError } from '../st/errors.ts'
import { formatEndpoint } from '../st/network.ts'
import type { Socket } from '../st/socket.ts'
import type { Thread } from '../st/thread.ts'
import { asNumber, asObject, asText } from '../rtmp/amf-value.ts'
import type { AmfValue } from '../rtmp/amf0.ts'
import { type Command, decodeCommand } from '../rtmp/command.ts'
import { RtmpConnection } from '../rtmp/connection.ts'
import { maskedQuery } from '../rtmp/url.ts'
import { isCommand, type RtmpMessage } from '../rtmp/message.ts'
import { identify, newClient, type Wish } from './client.ts'
import type { ServerContext } from './context.ts'
import { describeEnd, isFault, logEnd } from './ending.ts'
import { type Leave, RefusedError } from './gate.ts'
import {
  connectAccepted,
  connectionCommand,
  connectRejected,
  playPaused,
  playStarted,
  publishEnded,
  publishStarted,
  serverIdentity,
  status,
  streamCommand,
  UNNAMED_VHOST,
  upnodeOf,
} from './rtmp-answers.ts'
import type { LimitOptions } from './limits.ts'
import { MAX_STREAMS, MessageStreams } from './message-streams.ts'
import { RtmpPlayer } from './rtmp-player.ts'
import { RtmpPublisher } from './rtmp-publisher.ts'
import { NO_REQUEST, readRequest, readWish, refusal, requestedUrl } from './rtmp-request.ts'
import { Visit } from './visit.ts'

/** Between two streams on one connection: SRS's 3 minutes. */
const BETWEEN_STREAMS_TIMEOUT_MS = 180_000
/** How long a refused client may take to read why. */
const REFUSAL_LINGER_MS = 1_000

/**
 * Serves one RTMP connection until it ends, whatever it does: the thread of a publisher, and the one that reads the
 * commands of players.
 */
export function serveRtmp(thread: Thread, socket: Socket, context: ServerContext): Promise<void> {
  return new RtmpSession(thread, socket, context).run()
}

class RtmpSession {
  readonly #thread: Thread
  readonly #socket: Socket
  readonly #context: ServerContext
  #players: readonly RtmpPlayer[] = []
  readonly #streams = new MessageStreams()
  readonly #connection: RtmpConnection
  readonly #visit: Visit
  #publisher: RtmpPublisher | null = null
  /** The message stream of the publisher: the end of another one does not concern it. */
  #publishStreamId = 0
  /** What is said of the client while it publishes, also when it plays beside it. */
  #published: Wish | null = null
  #publishType = 'flash-publish'
  #request = NO_REQUEST
  #hadStream = false
  /** Why it was refused: it was told, and the connection is ended behind the answer. */
  #refusal: string | null = null

  constructor(thread: Thread, socket: Socket, context: ServerContext) {
    this.#thread = thread
    this.#socket = socket
    this.#context = context
    this.#connection = new RtmpConnection(socket, context.options.limits)
    this.#connection.maxUnreadBytes = context.options.limits.maxUnreadBytes
    this.#visit = new Visit(context, newClient(thread, socket, 'rtmp'))
  }

  // The frame of an async call that waits costs each player a third of a kilobyte: the loop stands in the first one.
  async run(): Promise<void> {
    this.#thread.log.info({ peer: formatEndpoint(this.#visit.client.peer), protocol: 'rtmp' }, 'connected')
    let failure: Error | null = null
    try {
      await this.#connection.acceptHandshake(this.#thread, this.#limits.handshakeTimeoutMs)
      await this.#connect()
      while (this.#refusal === null) {
        const message = this.#connection.tryRead() ?? (await this.#nextTurn())
        if (!message) break
        await this.#dispatch(message)
      }
      if (this.#refusal !== null) await this.#socket.closeGently(this.#thread, REFUSAL_LINGER_MS)
    } catch (error) {
      failure = asError(error)
    } finally {
      await this.#close(failure)
    }
    const { receivedBytes, sentBytes } = this.#socket
    logEnd(this.#thread, failure, { receivedBytes, sentBytes }, 'info')
  }

  /** Ends all that the connection has begun. @param failure why, when it has not ended by itself */
  async #close(failure: Error | null): Promise<void> {
    try {
      for (const player of this.#players) await player.stop(this.#thread)
      this.#publisher?.end()
      await this.#sayFarewell()
    } finally {
      this.#socket.close()
      this.#context.limits.noteEnd(failure, this.#visit.client)
      this.#visit.end(this.#refusal ?? describeEnd(failure), isFault(failure))
    }
  }

  /** Tells a publisher that is ended why, when somebody has said so. */
  async #sayFarewell(): Promise<void> {
    const { farewell } = this.#visit.client
    if (farewell === '' || !this.#publisher || this.#socket.closed) return
    this.#connection.send(status(this.#publishStreamId, 'error', 'NetStream.Publish.Failed', farewell))
    await this.#socket.closeGently(this.#thread, REFUSAL_LINGER_MS)
  }

  /** All that had arrived has been dealt with: what the publisher brought may go out, then more is waited for. */
  #nextTurn(): Promise<RtmpMessage | null> {
    const publisher = this.#publisher
    if (publisher) return this.#connection.follow(this.#thread, publisher, publisher.timeoutMs)
    return this.#connection.read(this.#thread, this.#timeoutMs())
  }

  get #limits(): LimitOptions {
    return this.#context.options.limits
  }

  #timeoutMs(): number {
    if (this.#players.some((player) => !player.ended)) return FOREVER
    return this.#hadStream ? BETWEEN_STREAMS_TIMEOUT_MS : this.#limits.commandTimeoutMs
  }

  /** The first message must be the `connect` command: RTMP 1.0 section 7.2.1.1. */
  async #connect(): Promise<void> {
    const message = await this.#connection.read(this.#thread, this.#limits.commandTimeoutMs)
    if (!message) return
    const command = isCommand(message) ? decodeCommand(message.typeId, message.payload, this.#limits) : null
    if (command?.name !== 'connect') {
      throw new CodecError(
        'rtmp_no_connect',
        `first message is ${command?.name ?? `of type ${message.typeId}`}, not connect`,
      )
    }
    const asked = asObject(command.args[0])
    this.#request = readRequest(asked)
    this.#visit.client.chain = this.#request.chain
    const url = requestedUrl(this.#request, '-', this.#limits)
    if (this.#request.tcUrl === '') {
      const why = 'connect without tcUrl.'
      this.#thread.log.info({ reason: why }, 'refused')
      this.#connection.send(connectRejected(command.transactionId, why))
      this.#refusal = why
      return
    }
    // One that is not served may still be another one: the name of the stream can say which (`stream?vhost=a.example`).
    const vhost = this.#context.options.resolveVhost(url.vhost) ?? { ...UNNAMED_VHOST, name: url.vhost }
    const upnode = upnodeOf(asked, asObject(command.args[1]))
    const who = { vhost: vhost.name, app: url.app, program: this.#request.flashVer, ...(upnode && { upnode }) }
    this.#thread.log.info(who, 'identified')
    this.#connection.inAckBytes = vhost.inAckSize
    const identity = serverIdentity(this.#context.version, this.#thread.id, this.#socket.local.host)
    this.#connection.send(...connectAccepted(command.transactionId, asked, identity, vhost))
  }

  async #dispatch(message: RtmpMessage): Promise<void> {
    const { typeId, streamId, payload } = message
    if (isCommand(message)) await this.#command(decodeCommand(typeId, payload, this.#limits), streamId)
    else this.#publisher?.take(message)
  }

  async #command(command: Command, streamId: number): Promise<void> {
    const { name, transactionId, args } = command
    switch (name) {
      case 'createStream':
        this.#connection.send(connectionCommand('_result', transactionId, null, this.#streams.give()))
        break
      case 'publish':
        await this.#publish(streamId, asText(args[1]))
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
        this.#streams.free(asNumber(args[1]))
        break
      default:
        this.#simpleCommand(command, streamId)
    }
  }

  /** Commands that change nothing but what a player gets, or nothing at all. */
  #simpleCommand(command: Command, streamId: number): void {
    const { name, transactionId, args } = command
    const player = this.#playerOf(streamId)
    const reply = (...values: AmfValue[]): void => {
      if (transactionId > 0) this.#connection.send(connectionCommand('_result', transactionId, null, ...values))
    }
    switch (name) {
      case 'releaseStream':
      case 'FCPublish':
        this.#notePublishType()
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

  /** SRS names publishers by the order of their commands. */
  #notePublishType(): void {
    if (this.#streams.isEmpty) this.#publishType = 'fmle-publish'
    else if (this.#publishType === 'flash-publish') this.#publishType = 'haivision-publish'
  }

  async #publish(streamId: number, streamName: string): Promise<void> {
    let leave: Leave | null = null
    try {
      const wish = this.#wish('publish', this.#publishType, streamName)
      if (this.#publisher) throw new RefusedError('refused_name', 'This connection publishes already.')
      leave = await this.#enter(wish)
      this.#publisher = new RtmpPublisher(this.#thread, this.#context, wish.sourceKey, wish.vhost, leave)
      this.#published = wish
    } catch (error) {
      leave?.()
      this.#refuse(error, streamId, 'publish')
      return
    }
    this.#publishStreamId = streamId
    this.#hadStream = true
    const { sourceKey: stream, type, url } = this.#published
    this.#thread.log.info(
      { stream, param: maskedQuery(url.param), encoder: this.#request.flashVer, type },
      'publishing',
    )
    this.#connection.send(...publishStarted(streamId))
  }

  async #play(streamId: number, streamName: string, durationMs: number): Promise<void> {
    await this.#stopPlayer(streamId)
    // Message streams that `createStream` has not given are tolerated, as long as they are few.
    if (this.#players.length >= MAX_STREAMS)
      throw new CodecError('rtmp_too_many_streams', `more than ${MAX_STREAMS} players on one connection`)
    let leave: Leave | null = null
    try {
      const wish = this.#wish('play', 'rtmp-play', streamName)
      leave = await this.#enter(wish)
      this.#startPlayer(streamId, wish, durationMs, leave)
    } catch (error) {
      leave?.()
      this.#refuse(error, streamId, 'play')
    }
  }

  #startPlayer(streamId: number, wish: Wish, durationMs: number, leave: Leave): void {
    const { vhost, url, sourceKey: key } = wish
    this.#hadStream = true
    const { flashVer, multitrack } = this.#request
    this.#thread.log.info({ stream: key, param: maskedQuery(url.param), player: flashVer }, 'playing')
    this.#connection.send(...playStarted(streamId, url.stream))
    // Not the chunk size of the stream's vhost: `connect` may have been to another one.
    const selection = { streamId, chunkBytes: this.#connection.outChunkBytes, audio: true, video: true, multitrack }
    const request = { key, vhost, streamName: url.stream, durationMs, selection, leave }
    const player = new RtmpPlayer(this.#thread, this.#connection, this.#context.hub, request)
    this.#players = [...this.#players, player]
    this.#visit.client.queue = player
  }

  /** Asks whether the client may do it. Nothing is read meanwhile, so no packet is there before the answer. */
  async #enter(wish: Wish): Promise<Leave> {
    const { client } = this.#visit
    identify(client, wish)
    const leave = await this.#visit.enter(this.#thread, wish.role)
    if (this.#published) identify(client, this.#published)
    return leave
  }

  async #endStream(streamId: number): Promise<void> {
    await this.#stopPlayer(streamId)
    if (streamId === this.#publishStreamId) this.#unpublish()
  }

  async #stopPlayer(streamId: number): Promise<void> {
    const player = this.#playerOf(streamId)
    if (!player) return
    this.#players = this.#players.filter((other) => other !== player)
    await player.stop(this.#thread)
  }

  #playerOf(streamId: number): RtmpPlayer | undefined {
    return this.#players.find((player) => player.streamId === streamId)
  }

  #unpublish(): void {
    this.#publisher?.end()
    this.#publisher = null
    this.#published = null
  }

  /**
   * Says why not; the connection ends when the message that caused it has been dealt with.
   * @throws the error when it is no refusal
   */
  #refuse(error: unknown, streamId: number, role: Wish['role']): void {
    const { sourceKey: stream, url } = this.#visit.client
    const answer = refusal(error, streamId, role, url.stream)
    const { message: reason } = asError(error)
    if (!answer) throw error
    this.#thread.log.info({ role, stream, reason }, 'refused')
    this.#connection.send(answer)
    this.#refusal = reason
  }

  #wish(role: Wish['role'], type: string, streamName: string): Wish {
    return readWish(this.#request, streamName, this.#context.options, { role, type })
  }
}
