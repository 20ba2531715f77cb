import { CodecError } from '../../codec/errors.ts'

/** Tag kinds that the enhanced header extends. */
export type TrackKind = 'audio' | 'video'

const PACKET_TYPE_MASK = 0x0f
const MODEX = 7
const MODEX_LONG_SIZE = 256
const MAX_MODEX_COUNT = 16
const FOURCC_BYTES = 4
const TRACK_ID_BYTES = 1
const TRACK_SIZE_BYTES = 3
const MULTITRACK_TYPE_SHIFT = 4
const FRAME_TYPE_SHIFT = 4
const FRAME_TYPE_MASK = 0x07
const FRAME_TYPE_COMMAND = 5
const VIDEO_METADATA = 4

/** Packet type that turns multitrack on, by kind. */
export const MULTITRACK_PACKET: Readonly<Record<TrackKind, number>> = { audio: 5, video: 6 }
/** One track in the message. */
export const ONE_TRACK = 0
/** Tracks with a codec each; between the two is 1, tracks of one codec. */
const MANY_TRACKS_MANY_CODECS = 2

/** Where the part before the fourCC ends. */
export interface ExPrefix {
  packetType: number
  /** Index of the byte whose lower four bits are `packetType`: 0, or the last byte of the last ModEx. */
  typeOffset: number
  /** Index of the first byte behind. */
  end: number
}

/** The enhanced header of a message; of its first track when it has many. */
export interface ExHeader {
  packetType: number
  /** Big endian. */
  fourCc: number
  trackId: number
  bodyOffset: number
}

/**
 * Walks over the flags byte and the ModEx data behind it (enhanced RTMP v2, ExVideoTagHeader and ExAudioTagHeader; the
 * two are alike from here on). Throws CodecError.
 */
export function readExPrefix(kind: TrackKind, payload: Buffer): ExPrefix {
  // |flags:4|packet type:4| (|size - 1:8| or |255:8|size - 1:16|, data, |ModEx type:4|packet type:4|)*
  let typeOffset = 0
  for (let count = 0; ; count++) {
    const packetType = payload.readUInt8(typeOffset) & PACKET_TYPE_MASK
    const end = typeOffset + 1
    if (packetType !== MODEX) return { packetType, typeOffset, end }
    if (count === MAX_MODEX_COUNT) {
      throw new CodecError('flv_modex_too_many', `a ${kind} tag may have ${MAX_MODEX_COUNT} ModEx packets`)
    }
    typeOffset = skipModEx(kind, payload, end)
  }
}

/** Returns the index of the byte that closes the ModEx. */
function skipModEx(kind: TrackKind, payload: Buffer, start: number): number {
  needBytes(kind, payload, start + 1)
  const shortSize = payload.readUInt8(start) + 1
  if (shortSize < MODEX_LONG_SIZE) {
    const closing = start + 1 + shortSize
    needBytes(kind, payload, closing + 1)
    return closing
  }
  needBytes(kind, payload, start + 3)
  const closing = start + 3 + payload.readUInt16BE(start + 1) + 1
  needBytes(kind, payload, closing + 1)
  return closing
}

/**
 * True for a seek command, which has no fourCC and no body. Metadata ignores the frame type, and encoders do send it
 * with that of a command. In multitrack the packet type is one byte further; there it cannot be mistaken for a command,
 * whose only values are 0 and 1.
 */
export function isVideoCommand(payload: Buffer, prefix: ExPrefix): boolean {
  const frameType = (payload.readUInt8(0) >> FRAME_TYPE_SHIFT) & FRAME_TYPE_MASK
  if (frameType !== FRAME_TYPE_COMMAND || prefix.packetType === VIDEO_METADATA) return false
  if (prefix.packetType !== MULTITRACK_PACKET.video || prefix.end >= payload.length) return true
  return (payload.readUInt8(prefix.end) & PACKET_TYPE_MASK) !== VIDEO_METADATA
}

/** Reads the rest of the header: fourCC, and multitrack fields if there are any. Throws CodecError. */
export function readExHeader(kind: TrackKind, payload: Buffer, prefix: ExPrefix): ExHeader {
  if (prefix.packetType !== MULTITRACK_PACKET[kind]) {
    const { packetType, end } = prefix
    return { packetType, fourCc: readFourCc(kind, payload, end), trackId: 0, bodyOffset: end + FOURCC_BYTES }
  }
  const multitrack = readMultitrack(kind, payload, prefix.end)
  return { packetType: multitrack.packetType, ...readTrack(kind, payload, multitrack) }
}

/** The multitrack byte and the fourCC that its tracks share. */
export interface Multitrack {
  type: number
  packetType: number
  /** Big endian, null when each track has its own. */
  fourCc: number | null
  /** Index of the first track. */
  end: number
}

/** Throws CodecError 'flv_multitrack_type', 'flv_multitrack_nested'. */
export function readMultitrack(kind: TrackKind, payload: Buffer, start: number): Multitrack {
  // |multitrack type:4|packet type:4| (fourCC:32, unless each track has its own)
  needBytes(kind, payload, start + 1)
  const byte = payload.readUInt8(start)
  const type = byte >> MULTITRACK_TYPE_SHIFT
  const packetType = byte & PACKET_TYPE_MASK
  if (type > MANY_TRACKS_MANY_CODECS) {
    throw new CodecError('flv_multitrack_type', `multitrack types are 0 to 2, found ${type}`)
  }
  if (packetType === MULTITRACK_PACKET[kind] || packetType === MODEX) {
    throw new CodecError('flv_multitrack_nested', `packet type ${packetType} cannot stand inside multitrack`)
  }
  const end = start + 1
  if (type === MANY_TRACKS_MANY_CODECS) return { type, packetType, fourCc: null, end }
  return { type, packetType, fourCc: readFourCc(kind, payload, end), end: end + FOURCC_BYTES }
}

/** One track of a multitrack message. */
export interface Track {
  /** Big endian. */
  fourCc: number
  trackId: number
  bodyOffset: number
  bodyEnd: number
}

/** Reads the track at `multitrack.end`. Throws CodecError 'flv_short_video', 'flv_short_audio'. */
export function readTrack(kind: TrackKind, payload: Buffer, multitrack: Multitrack): Track {
  // (|fourCC:32| with many codecs) |track id:8| (|body size:24| with many tracks) body
  let offset = multitrack.end
  let { fourCc } = multitrack
  if (fourCc === null) {
    fourCc = readFourCc(kind, payload, offset)
    offset += FOURCC_BYTES
  }
  needBytes(kind, payload, offset + TRACK_ID_BYTES)
  const trackId = payload.readUInt8(offset)
  offset += TRACK_ID_BYTES
  if (multitrack.type === ONE_TRACK) return { fourCc, trackId, bodyOffset: offset, bodyEnd: payload.length }
  const bodyOffset = offset + TRACK_SIZE_BYTES
  needBytes(kind, payload, bodyOffset)
  const bodyEnd = bodyOffset + payload.readUIntBE(offset, TRACK_SIZE_BYTES)
  needBytes(kind, payload, bodyEnd)
  return { fourCc, trackId, bodyOffset, bodyEnd }
}

function readFourCc(kind: TrackKind, payload: Buffer, offset: number): number {
  needBytes(kind, payload, offset + FOURCC_BYTES)
  return payload.readUInt32BE(offset)
}

/** Throws CodecError 'flv_empty_tag' for no byte at all, 'flv_short_video' or 'flv_short_audio' for too few. */
export function needBytes(kind: TrackKind, payload: Buffer, bytes: number): void {
  if (payload.length >= bytes) return
  const code = payload.length === 0 ? 'flv_empty_tag' : `flv_short_${kind}`
  throw new CodecError(code, `${kind} tag needs ${bytes} bytes, has ${payload.length}`)
}
