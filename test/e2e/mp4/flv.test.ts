import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { FlvRecording } from '../../../src/format/flv/recording.ts'
import { FLV_VIDEO, flvTagSize, writeFlvTag } from '../../../src/format/flv/tag.ts'
import { parseVideoTag } from '../../../src/format/flv/video.ts'
import { readAll } from '../../format/flv/read-all.ts'
import { quietly, writeTestFile } from './support.ts'

/** Records an FLV file again, as a recorder does it. */
function record(file: Buffer): Buffer {
  const recording = new FlvRecording({ encoder: 'test' })
  const opening = recording.opening(true, true)
  const pieces = [opening]
  let position = opening.length
  const { tags } = readAll(file, () => file.length)
  for (const { typeId, timestampMs, payload } of tags.slice(1)) {
    const tag = Buffer.alloc(flvTagSize(payload.length))
    writeFlvTag(tag, 0, typeId, timestampMs, payload)
    const video = typeId === FLV_VIDEO ? parseVideoTag(payload) : null
    if (video && (video.isKey || video.type === 'header')) recording.addKeyFrame(timestampMs, position)
    pieces.push(tag)
    position += tag.length
  }
  const durationMs = (tags.at(-1)?.timestampMs ?? 0) + 40
  const recorded = Buffer.concat(pieces)
  recording.closing({ durationMs, fileBytes: recorded.length, hasAudio: true, hasVideo: true }).copy(recorded)
  return recorded
}

test('a recorded FLV has its length, all its packets, and can be seeked in', async () => {
  const file = readFileSync('test/fixtures/media/h264-aac.flv')
  const path = writeTestFile('recorded.flv', record(file))
  const about = ['-count_packets', '-show_entries', 'format=duration:stream=codec_name,nb_read_packets', '-of', 'json']
  const shown = JSON.parse(await quietly('ffprobe', ...about, path)) as { format: { duration: string } }
  expect(shown).toMatchObject({
    streams: [
      { codec_name: 'h264', nb_read_packets: '300' },
      { codec_name: 'aac', nb_read_packets: '518' },
    ],
  })
  expect(Number(shown.format.duration)).toBeCloseTo(12, 0)
  const seek = ['-ss', '6.5', '-i', path, '-map', '0:v', '-c', 'copy', '-copyts', '-f', 'framecrc', '-']
  const first = (await quietly('ffmpeg', ...seek)).split('\n').find((line) => /^\d/.test(line))
  expect(first).toMatch(/^0, +6000, +6080,/)
})
