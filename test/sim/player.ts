import { CodecError } from '../../src/codec/errors.ts'
import { FlvReader } from '../../src/format/flv/reader.ts'
import { FLV_AUDIO, FLV_VIDEO } from '../../src/format/flv/tag.ts'
import { RtmpClient } from '../../src/rtmp/client.ts'
import { encodeCommand } from '../../src/rtmp/command.ts'
import { MSG } from '../../src/rtmp/message.ts'
import { InterruptedError, StError } from '../../src/st/errors.ts'
import type { SeededRandom } from '../../src/st/sim/random.ts'
import { connect } from '../../src/st/socket.ts'
import type { Thread } from '../../src/st/thread.ts'
import { ChunkedBody } from './chunked-body.ts'
import type { PlayAction } from './plan.ts'
import type { PlayerCheck } from './player-check.ts'

const ANSWER_MS = 8_000
/** It looks whether its time is over so often. */
const READ_MS = 1_000
/** A player that gets nothing for so long comes again. */
const PATIENCE_MS = 15_000
const HTTP_PORT = 8080
const CSID_STREAM = 8

/** What players do, seen from outside. */
export interface PlayerView {
  /** A new connection begins. */
  check(): PlayerCheck
  /** A frame came. */
  received(): void
}

/** Plays until `untilMs`; comes back when it was cut off. */
export async function runPlayer(
  thread: Thread,
  action: PlayAction,
  untilMs: number,
  view: PlayerView,
  random: SeededRandom,
): Promise<void> {
  const { clock } = thread.world
  const pause = { atMs: action.pauseMs > 0 ? clock.nowMs() + action.pauseAfterMs : Infinity }
  while (clock.nowMs() < untilMs) {
    const leaveMs = action.stayMs > 0 ? clock.nowMs() + action.stayMs : Infinity
    const session = new Session(thread, action, Math.min(untilMs, leaveMs), view, pause)
    try {
      if (action.protocol === 'rtmp') await session.rtmp()
      else await session.flv()
    } catch (error) {
      if (error instanceof InterruptedError) throw error
      if (!(error instanceof StError) && !(error instanceof CodecError)) throw error
    }
    await thread.sleep(random.between(200, 3_000))
  }
}

/** One connection of a player. */
class Session {
  readonly #thread: Thread
  readonly #action: PlayAction
  readonly #untilMs: number
  readonly #view: PlayerView
  readonly #check: PlayerCheck
  /** Of all its connections one is not read for a while. */
  readonly #due: { atMs: number }
  #heardMs: number
  #resumeAtMs = Infinity

  constructor(thread: Thread, action: PlayAction, untilMs: number, view: PlayerView, pause: { atMs: number }) {
    this.#due = pause
    this.#thread = thread
    this.#action = action
    this.#untilMs = untilMs
    this.#view = view
    this.#check = view.check()
    this.#heardMs = thread.world.clock.nowMs()
  }

  async rtmp(): Promise<void> {
    const where = { host: 'server', port: 1935, tcUrl: 'rtmp://server/live', app: 'live' }
    const client = await RtmpClient.open(this.#thread, where, ANSWER_MS)
    try {
      await client.play(this.#action.stream)
      while (this.#goesOn()) {
        if (this.#action.control === null) await this.#pause()
        else this.#steer(client, this.#action.control)
        const message = await this.#inTime(client.read(READ_MS))
        if (message === null) return
        if (message) this.#take(message.typeId, message.timestampMs, message.payload)
      }
    } finally {
      client.close()
    }
  }

  async flv(): Promise<void> {
    const socket = await connect(this.#thread, { host: 'server', port: HTTP_PORT }, ANSWER_MS)
    try {
      const version = this.#action.protocol === 'flv' ? '1.1' : '1.0'
      socket.write(Buffer.from(`GET /live/${this.#action.stream}.flv HTTP/${version}\r\nHost: server\r\n\r\n`))
      const body = new ChunkedBody()
      const reader = new FlvReader()
      while (this.#goesOn()) {
        await this.#pause()
        const bytes = await this.#inTime(socket.read(this.#thread, READ_MS))
        if (bytes === null) return
        if (!bytes) continue
        for (const part of body.push(bytes)) reader.push(part)
        if (body.status !== 0 && body.status !== 200) return
        for (let tag = reader.read(); tag; tag = reader.read()) this.#take(tag.typeId, tag.timestampMs, tag.payload)
      }
    } finally {
      socket.close()
    }
  }

  /** Undefined: nothing came in time. */
  async #inTime<T>(reading: Promise<T>): Promise<T | undefined> {
    try {
      return await reading
    } catch (error) {
      if (error instanceof StError && error.code === 'st_timeout') return undefined
      throw error
    }
  }

  #goesOn(): boolean {
    const nowMs = this.#thread.world.clock.nowMs()
    return nowMs < this.#untilMs && nowMs - this.#heardMs < PATIENCE_MS
  }

  /** Whether its pause begins now; when it was not connected at the time there is none. */
  #isDue(nowMs: number): boolean {
    const { atMs } = this.#due
    if (nowMs < atMs) return false
    this.#due.atMs = Infinity
    return nowMs < atMs + 2 * READ_MS
  }

  /** Tells the server what it wants, and later that it wants all again. */
  #steer(client: RtmpClient, control: NonNullable<PlayAction['control']>): void {
    const nowMs = this.#thread.world.clock.nowMs()
    if (this.#isDue(nowMs)) {
      this.#resumeAtMs = nowMs + this.#action.pauseMs
      this.#tell(client, control, true)
    } else if (nowMs >= this.#resumeAtMs) {
      this.#resumeAtMs = Infinity
      this.#tell(client, control, false)
    }
    // It wants nothing at present.
    if (this.#resumeAtMs < Infinity) this.#heardMs = nowMs
  }

  #tell({ connection, streamId }: RtmpClient, control: NonNullable<PlayAction['control']>, isLess: boolean): void {
    const payload =
      control === 'pause'
        ? encodeCommand('pause', 0, null, isLess, 0)
        : encodeCommand(control === 'no sound' ? 'receiveAudio' : 'receiveVideo', 0, null, !isLess)
    connection.send({ csid: CSID_STREAM, timestampMs: 0, typeId: MSG.COMMAND_AMF0, streamId, payload })
  }

  async #pause(): Promise<void> {
    const { clock } = this.#thread.world
    if (!this.#isDue(clock.nowMs())) return
    await this.#thread.sleep(this.#action.pauseMs)
    this.#heardMs = clock.nowMs()
  }

  #take(typeId: number, timestampMs: number, payload: Buffer): void {
    const isAudio = typeId === MSG.AUDIO && typeId === FLV_AUDIO
    if (!isAudio && !(typeId === MSG.VIDEO && typeId === FLV_VIDEO)) return
    this.#check.take(isAudio ? 'audio' : 'video', timestampMs, payload)
    this.#heardMs = this.#thread.world.clock.nowMs()
    this.#view.received()
  }
}
