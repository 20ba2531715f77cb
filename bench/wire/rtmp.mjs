/**
 * The few RTMP bytes that a client of the bench says. Its own, not Sluice's, so that the bench can be trusted when
 * Sluice is wrong, and measures any server.
 */

const HELLO_BYTES = 1537
/** What a server answers to C0C1: S0, S1 and S2. */
export const SERVER_HELLO_BYTES = 1 + 2 * 1536
/** The chunk size that ffmpeg never changes. */
const DEFAULT_CHUNK_BYTES = 128

export const TYPE = { AUDIO: 8, VIDEO: 9, DATA: 18, COMMAND: 20 }

/** @param {...(string|number|null|Record<string, string|number>)} values AMF0, as far as commands need it */
export function amf(...values) {
  return Buffer.concat(values.map(encodeAmf))
}

function encodeAmf(value) {
  if (value === null) return Buffer.from([5])
  if (typeof value === 'number') {
    const out = Buffer.alloc(9)
    out.writeDoubleBE(value, 1)
    return out
  }
  if (typeof value === 'string') return Buffer.concat([Buffer.from([2]), key(value)])
  const members = Object.entries(value).map(([name, member]) => Buffer.concat([key(name), encodeAmf(member)]))
  return Buffer.concat([Buffer.from([3]), ...members, Buffer.from([0, 0, 9])])
}

function key(text) {
  const bytes = Buffer.from(text)
  const length = Buffer.alloc(2)
  length.writeUInt16BE(bytes.length)
  return Buffer.concat([length, bytes])
}

/** One message: a chunk of type 0, then chunks of type 3. Timestamps stay below 0xFFFFFF (4.6 hours). */
export function message({ csid, timestampMs = 0, typeId, streamId = 0, payload }, chunkBytes = DEFAULT_CHUNK_BYTES) {
  const header = Buffer.alloc(12)
  header[0] = csid
  header.writeUIntBE(timestampMs, 1, 3)
  header.writeUIntBE(payload.length, 4, 3)
  header[7] = typeId
  header.writeUInt32LE(streamId, 8)
  const parts = [header, payload.subarray(0, chunkBytes)]
  for (let at = chunkBytes; at < payload.length; at += chunkBytes) {
    parts.push(Buffer.from([0xc0 | csid]), payload.subarray(at, at + chunkBytes))
  }
  return Buffer.concat(parts)
}

export function command(streamId, ...values) {
  return message({ csid: streamId === 0 ? 3 : 8, typeId: TYPE.COMMAND, streamId, payload: amf(...values) })
}

/** C0 and C1 of the simple handshake. */
export function clientHello() {
  const hello = Buffer.alloc(HELLO_BYTES)
  hello[0] = 3
  for (let i = 9; i < HELLO_BYTES; i++) hello[i] = (i * 31) & 0xff
  return hello
}

/** C2: the echo of S1. @param {Buffer} serverHello S0, S1 and S2 */
export function clientAck(serverHello) {
  return serverHello.subarray(1, HELLO_BYTES)
}

export function connectCommand(host, port, app) {
  const about = { app, type: 'nonprivate', flashVer: 'LNX 9,0,124,2', tcUrl: `rtmp://${host}:${port}/${app}` }
  return command(0, 'connect', 1, about)
}

export const createStreamCommand = () => command(0, 'createStream', 2, null)
export const playCommand = (stream) => command(1, 'play', 3, null, stream, -2000)
export const publishCommand = (stream) => command(1, 'publish', 3, null, stream, 'live')
