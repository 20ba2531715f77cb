import { describe, expect, test } from 'vitest'
import { parseAv1Config, parseAv1Size } from '../../src/codec/av1.ts'
import { parseAvcConfig } from '../../src/codec/avc.ts'
import { parseHevcConfig } from '../../src/codec/hevc.ts'
import { parseVp8Size, parseVp9Size, parseVpxConfig } from '../../src/codec/vpx.ts'
import { BitWriter } from './bit-writer.ts'

const hex = (text: string): Buffer => Buffer.from(text, 'hex')

function avcConfig(sps: Buffer, profile = 100, constraints = 0, level = 31): Buffer {
  const head = Buffer.from([1, profile, constraints, level, 0xff, 0xe1, sps.length >> 8, sps.length & 0xff])
  return Buffer.concat([head, sps, hex('0100')])
}

/** An SPS of the profile as far as the picture size, then the cropping fields. */
function spsOf(profile: number, middle: (writer: BitWriter) => void, crop: number[] = []): Buffer {
  const writer = new BitWriter().bits(8, 0x67).bits(8, profile).bits(8, 0).bits(8, 31).ue(0)
  middle(writer)
  writer.bits(1, crop.length > 0 ? 1 : 0)
  for (const value of crop) writer.ue(value)
  return writer.bits(1, 0).bits(8, 0x80).bytes()
}

/** log2_max_frame_num to direct_8x8: POC type 2, 8 x 6 macroblocks, frames only. */
const plainMiddle = (writer: BitWriter): BitWriter =>
  writer.ue(0).ue(2).ue(4).bits(1, 0).ue(7).ue(5).bits(1, 1).bits(1, 1)

describe('parseAvcConfig', () => {
  test('scaling lists are passed over, also one that ends early', () => {
    const bytes = spsOf(100, (writer) => {
      writer.ue(1).ue(0).ue(0).bits(1, 0).bits(1, 1)
      // List 0 full, list 1 ended by a scale of 0 at its second entry, list 6 (64 entries) full, the others absent.
      writer.bits(1, 1)
      for (let index = 0; index < 16; index++) writer.se(1)
      writer.bits(1, 1).se(2).se(-10).bits(4, 0).bits(1, 1)
      for (let index = 0; index < 64; index++) writer.se(-1 + (index % 3))
      plainMiddle(writer.bits(1, 0))
    })
    expect(parseAvcConfig(avcConfig(bytes))).toMatchObject({ width: 128, height: 96 })
  })

  test('picture order count type 1 with a cycle', () => {
    const bytes = spsOf(77, (writer) => {
      writer.ue(0).ue(1).bits(1, 0).se(-5).se(3).ue(2).se(1).se(-1)
      writer.ue(4).bits(1, 0).ue(7).ue(5).bits(1, 1).bits(1, 1)
    })
    expect(parseAvcConfig(avcConfig(bytes, 77))).toMatchObject({ profile: 'Main', width: 128, height: 96 })
  })

  test('separate colour planes are cropped in single pixels', () => {
    const planes = (writer: BitWriter): BitWriter =>
      plainMiddle(writer.ue(3).bits(1, 1).ue(0).ue(0).bits(1, 0).bits(1, 0))
    expect(parseAvcConfig(avcConfig(spsOf(244, planes, [1, 2, 3, 4]), 244))).toMatchObject({ width: 125, height: 89 })
  })

  test('cropping more than there is is refused', () => {
    const bytes = avcConfig(spsOf(77, plainMiddle, [100, 0, 0, 0]), 77)
    expect(() => parseAvcConfig(bytes)).toThrow(expect.objectContaining({ code: 'picture_size_invalid' }))
  })

  test('a record without an SPS still tells profile and level', () => {
    expect(parseAvcConfig(hex('0164001fffe0'))).toEqual({ profile: 'High', level: '3.1', width: 0, height: 0 })
  })

  test.each([
    [66, 0x00, 30, 'Baseline', '3'],
    [66, 0x40, 11, 'Baseline(Constrained)', '1.1'],
    [66, 0x50, 11, 'Baseline(Constrained)', '1b'],
    [77, 0x00, 9, 'Main', '1b'],
    [88, 0x00, 42, 'Extended', '4.2'],
    [122, 0x10, 52, 'High(422+Intra)', '5.2'],
    [1, 0x00, 0, '', ''],
  ])('profile %d, constraints %d, level %d', (idc, constraints, levelIdc, profile, level) => {
    expect(parseAvcConfig(Buffer.from([1, idc, constraints, levelIdc, 0xff, 0xe0]))).toMatchObject({ profile, level })
  })

  test('too short says both numbers', () => {
    expect(() => parseAvcConfig(hex('0164001fff'))).toThrow('needs 6 bytes, has 5')
    expect(() => parseAvcConfig(hex('0164001fffe1'))).toThrow(expect.objectContaining({ code: 'avc_short_config' }))
  })
})

describe('parseHevcConfig', () => {
  function hevcConfig(spsBytes: Buffer): Buffer {
    const head = Buffer.alloc(23)
    head.set([1, 2, 0x20], 0)
    head.writeUInt8(93, 12)
    head.writeUInt8(2, 22)
    // A VPS array with two empty units before the SPS array.
    const arrays = Buffer.concat([hex('200002'), hex('00000000'), hex('a10001'), Buffer.from([0, spsBytes.length])])
    return Buffer.concat([head, arrays, spsBytes])
  }

  test('sub-layers with and without profile and level are passed over', () => {
    const writer = new BitWriter().bits(16, 0x4201).bits(4, 0).bits(3, 2).bits(1, 0)
    for (let index = 0; index < 11; index++) writer.bits(8, 0x11)
    writer.bits(8, 93).bits(2, 3).bits(2, 1).bits(12, 0)
    for (let index = 0; index < 13; index++) writer.bits(8, 0x22)
    writer.ue(0).ue(1).ue(1920).ue(1088).bits(1, 1).ue(0).ue(0).ue(0).ue(4).bits(8, 0x80)
    const expected = { profile: 'Main10', level: '3.1', width: 1920, height: 1080 }
    expect(parseHevcConfig(hevcConfig(writer.bytes()))).toEqual(expected)
  })

  test('seven sub-layers more are refused', () => {
    const bytes = hevcConfig(Buffer.concat([hex('42010e'), Buffer.alloc(60)]))
    expect(() => parseHevcConfig(bytes)).toThrow(expect.objectContaining({ code: 'hevc_bad_sps' }))
  })

  test('a record without an SPS still tells profile and level', () => {
    const bytes = hevcConfig(Buffer.alloc(0)).subarray(0, 23)
    bytes.writeUInt8(0, 22)
    expect(parseHevcConfig(bytes)).toEqual({ profile: 'Main10', level: '3.1', width: 0, height: 0 })
  })
})

describe('parseAv1Config', () => {
  test('timing, decoder model and several operating points are passed over', () => {
    const writer = new BitWriter().bits(3, 0).bits(1, 0).bits(1, 0)
    writer.bits(1, 1).bits(32, 1).bits(32, 60).bits(1, 1).ue(5) // timing info; uvlc is coded as ue(v)
    writer.bits(1, 1).bits(5, 9).bits(32, 7).bits(5, 3).bits(5, 3) // decoder model, delays of 10 bits
    writer.bits(1, 1).bits(5, 1)
    writer.bits(12, 0).bits(5, 8).bits(1, 1).bits(1, 1).bits(21, 0).bits(1, 1).bits(4, 2)
    writer.bits(12, 1).bits(5, 4).bits(1, 0).bits(1, 0)
    writer.bits(4, 10).bits(4, 9).bits(11, 1279).bits(10, 719).bits(8, 0)
    const header = writer.bytes()
    const obus = Buffer.concat([hex('1200'), hex('2e0000'), Buffer.from([0x0a, header.length]), header])
    expect(parseAv1Size(obus)).toEqual({ width: 1280, height: 720 })
  })

  test('a reduced still picture header', () => {
    const header = new BitWriter()
      .bits(3, 0)
      .bits(2, 3)
      .bits(5, 0)
      .bits(4, 6)
      .bits(4, 6)
      .bits(7, 99)
      .bits(7, 49)
      .bytes()
    expect(parseAv1Size(Buffer.concat([hex('08'), header]))).toEqual({ width: 100, height: 50 })
  })

  test('a record without a sequence header has no size; level 31 has no name', () => {
    expect(parseAv1Config(hex('81090c00'))).toEqual({ profile: 'Main', level: '4.1', width: 0, height: 0 })
    expect(parseAv1Config(hex('815f0c00'))).toEqual({ profile: 'Professional', level: '', width: 0, height: 0 })
  })

  test('an empty record, which ffmpeg sends before the real one, is refused', () => {
    expect(() => parseAv1Config(Buffer.alloc(0))).toThrow(expect.objectContaining({ code: 'av1_short_config' }))
  })

  test('an OBU that says it is longer than what is there', () => {
    expect(() => parseAv1Size(hex('12ff01'))).toThrow(expect.objectContaining({ code: 'av1_short_obu' }))
    expect(() => parseAv1Size(hex('12ffffffffffffffffff'))).toThrow(expect.objectContaining({ code: 'av1_bad_leb128' }))
  })
})

describe('VP8 and VP9', () => {
  test('a record without the header of its box', () => {
    expect(parseVpxConfig(hex('011fa20202020000'))).toMatchObject({ profile: '1', level: '3.1' })
  })

  test('frames that are no key frames have no size', () => {
    expect(parseVp9Size(hex('8600000000'))).toBeNull()
    expect(parseVp9Size(hex('8800000000'))).toBeNull()
    expect(parseVp8Size(hex('910000000000000000000'.padEnd(20, '0')))).toBeNull()
  })
})
