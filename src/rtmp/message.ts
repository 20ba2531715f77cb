import { CodecError } from '../codec/errors.ts'

/** Message type ids: RTMP 1.0 sections 5.4 (protocol control), 6.2 (user control) and 7.1 (commands, data, media). */
export const MSG = {
  SET_CHUNK_SIZE: 1,
  ABORT: 2,
  ACK: 3,
  USER_CONTROL: 4,
  WINDOW_ACK_SIZE: 5,
  SET_PEER_BANDWIDTH: 6,
  AUDIO: 8,
  VIDEO: 9,
  DATA_AMF3: 15,
  COMMAND_AMF3: 17,
  DATA_AMF0: 18,
  COMMAND_AMF0: 20,
  AGGREGATE: 22,
} as const

/** User control event types: RTMP 1.0 section 7.1.7. */
export const USER_EVENT = {
  STREAM_BEGIN: 0,
  STREAM_EOF: 1,
  STREAM_DRY: 2,
  SET_BUFFER_LENGTH: 3,
  STREAM_IS_RECORDED: 4,
  PING_REQUEST: 6,
  PING_RESPONSE: 7,
} as const

/** Limit types of Set Peer Bandwidth: RTMP 1.0 section 5.4.5. */
export const PEER_LIMIT = { HARD: 0, SOFT: 1, DYNAMIC: 2 } as const

/** Chunk size of both directions until a Set Chunk Size says otherwise: RTMP 1.0 section 5.4.1. */
export const DEFAULT_CHUNK_BYTES = 128

/** Longest payload that the 24-bit length of a header can say, and so the greatest useful chunk size. */
export const MAX_MESSAGE_BYTES = 0xffffff

/** One whole RTMP message. Numbers are as on the wire: `csid` 2..65599, the others unsigned. */
export interface RtmpMessage {
  csid: number
  /** Milliseconds, 0..2^32-1; wraps. */
  timestampMs: number
  /** One of `MSG`, or a type that we do not know. */
  typeId: number
  streamId: number
  payload: Buffer
}

/** What a user control message says. */
export interface UserEvent {
  /** One of `USER_EVENT`, or an event that we do not know. */
  event: number
  /** The stream id, or the timestamp of a ping; 0 when an unknown event carries less than four bytes. */
  value: number
  /** Set Buffer Length only, milliseconds; else 0. */
  bufferMs: number
}

const CONTROL_CSID = 2
const CHUNK_SIZE_TOP_BIT = 0x80000000
const KNOWN_EVENTS = new Set<number>(Object.values(USER_EVENT))

const TAG_HEADER_BYTES = 11
const BACK_POINTER_BYTES = 4
/** A tag costs us an object of some hundred bytes but the peer only 16: real aggregates hold a few hundred at most. */
const MAX_TAGS = 4096

function control(typeId: number, payload: Buffer): RtmpMessage {
  return { csid: CONTROL_CSID, timestampMs: 0, typeId, streamId: 0, payload }
}

function u32(value: number): Buffer {
  const payload = Buffer.allocUnsafe(4)
  payload.writeUInt32BE(value >>> 0)
  return payload
}

/** Set Chunk Size, 1..0xFFFFFF bytes: RTMP 1.0 section 5.4.1. @throws RangeError for any other size */
export function setChunkSize(chunkBytes: number): RtmpMessage {
  if (!(chunkBytes >= 1 && chunkBytes <= MAX_MESSAGE_BYTES)) {
    throw new RangeError(`chunk size must be 1..${MAX_MESSAGE_BYTES}, is ${chunkBytes}`)
  }
  return control(MSG.SET_CHUNK_SIZE, u32(chunkBytes))
}

/** Acknowledgement of all bytes received so far, taken mod 2^32: RTMP 1.0 section 5.4.3. */
export function acknowledgement(receivedBytes: number): RtmpMessage {
  return control(MSG.ACK, u32(receivedBytes % 2 ** 32))
}

/** Window Acknowledgement Size in bytes: RTMP 1.0 section 5.4.4. */
export function windowAckSize(windowBytes: number): RtmpMessage {
  return control(MSG.WINDOW_ACK_SIZE, u32(windowBytes))
}

/** Set Peer Bandwidth: window in bytes, limit type of `PEER_LIMIT`: RTMP 1.0 section 5.4.5. */
export function setPeerBandwidth(windowBytes: number, limitType: number): RtmpMessage {
  return control(MSG.SET_PEER_BANDWIDTH, Buffer.concat([u32(windowBytes), Buffer.of(limitType)]))
}

/** A user control message: event of `USER_EVENT`; `bufferMs` is for Set Buffer Length: RTMP 1.0 section 7.1.7. */
export function userControl(event: number, value: number, bufferMs = 0): RtmpMessage {
  // |event type:16|stream id or ping timestamp:32| and, for Set Buffer Length, |milliseconds:32|
  const payload = Buffer.alloc(event === USER_EVENT.SET_BUFFER_LENGTH ? 10 : 6)
  payload.writeUInt16BE(event)
  payload.writeUInt32BE(value >>> 0, 2)
  if (payload.length === 10) payload.writeUInt32BE(bufferMs >>> 0, 6)
  return control(MSG.USER_CONTROL, payload)
}

function needBytes(payload: Buffer, bytes: number, what: string): void {
  if (payload.length < bytes) {
    throw new CodecError('message_short', `${what} needs ${bytes} bytes, has ${payload.length}`)
  }
}

/**
 * The number that a control message carries (types 1, 2, 3, 5 and 6: bytes, chunk stream id or sequence), 0..2^32-1.
 * What follows it is ignored, as clients send such messages with padding.
 * @throws CodecError 'message_short'
 */
export function controlValue(message: RtmpMessage): number {
  needBytes(message.payload, 4, `control message ${message.typeId}`)
  return message.payload.readUInt32BE(0)
}

/**
 * Reads Set Chunk Size: 1..0xFFFFFF bytes, a greater value means 0xFFFFFF as no message is longer
 * (RTMP 1.0 section 5.4.1). @throws CodecError 'chunk_size_invalid', 'message_short'
 */
export function parseChunkSize(message: RtmpMessage): number {
  const chunkBytes = controlValue(message)
  if (chunkBytes === 0 || chunkBytes >= CHUNK_SIZE_TOP_BIT) {
    throw new CodecError('chunk_size_invalid', `chunk size must be 1..0x7FFFFFFF, is ${chunkBytes}`)
  }
  return Math.min(chunkBytes, MAX_MESSAGE_BYTES)
}

/** Reads a user control message. Unknown events are not an error. @throws CodecError 'message_short' */
export function parseUserControl(message: RtmpMessage): UserEvent {
  const { payload } = message
  needBytes(payload, 2, 'user control event type')
  const event = payload.readUInt16BE(0)
  const isBufferLength = event === USER_EVENT.SET_BUFFER_LENGTH
  if (KNOWN_EVENTS.has(event)) needBytes(payload, isBufferLength ? 10 : 6, `user control event ${event}`)
  return {
    event,
    value: payload.length >= 6 ? payload.readUInt32BE(2) : 0,
    bufferMs: isBufferLength ? payload.readUInt32BE(6) : 0,
  }
}

function isMedia(typeId: number): boolean {
  return typeId === MSG.AUDIO || typeId === MSG.VIDEO || typeId === MSG.DATA_AMF0
}

/**
 * Takes an aggregate message (type 22) apart: RTMP 1.0 section 7.1.6. Audio, video and data come back in their order,
 * other and empty tags are dropped. The message's stream id overrides that of the tags; the time of a tag is its own
 * minus the first one's plus the message's, mod 2^32. The payloads are views of the message's payload.
 * @throws CodecError 'aggregate_short', 'aggregate_too_many'
 */
export function splitAggregate(message: RtmpMessage): RtmpMessage[] {
  // 7.1.6, each:  |type:8|size:24|time:24|time, top byte:8|stream id:24|  data  |back pointer:32|
  const { payload, csid, streamId } = message
  const tags: RtmpMessage[] = []
  let shiftMs = 0
  let offset = 0
  for (let count = 0; offset < payload.length; count++) {
    if (count === MAX_TAGS) throw new CodecError('aggregate_too_many', `aggregate holds more than ${MAX_TAGS} tags`)
    const tagBytes = checkedTagBytes(payload, offset)
    const typeId = payload.readUInt8(offset)
    const ownMs = payload.readUIntBE(offset + 4, 3) + payload.readUInt8(offset + 7) * 0x1000000
    if (count === 0) shiftMs = message.timestampMs - ownMs
    const data = payload.subarray(offset + TAG_HEADER_BYTES, offset + tagBytes - BACK_POINTER_BYTES)
    if (isMedia(typeId) && data.length > 0) {
      tags.push({ csid, timestampMs: (ownMs + shiftMs) >>> 0, typeId, streamId, payload: data })
    }
    offset += tagBytes
  }
  return tags
}

/** Whole size of the tag at `offset`, with header and back pointer, after a look that all of it is there. */
function checkedTagBytes(payload: Buffer, offset: number): number {
  const left = payload.length - offset
  if (left < TAG_HEADER_BYTES) {
    throw new CodecError('aggregate_short', `aggregate tag header needs ${TAG_HEADER_BYTES} bytes, has ${left}`)
  }
  const tagBytes = TAG_HEADER_BYTES + payload.readUIntBE(offset + 1, 3) + BACK_POINTER_BYTES
  if (left < tagBytes) throw new CodecError('aggregate_short', `aggregate tag needs ${tagBytes} bytes, has ${left}`)
  return tagBytes
}

/** Whether a message is a command, in AMF0 or in the envelope of AMF3. */
export function isCommand({ typeId }: RtmpMessage): boolean {
  return typeId === MSG.COMMAND_AMF0 || typeId === MSG.COMMAND_AMF3
}
