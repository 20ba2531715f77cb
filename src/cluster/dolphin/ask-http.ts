/** Which stream a connection over HTTP is about, from the first line of its first request. */
import { CodecError } from '../../codec/errors.ts'
import { HttpError } from '../../http/error.ts'
import { parseTarget } from '../../http/target.ts'
import { parseStreamUrl } from '../../rtmp/url.ts'
import { ClosedError, TimeoutError } from '../../st/errors.ts'
import type { Socket } from '../../st/socket.ts'
import type { Thread } from '../../st/thread.ts'

const MAX_LINE_BYTES = 8_192
const LF = 0x0a
/** What TLS begins with: nothing can be read there. */
const TLS_HANDSHAKE = 0x16
const REQUEST_LINE = /^([A-Z]{1,20}) (\S+) HTTP\/1\.[01]\r?$/
/** What a segment of HLS has behind the stream's name. */
const SEGMENT = /-\d+\.(?:ts|m4s)$/

/** What a client has said, to be passed on as it is. */
export interface HttpQuestion {
  /** `app/stream`; null: the request is about no stream. */
  readonly stream: string | null
  readonly said: Buffer
}

/** Reads that line and what came with it. @throws TimeoutError, InterruptedError, ClosedError */
export async function askHttp(thread: Thread, socket: Socket, timeoutMs: number): Promise<HttpQuestion> {
  const { clock } = thread.world
  const deadlineMs = clock.nowMs() + timeoutMs
  let said: Buffer = Buffer.alloc(0)
  while (!said.includes(LF) && said.length < MAX_LINE_BYTES && said[0] !== TLS_HANDSHAKE) {
    const leftMs = Math.ceil(deadlineMs - clock.nowMs())
    if (leftMs <= 0) throw new TimeoutError('first line of a request', timeoutMs)
    const bytes = await socket.read(thread, leftMs)
    if (!bytes) throw new ClosedError('client ended before its request')
    said = Buffer.concat([said, bytes])
  }
  return { stream: streamOf(said.toString('latin1', 0, Math.max(0, said.indexOf(LF)))), said }
}

/** What cannot be read is the server's to answer. */
function streamOf(line: string): string | null {
  const [, method = '', target = ''] = REQUEST_LINE.exec(line) ?? []
  if (target === '') return null
  try {
    const { path } = parseTarget(method, target)
    const [, place = '', name = ''] = /^\/(.+)\/([^/]+)$/.exec(path) ?? []
    if (name === '') return null
    const streamName = name.replace(SEGMENT, '')
    const { app, stream } = parseStreamUrl({ tcUrl: `http://host/${place}`, app: place, streamName })
    return `${app}/${stream}`
  } catch (error) {
    if (error instanceof HttpError || error instanceof CodecError) return null
    throw error
  }
}
