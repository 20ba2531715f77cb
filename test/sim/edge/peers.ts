import { CodecError } from '../../../src/codec/errors.ts'
import { FlvReader } from '../../../src/format/flv/reader.ts'
import { RtmpClient } from '../../../src/rtmp/client.ts'
import { MSG } from '../../../src/rtmp/message.ts'
import { StError } from '../../../src/st/errors.ts'
import type { SeededRandom } from '../../../src/st/sim/random.ts'
import { connect } from '../../../src/st/socket.ts'
import type { Thread } from '../../../src/st/thread.ts'
import { ChunkedBody } from '../chunked-body.ts'
import { Violation } from '../violation.ts'

// Publishers and players of a cluster in the simulated world. Each frame says of which publish it is, and its number.

const ANSWER_MS = 8_000
const READ_MS = 500
/** Who gets nothing for so long comes again. */
const PATIENCE_MS = 25_000
const FRAME_MS = 250
const GOP_FRAMES = 16
const HEADS = {
  'video header': Buffer.of(0x17, 0, 0, 0, 0),
  'video key': Buffer.of(0x17, 1, 0, 0, 0),
  'video inter': Buffer.of(0x27, 1, 0, 0, 0),
  'audio header': Buffer.of(0xaf, 0),
  'audio frame': Buffer.of(0xaf, 1),
} as const

/** What is known of a stream from outside. */
export interface LiveStream {
  /** Since when it is published without a break; null: it is not. */
  sinceMs: number | null
  /** Publishes so far. */
  publishes: number
}

/** What a player has seen, over all its connections. */
export interface Seen {
  lastFrameMs: number
  frames: number
}

function payload(kind: keyof typeof HEADS, publish: number, frame: number): Buffer {
  const id = Buffer.alloc(8)
  id.writeUInt32BE(publish, 0)
  id.writeUInt32BE(frame, 4)
  return Buffer.concat([HEADS[kind], id, Buffer.alloc(kind === 'video key' ? 3_000 : 300)])
}

/** Publishes until `untilMs`; comes back when it is cut off. */
export async function publishTo(
  thread: Thread,
  host: string,
  stream: string,
  live: LiveStream,
  untilMs: number,
  random: SeededRandom,
): Promise<void> {
  const { clock } = thread.world
  while (clock.nowMs() < untilMs) {
    try {
      await publishOnce(thread, host, stream, live, untilMs)
    } catch (error) {
      if (!(error instanceof StError) && !(error instanceof CodecError)) throw error
    } finally {
      live.sinceMs = null
    }
    await thread.sleep(random.between(200, 3_000))
  }
}

async function publishOnce(
  thread: Thread,
  host: string,
  stream: string,
  live: LiveStream,
  untilMs: number,
): Promise<void> {
  const { clock } = thread.world
  const client = await RtmpClient.open(
    thread,
    { host, port: 1935, tcUrl: `rtmp://${host}/live`, app: 'live' },
    ANSWER_MS,
  )
  try {
    await client.publish(stream)
    const publish = ++live.publishes
    live.sinceMs = clock.nowMs()
    client.sendMedia(MSG.VIDEO, 0, payload('video header', publish, 0))
    client.sendMedia(MSG.AUDIO, 0, payload('audio header', publish, 0))
    for (let frame = 0; clock.nowMs() < untilMs; frame++) {
      const kind = frame % GOP_FRAMES === 0 ? 'video key' : 'video inter'
      client.sendMedia(MSG.VIDEO, frame * FRAME_MS, payload(kind, publish, frame))
      client.sendMedia(MSG.AUDIO, frame * FRAME_MS, payload('audio frame', publish, frame))
      await client.connection.socket.drain(thread, ANSWER_MS)
      for (let message = client.connection.tryRead(); message; message = client.connection.tryRead()) continue
      if (client.connection.socket.ended) return
      await thread.sleep(FRAME_MS)
    }
  } finally {
    client.close()
  }
}

/** How long a player plays each time, and what it does then. */
export interface PlayPlan {
  readonly host: string
  readonly stream: string
  readonly protocol: 'rtmp' | 'flv'
  /** An edge that has to publish anew begins with its newest key frame: that comes again. */
  readonly mayRepeat: boolean
  /** 0: it stays. */
  readonly playMs: number
  readonly pauseMs: number
}

/** Plays until `untilMs`, over and over. @throws Violation */
export async function playFrom(
  thread: Thread,
  plan: PlayPlan,
  untilMs: number,
  seen: Seen,
  random: SeededRandom,
): Promise<void> {
  const { clock } = thread.world
  while (clock.nowMs() < untilMs) {
    const lastMs = plan.playMs === 0 ? untilMs : Math.min(untilMs, clock.nowMs() + random.between(20, plan.playMs))
    try {
      if (plan.protocol === 'rtmp') await playRtmp(thread, plan, lastMs, seen)
      else await playFlv(thread, plan, lastMs, seen)
    } catch (error) {
      if (!(error instanceof StError) && !(error instanceof CodecError)) throw error
    }
    await thread.sleep(plan.playMs === 0 ? random.between(200, 2_000) : random.between(10, plan.pauseMs))
  }
}

async function playRtmp(thread: Thread, plan: PlayPlan, untilMs: number, seen: Seen): Promise<void> {
  const { host, stream } = plan
  const client = await RtmpClient.open(
    thread,
    { host, port: 1935, tcUrl: `rtmp://${host}/live`, app: 'live' },
    ANSWER_MS,
  )
  const check = new ConnectionCheck(thread, plan, seen)
  try {
    await client.play(stream)
    while (check.goesOn(untilMs)) {
      const message = await inTime(client.read(READ_MS))
      if (message === null) return
      if (message) check.take(message.typeId, message.timestampMs, message.payload)
    }
  } finally {
    client.close()
  }
}

async function playFlv(thread: Thread, plan: PlayPlan, untilMs: number, seen: Seen): Promise<void> {
  const { host, stream } = plan
  const socket = await connect(thread, { host, port: 8080 }, ANSWER_MS)
  const check = new ConnectionCheck(thread, plan, seen)
  const body = new ChunkedBody()
  const flv = new FlvReader()
  try {
    socket.write(Buffer.from(`GET /live/${stream}.flv HTTP/1.1\r\nHost: ${host}\r\n\r\n`))
    while (check.goesOn(untilMs)) {
      const bytes = await inTime(socket.read(thread, READ_MS))
      if (bytes === null) return
      if (!bytes) continue
      for (const part of body.push(bytes)) flv.push(part)
      if (body.status !== 0 && body.status !== 200) return
      for (let tag = flv.read(); tag; tag = flv.read()) check.take(tag.typeId, tag.timestampMs, tag.payload)
    }
  } finally {
    socket.close()
  }
}

/** Undefined: nothing came in time. */
export async function inTime<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading
  } catch (error) {
    if (error instanceof StError && error.code === 'st_timeout') return undefined
    throw error
  }
}

/** Looks at all that one connection gets: in order, nothing twice, a picture after the one that it needs. */
export class ConnectionCheck {
  readonly #thread: Thread
  readonly #plan: PlayPlan
  readonly #seen: Seen
  #heardMs: number
  readonly #last = new Map<number, { publish: number; frame: number; dtsMs: number }>()
  readonly #headers = new Map<number, number>()

  constructor(thread: Thread, plan: PlayPlan, seen: Seen) {
    this.#thread = thread
    this.#plan = plan
    this.#seen = seen
    this.#heardMs = thread.world.clock.nowMs()
  }

  goesOn(untilMs: number): boolean {
    const nowMs = this.#thread.world.clock.nowMs()
    return nowMs < untilMs && nowMs - this.#heardMs < PATIENCE_MS
  }

  take(typeId: number, dtsMs: number, bytes: Buffer): void {
    if (typeId !== MSG.AUDIO && typeId !== MSG.VIDEO) return
    const at = typeId === MSG.VIDEO ? 5 : 2
    const [publish, frame] = [bytes.readUInt32BE(at), bytes.readUInt32BE(at + 4)]
    const what = `${typeId === MSG.VIDEO ? 'picture' : 'sound'} ${publish}/${frame}`
    if (bytes[1] === 0) {
      this.#headers.set(typeId, publish)
      return
    }
    const last = this.#last.get(typeId)
    if (this.#headers.get(typeId) !== publish) this.#fail('headers', `${what} without its header`)
    if (last && dtsMs < last.dtsMs) this.#fail('dts', `${what} at ${dtsMs} ms comes after ${last.dtsMs} ms`)
    const isNext = last?.publish === publish && frame === last.frame + 1
    const isAgain = last?.publish === publish && frame <= last.frame
    if (isAgain && !this.#plan.mayRepeat) this.#fail('order', `${what} comes after ${last.frame}`)
    if (bytes[0] === HEADS['video inter'][0] && !isNext)
      this.#fail('key', `${what} comes after ${last?.frame ?? 'nothing'}`)
    this.#last.set(typeId, { publish, frame, dtsMs })
    this.#heardMs = this.#thread.world.clock.nowMs()
    this.#seen.lastFrameMs = this.#heardMs
    this.#seen.frames++
  }

  #fail(rule: string, message: string): never {
    throw new Violation(rule, `${this.#thread.name} (${this.#plan.stream}): ${message}`)
  }
}
