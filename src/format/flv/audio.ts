import { CodecError } from '../../codec/errors.ts'
import { needBytes, readExHeader, readExPrefix } from './ex-header.ts'
import { fourCcName } from './fourcc.ts'

const FORMAT_SHIFT = 4
const FORMAT_EX_HEADER = 9
const FORMAT_AAC = 10
const RATE_SHIFT = 2
const RATE_MASK = 0x03
const STEREO = 0x01
const AAC_HEADER_BYTES = 2
const MIN_BYTES = 2

/** What an audio message is: a codec header, sound, the end of the sequence, or the meaning of its channels. */
export type AudioPacketType = 'header' | 'frame' | 'end' | 'multichannel'

const EX_PACKET_TYPES: ReadonlyMap<number, AudioPacketType> = new Map<number, AudioPacketType>([
  [0, 'header'],
  [1, 'frame'],
  [2, 'end'],
  [4, 'multichannel'],
])
const AAC_PACKET_TYPES: readonly AudioPacketType[] = ['header', 'frame']

/** Hertz by the two rate bits (FLV 10.1 E.4.2.1). */
const SOUND_RATES: readonly number[] = [5_512, 11_025, 22_050, 44_100]

/** By sound format; formats of one rate and channel count ignore the bits for them. */
const LEGACY_FORMATS: ReadonlyMap<number, { codec: string; sampleRate?: number; channels?: number }> = new Map([
  [0, { codec: 'pcm' }],
  [1, { codec: 'adpcm' }],
  [2, { codec: '.mp3' }],
  [3, { codec: 'pcm' }],
  [4, { codec: 'nelly', sampleRate: 16_000, channels: 1 }],
  [5, { codec: 'nelly', sampleRate: 8_000, channels: 1 }],
  [6, { codec: 'nelly' }],
  [7, { codec: 'g711a', sampleRate: 8_000, channels: 1 }],
  [8, { codec: 'g711u', sampleRate: 8_000, channels: 1 }],
  [10, { codec: 'mp4a' }],
  [11, { codec: 'speex', sampleRate: 16_000, channels: 1 }],
  [14, { codec: '.mp3', sampleRate: 8_000 }],
])

/** The header of an audio message. */
export interface AudioTag {
  /** A fourCC, or a legacy name: 'pcm', 'adpcm', 'nelly', 'g711a', 'g711u', 'speex', 'legacy-N'. */
  codec: string
  trackId: number
  type: AudioPacketType
  /** True with a fourCC header. */
  enhanced: boolean
  /** Index of the first byte of codec data in the payload. */
  bodyOffset: number
  /** Hertz by the tag's own bits, which AAC does not mean seriously; 0 when enhanced. */
  sampleRate: number
  /** By the tag's own bits; 0 when enhanced. */
  channels: number
}

/**
 * Reads the header of an audio message (FLV 10.1 E.4.2.1, enhanced RTMP v2 ExAudioTagHeader), of the first track when
 * it has many (see splitTracks). An unknown codec is no error. Throws CodecError: 'flv_empty_tag' without a byte,
 * 'flv_short_audio', 'flv_packet_type_unknown', and those of multitrack and ModEx.
 */
export function parseAudioTag(payload: Buffer): AudioTag {
  needBytes('audio', payload, MIN_BYTES)
  const flags = payload.readUInt8(0)
  const format = flags >> FORMAT_SHIFT
  return format === FORMAT_EX_HEADER ? parseEnhanced(payload) : parseLegacy(payload, flags, format)
}

function parseLegacy(payload: Buffer, flags: number, format: number): AudioTag {
  // |format:4|rate:2|16 bits:1|stereo:1| (packet type:8 for AAC)
  const known = LEGACY_FORMATS.get(format) ?? { codec: `legacy-${format}` }
  const sampleRate = known.sampleRate ?? SOUND_RATES[(flags >> RATE_SHIFT) & RATE_MASK] ?? 0
  const channels = known.channels ?? ((flags & STEREO) === 0 ? 1 : 2)
  const isAac = format === FORMAT_AAC
  const packetType = isAac ? payload.readUInt8(1) : 0
  return {
    codec: known.codec,
    trackId: 0,
    type: isAac ? (AAC_PACKET_TYPES[packetType] ?? unknownPacketType(packetType)) : 'frame',
    enhanced: false,
    bodyOffset: isAac ? AAC_HEADER_BYTES : 1,
    sampleRate,
    channels,
  }
}

function parseEnhanced(payload: Buffer): AudioTag {
  // |9:4|packet type:4| (ModEx)* fourCC and multitrack fields
  const header = readExHeader('audio', payload, readExPrefix('audio', payload))
  const type = EX_PACKET_TYPES.get(header.packetType) ?? unknownPacketType(header.packetType)
  const codec = fourCcName(header.fourCc)
  return {
    codec,
    trackId: header.trackId,
    type,
    enhanced: true,
    bodyOffset: header.bodyOffset,
    sampleRate: 0,
    channels: 0,
  }
}

function unknownPacketType(packetType: number): never {
  throw new CodecError('flv_packet_type_unknown', `audio packet type ${packetType} is unknown`)
}
