import { describe, expect, test } from 'vitest'
import { isIndependent, type Run, writeFragment } from '../../../src/format/mp4/fragment.ts'
import { initSegment } from '../../../src/format/mp4/init.ts'
import type { Sample } from '../../../src/format/mp4/sample.ts'
import { loadFixture, mux, plainTrack } from './media.ts'

const video = plainTrack('video')
const audio = plainTrack('audio', 48_000)
const key: Sample = { dts: 2 ** 33, duration: 3600, compositionTicks: 7200, isKey: true, bytes: Buffer.of(1, 2, 3) }
const delta: Sample = { dts: 2 ** 33 + 3600, duration: 3000, compositionTicks: -1, isKey: false, bytes: Buffer.of(4) }
const sound: Sample = { dts: 5, duration: 1024, compositionTicks: 0, isKey: true, bytes: Buffer.of(5, 6) }
const BOTH: Run[] = [
  { track: video, samples: [key, delta] },
  { track: audio, samples: [sound] },
]
const refused = (code: string): unknown => expect.objectContaining({ name: 'CodecError', code })

/** Written by hand from ISO/IEC 14496-12 8.8. */
const GOLDEN = [
  '000000c8 6d6f6f66', // moof
  '00000010 6d666864 00000000 00000009', // mfhd: sequence number 9
  '00000064 74726166', // traf of the picture
  '00000014 74666864 00020020 00000001 02000000', // tfhd: default-base-is-moof, flags
  '00000014 74666474 01000000 0000000200000000', // tfdt of 64 bits
  '00000034 7472756e 01000f01 00000002 000000d0', // trun: two samples, 8 bytes behind the moof
  '00000e10 00000003 02000000 00001c20',
  '00000bb8 00000001 01010000 ffffffff',
  '0000004c 74726166', // traf of the sound
  '00000014 74666864 00020020 00000002 02000000',
  '00000014 74666474 01000000 0000000000000005',
  '0000001c 7472756e 01000301 00000001 000000d4',
  '00000400 00000002',
  '0000000e 6d646174 010203 04 0506', // mdat
].join('')

describe('writeFragment', () => {
  test('moof and mdat, byte by byte', () => {
    expect(writeFragment(9, BOTH).toString('hex')).toBe(GOLDEN.replaceAll(' ', ''))
  })

  test('a segment begins with its type, and tells the wall clock of its first sample', () => {
    const bytes = writeFragment(9, BOTH, { isSegmentStart: true, producerTimeMs: 1_700_000_000_500 }).toString('hex')
    const styp = '00000018 73747970 6d736468 00000000 6d736468 69736f36'
    // NTP time: 1,700,000,000.5 + 2,208,988,800 s.
    const prft = '00000020 70726674 01000008 00000001 e8fe6f80 80000000 0000000200000000'
    expect(bytes).toBe(`${styp}${prft}${GOLDEN}`.replaceAll(' ', ''))
  })

  test('equal input gives equal bytes', () => {
    const [one, other] = [mux(loadFixture('h264-aac')), mux(loadFixture('h264-aac'))]
    expect(one.file.equals(other.file)).toBe(true)
  })

  test('a run without samples is left out', () => {
    const [picture, silence] = [BOTH.slice(0, 1), { track: audio, samples: [] }]
    expect(writeFragment(1, [...picture, silence])).toEqual(writeFragment(1, picture))
    expect(() => writeFragment(1, [silence])).toThrow(refused('mp4_no_samples'))
  })

  test.each<[string, Sample[], string]>([
    ['a sample that does not begin where the one before ends', [key, { ...delta, dts: delta.dts + 1 }], 'mp4_run_gap'],
    ['a decode time before 0', [{ ...key, dts: -1 }], 'mp4_time_invalid'],
    ['a decode time that is no number', [{ ...key, dts: Number.NaN }], 'mp4_time_invalid'],
    ['a negative duration', [{ ...key, duration: -1 }], 'mp4_time_invalid'],
    ['a duration of 2^32 ticks', [{ ...key, duration: 2 ** 32 }], 'mp4_time_invalid'],
    ['a composition time of 2^31 ticks', [{ ...key, compositionTicks: 2 ** 31 }], 'mp4_time_invalid'],
  ])('%s is refused', (_what, samples, code) => {
    expect(() => writeFragment(1, [{ track: video, samples }])).toThrow(refused(code))
  })

  test('more than 2 GiB are refused before they are taken', () => {
    const bytes = new Proxy(Buffer.alloc(0), { get: (_target, name) => (name === 'length' ? 2 ** 31 : undefined) })
    expect(() => writeFragment(1, [{ track: video, samples: [{ ...key, bytes }] }])).toThrow(
      refused('mp4_fragment_too_big'),
    )
  })
})

test('a fragment is independent when each picture in it begins with a key frame', () => {
  expect(isIndependent(BOTH)).toBe(true)
  expect(isIndependent([{ track: audio, samples: [sound] }])).toBe(true)
  expect(isIndependent([{ track: video, samples: [] }, ...BOTH.slice(1)])).toBe(false)
  expect(isIndependent([{ track: video, samples: [delta] }, ...BOTH.slice(1)])).toBe(false)
})

describe('initSegment', () => {
  test('has for each track what fragments refer to', () => {
    const init = initSegment([video, audio])
    const types = ['ftyp', 'moov', 'mvhd', 'tkhd', 'mdhd', 'hdlr', 'vmhd', 'smhd', 'dref', 'stsd', 'mvex', 'trex']
    for (const type of types) expect(init.includes(type)).toBe(true)
    expect(init.includes('edts')).toBe(false)
    expect(init.readUInt32BE(0) + init.readUInt32BE(init.readUInt32BE(0))).toBe(init.length)
  })
})
