import { CodecError } from '../../../src/codec/errors.ts'
import { encodeData } from '../../../src/rtmp/command.ts'
import { RtmpClient } from '../../../src/rtmp/client.ts'
import { MSG } from '../../../src/rtmp/message.ts'
import { FOREVER } from '../../../src/st/clock.ts'
import { Condition } from '../../../src/st/condition.ts'
import { StError } from '../../../src/st/errors.ts'
import type { SeededRandom } from '../../../src/st/sim/random.ts'
import type { Thread } from '../../../src/st/thread.ts'
import { SentPublish } from '../media.ts'

const ANSWER_MS = 5_000
const SEND_MS = 5_000
const FRAMES_PER_SECOND = 10
const GOP_FRAMES = 10
const FRAME_BYTES = 120

/**
 * One encoder that sends the same frames to several servers, as ffmpeg's `tee` does: whoever is cut off comes back at a
 * key frame, and the times of the frames do not depend on it.
 */
export class Encoder {
  readonly publishes: SentPublish[] = []
  readonly #stream: string
  readonly #seed: number
  readonly #random: SeededRandom
  readonly #made = new Condition('frame')
  #isRunning = true

  constructor(stream: string, seed: number, random: SeededRandom) {
    this.#stream = stream
    this.#seed = seed
    this.#random = random
    this.#begin()
  }

  /** Begins anew: other frames, and times from the start. */
  restart(): void {
    this.#begin()
    this.#made.broadcast()
  }

  stop(): void {
    this.#isRunning = false
    this.#made.broadcast()
  }

  /** The encoder's own thread: makes frames in their time. */
  async run(thread: Thread): Promise<void> {
    for (let publish = this.#now; this.#isRunning; publish = this.#now) {
      const baseMs = this.#random.pick([0, 1_000, 80_000_000])
      publish.add('video header', baseMs, 20)
      publish.add('audio header', baseMs, 20)
      for (let frame = 0; this.#isRunning && publish === this.#now; frame++) {
        const atMs = Math.round(baseMs + (frame * 1000) / FRAMES_PER_SECOND)
        publish.add(frame % GOP_FRAMES === 0 ? 'video key' : 'video inter', atMs, FRAME_BYTES)
        publish.add('audio frame', atMs, 40)
        this.#made.broadcast()
        await thread.sleep(1000 / FRAMES_PER_SECOND)
      }
    }
  }

  /** The thread that sends to one server, and comes back when it is cut off. */
  async send(thread: Thread, host: string): Promise<void> {
    while (this.#isRunning) {
      try {
        await this.#sendOnce(thread, host)
      } catch (error) {
        if (!(error instanceof StError) && !(error instanceof CodecError)) throw error
      }
      await thread.sleep(this.#random.between(200, 2_000))
    }
  }

  get #now(): SentPublish {
    const publish = this.publishes.at(-1)
    if (!publish) throw new Error('the encoder has not begun')
    return publish
  }

  #begin(): void {
    const gopMs = (GOP_FRAMES * 1000) / FRAMES_PER_SECOND
    const has = { picture: true, sound: true }
    this.publishes.push(new SentPublish(this.publishes.length, this.#stream, has, gopMs, this.#seed))
  }

  async #sendOnce(thread: Thread, host: string): Promise<void> {
    const client = await RtmpClient.open(
      thread,
      { host, port: 1935, tcUrl: `rtmp://${host}/live`, app: 'live' },
      ANSWER_MS,
    )
    try {
      await client.publish(this.#stream)
      const publish = this.#now
      client.sendMedia(
        MSG.DATA_AMF0,
        0,
        encodeData('@setDataFrame', 'onMetaData', { videocodecid: 7, audiocodecid: 10 }),
      )
      while (publish.messages.length < 3) await this.#made.wait(thread, FOREVER)
      for (const { kind, timestampMs, payload } of publish.messages.slice(0, 2)) {
        client.sendMedia(kind.startsWith('audio') ? MSG.AUDIO : MSG.VIDEO, timestampMs, payload)
      }
      let place = publish.messages.length
      while (place > 2 && publish.messages[place]?.kind !== 'video key') place--
      await this.#follow(thread, client, publish, Math.max(2, place))
    } finally {
      client.close()
    }
  }

  async #follow(thread: Thread, client: RtmpClient, publish: SentPublish, first: number): Promise<void> {
    const { socket } = client.connection
    for (let place = first; this.#isRunning && publish === this.#now; ) {
      for (; place < publish.messages.length; place++) {
        const message = publish.messages[place]
        if (message) {
          const { track, timestampMs, payload } = message
          client.sendMedia(track === 'audio' ? MSG.AUDIO : MSG.VIDEO, timestampMs, payload)
        }
      }
      await socket.drain(thread, SEND_MS)
      for (let message = client.connection.tryRead(); message; message = client.connection.tryRead()) continue
      if (socket.closed || socket.ended) return
      await this.#made.wait(thread, FOREVER)
    }
  }
}
