import { FOREVER } from '../st/clock.ts'
import { Condition } from '../st/condition.ts'
import { InterruptedError, StError } from '../st/errors.ts'
import type { Thread } from '../st/thread.ts'
import type { RtmpConnection } from '../rtmp/connection.ts'
import { USER_EVENT, userControl } from '../rtmp/message.ts'
import type { Cursor } from '../stream/cursor.ts'
import type { Hub } from '../stream/hub.ts'
import type { Publication } from '../stream/publication.ts'
import type { Source } from '../stream/source.ts'
import { describeEnd } from './ending.ts'
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
}

/**
 * One stream to one RTMP player, in a thread of its own beside the one that reads the player's commands. Over
 * publishers that come and go the player stays.
 */
export class RtmpPlayer {
  readonly #connection: RtmpConnection
  readonly #hub: Hub
  readonly #request: PlayRequest
  readonly #resumed = new Condition('unpause')
  readonly #thread: Thread
  #selection: RtmpSelection
  #paused = false
  #firstDtsMs: number | null = null
  #dropped = 0
  #cursor: Cursor | null = null

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
  }

  /** What was asked for has been played; the connection may ask for more. */
  get ended(): boolean {
    return this.#thread.ended
  }

  get pendingBytes(): number {
    return this.#connection.socket.pendingBytes
  }

  /** Packets that were left out because the player was too slow. */
  get droppedPackets(): number {
    return this.#dropped + (this.#cursor?.droppedPackets ?? 0)
  }

  pause(paused: boolean): void {
    this.#paused = paused
    this.#resumed.broadcast()
  }

  /** `receiveAudio`, `receiveVideo`: RTMP 1.0 sections 7.2.2.4 and 7.2.2.5. */
  receive(kind: 'audio' | 'video', wanted: boolean): void {
    this.#selection = { ...this.#selection, [kind]: wanted }
  }

  async #run(thread: Thread): Promise<void> {
    const source = this.#hub.acquire(this.#request.key)
    source.players++
    try {
      await this.#playAll(thread, source)
    } catch (error) {
      if (error instanceof InterruptedError) throw error
      // The thread that reads the commands sees the closed socket and ends the session.
      this.#connection.socket.close()
      // A fault of ours: the thread fails, which is logged and counted.
      if (!(error instanceof StError)) throw error
      thread.log.info({ reason: describeEnd(error), dropped: this.#dropped }, 'player cannot be served any longer')
    } finally {
      source.players--
      this.#hub.release(source)
    }
  }

  async #playAll(thread: Thread, source: Source): Promise<void> {
    const { streamId } = this.#request.selection
    for (let isFirst = true; ; isFirst = false) {
      const waits = !source.publication
      const publication = await source.published(thread, FOREVER)
      if (waits || !isFirst) this.#tell('NetStream.Play.PublishNotify', 'is now published', USER_EVENT.STREAM_BEGIN)
      const isDone = await this.#playOne(thread, publication)
      if (isDone) {
        this.#connection.send(
          status(streamId, 'status', 'NetStream.Play.Stop', `Stopped playing ${this.#request.streamName}.`),
          userControl(USER_EVENT.STREAM_EOF, streamId),
        )
        return
      }
      this.#tell('NetStream.Play.UnpublishNotify', 'is now unpublished', USER_EVENT.STREAM_EOF)
    }
  }

  /** Plays until the publish ends. @returns true when the asked duration is over */
  async #playOne(thread: Thread, publication: Publication): Promise<boolean> {
    let selection = this.#selection
    let format = new RtmpFormat(selection)
    let cursor = await publication.join(thread, format, FOREVER)
    if (!cursor) return false
    try {
      for (;;) {
        const outcome = await this.#pump(thread, cursor, selection)
        if (outcome !== 'selection changed') return outcome === 'duration is over'
        // From the last of the old feed to the first of the new one without an await: nothing is lost between them.
        const rest = cursor.rest()
        this.#leave(publication, cursor, format)
        const hadVideo = selection.video
        selection = this.#selection
        format = new RtmpFormat(selection)
        cursor = publication.rejoin(format, selection.video && !hadVideo ? 'next key' : 'now')
        for (const bytes of rest) await this.#connection.socket.writeFully(thread, bytes, this.#sendTimeoutMs)
      }
    } finally {
      this.#leave(publication, cursor, format)
    }
  }

  #leave(publication: Publication, cursor: Cursor, format: RtmpFormat): void {
    this.#dropped += cursor.droppedPackets
    this.#cursor = null
    publication.leave(cursor, format)
  }

  async #pump(
    thread: Thread,
    cursor: Cursor,
    selection: RtmpSelection,
  ): Promise<'ended' | 'selection changed' | 'duration is over'> {
    const { socket } = this.#connection
    this.#cursor = cursor
    const isOver = (): boolean => this.#isOver(cursor.positionMs)
    const goesOn = (): boolean => !this.#paused && this.#selection === selection && !isOver()
    const write = (bytes: Buffer): boolean => socket.write(bytes)
    while (!cursor.ended) {
      await cursor.follow(thread, write, goesOn)
      await socket.drain(thread, this.#sendTimeoutMs)
      if (isOver()) return 'duration is over'
      if (this.#paused) {
        await this.#resumed.wait(thread, FOREVER)
        cursor.skipToNewest()
      } else if (this.#selection !== selection) return 'selection changed'
    }
    return 'ended'
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
