import { describe, expect, test } from 'vitest'
import { CodecError } from '../../../src/codec/errors.ts'
import { finishedMovie } from '../../../src/format/mp4/finished.ts'
import { writeFragment } from '../../../src/format/mp4/fragment.ts'
import { initSegment } from '../../../src/format/mp4/init.ts'
import type { Mp4Track } from '../../../src/format/mp4/track.ts'
import { audioTrack, videoTrack } from '../../../src/format/mp4/track.ts'
import { audioSamples, videoSamples } from '../../codec/samples.ts'
import { seeded } from '../flv/read-all.ts'
import { FIXTURES, loadFixture, mux, readRecording, samplesOf } from './media.ts'

/** A value or a CodecError; any other exception fails the test. */
function valueOrRefusal<T>(make: () => T): T | null {
  try {
    return make()
  } catch (error) {
    if (error instanceof CodecError) return null
    throw error
  }
}

function* mutations(bytes: Buffer): Iterable<Buffer> {
  for (let length = 0; length < bytes.length; length++) yield bytes.subarray(0, length)
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const copy = Buffer.from(bytes)
    copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (0x80 >> (bit & 7))
    yield copy
  }
  for (let index = 0; index < bytes.length; index++) {
    for (const value of [0x00, 0x7f, 0xff]) yield Buffer.from(bytes).fill(value, index)
  }
}

/** A track that was accepted can be written, and its entry is one box. */
function checkTrack(track: Mp4Track | null, frame: Buffer): void {
  if (!track) return
  expect(track.entry.readUInt32BE(0)).toBe(track.entry.length)
  expect(initSegment([track]).length).toBeLessThan(track.entry.length + 1000)
  const times = [0, 40, 40, 1000].map((dtsMs) => ({ dtsMs, compositionMs: 0, isKey: true, bytes: frame }))
  expect(writeFragment(1, [{ track, samples: samplesOf(track, times) }]).length).toBeGreaterThan(0)
}

describe('damaged configurations give a track or a CodecError', () => {
  test.each(videoSamples.filter(({ codec }) => ['avc1', 'hvc1', 'av01', 'vp09'].includes(codec)))(
    '$encoder',
    ({ codec, header, keyFrame = '' }) => {
      const frame = Buffer.from(keyFrame, 'hex')
      const config = Buffer.from(header, 'hex')
      for (const bytes of mutations(config))
        checkTrack(
          valueOrRefusal(() => videoTrack(1, codec, bytes, frame)),
          frame,
        )
      for (const bytes of mutations(frame))
        checkTrack(
          valueOrRefusal(() => videoTrack(1, codec, config, bytes)),
          bytes,
        )
    },
  )

  test.each(audioSamples.filter(({ codec }) => ['mp4a', 'Opus', 'fLaC', '.mp3', 'ac-3', 'ec-3'].includes(codec)))(
    '$encoder',
    ({ codec, header }) => {
      for (const bytes of mutations(Buffer.from(header, 'hex'))) {
        checkTrack(
          valueOrRefusal(() => audioTrack(1, codec, bytes, bytes)),
          bytes,
        )
      }
    },
  )
})

describe('damaged recordings are read, or refused with a CodecError', () => {
  const heads = FIXTURES.map((name) => mux(loadFixture(name)))

  test('one bit at a time in the init segment and the first fragment', () => {
    const [{ init, fragments } = { init: Buffer.alloc(0), fragments: [] }] = heads
    const [fragment = Buffer.alloc(0)] = fragments
    const file = Buffer.concat([init, fragment])
    const headBytes = init.length + fragment.readUInt32BE(0) + 8
    for (let bit = 0; bit < headBytes * 8; bit += 7) {
      const copy = Buffer.from(file)
      copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (0x80 >> (bit & 7))
      readAndFinish(copy)
    }
  })

  test('random bytes in all files', () => {
    const random = seeded(21)
    for (let round = 0; round < 300; round++) {
      const whole = heads[random(heads.length)]
      const copy = Buffer.concat([whole?.init ?? Buffer.alloc(0), whole?.fragments[0] ?? Buffer.alloc(0)])
      for (let hits = 0; hits < 4; hits++) copy[random(2000)] = random(256)
      readAndFinish(copy)
    }
  })
})

/** What is promised of a damaged file lies within it, and the index has no more samples than the file has bytes. */
function readAndFinish(file: Buffer): void {
  const reading = valueOrRefusal(() => readRecording(file))
  if (!reading) return
  for (const { offset, length } of reading.index.ranges) expect(offset + length).toBeLessThanOrEqual(file.length)
  expect(reading.index.bytes).toBeLessThan(file.length + 1_000_000)
  valueOrRefusal(() => finishedMovie(reading.tracks, reading.index))
}
