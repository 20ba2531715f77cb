import { CodecError } from '../../codec/errors.ts'
import { isVideoCommand, needBytes, readExHeader, readExPrefix } from './ex-header.ts'
import { fourCcName } from './fourcc.ts'

const EX_HEADER = 0x80
const FRAME_TYPE_SHIFT = 4
const FRAME_TYPE_MASK = 0x07
const LOW_NIBBLE = 0x0f
const FRAME_TYPE_KEY = 1
const FRAME_TYPE_COMMAND = 5
const COMMAND_BYTES = 1
const COMPOSITION_BYTES = 3
const AVC_HEADER_BYTES = 5
const MIN_BYTES = 2

const SEQUENCE_START = 0
const CODED_FRAMES = 1
const SEQUENCE_END = 2
const CODED_FRAMES_X = 3
const METADATA = 4
const MPEG2TS_SEQUENCE_START = 5

/** What a video message is: a codec header, a picture, the end of the sequence, HDR metadata, or a seek command. */
export type VideoPacketType = 'header' | 'frame' | 'end' | 'metadata' | 'command'

const EX_PACKET_TYPES: ReadonlyMap<number, VideoPacketType> = new Map<number, VideoPacketType>([
  [SEQUENCE_START, 'header'],
  [CODED_FRAMES, 'frame'],
  [SEQUENCE_END, 'end'],
  [CODED_FRAMES_X, 'frame'],
  [METADATA, 'metadata'],
  [MPEG2TS_SEQUENCE_START, 'header'],
])

/** AVCPacketType; codec id 12 uses it too. */
const LEGACY_PACKET_TYPES: readonly VideoPacketType[] = ['header', 'frame', 'end']

/** By codec id (FLV 10.1 E.4.3.1); 12 is what encoders sent for HEVC before there was a fourCC. */
const LEGACY_CODECS: ReadonlyMap<number, string> = new Map([
  [2, 'h263'],
  [3, 'screen'],
  [4, 'vp6'],
  [5, 'vp6a'],
  [6, 'screen2'],
  [7, 'avc1'],
  [12, 'hvc1'],
])
const LEGACY_WITH_PACKET_TYPE: ReadonlySet<string> = new Set(['avc1', 'hvc1'])

/** Codecs whose CodedFrames begin with a composition time (enhanced RTMP v2, ExVideoTagBody). */
const EX_WITH_COMPOSITION: ReadonlySet<string> = new Set(['avc1', 'hvc1', 'vvc1'])

/** The header of a video message. */
export interface VideoTag {
  /** A fourCC, or a legacy name: 'h263', 'screen', 'vp6', 'vp6a', 'screen2', 'legacy-N'. '' for an enhanced command. */
  codec: string
  trackId: number
  type: VideoPacketType
  /** True only for type 'frame' with frame type 1. */
  isKey: boolean
  /** Presentation minus decoding time, milliseconds, signed 24 bits. */
  compositionMs: number
  /** True with a fourCC header. */
  enhanced: boolean
  /** Index of the first byte of codec data in the payload. */
  bodyOffset: number
}

/**
 * Reads the header of a video message (FLV 10.1 E.4.3.1, enhanced RTMP v2 ExVideoTagHeader), of the first track when
 * it has many (see splitTracks). An unknown codec is no error. Throws CodecError: 'flv_empty_tag' without a byte,
 * 'flv_short_video', 'flv_packet_type_unknown', and those of multitrack and ModEx.
 */
export function parseVideoTag(payload: Buffer): VideoTag {
  needBytes('video', payload, MIN_BYTES)
  const flags = payload.readUInt8(0)
  return (flags & EX_HEADER) === 0 ? parseLegacy(payload, flags) : parseEnhanced(payload, flags)
}

function parseLegacy(payload: Buffer, flags: number): VideoTag {
  // |frame type:4|codec id:4| (|packet type:8|composition time:24| for AVC)
  const codecId = flags & LOW_NIBBLE
  const codec = LEGACY_CODECS.get(codecId) ?? `legacy-${codecId}`
  const frameType = flags >> FRAME_TYPE_SHIFT
  if (frameType === FRAME_TYPE_COMMAND) return videoTag(codec, 'command', 1)
  const isKey = frameType === FRAME_TYPE_KEY
  if (!LEGACY_WITH_PACKET_TYPE.has(codec)) return { ...videoTag(codec, 'frame', 1), isKey }
  needBytes('video', payload, AVC_HEADER_BYTES)
  const packetType = payload.readUInt8(1)
  const type = LEGACY_PACKET_TYPES[packetType] ?? unknownPacketType(packetType)
  const tag = videoTag(codec, type, AVC_HEADER_BYTES)
  return type === 'frame' ? { ...tag, isKey, compositionMs: payload.readIntBE(2, COMPOSITION_BYTES) } : tag
}

function parseEnhanced(payload: Buffer, flags: number): VideoTag {
  // |1:1|frame type:3|packet type:4| (ModEx)* (command:8, or fourCC and multitrack fields)
  const frameType = (flags >> FRAME_TYPE_SHIFT) & FRAME_TYPE_MASK
  const prefix = readExPrefix('video', payload)
  if (isVideoCommand(payload, prefix)) {
    needBytes('video', payload, prefix.end + COMMAND_BYTES)
    return { ...videoTag('', 'command', prefix.end), enhanced: true }
  }
  const header = readExHeader('video', payload, prefix)
  const codec = fourCcName(header.fourCc)
  const type = EX_PACKET_TYPES.get(header.packetType) ?? unknownPacketType(header.packetType)
  const tag = { ...videoTag(codec, type, header.bodyOffset), trackId: header.trackId, enhanced: true }
  if (type !== 'frame') return tag
  const isKey = frameType === FRAME_TYPE_KEY
  if (header.packetType !== CODED_FRAMES || !EX_WITH_COMPOSITION.has(codec)) return { ...tag, isKey }
  const bodyOffset = header.bodyOffset + COMPOSITION_BYTES
  needBytes('video', payload, bodyOffset)
  return { ...tag, isKey, compositionMs: payload.readIntBE(header.bodyOffset, COMPOSITION_BYTES), bodyOffset }
}

function videoTag(codec: string, type: VideoPacketType, bodyOffset: number): VideoTag {
  return { codec, trackId: 0, type, isKey: false, compositionMs: 0, enhanced: false, bodyOffset }
}

function unknownPacketType(packetType: number): never {
  throw new CodecError('flv_packet_type_unknown', `video packet type ${packetType} is unknown`)
}
