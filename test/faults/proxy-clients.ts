import { FlvReader } from '../../src/format/flv/reader.ts'
import { CodecError } from '../../src/codec/errors.ts'
import { RtmpClient } from '../../src/rtmp/client.ts'
import { MSG } from '../../src/rtmp/message.ts'
import { StError } from '../../src/st/errors.ts'
import { connect } from '../../src/st/socket.ts'
import type { Thread } from '../../src/st/thread.ts'
import type { StartTool, Tool } from '../e2e/support/tool.ts'
import { ChunkedBody } from '../sim/chunked-body.ts'
import { until } from '../support/until.ts'
import type { ClientPorts } from '../soak/cluster-clients.ts'

const HOST = '127.0.0.1'
const CLIP = 'test/fixtures/media/h264-aac.flv'
const STREAM = 'clip'
const AGAIN_MS = 100
const LOOK_MS = 500
const ANSWER_MS = 3_000
const LIMIT_MS = 60_000
const KEY_FRAME = 1

/** ffmpeg as an encoder that comes again, and as players. */
export class FfmpegPlayers {
  readonly #start: StartTool
  readonly #front: ClientPorts
  #players: Tool[] = []
  #isOver = false

  constructor(start: StartTool, front: ClientPorts) {
    this.#start = start
    this.#front = front
  }

  get count(): number {
    return this.#players.length
  }

  get ended(): number {
    return this.#players.filter(({ isOver }) => isOver).length
  }

  /** As a supervisor of encoders does: whenever one ends, another begins. */
  publish(places: readonly ClientPorts[]): void {
    for (const { rtmp } of places) void this.#keepPublishing(`rtmp://${HOST}:${rtmp}/live/${STREAM}`)
  }

  async #keepPublishing(url: string): Promise<void> {
    while (!this.#isOver) {
      const loop = ['-re', '-stream_loop', '-1', '-i', CLIP, '-c', 'copy', '-f', 'flv', url]
      const encoder = this.#start('ffmpeg', ['-v', 'quiet', '-nostdin', ...loop])
      while (!encoder.isOver) await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
    }
  }

  /** No encoder begins any more. */
  stop(): void {
    this.#isOver = true
  }

  /** Ends those that there are, and waits until new ones have pictures. */
  async play(protocols: readonly ('rtmp' | 'flv')[]): Promise<void> {
    for (const one of this.#players) one.kill('SIGKILL')
    const { rtmp, http } = this.#front
    this.#players = []
    for (const protocol of protocols) {
      const url =
        protocol === 'rtmp' ? `rtmp://${HOST}:${rtmp}/live/${STREAM}` : `http://${HOST}:${http}/live/${STREAM}.flv`
      this.#players.push(await this.#untilPlays(url))
    }
  }

  #untilPlays(url: string): Promise<Tool> {
    const args = ['-v', 'error', '-nostdin', '-i', url, '-map', '0', '-c', 'copy', '-f', 'framecrc', '-']
    let player = this.#start('ffmpeg', args)
    return until(`ffmpeg plays ${url}`, () => {
      if (player.isOver) player = this.#start('ffmpeg', args)
      return player.lines.split('\n').length > 40 ? player : null
    })
  }
}

/** Connects, and again, until the first key frame is there. @returns how long after `sinceMs`, ms */
export async function newConnection(
  thread: Thread,
  at: ClientPorts,
  stream: string,
  protocol: 'rtmp' | 'flv',
  sinceMs: number,
): Promise<number> {
  const { clock } = thread.world
  while (clock.nowMs() - sinceMs < LIMIT_MS) {
    try {
      if (await (protocol === 'rtmp' ? sawKeyOverRtmp(thread, at, stream) : sawKeyOverFlv(thread, at, stream))) {
        return clock.nowMs() - sinceMs
      }
    } catch (error) {
      if (!(error instanceof StError || error instanceof CodecError)) throw error
    }
    await thread.sleep(AGAIN_MS)
  }
  return LIMIT_MS
}

async function sawKeyOverRtmp(thread: Thread, { rtmp }: ClientPorts, stream: string): Promise<boolean> {
  const where = { host: HOST, port: rtmp, tcUrl: `rtmp://${HOST}:${rtmp}/live`, app: 'live' }
  const client = await RtmpClient.open(thread, where, ANSWER_MS)
  try {
    await client.play(stream)
    for (let message = await client.read(ANSWER_MS); message; message = await client.read(ANSWER_MS)) {
      if (isKey(message.typeId, message.payload)) return true
    }
    return false
  } finally {
    client.close()
  }
}

async function sawKeyOverFlv(thread: Thread, { http }: ClientPorts, stream: string): Promise<boolean> {
  const socket = await connect(thread, { host: HOST, port: http }, ANSWER_MS)
  const body = new ChunkedBody()
  const flv = new FlvReader()
  try {
    socket.write(Buffer.from(`GET /live/${stream}.flv HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`))
    for (let bytes = await socket.read(thread, ANSWER_MS); bytes; bytes = await socket.read(thread, ANSWER_MS)) {
      const parts = body.push(bytes)
      if (body.status !== 0 && body.status !== 200) return false
      for (const part of parts) flv.push(part)
      for (let tag = flv.read(); tag; tag = flv.read()) if (isKey(tag.typeId, tag.payload)) return true
    }
    return false
  } finally {
    socket.close()
  }
}

function isKey(typeId: number, payload: Buffer): boolean {
  return typeId === MSG.VIDEO && (payload[0] ?? 0) >> 4 === KEY_FRAME && payload[1] !== 0
}
