/** What an edge says first on a connection to its origin, before whatever protocol follows. */
import { createHash, timingSafeEqual } from 'node:crypto'
import { CodecError } from '../../codec/errors.ts'
import { TimeoutError } from '../../st/errors.ts'
import type { Endpoint } from '../../st/network.ts'
import type { Socket } from '../../st/socket.ts'
import type { Thread } from '../../st/thread.ts'

// | length:16 | JSON, `length` bytes |
const LENGTH_BYTES = 2
const MAX_BYTES = 4_096
const TIMEOUT_MS = 5_000

/** What follows. */
export type Purpose =
  /** A stream is pulled, or a publisher relayed: RTMP. `id` is that of the client or of the pull at the edge. */
  | { readonly for: 'rtmp'; readonly edge: number; readonly id: string }
  /** Requests of a client that the edge does not serve itself. `at` is where the client came, as it is configured. */
  | { readonly for: 'http'; readonly at: Endpoint }
  /** The line on which clients are asked about: JSON lines. */
  | { readonly for: 'line'; readonly edge: number }

export function preface(token: string, purpose: Purpose): Buffer {
  const text = Buffer.from(JSON.stringify({ token, ...purpose }))
  const length = Buffer.alloc(LENGTH_BYTES)
  length.writeUInt16BE(text.length)
  return Buffer.concat([length, text])
}

/** @throws CodecError 'preface_invalid' (also when it is a stranger's); TimeoutError, InterruptedError, ClosedError */
export async function readPreface(thread: Thread, socket: Socket, token: string): Promise<Purpose> {
  const { clock } = thread.world
  const deadlineMs = clock.nowMs() + TIMEOUT_MS
  const length = (await socket.readFully(thread, LENGTH_BYTES, TIMEOUT_MS)).readUInt16BE()
  if (length > MAX_BYTES) throw new CodecError('preface_invalid', `a preface of ${length} bytes`)
  const leftMs = Math.ceil(deadlineMs - clock.nowMs())
  if (leftMs <= 0) throw new TimeoutError('read of a preface', TIMEOUT_MS)
  const text = (await socket.readFully(thread, length, leftMs)).toString()
  socket.receivedBytes = 0
  return parse(text, token)
}

function parse(text: string, token: string): Purpose {
  let said: Purpose & { readonly token?: unknown }
  try {
    said = JSON.parse(text) as typeof said
  } catch (error) {
    throw new CodecError('preface_invalid', 'a preface that is no JSON', { cause: error })
  }
  if (!isSame(String(said?.token), token)) throw new CodecError('preface_invalid', 'a preface of a stranger')
  return said
}

function isSame(said: string, token: string): boolean {
  const [one, other] = [said, token].map((text) => createHash('sha256').update(text).digest())
  return one !== undefined && other !== undefined && timingSafeEqual(one, other)
}
