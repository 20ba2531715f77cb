import { describe, expect, test } from 'vitest'
import { CodecError } from '../../../src/codec/errors.ts'
import { parseAudioTag } from '../../../src/format/flv/audio.ts'
import { splitTracks } from '../../../src/format/flv/multitrack.ts'
import { parseVideoTag } from '../../../src/format/flv/video.ts'
import { seeded } from './read-all.ts'

type Kind = 'audio' | 'video'
interface Track {
  fourCc: string
  trackId: number
  body: Buffer
}

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex')
const ascii = (text: string): Buffer => Buffer.from(text, 'latin1')
const uint24 = (value: number): Buffer => Buffer.from([value >> 16, (value >> 8) & 0xff, value & 0xff])
const flagsOf = (kind: Kind): number => (kind === 'video' ? 0xa0 : 0x90)
const multitrackOf = (kind: Kind): number => (kind === 'video' ? 6 : 5)

/** The flags byte and its ModEx data, ended by `packetType`. */
function prefix(kind: Kind, packetType: number, modEx: Buffer[]): Buffer {
  const parts: Buffer[] = []
  let flags = flagsOf(kind)
  for (const data of modEx) {
    const size = data.length - 1
    parts.push(
      Buffer.from([flags | 7]),
      size < 255 ? Buffer.from([size]) : Buffer.from([255, size >> 8, size & 0xff]),
      data,
    )
    flags = 0
  }
  return Buffer.concat([...parts, Buffer.from([flags | packetType])])
}

function compose(kind: Kind, type: number, packetType: number, tracks: Track[], modEx: Buffer[]): Buffer {
  const parts = [prefix(kind, multitrackOf(kind), modEx), Buffer.from([(type << 4) | packetType])]
  if (type !== 2) parts.push(ascii(tracks[0]?.fourCc ?? ''))
  for (const { fourCc, trackId, body } of tracks) {
    if (type === 2) parts.push(ascii(fourCc))
    parts.push(Buffer.from([trackId]))
    if (type !== 0) parts.push(uint24(body.length))
    parts.push(body)
  }
  return Buffer.concat(parts)
}

/** What one track looks like alone. */
function alone(kind: Kind, packetType: number, track: Track, modEx: Buffer[]): Buffer {
  if (track.trackId !== 0) return compose(kind, 0, packetType, [track], modEx)
  return Buffer.concat([prefix(kind, packetType, modEx), ascii(track.fourCc), track.body])
}

describe('splitTracks leaves alone what is no multitrack', () => {
  test.each<[string, Kind, string]>([
    ['an empty payload', 'video', ''],
    ['legacy AVC', 'video', '17 01 000000 aa'],
    ['legacy AAC', 'audio', 'af 01 21'],
    ['a legacy frame whose bits look like multitrack', 'video', '16 aa'],
    ['enhanced video', 'video', '91 61766331 000000 aa'],
    ['enhanced audio', 'audio', '91 4f707573 aa'],
    ['ModEx without multitrack', 'video', '97 00 aa 13 61766331 aa'],
    ['a command', 'video', 'd6 00'],
    ['audio packet type 6, which is not its multitrack', 'audio', '96 01'],
    ['one track other than 0', 'video', '96 01 61766331 02 000000 aa'],
  ])('%s', (_name, kind, bytes) => {
    const payload = hex(bytes)
    const tracks = splitTracks(kind, payload)
    expect(tracks).toHaveLength(1)
    expect(tracks[0]).toBe(payload)
  })
})

describe('splitTracks gives each track a message of its own', () => {
  test('track 0 becomes a message without multitrack, the others one-track messages', () => {
    const payload = hex('96 11 61766331 00 000004 000028aa 01 000005 000050bbbb')
    expect(splitTracks('video', payload).map((track) => track.toString('hex'))).toEqual([
      '9161766331000028aa',
      '96016176633101000050bbbb',
    ])
  })

  test('one track with id 0 becomes a message without multitrack', () => {
    expect(splitTracks('audio', hex('95 00 4f707573 00 4f')).map(String)).toEqual([String(hex('90 4f707573 4f'))])
  })

  test('HDR metadata that is sent as a command', () => {
    expect(splitTracks('video', hex('d6 14 68766331 00 000001 02')).map((track) => track.toString('hex'))).toEqual([
      'd46876633102',
    ])
  })

  const random = seeded(2026)
  const fourCcs = { video: ['avc1', 'hvc1', 'av01', 'vp09', 'zzzz'], audio: ['Opus', 'fLaC', 'mp4a', 'ac-3', 'zzzz'] }
  const cases = Array.from({ length: 120 }, (_, index) => {
    const kind: Kind = index % 2 === 0 ? 'video' : 'audio'
    const type = index % 3
    const shared = fourCcs[kind][random(5)] ?? ''
    const tracks = Array.from({ length: type === 0 ? 1 : 1 + random(6) }, () => ({
      fourCc: type === 2 ? (fourCcs[kind][random(5)] ?? '') : shared,
      trackId: random(4),
      body: Buffer.alloc(3 + random(60), random(256)),
    }))
    const modEx = Array.from({ length: random(3) }, () => Buffer.alloc(1 + random(400), random(256)))
    return { index, kind, type, packetType: random(2), tracks, modEx }
  })

  test.each(cases)('composed by hand: case $index', ({ kind, type, packetType, tracks, modEx }) => {
    const payloads = splitTracks(kind, compose(kind, type, packetType, tracks, modEx))
    expect(payloads).toEqual(tracks.map((track) => alone(kind, packetType, track, modEx)))
    const tags = payloads.map((payload) => (kind === 'video' ? parseVideoTag(payload) : parseAudioTag(payload)))
    const seen = tags.map(({ codec, trackId, type: packet }) => [codec, trackId, packet])
    const name = packetType === 0 ? 'header' : 'frame'
    expect(seen).toEqual(tracks.map(({ fourCc, trackId }) => [fourCc, trackId, name]))
  })
})

describe('multitrack that is refused', () => {
  const many = (count: number): Buffer =>
    compose(
      'video',
      1,
      2,
      Array.from({ length: count }, (_, trackId) => ({ fourCc: 'avc1', trackId, body: Buffer.alloc(0) })),
      [],
    )

  test('over 32 tracks', () => {
    expect(splitTracks('video', many(32))).toHaveLength(32)
    expect(() => splitTracks('video', many(33))).toThrow(expect.objectContaining({ code: 'flv_tracks_too_many' }))
  })

  test('much ModEx data, which each track would repeat', () => {
    const track = { fourCc: 'Opus', trackId: 1, body: Buffer.alloc(9) }
    const payload = compose('audio', 1, 1, [track, track], [Buffer.alloc(60_000)])
    expect(() => splitTracks('audio', payload)).toThrow(expect.objectContaining({ code: 'flv_tracks_prefix' }))
  })

  test('each truncation of a message gives tracks or a CodecError', () => {
    const body = Buffer.alloc(20, 1)
    const tracks = [0, 1, 2].map((trackId) => ({ fourCc: 'hvc1', trackId, body }))
    const payload = compose('video', 2, 1, tracks, [Buffer.alloc(3)])
    for (let length = 1; length < payload.length; length++) {
      const cut = payload.subarray(0, length)
      try {
        // Cut between two tracks it is a whole message with fewer of them.
        expect(splitTracks('video', cut).length).toBeLessThan(3)
      } catch (error) {
        if (!(error instanceof CodecError)) throw error
        expect(error.code).toBe('flv_short_video')
      }
    }
  })
})
