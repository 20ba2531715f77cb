import { flvHeader, flvTagSize, writeFlvTag } from '../../src/format/flv/tag.ts'
import { ClosedError } from '../../src/st/errors.ts'
import { connect } from '../../src/st/socket.ts'
import type { Thread } from '../../src/st/thread.ts'
import { ChunkedBody } from '../sim/chunked-body.ts'
import { rtmpUplink, type Uplink } from '../sim/publisher.ts'

const HTTP_PORT = 8080
const ANSWER_MS = 8_000
const CONTINUE = 100
const LINE_END = Buffer.from('\r\n')
const LAST_CHUNK = Buffer.from('0\r\n\r\n')

/** How a publisher comes. */
export type Door = 'rtmp' | 'POST' | 'PUT'

/** A publisher of the vhost `host` that comes by `door`. */
export function uplinkBy(door: Door, host: string): (thread: Thread, stream: string) => Promise<Uplink> {
  return (thread, stream) =>
    door === 'rtmp' ? rtmpUplink(thread, host, stream) : httpUplink(thread, door, host, stream)
}

/** The body of a request: FLV in chunks, which the server has asked for. */
async function httpUplink(thread: Thread, method: Door, host: string, stream: string): Promise<Uplink> {
  const socket = await connect(thread, { host: 'server', port: HTTP_PORT }, ANSWER_MS)
  const headers = `Host: ${host}\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue`
  try {
    socket.write(Buffer.from(`${method} /live/${stream}.flv HTTP/1.1\r\n${headers}\r\n\r\n`))
    const answer = new ChunkedBody()
    while (answer.status === 0) {
      const bytes = await socket.read(thread, ANSWER_MS)
      if (!bytes) throw new ClosedError('no answer')
      answer.push(bytes)
    }
    if (answer.status !== CONTINUE) throw new ClosedError(`the answer is ${answer.status}`)
  } catch (error) {
    socket.close()
    throw error
  }
  socket.write(chunk(flvHeader(true, true)))
  return {
    socket,
    sendMedia: (typeId, timestampMs, payload) => void socket.write(chunk(tag(typeId, timestampMs, payload))),
    async end(owner) {
      await socket.writeFully(owner, LAST_CHUNK, ANSWER_MS)
      while (await socket.read(owner, ANSWER_MS));
    },
  }
}

function tag(typeId: number, timestampMs: number, payload: Buffer): Buffer {
  const out = Buffer.alloc(flvTagSize(payload.length))
  writeFlvTag(out, 0, typeId, timestampMs, payload)
  return out
}

function chunk(bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.from(bytes.length.toString(16)), LINE_END, bytes, LINE_END])
}
