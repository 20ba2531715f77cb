import { describe, expect, test } from 'vitest'
import { codecString } from '../../src/codec/rfc6381.ts'
import { audioSamples, videoSamples } from './samples.ts'

const hex = (text: string): Buffer => Buffer.from(text, 'hex')

describe('codecString', () => {
  test.each([
    ['avc1', '0164001fffe1', 'avc1.64001f'],
    ['avc1', '0142c00affe1', 'avc1.42c00a'],
    ['hvc1', '0101600000009000000000005d', 'hvc1.1.6.L93.90'],
    ['hvc1', '012220000000b000000000007b', 'hvc1.2.4.H123.B0'],
    ['hvc1', '0124080000009d080000000099', 'hvc1.4.10.H153.9D.8'],
    ['hvc1', '01410000000100000000000078', 'hvc1.A1.80000000.L120'],
    ['av01', '81000c00', 'av01.0.00M.08'],
    ['av01', '81054c00', 'av01.0.05M.10'],
    ['av01', '8129e000', 'av01.1.09H.12'],
    ['vp09', '01000000000a820202020000', 'vp09.00.10.08'],
    ['vp09', '021fa20202020000', 'vp09.02.31.10'],
    ['mp4a', '1210', 'mp4a.40.2'],
    ['mp4a', '0a10', 'mp4a.40.1'],
    ['mp4a', '2b920800', 'mp4a.40.5'],
    ['mp4a', '139056e5a0', 'mp4a.40.5'],
    ['mp4a', 'eb8a0800', 'mp4a.40.29'],
    ['mp4a', 'f9462000', 'mp4a.40.42'],
    ['.mp3', '', 'mp4a.40.34'],
    ['Opus', '', 'opus'],
    ['fLaC', '', 'flac'],
    ['ac-3', '', 'ac-3'],
    ['ec-3', '', 'ec-3'],
    ['speex', '', null],
  ])('%s %s is %s', (codec, header, expected) => {
    expect(codecString(codec, hex(header))).toBe(expected)
  })

  test.each(['avc1', 'hvc1', 'av01', 'vp09', 'mp4a'])('%s: a header that is too short is refused', (codec) => {
    expect(() => codecString(codec, hex('01'))).toThrow(expect.objectContaining({ name: 'CodecError' }))
  })

  test.each([...videoSamples, ...audioSamples].filter(({ codec }) => codec !== 'vp08'))(
    '$encoder: no more than players may see in quotes',
    ({ codec, header }) => expect(codecString(codec, hex(header))).toMatch(/^[a-zA-Z0-9.-]+$/),
  )
})
