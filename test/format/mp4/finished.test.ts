import { describe, expect, test } from 'vitest'
import { finishedMovie } from '../../../src/format/mp4/finished.ts'
import { boxesIn, findBox, type ReadBox, readBoxes } from '../../../src/format/mp4/read-box.ts'
import { type IndexedSample, SampleIndex } from '../../../src/format/mp4/sample-index.ts'
import { loadFixture, mux, plainTrack, readRecording } from './media.ts'

const video = plainTrack('video')
const audio = plainTrack('audio', 48_000)
const picture: IndexedSample = { duration: 3600, bytes: 10, compositionTicks: 0, isKey: false }
const key = { ...picture, isKey: true }
const sound: IndexedSample = { duration: 1024, bytes: 5, compositionTicks: 0, isKey: true }
const refused = (code: string): unknown => expect.objectContaining({ name: 'CodecError', code })

function moovOf(head: readonly Buffer[]): ReadBox[] {
  const file = Buffer.concat(head)
  return boxesIn(readBoxes(file.subarray(0, file.indexOf('mdat') - 4)), 'moov')
}

/** Content of a box of the sample table, less version and flags. */
function table(moov: readonly ReadBox[], type: string, track = 0): string {
  const trak = moov.filter((one) => one.type === 'trak')[track]
  const mdia = boxesIn(readBoxes(trak?.body ?? Buffer.alloc(0)), 'mdia')
  return findBox(boxesIn(boxesIn(mdia, 'minf'), 'stbl'), type)
    .body.subarray(4)
    .toString('hex')
}
function edits(moov: readonly ReadBox[], track = 0): string {
  const trak = moov.filter((one) => one.type === 'trak')[track]
  return findBox(boxesIn(readBoxes(trak?.body ?? Buffer.alloc(0)), 'edts'), 'elst')
    .whole.subarray(8)
    .toString('hex')
}
const words = (...values: number[]): string =>
  values.map((value) => (value >>> 0).toString(16).padStart(8, '0')).join('')

/** Two fragments of two pictures each, the second 1000 bytes further in the recording. */
function twoFragments(): SampleIndex {
  const index = new SampleIndex()
  const samples = [key, { ...picture, compositionTicks: -1800 }]
  index.addFragment({ offset: 100, length: 20 }, [{ trackId: 1, dts: 0, offset: 100, samples }])
  index.addFragment({ offset: 1000, length: 20 }, [{ trackId: 1, dts: 9000, offset: 1000, samples }])
  return index
}

describe('finishedMovie', () => {
  test('tables of the samples, chunks at their places behind the head', () => {
    const { head, ranges, bytes } = finishedMovie([video], twoFragments())
    const headBytes = Buffer.concat(head).length
    const moov = moovOf(head)
    // The second sample lasts until the second fragment begins.
    expect(table(moov, 'stts')).toBe(words(3, 1, 3600, 1, 5400, 1, 3600, 1, 3600).replace(words(3), words(4)))
    expect(table(moov, 'ctts')).toBe(words(4, 1, 0, 1, -1800, 1, 0, 1, -1800))
    expect(table(moov, 'stss')).toBe(words(2, 1, 3))
    expect(table(moov, 'stsc')).toBe(words(1, 1, 2, 1))
    expect(table(moov, 'stsz')).toBe(words(0, 4, 10, 10, 10, 10))
    expect(table(moov, 'stco')).toBe(words(2, headBytes, headBytes + 20))
    expect(ranges).toEqual([
      { offset: 100, length: 20 },
      { offset: 1000, length: 20 },
    ])
    expect(bytes).toBe(headBytes + 40)
    expect(Buffer.concat(head).subarray(-8).toString('hex')).toBe(`${words(48)}6d646174`)
  })

  test('without B-frames there is no ctts, for sound no stss', () => {
    const index = new SampleIndex()
    index.addFragment({ offset: 0, length: 5 }, [{ trackId: 2, dts: 0, offset: 0, samples: [sound] }])
    const { head } = finishedMovie([audio], index)
    for (const type of ['ctts', 'stss', 'edts']) expect(Buffer.concat(head).includes(type)).toBe(false)
  })

  test('it begins with its earliest track; the other one waits, and B-frames leave no gap', () => {
    const index = new SampleIndex()
    const first = { ...key, compositionTicks: 7200 }
    index.addFragment({ offset: 0, length: 15 }, [
      { trackId: 1, dts: 90_000_000, offset: 0, samples: [first] },
      { trackId: 2, dts: 48_000_000 + 960, offset: 10, samples: [sound] },
    ])
    const moov = moovOf(finishedMovie([video, audio], index).head)
    // The picture is first seen at 1,000,080 ms, the sound heard at 1,000,020 ms.
    expect(edits(moov)).toBe(words(0, 2, 60, -1, 65_536, 40, 7200, 65_536))
    expect(() => edits(moov, 1)).toThrow(refused('mp4_box_missing'))
    expect(findBox(moov, 'mvhd').body.readUInt32BE(16)).toBe(100)
  })

  test('over 4 GiB offsets have 64 bits, and so has the size of the media', () => {
    const index = new SampleIndex()
    const half = 2 ** 31 + 16
    for (const [number, dts] of [0, 3600, 7200].entries()) {
      const range = { offset: number * half, length: half }
      index.addFragment(range, [{ trackId: 1, dts, offset: range.offset + 8, samples: [key] }])
    }
    const { head, bytes } = finishedMovie([video], index)
    const headBytes = Buffer.concat(head).length
    const places = [0, 1, 2].map((number) => headBytes + number * half + 8)
    expect(table(moovOf(head), 'co64')).toBe(
      words(3, ...places.flatMap((place) => [Math.floor(place / 2 ** 32), place])),
    )
    expect(Buffer.concat(head).subarray(-16).toString('hex')).toBe(
      `000000016d646174${words(1, 3 * half + 16 - 2 ** 32)}`,
    )
    expect(bytes).toBe(headBytes + 3 * half)
  })

  test('a track of more than 2^32 ticks, and a movie of more than 2^32 ms, have times of 64 bits', () => {
    const index = new SampleIndex()
    const dayTicks = 24 * 3600 * 90_000
    for (let day = 0; day < 60; day++) {
      // A day at 90 kHz does not fit into one sample's duration.
      const runs = [0, 1, 2].map((third) => ({
        trackId: 1,
        dts: (day + third / 3) * dayTicks,
        offset: 0,
        samples: [key],
      }))
      index.addFragment({ offset: 0, length: 10 }, runs)
    }
    const moov = moovOf(finishedMovie([video], index).head)
    const movieHeader = findBox(moov, 'mvhd').body
    const durationMs = Math.round((59 + 2 / 3) * 24 * 3_600_000) + 40
    expect(movieHeader.readUInt8(0)).toBe(1)
    expect(Number(movieHeader.readBigUInt64BE(24))).toBe(durationMs)
  })

  test('tracks without samples are left out; without any there is no movie', () => {
    const { head } = finishedMovie([video, audio], twoFragments())
    expect(moovOf(head).filter(({ type }) => type === 'trak')).toHaveLength(1)
    expect(() => finishedMovie([video], new SampleIndex())).toThrow(refused('mp4_no_samples'))
  })
})

describe('SampleIndex', () => {
  test('takes about 4 bytes a frame of sound and at most 20 a picture', () => {
    const index = new SampleIndex()
    const [pictures, sounds] = [250, 430]
    for (let second = 0; second < 1000; second++) {
      const range = { offset: second * 1000, length: 1000 }
      const composed = Array.from({ length: 25 }, (_, at) => ({
        ...(at === 0 ? key : picture),
        compositionTicks: (at % 3) * 3600,
      }))
      index.addFragment(range, [
        { trackId: 1, dts: second * 90_000, offset: range.offset, samples: composed },
        {
          trackId: 2,
          dts: second * 43 * 1024,
          offset: range.offset + 250,
          samples: Array.from({ length: 43 }, () => sound),
        },
      ])
    }
    const [picturesBytes, soundBytes] = [index.track(1)?.bytes ?? 0, index.track(2)?.bytes ?? 0]
    expect(picturesBytes / (pictures * 100)).toBeLessThan(20)
    expect(soundBytes / (sounds * 100)).toBeLessThan(6)
    expect(index.bytes).toBeGreaterThanOrEqual(picturesBytes + soundBytes)
  })

  test('is bounded', () => {
    const index = new SampleIndex(100_000)
    const add = (fragment: number): void =>
      index.addFragment({ offset: 0, length: 10 }, [{ trackId: 1, dts: fragment * 3600, offset: 0, samples: [key] }])
    expect(() => {
      for (let fragment = 0; fragment < 100_000; fragment++) add(fragment)
    }).toThrow(refused('mp4_index_too_big'))
    expect(index.bytes).toBeLessThan(200_000)
  })

  test.each([
    ['before the last sample', 3599, 'mp4_fragment_disorder'],
    ['so late that no sample can last until then', 2 ** 33, 'mp4_time_invalid'],
  ])('a run that begins %s is refused', (_when, dts, code) => {
    const index = new SampleIndex()
    const run = { trackId: 1, dts: 0, offset: 0, samples: [key, key] }
    index.addFragment({ offset: 0, length: 20 }, [run])
    expect(() => index.addFragment({ offset: 20, length: 20 }, [{ ...run, dts }])).toThrow(refused(code))
  })
})

describe('a recording that was left by a killed writer', () => {
  const { init, fragments, file, samples } = mux(loadFixture('vp9-flac'))

  test('read whole it has all samples', () => {
    const reading = readRecording(file)
    expect(reading.isCut).toBe(false)
    expect(reading.tracks.map(({ kind, timescale, width }) => [kind, timescale, width])).toEqual([
      ['video', 90_000, 320],
      ['audio', 48_000, 0],
    ])
    expect(reading.tracks.map(({ id }) => reading.index.track(id)?.sizes.length)).toEqual(
      samples.map((one) => one.length),
    )
  })

  test('cut anywhere it has the fragments that are whole', () => {
    const ends = fragments.reduce((all, { length }) => [...all, (all.at(-1) ?? 0) + length], [init.length])
    for (let length = init.length; length < file.length; length += 997) {
      const reading = readRecording(file.subarray(0, length))
      const whole = ends.filter((end) => end <= length).length - 1
      expect(reading.index.ranges).toHaveLength(whole)
      expect(reading.isCut).toBe(!ends.includes(length))
    }
  })

  test('with zeros at its end, as after a power failure, it ends where they begin', () => {
    const reading = readRecording(Buffer.concat([file, Buffer.alloc(5000)]))
    expect(reading.isCut).toBe(true)
    expect(reading.index.ranges).toHaveLength(fragments.length)
  })

  test('cut within the init segment there is nothing to finish', () => {
    const reading = readRecording(file.subarray(0, init.length - 1))
    expect(reading.tracks).toEqual([])
    expect(() => finishedMovie(reading.tracks, reading.index)).toThrow(refused('mp4_no_samples'))
  })

  test('only what was asked for is taken', () => {
    const reading = readRecording(file)
    expect(() => reading.push(Buffer.alloc(8))).toThrow(RangeError)
  })
})
