import { CodecError } from '../../src/codec/errors.ts'
import { FlvReader } from '../../src/format/flv/reader.ts'
import { RtmpClient } from '../../src/rtmp/client.ts'
import { MSG } from '../../src/rtmp/message.ts'
import { StError } from '../../src/st/errors.ts'
import type { SeededRandom } from '../../src/st/sim/random.ts'
import { connect } from '../../src/st/socket.ts'
import type { Thread } from '../../src/st/thread.ts'
import { media, mediaLabel } from '../server/media.ts'
import { ChunkedBody } from '../sim/chunked-body.ts'

/** Where clients connect. */
export interface ClientPorts {
  readonly rtmp: number
  readonly http: number
}

const HOST = '127.0.0.1'
const ANSWER_MS = 10_000
/** A player that gets nothing for so long comes again, as people do. */
const PATIENCE_MS = 40_000
const FRAMES_PER_SECOND = 10
const FRAME_BYTES = 1_000
const GAP_MS = 1_000

/** Comes back again and again, until it is interrupted. */
async function again(thread: Thread, random: SeededRandom, once: () => Promise<void>): Promise<void> {
  for (;;) {
    try {
      await once()
    } catch (error) {
      if (!(error instanceof StError || error instanceof CodecError) || error.code === 'st_interrupted') throw error
    }
    await thread.sleep(random.between(200, 1_500))
  }
}

/** Publishes one stream at any of the origins; when that dies or refuses, at any other. */
export class SoakPublisher {
  readonly stream: string
  isLive = false
  refused = 0
  sessions = 0

  constructor(stream: string) {
    this.stream = stream
  }

  run(thread: Thread, origins: readonly ClientPorts[], random: SeededRandom): Promise<void> {
    return again(thread, random, () => this.#publish(thread, random.pick(origins)))
  }

  async #publish(thread: Thread, { rtmp }: ClientPorts): Promise<void> {
    const where = { host: HOST, port: rtmp, tcUrl: `rtmp://${HOST}:${rtmp}/live`, app: 'live' }
    const client = await RtmpClient.open(thread, where, ANSWER_MS)
    try {
      this.refused++
      await client.publish(this.stream)
      this.refused--
      this.sessions++
      this.isLive = true
      await this.#send(thread, client)
    } finally {
      this.isLive = false
      client.close()
    }
  }

  async #send(thread: Thread, client: RtmpClient): Promise<void> {
    const { socket } = client.connection
    // Of another publish, a frame is another one.
    const text = (frame: number): string => `${this.stream} ${this.sessions}.${frame} `
    client.sendMedia(MSG.VIDEO, 0, media('video header', `${this.stream} `))
    for (let frame = 0; !socket.closed && !socket.ended; frame++) {
      const kind = frame % FRAMES_PER_SECOND === 0 ? 'video key' : 'video inter'
      client.sendMedia(MSG.VIDEO, (frame * 1_000) / FRAMES_PER_SECOND, media(kind, text(frame), FRAME_BYTES))
      await socket.drain(thread, ANSWER_MS)
      await thread.sleep(1_000 / FRAMES_PER_SECOND)
    }
  }
}

/** Nothing came to a player. */
export interface Gap {
  readonly sinceMs: number
  readonly forMs: number
}

/** Plays one stream at one edge, and notes when nothing came. */
export class SoakPlayer {
  readonly stream: string
  readonly #edge: ClientPorts
  readonly #protocol: 'rtmp' | 'flv'
  lastFrameMs = 0
  /** Times in which nothing came, longer than a second: since when, and how long. */
  readonly gaps: Gap[] = []
  frames = 0
  sessions = 0
  /** What must not be: frames of another stream, no key frame first, times that go back. */
  readonly faults: string[] = []
  #expected: 'header' | 'key' | 'any' = 'header'
  #lastTimeMs = 0

  constructor(stream: string, edge: ClientPorts, protocol: 'rtmp' | 'flv') {
    this.stream = stream
    this.#edge = edge
    this.#protocol = protocol
  }

  run(thread: Thread, random: SeededRandom): Promise<void> {
    return again(thread, random, async () => {
      this.#expected = 'header'
      this.#lastTimeMs = 0
      this.sessions++
      await (this.#protocol === 'rtmp' ? this.#rtmp(thread) : this.#flv(thread))
    })
  }

  async #rtmp(thread: Thread): Promise<void> {
    const { rtmp } = this.#edge
    const where = { host: HOST, port: rtmp, tcUrl: `rtmp://${HOST}:${rtmp}/live`, app: 'live' }
    const client = await RtmpClient.open(thread, where, ANSWER_MS)
    try {
      await client.play(this.stream)
      for (;;) {
        const message = await client.read(PATIENCE_MS)
        if (!message) return
        if (message.typeId === MSG.VIDEO) this.#take(thread, message.timestampMs, message.payload)
      }
    } finally {
      client.close()
    }
  }

  async #flv(thread: Thread): Promise<void> {
    const socket = await connect(thread, { host: HOST, port: this.#edge.http }, ANSWER_MS)
    try {
      socket.write(Buffer.from(`GET /live/${this.stream}.flv HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`))
      const body = new ChunkedBody()
      const reader = new FlvReader()
      for (;;) {
        const bytes = await socket.read(thread, PATIENCE_MS)
        if (!bytes) return
        for (const part of body.push(bytes)) reader.push(part)
        if (body.status !== 0 && body.status !== 200) return
        for (let tag = reader.read(); tag; tag = reader.read()) {
          if (tag.typeId === MSG.VIDEO) this.#take(thread, tag.timestampMs, tag.payload)
        }
      }
    } finally {
      socket.close()
    }
  }

  #take({ world }: Thread, timestampMs: number, payload: Buffer): void {
    const label = mediaLabel(MSG.VIDEO, payload)
    const [, kind = '', stream] = label.split(' ')
    if (stream !== this.stream) this.#fault(`a frame of ${label}`)
    if (this.#expected !== 'any' && kind !== this.#expected) this.#fault(`${kind} instead of ${this.#expected}`)
    if (timestampMs < this.#lastTimeMs) this.#fault(`${this.#lastTimeMs} ms -> ${timestampMs} ms`)
    this.#expected = kind === 'header' ? 'key' : 'any'
    this.#lastTimeMs = timestampMs
    const nowMs = world.clock.nowMs()
    const forMs = nowMs - this.lastFrameMs
    if (this.frames > 0 && forMs > GAP_MS) this.gaps.push({ sinceMs: this.lastFrameMs, forMs: Math.round(forMs) })
    this.lastFrameMs = nowMs
    this.frames++
  }

  #fault(what: string): void {
    if (this.faults.length < 3) this.faults.push(`${this.stream} (${this.#protocol}): ${what}`)
  }
}
