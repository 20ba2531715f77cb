import { type AmfValue, ecmaArray } from '../rtmp/amf0.ts'
import { encodeData } from '../rtmp/command.ts'
import type { HeaderSet } from '../stream/headers.ts'
import type { Packet } from '../stream/packet.ts'

/** A recording has these; a live stream that carries them makes players show a wrong length. */
const OF_A_FILE = new Set(['duration', 'filesize'])

/**
 * The stream's `onMetaData` as players see it: what the publisher said, less what is not true of the stream. A player
 * that is promised sound waits for it, some for ever (bilibili/flv.js#135).
 */
export function metadataPackets(headers: HeaderSet): Packet[] {
  if (!headers.metadata) return []
  const values: Record<string, AmfValue> = {}
  for (const [key, value] of Object.entries(headers.metadata as Record<string, AmfValue>)) {
    const untrue = (key.startsWith('audio') && !headers.hasAudio) || (key.startsWith('video') && !headers.hasVideo)
    if (!untrue && !OF_A_FILE.has(key)) values[key] = value
  }
  values['hasAudio'] = headers.hasAudio
  values['hasVideo'] = headers.hasVideo
  const payload = encodeData('onMetaData', ecmaArray(values))
  return [{ kind: 'data', type: 'metadata', dtsMs: 0, isKey: false, codec: '', trackId: 0, payload, bodyOffset: 0 }]
}

/**
 * The time that a packet has on the wire, ms. Metadata is of the whole stream: ffmpeg's FLV demuxer takes an
 * `onMetaData` whose time is not 0 for subtitles and shows, and records, a track of them.
 */
export function wireTimeMs(packet: Packet): number {
  return packet.type === 'metadata' ? 0 : packet.dtsMs
}
