import * as net from 'node:net'
import { onTestFinished } from 'vitest'
import { CodecError } from '../../../src/codec/errors.ts'
import { FlvReader, type FlvTag } from '../../../src/format/flv/reader.ts'
import { FLV_AUDIO, FLV_SCRIPT, FLV_VIDEO } from '../../../src/format/flv/tag.ts'
import { ResponseParser } from '../../../src/http/client.ts'
import { RtmpClient } from '../../../src/rtmp/client.ts'
import { InterruptedError, StError } from '../../../src/st/errors.ts'
import { connect } from '../../../src/st/socket.ts'
import type { Thread } from '../../../src/st/thread.ts'
import type { World } from '../../../src/st/world.ts'
import { makeWorld } from '../../support/world.ts'
import { until } from '../../support/until.ts'

const ANSWER_MS = 20_000
/** Longer than any fault of a test. */
const PATIENCE_MS = 60_000
const AGAIN_MS = 200

/** Runs a body as a thread of its own world, until the test is over. */
function spawn(name: string, body: (thread: Thread) => Promise<void>): { world: World; thread: Thread } {
  const { world } = makeWorld()
  const thread = world.spawn(name, body)
  onTestFinished(() => thread.interrupt('the test is over'))
  return { world, thread }
}

/** An encoder: publishes a recording over and over at its own speed, and comes back when it is cut off. */
export class LoopPublisher {
  readonly #port: number
  readonly #tags: readonly FlvTag[]
  readonly #thread: Thread

  constructor(port: number, tags: readonly FlvTag[]) {
    this.#port = port
    this.#tags = tags
    this.#thread = spawn('publisher', (thread) => this.#run(thread)).thread
  }

  /** Goes. */
  stop(): void {
    this.#thread.interrupt('stopped')
  }

  async #run(thread: Thread): Promise<void> {
    for (;;) {
      try {
        await this.#publish(thread)
      } catch (error) {
        if (error instanceof InterruptedError) return
        if (!(error instanceof StError || error instanceof CodecError)) throw error
      }
      await thread.sleep(AGAIN_MS)
    }
  }

  async #publish(thread: Thread): Promise<void> {
    const where = { host: '127.0.0.1', port: this.#port, tcUrl: `rtmp://127.0.0.1:${this.#port}/live`, app: 'live' }
    const client = await RtmpClient.open(thread, where, ANSWER_MS)
    const { clock } = thread.world
    try {
      await client.publish('cam')
      const startMs = clock.nowMs()
      const lengthMs = (this.#tags.at(-1)?.timestampMs ?? 0) + 40
      for (let round = 0; ; round++) {
        for (const { typeId, timestampMs, payload } of this.#tags) {
          if (typeId === FLV_SCRIPT && round > 0) continue
          const atMs = timestampMs + round * lengthMs
          const leftMs = startMs + atMs - clock.nowMs()
          if (leftMs > 0) await thread.sleep(leftMs)
          client.sendMedia(typeId, atMs, payload)
          await client.connection.socket.drain(thread, ANSWER_MS)
          if (client.connection.socket.ended) return
        }
      }
    } finally {
      client.close()
    }
  }
}

/** A frame as a player got it. */
interface SeenFrame {
  readonly atMs: number
  readonly timestampMs: number
  readonly typeId: number
}

/** A player that notes when what came. */
export class WatchingPlayer {
  readonly frames: SeenFrame[] = []
  /** Payloads of sequence headers, in order. */
  readonly headers: Buffer[] = []
  isOver = false
  readonly #world: World
  readonly #name: string

  /** @param protocol with the port at which it is played */
  constructor(protocol: 'rtmp' | 'flv', port: number) {
    this.#name = protocol
    this.#world = spawn('player', async (thread) => {
      try {
        await (protocol === 'rtmp' ? this.#rtmp(thread, port) : this.#flv(thread, port))
      } catch (error) {
        if (!(error instanceof StError)) throw error
      } finally {
        this.isOver = true
      }
    }).world
  }

  /** Waits for so many more frames. */
  async more(count: number): Promise<void> {
    const wanted = this.frames.length + count
    await until(`${count} more frames over ${this.#name}`, () => {
      if (this.isOver) throw new Error(`the player over ${this.#name} was ended`)
      return this.frames.length >= wanted
    })
  }

  /** The longest time without a frame, ms. */
  get gapMs(): number {
    return this.frames.reduce((gap, { atMs }, at) => Math.max(gap, atMs - (this.frames[at - 1]?.atMs ?? atMs)), 0)
  }

  /** Where the time of picture or sound went back. */
  get backwardSteps(): string[] {
    return [FLV_AUDIO, FLV_VIDEO].flatMap((kind) => {
      const times = this.frames.filter(({ typeId }) => typeId === kind).map(({ timestampMs }) => timestampMs)
      return times.flatMap((time, at) => (time < (times[at - 1] ?? 0) ? [`${times[at - 1]} -> ${time}`] : []))
    })
  }

  async #rtmp(thread: Thread, port: number): Promise<void> {
    const where = { host: '127.0.0.1', port, tcUrl: `rtmp://127.0.0.1:${port}/live`, app: 'live' }
    const client = await RtmpClient.open(thread, where, ANSWER_MS)
    try {
      await client.play('cam')
      for (let message = await client.read(PATIENCE_MS); message; message = await client.read(PATIENCE_MS)) {
        this.#take(message)
      }
    } finally {
      client.close()
    }
  }

  async #flv(thread: Thread, port: number): Promise<void> {
    const socket = await connect(thread, { host: '127.0.0.1', port }, ANSWER_MS)
    const body = new ResponseParser(Number.MAX_SAFE_INTEGER)
    const flv = new FlvReader()
    try {
      socket.write(Buffer.from('GET /live/cam.flv HTTP/1.1\r\nHost: a\r\n\r\n'))
      for (let bytes = await socket.read(thread, PATIENCE_MS); bytes; bytes = await socket.read(thread, PATIENCE_MS)) {
        body.push(bytes)
        const isOver = body.read() !== null
        for (const part of body.takeBody()) flv.push(part)
        for (let tag = flv.read(); tag; tag = flv.read()) this.#take(tag)
        if (isOver) return
      }
    } finally {
      socket.close()
    }
  }

  #take({ typeId, timestampMs, payload }: FlvTag): void {
    if (typeId !== FLV_AUDIO && typeId !== FLV_VIDEO) return
    if (payload[1] === 0) this.headers.push(payload)
    else this.frames.push({ atMs: this.#world.clock.nowMs(), timestampMs, typeId })
  }
}

/** A path to a port that can be cut as a cable is: nobody is told. */
export class Cable {
  readonly #server: net.Server
  readonly #sockets = new Set<net.Socket>()

  private constructor(port: number) {
    this.#server = net.createServer((near) => {
      const far = net.connect({ host: '127.0.0.1', port })
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#sockets.add(from)
        from.on('error', () => to.destroy())
        from.on('close', () => to.destroy())
        from.on('data', (bytes) => void to.write(bytes))
      }
    })
    onTestFinished(() => {
      for (const socket of this.#sockets) socket.destroy()
      this.#server.close()
    })
  }

  /** Opens it. @returns the cable and the port at its near end */
  static async to(port: number): Promise<{ cable: Cable; port: number }> {
    const cable = new Cable(port)
    await new Promise<void>((resolve) => cable.#server.listen(0, '127.0.0.1', resolve))
    return { cable, port: (cable.#server.address() as net.AddressInfo).port }
  }

  /** Nothing passes any more on connections that there are, for ever; new ones work. */
  cut(): void {
    for (const socket of this.#sockets) {
      socket.removeAllListeners('data')
      socket.removeAllListeners('close')
      socket.pause()
    }
  }
}
