import { FOREVER } from '../st/clock.ts'
import { Condition } from '../st/condition.ts'
import { asError, InterruptedError, StError } from '../st/errors.ts'
import type { Thread } from '../st/thread.ts'
import type { RtmpConnection } from '../rtmp/connection.ts'
import { USER_EVENT, userControl } from '../rtmp/message.ts'
import { type Cursor, oneByOne, type Sink } from '../stream/cursor.ts'
import type { Hub } from '../stream/hub.ts'
import type { Publication } from '../stream/publication.ts'
import type { PlayerQueue } from './client.ts'
import { describeEnd } from './ending.ts'
import type { Leave } from './gate.ts'
import type { VhostOptions } from './options.ts'
import { status } from './rtmp-answers.ts'
import { RtmpFormat, type RtmpSelection } from './rtmp-format.ts'

/** What a player asked for. */
export interface PlayRequest {
  /** Identity of the stream: `vhost/app/stream`. */
  readonly key: string
  readonly vhost: VhostOptions
  readonly streamName: string
  /** Play so long, counted from the first frame; 0: for ever. */
  readonly durationMs: number
  readonly selection: RtmpSelection
  /** Called at the end. */
  readonly leave: Leave
}

/**
 * One stream to one RTMP player, in a thread of its own beside the one that reads the player's commands. Over
 * publishers that come and go the player stays.
 */
export class RtmpPlayer implements PlayerQueue {
  readonly #connection: RtmpConnection
  readonly #hub: Hub
  readonly #request: PlayRequest
  #resumed: Condition | null = null
  readonly #thread: Thread
  #selection: RtmpSelection
  /** The place from which it plays at present. */
  #cursor: Cursor | null = null
  #paused = false
  #firstDtsMs: number | null = null
  /** What counts as 0 on the wire, over all publishes. */
  #originMs: number | null = null
  #dropped = 0
  #hasLeft = false

  /** Starts playing; whoever starts it calls `stop`. */
  constructor(owner: Thread, connection: RtmpConnection, hub: Hub, request: PlayRequest) {
    this.#connection = connection
    this.#hub = hub
    this.#request = request
    this.#selection = request.selection
    this.#thread = owner.spawn('rtmp-play', (thread) => this.#run(thread))
  }

  /** Ends the player; returns when its thread is gone and has left the stream. */
  async stop(owner: Thread): Promise<void> {
    await this.#thread.stop(owner, 'player stopped')
    // A thread that was stopped before it ran has left nothing itself.
    this.#left('player stopped')
  }

  get pendingBytes(): number {
    return this.#connection.socket.pendingBytes + (this.#cursor?.pendingBytes ?? 0)
  }

  get droppedPackets(): number {
    return this.#dropped + (this.#cursor?.droppedPackets ?? 0)
  }

  get streamId(): number {
    return this.#request.selection.streamId
  }

  /** What was asked for has been played; the connection may ask for more. */
  get ended(): boolean {
    return this.#thread.ended
  }

  pause(paused: boolean): void {
    this.#paused = paused
    this.#cursor?.halt(this.#thread)
    this.#resumed?.broadcast()
  }

  /** `receiveAudio`, `receiveVideo`: RTMP 1.0 sections 7.2.2.4 and 7.2.2.5. */
  receive(kind: 'audio' | 'video', wanted: boolean): void {
    this.#selection = { ...this.#selection, [kind]: wanted }
    this.#cursor?.halt(this.#thread)
  }

  // As few async calls within each other as can be: the frame of each costs a player a third of a kilobyte.
  async #run(thread: Thread): Promise<void> {
    const source = this.#hub.acquire(this.#request.key)
    source.players++
    let reason = 'duration is over'
    try {
      for (let isFirst = true, isOver = false; !isOver; isFirst = false) {
        const waits = !source.publication
        const publication = await source.published(thread, FOREVER)
        if (waits || !isFirst) this.#tell('NetStream.Play.PublishNotify', 'is now published', USER_EVENT.STREAM_BEGIN)
        isOver = await this.#play(thread, publication)
        if (isOver) this.#tellStop()
        else this.#tell('NetStream.Play.UnpublishNotify', 'is now unpublished', USER_EVENT.STREAM_EOF)
      }
    } catch (error) {
      reason = describeEnd(asError(error))
      if (error instanceof InterruptedError) throw error
      // The thread that reads the commands sees the closed socket and ends the session.
      this.#connection.socket.close()
      // A fault of ours: the thread fails, which is logged and counted.
      if (!(error instanceof StError)) throw error
    } finally {
      source.players--
      this.#hub.release(source)
      this.#left(reason)
    }
  }

  #tellStop(): void {
    const { selection, streamName } = this.#request
    this.#connection.send(
      status(selection.streamId, 'status', 'NetStream.Play.Stop', `Stopped playing ${streamName}.`),
      userControl(USER_EVENT.STREAM_EOF, selection.streamId),
    )
  }

  #left(reason: string): void {
    if (this.#hasLeft) return
    this.#hasLeft = true
    const { key: stream, leave } = this.#request
    this.#thread.log.info({ stream, reason, dropped: this.droppedPackets }, 'played')
    leave()
  }

  /** Plays until the publish ends. @returns true when the asked duration is over */
  async #play(thread: Thread, publication: Publication): Promise<boolean> {
    const { socket } = this.#connection
    if (!(await publication.settled(thread, FOREVER))) return false
    const originMs = (this.#originMs ??= this.#isFromZero && !publication.isAtc ? publication.beginMs : 0)
    let selection = this.#selection
    let format = new RtmpFormat(selection, originMs)
    let cursor = publication.enter(format)
    this.#cursor = cursor
    try {
      while (!cursor.ended) {
        if (this.#paused) {
          await this.#untilResumed(thread)
          cursor.skipToNewest()
        } else if (this.#selection === selection) {
          await cursor.follow(thread, this.#sink(cursor))
          await socket.drain(thread, this.#sendTimeoutMs)
          if (this.#isOver(cursor.positionMs)) return true
          if (this.#pauseMs > 0) await thread.sleep(this.#pauseMs)
        } else {
          // From the last of the old feed to the first of the new one without an await: nothing is lost between them.
          const rest: Buffer[] = cursor.rest()
          this.#leave(publication, cursor, format)
          const hadVideo = selection.video && !cursor.needsKey
          selection = this.#selection
          format = new RtmpFormat(selection, originMs)
          cursor = publication.rejoin(format, selection.video && !hadVideo ? 'next key' : 'now')
          this.#cursor = cursor
          for (const bytes of rest) await socket.writeFully(thread, bytes, this.#sendTimeoutMs)
        }
      }
      return false
    } finally {
      this.#leave(publication, cursor, format)
    }
  }

  #untilResumed(thread: Thread): Promise<void> {
    this.#resumed ??= new Condition('unpause')
    return this.#resumed.wait(thread, FOREVER)
  }

  #leave(publication: Publication, cursor: Cursor, format: RtmpFormat): void {
    this.#dropped += cursor.droppedPackets
    this.#cursor = null
    publication.leave(cursor, format)
  }

  /** The socket, which takes no more when the asked duration is over. */
  #untilOver(cursor: Cursor): Sink {
    const { socket } = this.#connection
    return { write: (bytes) => socket.write(bytes) && !this.#isOver(cursor.positionMs) }
  }

  #sink(cursor: Cursor): Sink {
    const sink = this.#request.durationMs > 0 ? this.#untilOver(cursor) : this.#connection.socket
    return this.#pauseMs > 0 ? oneByOne(sink) : sink
  }

  /** `send_min_interval`. */
  get #pauseMs(): number {
    return this.#request.vhost.play.sendMinIntervalMs
  }

  get #isFromZero(): boolean {
    return this.#request.vhost.play.timeJitter === 'zero'
  }

  get #sendTimeoutMs(): number {
    return this.#request.vhost.play.sendTimeoutMs
  }

  /** rtmpdump's `--stop`: the time counts from the first frame that this player got. */
  #isOver(positionMs: number | null): boolean {
    const { durationMs } = this.#request
    if (durationMs <= 0 || positionMs === null) return false
    this.#firstDtsMs ??= positionMs
    return positionMs - this.#firstDtsMs >= durationMs
  }

  #tell(code: string, what: string, event: number): void {
    const { streamName, selection } = this.#request
    const { streamId } = selection
    const notify = status(streamId, 'status', code, `${streamName} ${what}.`)
    const mark = userControl(event, streamId)
    // As Flash Media Server: the stream begins before the notice of it, and ends after.
    if (event === USER_EVENT.STREAM_BEGIN) this.#connection.send(mark, notify)
    else this.#connection.send(notify, mark)
  }
}
