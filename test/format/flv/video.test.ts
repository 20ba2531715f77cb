import { describe, expect, test } from 'vitest'
import { parseVideoTag } from '../../../src/format/flv/video.ts'

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex')
const fourCc = (name: string): string => Buffer.from(name, 'latin1').toString('hex')
const frame = { trackId: 0, type: 'frame', isKey: false, compositionMs: 0 }

describe('legacy video tags', () => {
  test.each([
    ['AVC header', '17 00 000000 01', { codec: 'avc1', type: 'header', isKey: false, bodyOffset: 5 }],
    ['AVC header marked as inter frame', '27 00 000000 01', { codec: 'avc1', type: 'header', isKey: false }],
    [
      'AVC key frame',
      '17 01 000050 aa',
      { codec: 'avc1', type: 'frame', isKey: true, compositionMs: 80, bodyOffset: 5 },
    ],
    ['AVC inter frame', '27 01 000000 aa', { codec: 'avc1', type: 'frame', isKey: false }],
    ['negative composition time', '27 01 ffffd8 aa', { compositionMs: -40 }],
    ['lowest composition time', '27 01 800000 aa', { compositionMs: -8_388_608 }],
    ['composition time of a header is none', '17 00 000050 01', { compositionMs: 0 }],
    ['AVC end, which is no key frame', '17 02 000000', { codec: 'avc1', type: 'end', isKey: false }],
    ['HEVC as codec id 12', '1c 01 000028 aa', { codec: 'hvc1', isKey: true, compositionMs: 40, bodyOffset: 5 }],
    ['HEVC header as codec id 12', '1c 00 000000 01', { codec: 'hvc1', type: 'header', isKey: false }],
    ['H.263 key frame', '12 aa', { codec: 'h263', isKey: true, bodyOffset: 1 }],
    ['disposable H.263 frame', '32 aa', { codec: 'h263', isKey: false }],
    ['screen video', '13 aa', { codec: 'screen', isKey: true }],
    ['VP6', '24 aa', { codec: 'vp6', isKey: false }],
    ['VP6 with alpha', '15 aa', { codec: 'vp6a', isKey: true }],
    ['screen video 2', '16 aa', { codec: 'screen2', isKey: true }],
    ['an unknown codec id', '1d aa', { codec: 'legacy-13', type: 'frame', isKey: true, bodyOffset: 1 }],
    ['a seek command', '57 00', { codec: 'avc1', type: 'command', isKey: false, bodyOffset: 1 }],
    ['generated key frame, a server matter', '47 01 000000 aa', { isKey: false }],
  ])('%s', (_name, bytes, expected) => {
    expect(parseVideoTag(hex(bytes))).toMatchObject({ enhanced: false, trackId: 0, ...expected })
  })
})

describe('enhanced video tags', () => {
  test.each([
    ['SequenceStart', `90 ${fourCc('hvc1')} 01`, { codec: 'hvc1', type: 'header', bodyOffset: 5 }],
    ['SequenceStart without a body', `90 ${fourCc('av01')}`, { codec: 'av01', type: 'header', bodyOffset: 5 }],
    ['CodedFrames', `91 ${fourCc('hvc1')} 000050 aa`, { ...frame, isKey: true, compositionMs: 80, bodyOffset: 8 }],
    ['CodedFrames, inter', `a1 ${fourCc('avc1')} ffffff aa`, { ...frame, codec: 'avc1', compositionMs: -1 }],
    ['CodedFrames of VVC', `a1 ${fourCc('vvc1')} 000001 aa`, { ...frame, codec: 'vvc1', compositionMs: 1 }],
    ['CodedFrames of AV1 has no composition time', `91 ${fourCc('av01')} 12`, { ...frame, isKey: true, bodyOffset: 5 }],
    ['CodedFrames of VP9', `a1 ${fourCc('vp09')} 86`, { ...frame, codec: 'vp09', bodyOffset: 5 }],
    ['CodedFrames of VP8', `91 ${fourCc('vp08')} 10`, { ...frame, codec: 'vp08', isKey: true }],
    ['CodedFramesX', `93 ${fourCc('hvc1')} aa`, { ...frame, isKey: true, bodyOffset: 5 }],
    ['SequenceEnd', `92 ${fourCc('hvc1')}`, { type: 'end', isKey: false, bodyOffset: 5 }],
    ['Metadata', `94 ${fourCc('hvc1')} 02`, { type: 'metadata', isKey: false, bodyOffset: 5 }],
    ['Metadata with the frame type of a command', `d4 ${fourCc('vp09')} 02`, { type: 'metadata', codec: 'vp09' }],
    ['MPEG2TSSequenceStart', `95 ${fourCc('av01')} 80`, { type: 'header', codec: 'av01', bodyOffset: 5 }],
    ['a command', 'd1 00', { type: 'command', codec: '', bodyOffset: 1 }],
    ['a command where multitrack could stand', 'd6 01', { type: 'command', bodyOffset: 1 }],
    ['an unknown fourCC', `91 ${fourCc('zzzz')} aa`, { ...frame, codec: 'zzzz', isKey: true, bodyOffset: 5 }],
    ['a fourCC that cannot be printed', '91 00ff1020 aa', { codec: '00ff1020' }],
    ['ModEx', `97 02 0f4240 01 ${fourCc('hvc1')} 000000 aa`, { ...frame, isKey: true, codec: 'hvc1', bodyOffset: 13 }],
    ['two ModEx', `97 00 aa 07 01 bbbb 13 ${fourCc('avc1')} aa`, { ...frame, isKey: true, bodyOffset: 12 }],
    ['ModEx with a command', 'd7 00 aa 01 00', { type: 'command', bodyOffset: 4 }],
    [
      'OneTrack',
      `96 01 ${fourCc('avc1')} 05 000028 aa`,
      { ...frame, isKey: true, trackId: 5, compositionMs: 40, bodyOffset: 10 },
    ],
    [
      'ManyTracks: the first',
      `a6 11 ${fourCc('av01')} 02 000001 aa 03 000001 bb`,
      { ...frame, trackId: 2, bodyOffset: 10 },
    ],
    [
      'ManyTracksManyCodecs: the first',
      `96 20 ${fourCc('hvc1')} 09 000001 aa`,
      { type: 'header', trackId: 9, codec: 'hvc1' },
    ],
    [
      'Metadata of a track, as a command',
      `d6 04 ${fourCc('hvc1')} 01 02`,
      { type: 'metadata', trackId: 1, bodyOffset: 7 },
    ],
  ])('%s', (_name, bytes, expected) => {
    expect(parseVideoTag(hex(bytes))).toMatchObject({ enhanced: true, ...expected })
  })

  test('ModEx with a 16-bit size', () => {
    const data = 'cc'.repeat(300)
    const tag = parseVideoTag(hex(`97 ff 012b ${data} 03 ${fourCc('hvc1')} aa`))
    expect(tag).toMatchObject({ codec: 'hvc1', type: 'frame', isKey: true, bodyOffset: 1 + 3 + 300 + 1 + 4 })
  })
})

describe('video tags that are refused', () => {
  test.each([
    ['', 'flv_empty_tag'],
    ['17', 'flv_short_video'],
    ['12', 'flv_short_video'],
    ['57', 'flv_short_video'],
    ['17 01 0000', 'flv_short_video'],
    ['1c 00', 'flv_short_video'],
    ['17 03 000000 aa', 'flv_packet_type_unknown'],
    ['90 61766331'.slice(0, -2), 'flv_short_video'],
    [`91 ${fourCc('avc1')} 0000`, 'flv_short_video'],
    [`98 ${fourCc('avc1')} aa`, 'flv_packet_type_unknown'],
    ['d1', 'flv_short_video'],
    ['97 05 aabb', 'flv_short_video'],
    ['97 ff 00', 'flv_short_video'],
    [`97 ${'00aa07'.repeat(20)}`, 'flv_modex_too_many'],
    [`96 31 ${fourCc('avc1')} 00 aa`, 'flv_multitrack_type'],
    [`96 06 ${fourCc('avc1')} 00 aa`, 'flv_multitrack_nested'],
    [`96 07 ${fourCc('avc1')} 00 aa`, 'flv_multitrack_nested'],
    [`96 11 ${fourCc('avc1')} 00 00`, 'flv_short_video'],
    [`96 11 ${fourCc('avc1')} 00 000005 aa`, 'flv_short_video'],
  ])('%s: %s', (bytes, code) => {
    expect(() => parseVideoTag(hex(bytes))).toThrow(expect.objectContaining({ name: 'CodecError', code }))
  })
})
