/** Pulls a stream over HTTP-FLV. */
import { CodecError } from '../../codec/errors.ts'
import { FlvReader } from '../../format/flv/reader.ts'
import { encodeRequest, ResponseParser } from '../../http/client.ts'
import { whereIs } from '../../http/pool.ts'
import { ClosedError, TimeoutError } from '../../st/errors.ts'
import { connect, type Socket } from '../../st/socket.ts'
import type { Thread } from '../../st/thread.ts'
import type { PullSink } from './pull-sink.ts'

/** As SRS. */
const MAX_REDIRECTS = 3
const REDIRECTS = new Set([301, 302, 303, 307, 308])

/** Where a stream is. */
export interface FlvOrigin {
  readonly url: URL
  /** Over TLS: whether the certificate is looked at. */
  readonly isVerified: boolean
}

/**
 * Reads a stream into `sink` until the origin ends it.
 * @param timeoutMs for connecting, for the head of the answer, and between two tags
 * @throws CodecError 'origin_status' (it answers something else than 200), 'redirect_limit', 'redirect_invalid', what the
 *   parsers throw; StError, StreamBusyError
 */
export async function pullFlv(
  thread: Thread,
  { url: first, isVerified }: FlvOrigin,
  headers: Readonly<Record<string, string>>,
  sink: PullSink,
  timeoutMs: number,
): Promise<void> {
  let url = first
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
    const next = await pullFrom(thread, { url, isVerified }, headers, sink, timeoutMs)
    if (!next) return
    thread.log.info({ to: next.host }, 'redirected')
    url = next
  }
  throw new CodecError('redirect_limit', `more than ${MAX_REDIRECTS} redirects`)
}

/** @returns where it redirects to; null: it has served the stream, and ended it */
async function pullFrom(
  thread: Thread,
  { url, isVerified }: FlvOrigin,
  headers: Readonly<Record<string, string>>,
  sink: PullSink,
  timeoutMs: number,
): Promise<URL | null> {
  const socket = await connect(thread, whereIs(url, isVerified), timeoutMs)
  try {
    const target = url.pathname + url.search
    const request = { Host: url.host, Accept: '*/*', Connection: 'close', ...headers }
    socket.write(encodeRequest({ method: 'GET', target, headers: request, body: '' }))
    sink.connected(socket, 'http')
    const body = new ResponseParser(Number.MAX_SAFE_INTEGER)
    const next = await readHead(thread, socket, body, url, timeoutMs)
    if (!next) await readTags(thread, socket, body, sink, timeoutMs)
    return next
  } finally {
    socket.close()
  }
}

/** Waits for the head of the answer. @returns where it redirects to; null: the stream follows */
async function readHead(
  thread: Thread,
  socket: Socket,
  body: ResponseParser,
  url: URL,
  timeoutMs: number,
): Promise<URL | null> {
  const { clock } = thread.world
  const deadlineMs = clock.nowMs() + timeoutMs
  for (;;) {
    body.read()
    const { head } = body
    if (head) {
      if (head.status === 200) return null
      const location = head.headers.get('location')
      if (REDIRECTS.has(head.status) && location !== undefined) return redirected(location, url)
      throw new CodecError('origin_status', `the origin answers ${head.status}`)
    }
    await receive(thread, socket, body, deadlineMs - clock.nowMs(), timeoutMs)
  }
}

async function readTags(
  thread: Thread,
  socket: Socket,
  body: ResponseParser,
  sink: PullSink,
  timeoutMs: number,
): Promise<void> {
  const { clock } = thread.world
  const flv = new FlvReader()
  for (;;) {
    const isOver = body.read() !== null
    for (const part of body.takeBody()) flv.push(part)
    for (let tag = flv.read(); tag; tag = flv.read()) sink.take({ csid: 0, streamId: 0, ...tag })
    sink.flush()
    if (isOver || socket.isAtEnd()) return
    await receive(thread, socket, body, sink.lastMs + timeoutMs - clock.nowMs(), timeoutMs)
  }
}

/** More of the answer. @throws TimeoutError, InterruptedError; ClosedError at its end */
async function receive(
  thread: Thread,
  socket: Socket,
  body: ResponseParser,
  leftMs: number,
  timeoutMs: number,
): Promise<void> {
  if (leftMs <= 0) throw new TimeoutError('media of the origin', timeoutMs)
  const bytes = await socket.read(thread, Math.ceil(leftMs))
  if (!bytes) throw new ClosedError('the origin has ended the connection')
  body.push(bytes)
}

function redirected(location: string, base: URL): URL {
  const url = URL.canParse(location, base.href) ? new URL(location, base.href) : null
  if (!url || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new CodecError('redirect_invalid', 'the redirect is to no HTTP address')
  }
  return url
}
