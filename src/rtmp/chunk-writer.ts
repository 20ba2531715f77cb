import { MAX_MESSAGE_BYTES, type RtmpMessage } from './message.ts'

// What we write, RTMP 1.0 section 5.3.1: every message starts with a type 0 chunk and goes on in type 3 chunks.
// Full headers cost some bytes, and make each message readable from its first byte on, by a player that joins late too.
//
//   |fmt:2|csid:6| timestamp:24 | length:24 | type:8 | stream id:32, low byte first | (extended:32) | payload |
//   |  3  |csid:6|                                                                  | (extended:32) | payload |

const MESSAGE_HEADER_BYTES = 11
const EXTENDED_BYTES = 4
const EXTENDED = 0xffffff
const FMT_FULL = 0 << 6
const FMT_CONTINUE = 3 << 6

// 5.3.1.1: csid 2..63 fits into the first byte, 64..319 adds a byte (csid 0 there), 64..65599 two (csid 1 there).
const MIN_CSID = 2
const MAX_ONE_BYTE_CSID = 63
const MAX_TWO_BYTE_CSID = 319
const MAX_CSID = 65599
const CSID_OFFSET = 64

function basicHeaderBytes(csid: number): number {
  if (csid <= MAX_ONE_BYTE_CSID) return 1
  return csid <= MAX_TWO_BYTE_CSID ? 2 : 3
}

/** Bytes of a message on the wire. The chunk stream id matters from 64 on, where its header grows. */
export function messageSize(payloadBytes: number, timestampMs: number, chunkSize: number, csid = MIN_CSID): number {
  const chunks = Math.max(1, Math.ceil(payloadBytes / chunkSize))
  const extendedBytes = timestampMs >>> 0 >= EXTENDED ? EXTENDED_BYTES : 0
  return MESSAGE_HEADER_BYTES + payloadBytes + chunks * (basicHeaderBytes(csid) + extendedBytes)
}

function checkMessage(out: Buffer, offset: number, message: RtmpMessage, chunkSize: number): void {
  const { csid, payload, timestampMs } = message
  if (!(csid >= MIN_CSID && csid <= MAX_CSID)) throw new RangeError(`chunk stream id must be 2..65599, is ${csid}`)
  if (!(chunkSize >= 1)) throw new RangeError(`chunk size must be 1 or more, is ${chunkSize}`)
  if (payload.length > MAX_MESSAGE_BYTES) {
    throw new RangeError(`message must have at most ${MAX_MESSAGE_BYTES} bytes, has ${payload.length}`)
  }
  const needBytes = messageSize(payload.length, timestampMs, chunkSize, csid)
  if (out.length - offset < needBytes) {
    throw new RangeError(`message needs ${needBytes} bytes, buffer has ${out.length - offset}`)
  }
}

function writeBasicHeader(out: Buffer, offset: number, fmtBits: number, csid: number): number {
  if (csid <= MAX_ONE_BYTE_CSID) return out.writeUInt8(fmtBits | csid, offset)
  if (csid <= MAX_TWO_BYTE_CSID) return out.writeUInt8(csid - CSID_OFFSET, out.writeUInt8(fmtBits, offset))
  return out.writeUInt16LE(csid - CSID_OFFSET, out.writeUInt8(fmtBits | 1, offset))
}

function writeFullHeader(out: Buffer, offset: number, message: RtmpMessage, timestampMs: number): number {
  let at = writeBasicHeader(out, offset, FMT_FULL, message.csid)
  at = out.writeUIntBE(Math.min(timestampMs, EXTENDED), at, 3)
  at = out.writeUIntBE(message.payload.length, at, 3)
  at = out.writeUInt8(message.typeId, at)
  at = out.writeUInt32LE(message.streamId, at)
  return timestampMs >= EXTENDED ? out.writeUInt32BE(timestampMs, at) : at
}

/**
 * Writes one message into `out` and returns the offset behind it. The timestamp is taken mod 2^32; from 0xFFFFFF on it
 * is extended, in every chunk of the message (RTMP 1.0 section 5.3.1.3).
 * @throws RangeError for a message that the wire cannot say, or that `out` has no room for
 */
export function writeMessage(out: Buffer, offset: number, message: RtmpMessage, chunkSize: number): number {
  checkMessage(out, offset, message, chunkSize)
  const { csid, payload } = message
  const timestampMs = message.timestampMs >>> 0
  let at = writeFullHeader(out, offset, message, timestampMs)
  at += payload.copy(out, at, 0, chunkSize)
  for (let from = chunkSize; from < payload.length; from += chunkSize) {
    at = writeBasicHeader(out, at, FMT_CONTINUE, csid)
    if (timestampMs >= EXTENDED) at = out.writeUInt32BE(timestampMs, at)
    at += payload.copy(out, at, from, from + chunkSize)
  }
  return at
}

/** One message as a Buffer of its own. @throws RangeError for a message that the wire cannot say */
export function encodeMessage(message: RtmpMessage, chunkSize: number): Buffer {
  const out = Buffer.allocUnsafe(messageSize(message.payload.length, message.timestampMs, chunkSize, message.csid))
  writeMessage(out, 0, message, chunkSize)
  return out
}
