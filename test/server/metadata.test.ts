import { describe, expect, test } from 'vitest'
import { decodeAmf0 } from '../../src/rtmp/amf0.ts'
import { metadataPackets } from '../../src/server/metadata.ts'
import { HeaderSet } from '../../src/stream/headers.ts'
import type { Metadata } from '../../src/stream/packet.ts'

/** What ffmpeg sends for a file with sound and picture. */
const FFMPEG: Metadata = {
  duration: 12.5,
  width: 640,
  height: 360,
  videodatarate: 300,
  framerate: 25,
  videocodecid: 7,
  audiodatarate: 64,
  audiosamplerate: 44_100,
  audiosamplesize: 16,
  stereo: true,
  audiocodecid: 10,
  encoder: 'Lavf61.1.100',
  filesize: 123_456,
}

function shown(metadata: Metadata | null, hasAudio: boolean, hasVideo: boolean): unknown {
  let headers = HeaderSet.EMPTY.withMetadata(metadata)
  if (hasAudio) headers = headers.withKind('audio')
  if (hasVideo) headers = headers.withKind('video')
  const [packet] = metadataPackets(headers)
  if (!packet) return null
  expect(packet).toMatchObject({ kind: 'data', type: 'metadata', isKey: false, trackId: 0 })
  const [name, values, ...more] = decodeAmf0(packet.payload)
  expect([name, more]).toEqual(['onMetaData', []])
  return values
}

describe('onMetaData', () => {
  test('has all that the publisher said of the stream, but nothing of the file that it came from', () => {
    const { duration, filesize, ...expected } = FFMPEG
    expect([duration, filesize]).toEqual([12.5, 123_456])
    expect(shown(FFMPEG, true, true)).toEqual({ ...expected, hasAudio: true, hasVideo: true })
  })

  test('without sound says nothing of sound (bilibili/flv.js#135)', () => {
    const values = shown(FFMPEG, false, true) as Record<string, unknown>
    expect(Object.keys(values).filter((key) => /audio/i.test(key))).toEqual(['hasAudio'])
    expect(values).toMatchObject({ hasAudio: false, hasVideo: true, videocodecid: 7, width: 640 })
  })

  test('without a picture says nothing of a picture', () => {
    const values = shown(FFMPEG, true, false) as Record<string, unknown>
    expect(Object.keys(values).filter((key) => /video/i.test(key))).toEqual(['hasVideo'])
    expect(values).toMatchObject({ hasAudio: true, hasVideo: false, audiocodecid: 10 })
  })

  test('keeps text in every script, and nested values', () => {
    const metadata = { title: 'Übertragung 直播 🎬', nested: { list: [1, 'ж'] }, ключ: true }
    expect(shown(metadata, true, true)).toEqual({ ...metadata, hasAudio: true, hasVideo: true })
  })

  test('says what the stream has, also when the publisher said otherwise', () => {
    expect(shown({ hasAudio: true, hasVideo: false }, false, true)).toEqual({ hasAudio: false, hasVideo: true })
  })

  test('is not made up when the publisher sent none', () => {
    expect(shown(null, true, true)).toBeNull()
    expect(shown({}, true, true)).toEqual({ hasAudio: true, hasVideo: true })
  })
})
