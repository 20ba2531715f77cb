import { describe, expect, test } from 'vitest'
import { FlvRecording } from '../../../src/format/flv/recording.ts'
import { type AmfObject, decodeAmf0 } from '../../../src/rtmp/amf0.ts'
import { readAll } from './read-all.ts'

const END = { durationMs: 12_345, fileBytes: 678_901, hasAudio: true, hasVideo: true }

/** The metadata that a beginning of a file holds. */
function metadataOf(head: Buffer): AmfObject {
  const { tags } = readAll(head, () => head.length)
  expect(tags).toHaveLength(1)
  const [name, values, ...filler] = decodeAmf0(tags[0]?.payload ?? Buffer.alloc(0))
  expect(new Set([0, ...filler])).toEqual(new Set([0]))
  expect(name).toBe('onMetaData')
  return values as AmfObject
}

describe('FlvRecording', () => {
  test('begins with metadata that know no length yet, and ends with those that do, just as long', () => {
    const recording = new FlvRecording({ width: 640, encoder: 'obs', stereo: true })
    const opening = recording.opening(true, false)
    const closing = recording.closing(END)
    expect(closing.length).toBe(opening.length)
    expect(metadataOf(opening)).toMatchObject({ duration: 0, filesize: 0, hasAudio: true, hasVideo: false, width: 640 })
    expect(metadataOf(closing)).toEqual({
      duration: 12.345,
      filesize: 678_901,
      width: 640,
      encoder: 'obs',
      stereo: true,
      hasAudio: true,
      hasVideo: true,
      keyframes: { times: [], filepositions: [] },
    })
  })

  test('the header says at the end what the file has: sound may come late', () => {
    const recording = new FlvRecording({})
    expect(readAll(recording.opening(false, true), () => 100).reader.header()).toEqual({
      hasAudio: false,
      hasVideo: true,
    })
    expect(readAll(recording.closing(END), () => 100).reader.header()).toEqual({ hasAudio: true, hasVideo: true })
  })

  test('what only a file knows, and what is no plain value, is not taken from metadata', () => {
    const strange = { duration: 1, filesize: 2, keyframes: 3, hasVideo: 'yes', list: [1], '': 1, no: null }
    const long = { [`k${'x'.repeat(1023)}`]: 1, text: 'x'.repeat(1024) }
    const head = new FlvRecording({ ...strange, ...long }).closing(END)
    expect(Object.keys(metadataOf(head))).toEqual(['duration', 'filesize', 'hasAudio', 'hasVideo', 'keyframes'])
    expect(metadataOf(head)).toMatchObject({ duration: 12.345, hasVideo: true })
  })

  test('key frames are indexed for players that seek', () => {
    const recording = new FlvRecording({}, 4)
    const opening = recording.opening(true, true)
    recording.addKeyFrame(0, 500)
    recording.addKeyFrame(0, 600)
    recording.addKeyFrame(2000, 70_000)
    const closing = recording.closing(END)
    expect(metadataOf(closing)['keyframes']).toEqual({ times: [0, 0, 2], filepositions: [500, 600, 70_000] })
    expect(closing.length).toBe(opening.length)
  })

  test('of more key frames than there is room for, every second one is left out, never the first two', () => {
    const recording = new FlvRecording({}, 8)
    const opening = recording.opening(true, true)
    for (let number = 0; number < 100; number++) recording.addKeyFrame(number * 1000, number)
    const closing = recording.closing(END)
    const { filepositions } = metadataOf(closing)['keyframes'] as { filepositions: number[] }
    expect(filepositions).toEqual([0, 1, 17, 33, 49, 65, 81, 97])
    expect(closing.length).toBe(opening.length)
  })

  test('room for the index is bounded', () => {
    const lengths = [-1, 2, 3600, 1e9].map((room) => new FlvRecording({}, room).opening(true, true).length)
    expect(lengths[0]).toBe(lengths[1])
    expect(lengths[2]).toBe(lengths[3])
    expect(lengths[3]).toBeLessThan(66_000)
  })
})
