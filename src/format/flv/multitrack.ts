import { CodecError } from '../../codec/errors.ts'
import {
  type ExPrefix,
  isVideoCommand,
  MULTITRACK_PACKET,
  type Multitrack,
  ONE_TRACK,
  readExPrefix,
  readMultitrack,
  readTrack,
  type Track,
  type TrackKind,
} from './ex-header.ts'

const MAX_TRACKS = 32
/** Each track repeats the part before the fourCC; this and MAX_TRACKS bound what one message can grow to. */
const MAX_PREFIX_BYTES = 1024
const AUDIO_EX_FORMAT = 0x90
const VIDEO_EX_HEADER = 0x80
const HIGH_NIBBLE = 0xf0
const MULTITRACK_TYPE_SHIFT = 4
const FOURCC_BYTES = 4

/**
 * One payload for each track of a message (enhanced RTMP v2, multitrack). Track 0 becomes a message without
 * multitrack, which every enhanced player understands; another track becomes a multitrack message of one track. ModEx
 * data goes to each. A message without multitrack, also a legacy or an empty one, comes back as the same Buffer.
 * Throws CodecError, also 'flv_tracks_too_many' (over 32) and 'flv_tracks_prefix' (over 1 KiB of ModEx).
 */
export function splitTracks(kind: TrackKind, payload: Buffer): Buffer[] {
  if (!isEnhanced(kind, payload)) return [payload]
  const prefix = readExPrefix(kind, payload)
  if (prefix.packetType !== MULTITRACK_PACKET[kind]) return [payload]
  if (kind === 'video' && isVideoCommand(payload, prefix)) return [payload]
  if (prefix.end > MAX_PREFIX_BYTES) {
    throw new CodecError(
      'flv_tracks_prefix',
      `multitrack may follow ${MAX_PREFIX_BYTES} bytes, stands at ${prefix.end}`,
    )
  }
  return readTracks(kind, payload, prefix)
}

function readTracks(kind: TrackKind, payload: Buffer, prefix: ExPrefix): Buffer[] {
  const multitrack = readMultitrack(kind, payload, prefix.end)
  const out: Buffer[] = []
  do {
    if (out.length === MAX_TRACKS) {
      throw new CodecError('flv_tracks_too_many', `a message may have ${MAX_TRACKS} tracks, has more`)
    }
    const track = readTrack(kind, payload, multitrack)
    out.push(oneTrack(payload, prefix, multitrack, track))
    multitrack.end = track.bodyEnd
  } while (multitrack.end < payload.length)
  return out
}

function isEnhanced(kind: TrackKind, payload: Buffer): boolean {
  if (payload.length === 0) return false
  const flags = payload.readUInt8(0)
  return kind === 'video' ? (flags & VIDEO_EX_HEADER) !== 0 : (flags & HIGH_NIBBLE) === AUDIO_EX_FORMAT
}

function oneTrack(payload: Buffer, prefix: ExPrefix, multitrack: Multitrack, track: Track): Buffer {
  if (track.trackId === 0) return plainMessage(payload, prefix, multitrack.packetType, track)
  if (multitrack.type === ONE_TRACK) return payload
  // prefix |one track:4|packet type:4|fourCC:32|track id:8| body
  const header = Buffer.alloc(1 + FOURCC_BYTES + 1)
  header.writeUInt8((ONE_TRACK << MULTITRACK_TYPE_SHIFT) | multitrack.packetType, 0)
  header.writeUInt32BE(track.fourCc, 1)
  header.writeUInt8(track.trackId, 1 + FOURCC_BYTES)
  return Buffer.concat([payload.subarray(0, prefix.end), header, body(payload, track)])
}

/** The packet type moves to where 'multitrack' stood: prefix |fourCC:32| body. */
function plainMessage(payload: Buffer, prefix: ExPrefix, packetType: number, track: Track): Buffer {
  const header = Buffer.alloc(prefix.end + FOURCC_BYTES)
  payload.copy(header, 0, 0, prefix.end)
  header.writeUInt8((header.readUInt8(prefix.typeOffset) & HIGH_NIBBLE) | packetType, prefix.typeOffset)
  header.writeUInt32BE(track.fourCc, prefix.end)
  return Buffer.concat([header, body(payload, track)])
}

function body(payload: Buffer, track: Track): Buffer {
  return payload.subarray(track.bodyOffset, track.bodyEnd)
}
