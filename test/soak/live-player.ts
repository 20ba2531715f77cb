import { CodecError } from '../../src/codec/errors.ts'
import { InterruptedError, StError } from '../../src/st/errors.ts'
import type { SeededRandom } from '../../src/st/sim/random.ts'
import { connect, type Socket } from '../../src/st/socket.ts'
import type { Thread } from '../../src/st/thread.ts'
import { ChunkedBody } from '../sim/chunked-body.ts'
import type { LiveReader } from './live-readers.ts'

const HTTP_PORT = 8080
const ANSWER_MS = 8_000
/** It looks whether its time is over so often. */
const READ_MS = 1_000
/** A player that gets nothing for so long comes again. */
const PATIENCE_MS = 15_000
const OK: ReadonlySet<number> = new Set([101, 200])
const UPGRADE =
  'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n'

/** Whom it plays, and how. */
export interface LivePlay {
  /** A vhost. */
  readonly host: string
  /** `cam.ts` */
  readonly file: string
  readonly isWebSocket: boolean
  /** It goes after so long, and comes again; 0: it stays. */
  readonly stayMs: number
  readonly reader: () => LiveReader
  /** A frame came. */
  readonly received: () => void
}

/** Plays over HTTP, or WebSocket, until `untilMs`; comes back when it was cut off. */
export async function runLivePlayer(
  thread: Thread,
  play: LivePlay,
  untilMs: number,
  random: SeededRandom,
): Promise<void> {
  const { clock } = thread.world
  while (clock.nowMs() < untilMs) {
    const leaveMs = play.stayMs > 0 ? clock.nowMs() + play.stayMs : Infinity
    try {
      await playOnce(thread, play, Math.min(untilMs, leaveMs))
    } catch (error) {
      if (error instanceof InterruptedError) throw error
      if (!(error instanceof StError) && !(error instanceof CodecError)) throw error
    }
    await thread.sleep(random.between(200, 3_000))
  }
}

async function playOnce(thread: Thread, play: LivePlay, untilMs: number): Promise<void> {
  const { clock } = thread.world
  const socket = await connect(thread, { host: 'server', port: HTTP_PORT }, ANSWER_MS)
  try {
    const upgrade = play.isWebSocket ? UPGRADE : ''
    socket.write(Buffer.from(`GET /live/${play.file} HTTP/1.1\r\nHost: ${play.host}\r\n${upgrade}\r\n`))
    const body = new ChunkedBody()
    const reader = play.reader()
    for (let heardMs = clock.nowMs(); clock.nowMs() < untilMs && clock.nowMs() - heardMs < PATIENCE_MS; ) {
      const bytes = await readInTime(thread, socket)
      if (bytes === null) return
      if (!bytes) continue
      const parts = body.push(bytes)
      if (body.status !== 0 && !OK.has(body.status)) return
      for (const part of parts) for (let left = reader.push(part); left > 0; left--) play.received()
      heardMs = clock.nowMs()
    }
  } finally {
    socket.close()
  }
}

/** Undefined: nothing came in time. */
async function readInTime(thread: Thread, socket: Socket): Promise<Buffer | null | undefined> {
  try {
    return await socket.read(thread, READ_MS)
  } catch (error) {
    if (error instanceof StError && error.code === 'st_timeout') return undefined
    throw error
  }
}
