import { describe, expect, test } from 'vitest'
import { parseAacConfig } from '../../src/codec/aac.ts'
import { parseAc3Frame } from '../../src/codec/ac3.ts'
import { parseFlacConfig } from '../../src/codec/flac.ts'
import { parseMp3Frame } from '../../src/codec/mp3.ts'
import { parseOpusHead } from '../../src/codec/opus.ts'
import { BitWriter } from './bit-writer.ts'
import { audioSamples } from './samples.ts'

const hex = (text: string): Buffer => Buffer.from(text, 'hex')

describe('parseAacConfig', () => {
  test.each([
    ['1210', 2, 'LC', 44_100, 2, 1024],
    ['0a10', 1, 'Main', 44_100, 2, 1024],
    ['1a10', 3, 'SSR', 44_100, 2, 1024],
    ['2b920800', 2, 'HE', 44_100, 2, 2048], // SBR signalled first
    ['eb8a0800', 2, 'HEv2', 44_100, 2, 2048], // PS signalled first, one coded channel
    ['139056e5a0', 2, 'HE', 44_100, 2, 2048], // SBR behind LC
    ['138856e5a54880', 2, 'HEv2', 44_100, 2, 2048], // SBR and PS behind LC
    ['139056e500', 2, 'LC', 22_050, 2, 1024], // the extension says: no SBR
    ['1390', 2, 'LC', 22_050, 2, 1024],
    ['1214', 2, 'LC', 44_100, 2, 960],
  ])('%s', (config, objectType, profile, sampleRate, channels, frameSamples) => {
    expect(parseAacConfig(hex(config))).toEqual({ objectType, profile, sampleRate, channels, frameSamples })
  })

  test('an escaped sample rate', () => {
    const config = new BitWriter().bits(5, 2).bits(4, 15).bits(24, 37_800).bits(4, 1).bits(3, 0).bytes()
    expect(parseAacConfig(config)).toMatchObject({ sampleRate: 37_800, channels: 1, profile: 'LC' })
  })

  test('an escaped object type: xHE-AAC', () => {
    const config = new BitWriter().bits(5, 31).bits(6, 10).bits(4, 3).bits(4, 2).bytes()
    expect(parseAacConfig(config)).toMatchObject({ objectType: 42, profile: 'xHE', sampleRate: 48_000, channels: 2 })
  })

  test.each([
    [0, 0],
    [7, 8],
    [11, 7],
    [12, 8],
    [15, 0],
  ])('channel configuration %d is %d channels', (channelConfig, channels) => {
    // ELD (39): its channels are not told by a program config element.
    const config = new BitWriter().bits(5, 31).bits(6, 7).bits(4, 3).bits(4, channelConfig).bytes()
    expect(parseAacConfig(config)).toMatchObject({ profile: 'ELD', channels })
  })

  test('error resilient object types carry more flags', () => {
    const config = new BitWriter().bits(5, 23).bits(4, 3).bits(4, 2).bits(3, 1).bits(3, 0).bits(1, 0).bits(2, 0).bytes()
    expect(parseAacConfig(config)).toMatchObject({ profile: 'LD', channels: 2, frameSamples: 512 })
  })

  test('a reserved sample rate index and missing bytes are refused', () => {
    expect(() => parseAacConfig(hex('1690'))).toThrow(expect.objectContaining({ code: 'aac_bad_sample_rate' }))
    expect(() => parseAacConfig(hex('12'))).toThrow(expect.objectContaining({ code: 'bits_exhausted' }))
    expect(() => parseAacConfig(Buffer.alloc(0))).toThrow(expect.objectContaining({ code: 'bits_exhausted' }))
  })
})

describe('the other audio codecs', () => {
  test('FLAC with its marker and block header, as the specification asks', () => {
    const bare = audioSamples.find(({ codec }) => codec === 'fLaC')?.header ?? ''
    const marked = hex(`664c614380000022${bare}`)
    expect(parseFlacConfig(marked)).toEqual(parseFlacConfig(hex(bare)))
    expect(() => parseFlacConfig(hex(`664c614384000022${bare}`))).toThrow(
      expect.objectContaining({ code: 'flac_bad_info' }),
    )
    expect(() => parseFlacConfig(marked.subarray(0, 41))).toThrow('needs 34 bytes, has 33')
  })

  test('Opus without its magic is refused', () => {
    expect(() => parseOpusHead(Buffer.alloc(19))).toThrow(expect.objectContaining({ code: 'opus_bad_head' }))
    expect(() => parseOpusHead(Buffer.alloc(0))).toThrow(expect.objectContaining({ code: 'opus_short_head' }))
  })

  test.each([
    ['fffb9000', 44_100, 2],
    ['fffb94c0', 48_000, 1],
    ['fff388c4', 16_000, 1],
    ['ffe300c4', 11_025, 1],
  ])('MP3 header %s', (header, sampleRate, channels) => {
    expect(parseMp3Frame(hex(header))).toEqual({ sampleRate, channels })
  })

  test('MP3 without sync or with reserved values is refused', () => {
    expect(() => parseMp3Frame(hex('49443304'))).toThrow(expect.objectContaining({ code: 'mp3_no_sync' }))
    expect(() => parseMp3Frame(hex('fffb9c00'))).toThrow(expect.objectContaining({ code: 'mp3_bad_rate' }))
    expect(() => parseMp3Frame(hex('ffeb9000'))).toThrow(expect.objectContaining({ code: 'mp3_bad_rate' }))
  })

  test('E-AC-3 at half rate', () => {
    const frame = new BitWriter().bits(16, 0x0b77).bits(16, 0).bits(2, 3).bits(2, 0).bits(3, 2).bits(1, 0).bits(5, 16)
    expect(parseAc3Frame(frame.bytes())).toEqual({ sampleRate: 24_000, channels: 2 })
  })
})
