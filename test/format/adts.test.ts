import { describe, expect, test } from 'vitest'
import { parseAdtsConfig } from '../../src/codec/aac.ts'
import { opusChannelConfig } from '../../src/codec/opus.ts'
import { AdtsWriter } from '../../src/format/adts.ts'
import { audioSamples } from '../codec/samples.ts'

const hex = (text: string): Buffer => Buffer.from(text, 'hex')

function write(config: string, frame: Buffer): string {
  const writer = new AdtsWriter(hex(config))
  const out = Buffer.alloc(writer.size(frame) + 2, 0xaa)
  expect(writer.write(out, 1, frame)).toBe(out.length - 1)
  return out.toString('hex', 1, out.length - 1)
}

describe('ADTS', () => {
  test.each([
    ['LC, 44,100 Hz, stereo', '1210', 'fff1508001bffc'],
    ['LC, 48,000 Hz, 5.1', '11b0', 'fff14d8001bffc'],
    ['Main, 48,000 Hz, mono', '098856e500', 'fff10c4001bffc'],
    ['HE: the coded layer, 22,050 Hz', '2b920800', 'fff15c8001bffc'],
    ['HE that older decoders understand', '139056e5a0', 'fff15c8001bffc'],
    ['HEv2: one coded channel', 'eb8a0800', 'fff15c4001bffc'],
    ['24,000 Hz, spelled out', '17802ee0 10', 'fff1588001bffc'],
  ])('%s', (_name, config, header) => {
    expect(write(config.replaceAll(' ', ''), hex('010203040506'))).toBe(`${header}010203040506`)
  })

  test('channels that no number stands for: their description goes before each frame', () => {
    const quad = audioSamples.find(({ encoder }) => encoder.includes('quad'))?.header ?? ''
    const { channelConfig, program } = parseAdtsConfig(hex(quad))
    expect(channelConfig).toBe(0)
    // 101: a program config element, tag 0, LC, 48,000 Hz, one pair in front, one at the side; the encoder's name.
    expect(program.toString('hex')).toBe(
      `a09888000422 0d${Buffer.from('Lavc59.37.100').toString('hex')}`.replace(' ', ''),
    )
    const bytes = 7 + program.length + 1
    const header = `fff14c00${(bytes >> 3).toString(16).padStart(2, '0')}${(((bytes & 7) << 5) | 0x1f).toString(16)}fc`
    expect(write(quad, hex('21'))).toBe(`${header}${program.toString('hex')}21`)
  })

  test.each([
    ['xHE', 'f9462000', 'adts_object_type'],
    ['LD', 'ba10', 'adts_object_type'],
    ['37,800 Hz', '178049d410', 'adts_sample_rate'],
    ['7.1 of another kind', '1260', 'adts_channels'],
    ['no bytes', '', 'bits_exhausted'],
  ])('%s is refused', (_name, config, code) => {
    expect(() => new AdtsWriter(hex(config))).toThrow(expect.objectContaining({ code }))
  })

  test('the longest frame has 8,191 bytes, header included', () => {
    const writer = new AdtsWriter(hex('1210'))
    expect(writer.size(Buffer.alloc(8184))).toBe(8191)
    expect(write('1210', Buffer.alloc(8184)).slice(0, 14)).toBe('fff15083fffffc')
    expect(() => writer.size(Buffer.alloc(8185))).toThrow(expect.objectContaining({ code: 'adts_frame_too_large' }))
    expect(() => writer.size(Buffer.alloc(0))).toThrow(expect.objectContaining({ code: 'adts_frame_empty' }))
  })
})

describe('the channels of Opus', () => {
  const head = (channels: number, rest: string): Buffer => hex(`4f70757348656164010${channels}380180bb00000000${rest}`)

  test.each([
    [1, '00', 1],
    [2, '00', 2],
    [2, '0101010001', 2],
    [6, '010402000401020305', 6],
    [8, '0105030006010203040507', 8],
  ])('%i of family %s', (channels, rest, code) => {
    expect(opusChannelConfig(head(channels, rest))).toBe(code)
  })

  test.each([
    [3, '00'],
    [2, '0102000001'],
    [2, 'ff02000001'],
    [6, '01040200040102'],
    [9, '01'],
  ])('%i of family %s is refused', (channels, rest) => {
    expect(() => opusChannelConfig(head(channels, rest))).toThrow(expect.objectContaining({ code: 'opus_channels' }))
  })
})
