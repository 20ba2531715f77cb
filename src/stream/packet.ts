import { CodecError } from '../codec/errors.ts'
import { parseAudioTag } from '../format/flv/audio.ts'
import { splitTracks } from '../format/flv/multitrack.ts'
import { parseVideoTag } from '../format/flv/video.ts'

/** A larger codec header is none: they are kept for as long as the publish lasts, one for each of up to 512 tracks. */
const HEADER_LIMIT_BYTES = 64 * 1024

/** Values of a stream's metadata (`onMetaData`), as its publisher sent them. */
export type Metadata = Readonly<Record<string, unknown>>

/** Whether an encoder says that its times are absolute: `bravo_atc`, which SRS takes as the text "true". */
export function asksForAtc(metadata: Metadata | null): boolean {
  return metadata !== null && (metadata['bravo_atc'] === 'true' || metadata['bravo_atc'] === true)
}

/** One audio, video or data message of one track, parsed once at the entrance and never changed. */
export interface Packet {
  readonly kind: 'audio' | 'video' | 'data'
  /**
   * A codec's sequence header; what stays in force beside it (`config`: colours of HDR, layout of channels); a picture
   * or piece of sound; stream metadata; or anything else that is passed on.
   */
  readonly type: 'header' | 'config' | 'frame' | 'metadata' | 'other'
  /** Decode time in ms on the source's timeline. */
  readonly dtsMs: number
  /** True for a video frame at which decoding can begin. */
  readonly isKey: boolean
  /** FourCC of the codec, for example `avc1`; empty for data. */
  readonly codec: string
  /** 0 unless the publisher sends several tracks of a kind (enhanced RTMP v2). */
  readonly trackId: number
  /** The body of an FLV tag, which is the payload of an RTMP message. */
  readonly payload: Buffer
  /** Where the codec's own bytes begin in `payload`: a configuration record or a frame, behind the FLV fields. */
  readonly bodyOffset: number
}

/** A packet that has not been put on the source's timeline yet. */
export type UntimedPacket = Omit<Packet, 'dtsMs'>

/**
 * Tells what a media message is; a multitrack message becomes one packet for each track.
 * @throws CodecError when the payload is too short for what it claims to be, or a header is too large
 */
export function parsePackets(kind: 'audio' | 'video', payload: Buffer): UntimedPacket[] {
  const packets = splitTracks(kind, payload).map((track) =>
    kind === 'audio' ? audioPacket(track) : videoPacket(track),
  )
  for (const packet of packets) checkHeaderSize(packet)
  return packets
}

function checkHeaderSize({ type, payload }: UntimedPacket): void {
  if ((type !== 'header' && type !== 'config') || payload.length <= HEADER_LIMIT_BYTES) return
  const text = `a codec header may have ${HEADER_LIMIT_BYTES} bytes, has ${payload.length}`
  throw new CodecError('codec_header_too_large', text)
}

const PACKET_TYPE = {
  header: 'header',
  multichannel: 'config',
  metadata: 'config',
  frame: 'frame',
  end: 'other',
  command: 'other',
} as const

function audioPacket(payload: Buffer): UntimedPacket {
  const { codec, trackId, type, bodyOffset } = parseAudioTag(payload)
  return { kind: 'audio', type: PACKET_TYPE[type], isKey: false, codec, trackId, payload, bodyOffset }
}

function videoPacket(payload: Buffer): UntimedPacket {
  const { codec, trackId, type, isKey, bodyOffset } = parseVideoTag(payload)
  return { kind: 'video', type: PACKET_TYPE[type], isKey, codec, trackId, payload, bodyOffset }
}

/** Puts a packet on the timeline. Member by member: spreading an object in the way of every packet is slow. */
export function withTime(packet: UntimedPacket, dtsMs: number): Packet {
  const { kind, type, isKey, codec, trackId, payload, bodyOffset } = packet
  return { kind, type, dtsMs, isKey, codec, trackId, payload, bodyOffset }
}

/** The codec's own bytes of a packet. */
export function codecBytes(packet: Packet): Buffer {
  return packet.payload.subarray(packet.bodyOffset)
}
