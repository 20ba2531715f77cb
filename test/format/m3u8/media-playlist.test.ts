import { parse, type types } from 'hls-parser'
import { describe, expect, test } from 'vitest'
import {
  type LowLatency,
  type MediaPlaylist,
  type PlaylistSegment,
  targetDurationSeconds,
  writeMediaPlaylist,
} from '../../../src/format/m3u8/media-playlist.ts'

const segment = (uri: string, durationMs: number, options: Partial<PlaylistSegment> = {}): PlaylistSegment => ({
  uri,
  durationMs,
  discontinuity: false,
  programDateTimeMs: null,
  key: null,
  map: null,
  parts: [],
  ...options,
})

const playlist = (segments: PlaylistSegment[], options: Partial<MediaPlaylist> = {}): MediaPlaylist => ({
  targetDurationSeconds: 4,
  mediaSequence: 7,
  discontinuitySequence: 0,
  independentSegments: false,
  segments,
  lowLatency: null,
  ended: false,
  ...options,
})

/** An independent reading. */
function read(text: string): types.MediaPlaylist {
  const parsed = parse(text)
  if (parsed.isMasterPlaylist) throw new Error('a master playlist')
  return parsed
}

describe('a playlist of MPEG-TS segments', () => {
  test('its text', () => {
    const at = Date.UTC(2026, 9, 1, 12, 0, 0, 250)
    const segments = [
      segment('a-7.ts', 4000, { programDateTimeMs: at }),
      segment('a-8.ts', 2023.4, { discontinuity: true }),
    ]
    expect(writeMediaPlaylist(playlist(segments, { discontinuitySequence: 2, independentSegments: true }))).toBe(
      [
        '#EXTM3U',
        '#EXT-X-VERSION:3',
        '#EXT-X-TARGETDURATION:4',
        '#EXT-X-MEDIA-SEQUENCE:7',
        '#EXT-X-INDEPENDENT-SEGMENTS',
        '#EXT-X-DISCONTINUITY-SEQUENCE:2',
        '#EXT-X-PROGRAM-DATE-TIME:2026-10-01T12:00:00.250Z',
        '#EXTINF:4.000,',
        'a-7.ts',
        '#EXT-X-DISCONTINUITY',
        '#EXTINF:2.023,',
        'a-8.ts',
        '',
      ].join('\n'),
    )
  })

  test('an independent parser reads what was meant', () => {
    const segments = [segment('a-7.ts', 4000), segment('a-8.ts', 2023, { discontinuity: true }), segment('a-9.ts', 1)]
    const parsed = read(writeMediaPlaylist(playlist(segments, { discontinuitySequence: 2, ended: true })))
    expect(parsed).toMatchObject({ version: 3, targetDuration: 4, mediaSequenceBase: 7, endlist: true })
    expect(
      parsed.segments.map(({ uri, duration, mediaSequenceNumber, discontinuitySequence }) => [
        uri,
        duration,
        mediaSequenceNumber,
        discontinuitySequence,
      ]),
    ).toEqual([
      ['a-7.ts', 4, 7, 2],
      ['a-8.ts', 2.023, 8, 3],
      ['a-9.ts', 0.001, 9, 3],
    ])
  })

  test('no segment exceeds the target duration; what was announced does not shrink', () => {
    const target = (durations: number[], announced: number): number | undefined =>
      read(
        writeMediaPlaylist(
          playlist(
            durations.map((ms, index) => segment(`${index}.ts`, ms)),
            { targetDurationSeconds: announced },
          ),
        ),
      ).targetDuration
    expect(target([1000, 2000], 2)).toBe(2)
    expect(target([1000, 2499], 2)).toBe(2)
    expect(target([1000, 2500], 2)).toBe(3)
    expect(target([1000], 6)).toBe(6)
    expect(target([], 2)).toBe(2)
    expect([0, 1, 1000, 1000.1, 9999].map(targetDurationSeconds)).toEqual([1, 1, 1, 2, 10])
  })

  test('keys are said when they change, and before the first segment (ossrs: they slid out)', () => {
    const key = (uri: string): PlaylistSegment['key'] => ({ uri, iv: Buffer.alloc(16, 0xab) })
    const segments = [
      segment('1.ts', 1000, { key: key('1.key') }),
      segment('2.ts', 1000, { key: key('1.key') }),
      segment('3.ts', 1000, { key: key('2.key') }),
      segment('4.ts', 1000),
    ]
    const lines = (from: number): string[] =>
      writeMediaPlaylist(playlist(segments.slice(from)))
        .split('\n')
        .filter((line) => line.startsWith('#EXT-X-KEY') || line.endsWith('.ts'))
    const keyLine = (uri: string): string => `#EXT-X-KEY:METHOD=AES-128,URI="${uri}",IV=0x${'AB'.repeat(16)}`
    expect(lines(0)).toEqual([
      keyLine('1.key'),
      '1.ts',
      '2.ts',
      keyLine('2.key'),
      '3.ts',
      '#EXT-X-KEY:METHOD=NONE',
      '4.ts',
    ])
    expect(lines(1)).toEqual([keyLine('1.key'), '2.ts', keyLine('2.key'), '3.ts', '#EXT-X-KEY:METHOD=NONE', '4.ts'])
    const parsed = read(writeMediaPlaylist(playlist(segments)))
    expect(parsed.segments.map((each) => each.key?.uri)).toEqual(['1.key', '1.key', '2.key', undefined])
    expect(Buffer.from(parsed.segments[0]?.key?.iv ?? new ArrayBuffer(0)).toString('hex')).toBe('ab'.repeat(16))
  })

  test('names with quotes, spaces, line ends and whatever else stay one URI each', () => {
    const odd = ['#not a comment.ts', 'a"b\nc.ts', 'ü/日.ts?x=1&y=%41', 'http://h/a b.ts', '\ud800.ts']
    const text = writeMediaPlaylist(playlist(odd.map((uri) => segment(uri, 1000, { map: uri }))))
    expect(read(text).segments.map(({ uri }) => uri)).toEqual([
      '%23not%20a%20comment.ts',
      'a%22b%0Ac.ts',
      '%C3%BC/%E6%97%A5.ts?x=1&y=%41',
      'http://h/a%20b.ts',
      '%EF%BF%BD.ts',
    ])
    expect(read(text).segments.map(({ map }) => map.uri)).toEqual(read(text).segments.map(({ uri }) => uri))
  })
})

describe('a playlist of fMP4 segments', () => {
  test('the initialization segment is said before the first segment and where it changes', () => {
    const segments = [
      segment('1.m4s', 1000, { map: 'init-1.mp4' }),
      segment('2.m4s', 1000, { map: 'init-1.mp4' }),
      segment('3.m4s', 1000, { map: 'init-2.mp4', discontinuity: true }),
    ]
    const text = writeMediaPlaylist(playlist(segments))
    expect(text.match(/#EXT-X-MAP.*/g)).toEqual(['#EXT-X-MAP:URI="init-1.mp4"', '#EXT-X-MAP:URI="init-2.mp4"'])
    expect(writeMediaPlaylist(playlist(segments.slice(1))).match(/#EXT-X-MAP.*/g)).toHaveLength(2)
    const parsed = read(text)
    expect(parsed.version).toBe(6)
    expect(parsed.segments.map(({ map }) => map.uri)).toEqual(['init-1.mp4', 'init-1.mp4', 'init-2.mp4'])
  })
})

describe('Low-Latency HLS', () => {
  const parts = (name: string, count = 4): PlaylistSegment['parts'] =>
    Array.from({ length: count }, (_, index) => ({
      uri: `${name}.${index}.m4s`,
      durationMs: 500,
      isIndependent: index === 0,
    }))
  const segments = Array.from({ length: 20 }, (_, index) =>
    segment(`${index}.m4s`, 2000, { map: index < 15 ? 'init-0.mp4' : 'init-1.mp4', parts: parts(String(index)) }),
  )
  const lowLatency: LowLatency = {
    partTargetMs: 500,
    open: { discontinuity: false, programDateTimeMs: null, key: null, map: 'init-1.mp4', parts: parts('20', 2) },
    preloadHint: '20.2.m4s',
    renditionReports: [{ uri: '../low/live.m3u8', lastSequence: 20, lastPart: 1 }],
  }
  const live = playlist(segments, { targetDurationSeconds: 2, mediaSequence: 0, lowLatency })

  test('the text of a short one', () => {
    const short = { ...live, mediaSequence: 19, segments: segments.slice(19) }
    expect(writeMediaPlaylist(short)).toBe(
      [
        '#EXTM3U',
        '#EXT-X-VERSION:9',
        '#EXT-X-TARGETDURATION:2',
        '#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=12.000,HOLD-BACK=6.000,PART-HOLD-BACK=1.500',
        '#EXT-X-PART-INF:PART-TARGET=0.500',
        '#EXT-X-MEDIA-SEQUENCE:19',
        '#EXT-X-MAP:URI="init-1.mp4"',
        '#EXT-X-PART:DURATION=0.500,URI="19.0.m4s",INDEPENDENT=YES',
        '#EXT-X-PART:DURATION=0.500,URI="19.1.m4s"',
        '#EXT-X-PART:DURATION=0.500,URI="19.2.m4s"',
        '#EXT-X-PART:DURATION=0.500,URI="19.3.m4s"',
        '#EXTINF:2.000,',
        '19.m4s',
        '#EXT-X-PART:DURATION=0.500,URI="20.0.m4s",INDEPENDENT=YES',
        '#EXT-X-PART:DURATION=0.500,URI="20.1.m4s"',
        '#EXT-X-PRELOAD-HINT:TYPE=PART,URI="20.2.m4s"',
        '#EXT-X-RENDITION-REPORT:URI="../low/live.m3u8",LAST-MSN=20,LAST-PART=1',
        '',
      ].join('\n'),
    )
  })

  test('an independent parser reads what was meant; parts are listed for the last three target durations', () => {
    const parsed = read(writeMediaPlaylist(live))
    expect(parsed.lowLatencyCompatibility).toEqual({
      canBlockReload: true,
      canSkipUntil: 12,
      holdBack: 6,
      partHoldBack: 1.5,
    })
    expect(parsed.partTargetDuration).toBe(0.5)
    expect(parsed.renditionReports).toEqual([{ uri: '../low/live.m3u8', lastMSN: 20, lastPart: 1 }])
    expect(parsed.segments.slice(0, 20).map((each) => each.parts.length)).toEqual([...Array<number>(18).fill(0), 4, 4])
    expect(parsed.segments.at(-1)?.parts.map(({ uri, hint }) => [uri, hint ?? false])).toEqual([
      ['20.0.m4s', false],
      ['20.1.m4s', false],
      ['20.2.m4s', true],
    ])
  })

  test('a delta leaves out what is older than six target durations', () => {
    const parsed = read(writeMediaPlaylist(live, true))
    expect(parsed.skip).toBe(14)
    expect(parsed.segments.slice(0, 6).map(({ uri }) => uri)).toEqual([14, 15, 16, 17, 18, 19].map((n) => `${n}.m4s`))
    expect(parsed.segments.map(({ map }) => map?.uri).slice(0, 2)).toEqual(['init-0.mp4', 'init-1.mp4'])
  })

  test('a delta of a playlist too short for one, or without low latency, is whole', () => {
    const short = { ...live, segments: segments.slice(0, 6) }
    expect(writeMediaPlaylist(short, true)).toBe(writeMediaPlaylist(short))
    const plain = { ...live, lowLatency: null }
    expect(writeMediaPlaylist(plain, true)).toBe(writeMediaPlaylist(plain))
  })

  test('a delta says when encryption has ended', () => {
    const keyed = segments.map((each, index) => ({
      ...each,
      key: index < 14 ? { uri: 'k', iv: Buffer.alloc(16) } : null,
    }))
    expect(writeMediaPlaylist({ ...live, segments: keyed }, true)).toContain('#EXT-X-KEY:METHOD=NONE')
  })

  test('a segment that begins with a discontinuity says so before its first part', () => {
    const open = {
      ...lowLatency.open,
      discontinuity: true,
      programDateTimeMs: 0,
      key: null,
      map: 'init-2.mp4',
      parts: parts('20', 1),
    }
    const text = writeMediaPlaylist({ ...live, lowLatency: { ...lowLatency, open } })
    expect(text.split('\n').slice(-7, -2)).toEqual([
      '#EXT-X-DISCONTINUITY',
      '#EXT-X-MAP:URI="init-2.mp4"',
      '#EXT-X-PROGRAM-DATE-TIME:1970-01-01T00:00:00.000Z',
      '#EXT-X-PART:DURATION=0.500,URI="20.0.m4s",INDEPENDENT=YES',
      '#EXT-X-PRELOAD-HINT:TYPE=PART,URI="20.2.m4s"',
    ])
  })

  test('what has ended promises nothing', () => {
    const text = writeMediaPlaylist({ ...live, ended: true })
    expect(text).not.toMatch(/PRELOAD-HINT|RENDITION-REPORT|20\./)
    expect(text.endsWith('#EXT-X-ENDLIST\n')).toBe(true)
  })
})
