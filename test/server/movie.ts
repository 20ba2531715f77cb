import { readFileSync } from 'node:fs'
import type { FlvTag } from '../../src/format/flv/reader.ts'
import { MSG } from '../../src/rtmp/message.ts'
import { readAll } from '../format/flv/read-all.ts'
import type { RtmpProbe } from './rtmp-probe.ts'

/** Sends a real stream (H.264 and AAC) as fast as it goes, and waits until the server has it. */
export async function sendMovie(probe: RtmpProbe, tags: readonly FlvTag[] = movieTags()): Promise<void> {
  for (const { typeId, timestampMs, payload } of tags) {
    if (typeId === MSG.AUDIO || typeId === MSG.VIDEO) probe.send({ typeId, timestampMs, streamId: 1, payload })
  }
  await probe.ping()
}

export function movieTags(): FlvTag[] {
  const file = readFileSync('test/fixtures/media/h264-aac.flv')
  return readAll(file, () => file.length).tags
}
