import { readFileSync } from 'node:fs'
import { parseAudioTag } from '../../src/format/flv/audio.ts'
import type { FlvTag } from '../../src/format/flv/reader.ts'
import { FLV_AUDIO, FLV_VIDEO } from '../../src/format/flv/tag.ts'
import { parseVideoTag } from '../../src/format/flv/video.ts'
import { readAll } from '../format/flv/read-all.ts'
import type { RtmpProbe } from './rtmp-probe.ts'

/** The tags of a recording in test/fixtures/media. */
export function fixtureTags(name: string): FlvTag[] {
  const file = readFileSync(new URL(`../fixtures/media/${name}.flv`, import.meta.url))
  return readAll(file, () => 64 * 1024).tags
}

/** What a tag of picture or sound is. */
export function tagType({ typeId, payload }: FlvTag): string {
  if (typeId === FLV_VIDEO) return parseVideoTag(payload).type
  return typeId === FLV_AUDIO ? parseAudioTag(payload).type : 'data'
}

export function isSound({ typeId }: FlvTag): boolean {
  return typeId === FLV_AUDIO
}

export function isPicture({ typeId }: FlvTag): boolean {
  return typeId === FLV_VIDEO
}

/** A key frame of the picture. */
export function isKey({ typeId, payload }: FlvTag): boolean {
  return typeId === FLV_VIDEO && parseVideoTag(payload).isKey
}

/** Sends tags on a connection that publishes, and waits until the server has dealt with them. */
export async function sendTags(probe: RtmpProbe, tags: readonly FlvTag[]): Promise<void> {
  if (probe.chunkBytes === 128) probe.announceChunkSize(60_000)
  for (const { typeId, timestampMs, payload } of tags) {
    probe.send({ csid: typeId - 2, typeId, timestampMs, streamId: 1, payload })
  }
  await probe.ping()
}

/** MP3 frames of 24 ms as FLV tags: MPEG-1 layer 3, 128 kb/s, 48 kHz, of nothing. */
export function mp3Tags(count: number): FlvTag[] {
  const frame = Buffer.alloc(384)
  frame.set([0xff, 0xfb, 0x94, 0xc4])
  return Array.from({ length: count }, (_, index) => {
    const body = Buffer.from(frame)
    body.writeUInt16BE(index, 100)
    return { typeId: FLV_AUDIO, timestampMs: 24 * index, payload: Buffer.concat([Buffer.of(0x2f), body]) }
  })
}
