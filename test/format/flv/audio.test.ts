import { describe, expect, test } from 'vitest'
import { parseAudioTag } from '../../../src/format/flv/audio.ts'

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex')
const fourCc = (name: string): string => Buffer.from(name, 'latin1').toString('hex')

describe('legacy audio tags', () => {
  test.each([
    ['AAC header', 'af 00 1210', { codec: 'mp4a', type: 'header', bodyOffset: 2, sampleRate: 44_100, channels: 2 }],
    ['AAC frame', 'af 01 21', { codec: 'mp4a', type: 'frame', bodyOffset: 2 }],
    ['AAC frame without a body', 'af 01', { codec: 'mp4a', type: 'frame', bodyOffset: 2 }],
    ['MP3', '2e ff', { codec: '.mp3', type: 'frame', bodyOffset: 1, sampleRate: 44_100, channels: 1 }],
    ['MP3 at 8 kHz', 'e2 ff', { codec: '.mp3', sampleRate: 8_000, channels: 1 }],
    ['PCM', '0b 00', { codec: 'pcm', sampleRate: 22_050, channels: 2 }],
    ['little endian PCM', '36 00', { codec: 'pcm', sampleRate: 11_025, channels: 1 }],
    ['ADPCM', '12 00', { codec: 'adpcm', sampleRate: 5_512 }],
    ['Nellymoser at 16 kHz', '4f 00', { codec: 'nelly', sampleRate: 16_000, channels: 1 }],
    ['Nellymoser at 8 kHz', '5f 00', { codec: 'nelly', sampleRate: 8_000, channels: 1 }],
    ['Nellymoser', '66 00', { codec: 'nelly', sampleRate: 11_025, channels: 1 }],
    ['G.711 A', '72 00', { codec: 'g711a', sampleRate: 8_000, channels: 1 }],
    ['G.711 mu', '82 00', { codec: 'g711u', sampleRate: 8_000 }],
    ['Speex', 'b6 00', { codec: 'speex', sampleRate: 16_000, channels: 1 }],
    ['device specific sound', 'ff 00', { codec: 'legacy-15', type: 'frame', bodyOffset: 1 }],
  ])('%s', (_name, bytes, expected) => {
    expect(parseAudioTag(hex(bytes))).toMatchObject({ enhanced: false, trackId: 0, ...expected })
  })
})

describe('enhanced audio tags', () => {
  test.each([
    ['SequenceStart', `90 ${fourCc('Opus')} 4f`, { codec: 'Opus', type: 'header', bodyOffset: 5 }],
    ['CodedFrames', `91 ${fourCc('fLaC')} ff`, { codec: 'fLaC', type: 'frame', bodyOffset: 5 }],
    ['SequenceEnd', `92 ${fourCc('mp4a')}`, { codec: 'mp4a', type: 'end', bodyOffset: 5 }],
    ['MultichannelConfig', `94 ${fourCc('ac-3')} 010600000f`, { codec: 'ac-3', type: 'multichannel', bodyOffset: 5 }],
    ['an unknown fourCC', `91 ${fourCc('dtsc')} 00`, { codec: 'dtsc', type: 'frame' }],
    ['ModEx', `97 02 000001 01 ${fourCc('ec-3')} 0b`, { codec: 'ec-3', type: 'frame', bodyOffset: 10 }],
    ['OneTrack', `95 01 ${fourCc('.mp3')} 07 ff`, { codec: '.mp3', trackId: 7, type: 'frame', bodyOffset: 7 }],
    ['ManyTracksManyCodecs', `95 21 ${fourCc('Opus')} 03 000001 aa`, { codec: 'Opus', trackId: 3, bodyOffset: 10 }],
  ])('%s', (_name, bytes, expected) => {
    expect(parseAudioTag(hex(bytes))).toMatchObject({
      enhanced: true,
      trackId: 0,
      sampleRate: 0,
      channels: 0,
      ...expected,
    })
  })
})

describe('audio tags that are refused', () => {
  test.each([
    ['', 'flv_empty_tag'],
    ['af', 'flv_short_audio'],
    ['2f', 'flv_short_audio'],
    ['90 4f70', 'flv_short_audio'],
    ['af 02 00', 'flv_packet_type_unknown'],
    [`93 ${fourCc('Opus')} 00`, 'flv_packet_type_unknown'],
    [`95 05 ${fourCc('Opus')} 00 aa`, 'flv_multitrack_nested'],
    [`95 f1 ${fourCc('Opus')} 00 aa`, 'flv_multitrack_type'],
    ['97 10 aa', 'flv_short_audio'],
  ])('%s: %s', (bytes, code) => {
    expect(() => parseAudioTag(hex(bytes))).toThrow(expect.objectContaining({ name: 'CodecError', code }))
  })
})
