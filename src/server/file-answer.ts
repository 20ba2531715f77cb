/** Answers that are files: whole, in parts, and from a place of a recording on. RFC 9110 section 14. */
import { parseRange } from '../http/range.ts'
import { ClosedError } from '../st/errors.ts'
import { type DiskFile, type FileInfo, DiskError } from '../st/disk.ts'
import type { Thread } from '../st/thread.ts'
import { flvOpening } from './flv-opening.ts'
import type { HttpExchange } from './http-session.ts'
import { DISK_TIMEOUT_MS } from './recorder/folders.ts'

const PIECE_BYTES = 256 * 1024
const NOTHING = Buffer.alloc(0)

/** A file that is there. */
export interface FoundFile {
  readonly path: string
  readonly info: FileInfo
  readonly contentType: string
}

/** What of a file is sent: `head`, then its bytes from `start` up to, not with, `end`. */
interface Sent {
  readonly status: 200 | 206
  readonly head: Buffer
  readonly start: number
  readonly end: number
}

/**
 * Sends a file as it is asked for: a part by a `Range` header or, of MP4, by `?range=A-B` or `?bytes=A-B`; of FLV what
 * begins at `?start=BYTE`, as a file of its own (SRS's "flv vod stream").
 * @param timeoutMs for each piece
 * @throws StError, DiskError before anything has been sent
 */
export async function answerDiskFile(
  thread: Thread,
  exchange: HttpExchange,
  { path, info, contentType }: FoundFile,
  timeoutMs: number,
): Promise<void> {
  const { method } = exchange.request
  const tag = `"${info.bytes.toString(36)}-${Math.round(info.modifiedMs).toString(36)}"`
  const common = { ETag: tag, 'Cache-Control': 'no-cache', 'Accept-Ranges': 'bytes' }
  if (exchange.request.headers.get('if-none-match') === tag) return exchange.answer(thread, 304, common, '')
  const file = await thread.world.disk.open(thread, path, 'read', DISK_TIMEOUT_MS)
  try {
    const sent = await choose(thread, exchange, file, { path, info, tag })
    if (sent === 'outside') {
      return await exchange.answer(thread, 416, { ...common, 'Content-Range': `bytes */${info.bytes}` }, '')
    }
    const { status, head, start, end } = sent
    const part = status === 206 ? { 'Content-Range': `bytes ${start}-${end - 1}/${info.bytes}` } : {}
    const headers = { ...common, ...part, 'Content-Type': contentType }
    exchange.socket.write(exchange.head(status, headers, head.length + end - start))
    if (method !== 'HEAD') await sendBytes(thread, exchange, file, sent, timeoutMs)
  } finally {
    await file.close(thread, DISK_TIMEOUT_MS)
  }
}

async function choose(
  thread: Thread,
  { request: { headers, method, query } }: HttpExchange,
  file: DiskFile,
  { path, info, tag }: { path: string; info: FileInfo; tag: string },
): Promise<Sent | 'outside'> {
  const all: Sent = { status: 200, head: NOTHING, start: 0, end: info.bytes }
  if (method !== 'GET') return all
  const asked = new URLSearchParams(query)
  const start = Number(path.endsWith('.flv') ? (asked.get('start') ?? 0) : 0)
  if (Number.isSafeInteger(start) && start > 0 && start < info.bytes) {
    const head = await flvOpening(thread, file)
    return head ? { ...all, head, start } : all
  }
  const inQuery = path.endsWith('.mp4') ? (asked.get('range') ?? asked.get('bytes')) : null
  // A part of what the file was before is of no use.
  const inHeader = (headers.get('if-range') ?? tag) === tag ? headers.get('range') : undefined
  const range = parseRange(inQuery === null ? inHeader : `bytes=${inQuery}`, info.bytes)
  return range === null || range === 'outside' ? (range ?? all) : { ...all, status: 206, ...range }
}

/** @throws ClosedError when the file is shorter than it was: the answer cannot be finished */
async function sendBytes(
  thread: Thread,
  { socket }: HttpExchange,
  file: DiskFile,
  { head, start, end }: Sent,
  timeoutMs: number,
): Promise<void> {
  try {
    if (head.length > 0) await socket.writeFully(thread, head, timeoutMs)
    for (let position = start; position < end; ) {
      const bytes = await file.read(thread, Math.min(PIECE_BYTES, end - position), position, DISK_TIMEOUT_MS)
      if (bytes.length === 0) throw new ClosedError('the file has become shorter')
      await socket.writeFully(thread, bytes, timeoutMs)
      position += bytes.length
    }
  } catch (error) {
    // The head has been sent: nothing else can be said on this connection.
    socket.close()
    throw error instanceof DiskError ? new ClosedError(error.message, { cause: error }) : error
  }
}
