import { type AmfValue, ecmaArray } from '../rtmp/amf0.ts'
import { encodeData } from '../rtmp/command.ts'
import type { HeaderSet } from '../stream/headers.ts'
import type { Packet } from '../stream/packet.ts'

/** A recording has these; a live stream that carries them makes players show a wrong length. */
const OF_A_FILE = new Set(['duration', 'filesize'])
/** The part of a stream's headers that its metadata follow from. */
type Described = Pick<HeaderSet, 'metadata' | 'hasAudio' | 'hasVideo'>

/** Members that speak of the sound or of the picture and do not say so in their first letters. */
const OF_SOUND = new Set(['stereo'])
const OF_PICTURE = new Set(['width', 'height', 'framerate'])

/**
 * The stream's `onMetaData` as players see it: what the publisher said, less what is not true of the stream. A player
 * that is promised sound waits for it, some for ever (bilibili/flv.js#135).
 */
export function metadataPackets(headers: Described): Packet[] {
  if (!headers.metadata) return []
  const values = { ...trueMetadata(headers), hasAudio: headers.hasAudio, hasVideo: headers.hasVideo }
  const payload = encodeData('onMetaData', ecmaArray(values))
  return [{ kind: 'data', type: 'metadata', dtsMs: 0, isKey: false, codec: '', trackId: 0, payload, bodyOffset: 0 }]
}

/** What the publisher said of the stream, less what is not true of it. */
export function trueMetadata(headers: Described): Record<string, AmfValue> {
  const values: Record<string, AmfValue> = {}
  for (const [key, value] of Object.entries((headers.metadata ?? {}) as Record<string, AmfValue>)) {
    if (isTrue(key, headers) && !OF_A_FILE.has(key)) values[key] = value
  }
  return values
}

function isTrue(key: string, { hasAudio, hasVideo }: Described): boolean {
  if (key.startsWith('audio') || OF_SOUND.has(key)) return hasAudio
  return hasVideo || !(key.startsWith('video') || OF_PICTURE.has(key))
}

/**
 * The time that a packet has on the wire, ms. Metadata is of the whole stream: ffmpeg's FLV demuxer takes an
 * `onMetaData` whose time is not 0 for subtitles and shows, and records, a track of them.
 * @param originMs what counts as 0
 */
export function wireTimeMs(packet: Packet, originMs: number): number {
  return packet.type === 'metadata' ? 0 : Math.max(0, packet.dtsMs - originMs)
}

/** Part of the key of a format: whose times are counted from elsewhere, its bytes are others. */
export function originKey(originMs: number): string {
  return originMs > 0 ? `/from-${originMs}` : ''
}
