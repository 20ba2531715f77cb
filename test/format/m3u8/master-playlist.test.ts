import { parse } from 'hls-parser'
import { describe, expect, test } from 'vitest'
import { type Variant, writeMasterPlaylist } from '../../../src/format/m3u8/master-playlist.ts'
import { escapeName, escapeUri, quoted } from '../../../src/format/m3u8/text.ts'

const VARIANT: Variant = {
  uri: 'live.m3u8?hls_ctx=abc',
  bandwidth: 1_234_567.2,
  averageBandwidth: 1_000_000,
  codecs: ['avc1.64001f', 'mp4a.40.2'],
  size: { width: 1280, height: 720 },
  frameRate: 29.97,
}
const SOUND: Variant = {
  uri: 'ü.m3u8',
  bandwidth: 64_000,
  averageBandwidth: null,
  codecs: [],
  size: null,
  frameRate: null,
}

describe('a master playlist', () => {
  const text = writeMasterPlaylist([VARIANT, SOUND], true)

  test('its text', () => {
    expect(text).toBe(
      [
        '#EXTM3U',
        '#EXT-X-VERSION:6',
        '#EXT-X-INDEPENDENT-SEGMENTS',
        '#EXT-X-STREAM-INF:BANDWIDTH=1234568,AVERAGE-BANDWIDTH=1000000,CODECS="avc1.64001f,mp4a.40.2",' +
          'RESOLUTION=1280x720,FRAME-RATE=29.970',
        'live.m3u8?hls_ctx=abc',
        '#EXT-X-STREAM-INF:BANDWIDTH=64000',
        '%C3%BC.m3u8',
        '',
      ].join('\n'),
    )
  })

  test('an independent parser reads what was meant', () => {
    expect(parse(text)).toMatchObject({
      isMasterPlaylist: true,
      independentSegments: true,
      variants: [
        {
          uri: 'live.m3u8?hls_ctx=abc',
          bandwidth: 1_234_568,
          averageBandwidth: 1_000_000,
          codecs: 'avc1.64001f,mp4a.40.2',
          resolution: { width: 1280, height: 720 },
          frameRate: 29.97,
        },
        { uri: '%C3%BC.m3u8', bandwidth: 64_000 },
      ],
    })
  })
})

describe('text', () => {
  test('a stream name becomes one segment of a path', () => {
    expect(escapeName('a/b?c#d%41 "e"\u{1F600}\ud800')).toBe('a%2Fb%3Fc%23d%2541%20%22e%22%F0%9F%98%80%EF%BF%BD')
    expect(escapeUri(escapeName('a/b?c#d%41'))).toBe(escapeName('a/b?c#d%41'))
  })

  test('quotes and line ends cannot stand in a quoted string', () => {
    expect(quoted('a"b\r\n\u0000\u0085c')).toBe('"abc"')
  })
})
