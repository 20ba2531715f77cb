import { describe, expect, test } from 'vitest'
import { Feed } from '../../src/stream/feed.ts'
import { HeaderSet } from '../../src/stream/headers.ts'
import type { StreamOptions } from '../../src/stream/options.ts'
import { TestClock } from '../st/support/clock.ts'
import { audioPacket, headerPacket, videoPacket } from './media.ts'
import { RecordFormat, words } from './record-format.ts'
import { drain, OPTIONS } from './support.ts'

const HEADERS = HeaderSet.EMPTY.withMetadata({ width: 16 })
  .withHeader(headerPacket('video', 'sps:1'))
  .withHeader(headerPacket('audio', 'asc:1'))
  .withKind('audio')
  .withKind('video')

function makeFeed(options: Partial<StreamOptions> = {}, format = new RecordFormat()) {
  const clock = new TestClock()
  const feed = new Feed(format, clock, { ...OPTIONS, ...options })
  return { clock, feed, format }
}

/** The bytes that the log holds. */
function logBytes(feed: Feed): number {
  let bytes = 0
  for (let seq = feed.nextSeq - 1; ; seq--) {
    const batch = feed.batch(seq)
    if (!batch) return bytes
    bytes += batch.bytes.length
  }
}

describe('batches', () => {
  test('a batch is what came during mw_latency after its first packet', () => {
    const { clock, feed } = makeFeed()
    for (let ms = 0; ms < 700; ms += 50) {
      feed.append(videoPacket(ms, ms, false), HEADERS)
      clock.elapse(50)
    }
    expect(words([feed.batch(0)?.bytes ?? Buffer.alloc(0)])).toEqual(
      [0, 50, 100, 150, 200, 250, 300].map((n) => `inter${n}`),
    )
    expect(feed.nextSeq).toBe(2)
    expect(clock.pendingTimers).toBe(0)
  })

  test('at 1 frame a second each frame goes out after mw_latency, although nothing else comes (ossrs/srs#2338)', () => {
    const { clock, feed } = makeFeed()
    for (let second = 0; second < 5; second++) {
      feed.append(videoPacket(second, second * 1_000, false), HEADERS)
      clock.elapse(349)
      expect(feed.nextSeq).toBe(second)
      clock.elapse(1)
      expect(feed.nextSeq).toBe(second + 1)
      clock.elapse(650)
    }
  })

  test('every key frame begins one, also when mw_latency is not over', () => {
    const { feed } = makeFeed()
    for (let number = 0; number < 6; number++) feed.append(videoPacket(number, number * 10, number % 2 === 0), HEADERS)
    expect([0, 1].map((seq) => words([feed.batch(seq)?.bytes ?? Buffer.alloc(0)]))).toEqual([
      ['key0', 'inter1'],
      ['key2', 'inter3'],
    ])
    expect(feed.batch(0)?.startsGop).toBe(true)
  })

  test('one is cut at 256 KiB, so that a player gets a high bit rate in pieces', () => {
    const { feed } = makeFeed()
    for (let number = 0; number < 20; number++) feed.append(videoPacket(number, 0, false, 100_000), HEADERS)
    expect(feed.nextSeq).toBe(6)
    expect(feed.batch(0)?.packets).toBe(3)
  })

  test('with min_latency there is no timer: the end of the turn cuts', () => {
    const { clock, feed } = makeFeed({ minLatency: true })
    feed.append(videoPacket(0, 0, false), HEADERS)
    feed.append(audioPacket(1, 0), HEADERS)
    expect(clock.pendingTimers + feed.nextSeq).toBe(0)
    feed.cut()
    expect(feed.batch(0)?.packets).toBe(2)
    feed.cut()
    expect(feed.nextSeq).toBe(1)
  })

  test('an end or a farewell leaves no timer', () => {
    for (const leave of ['end', 'dispose'] as const) {
      const { clock, feed } = makeFeed()
      feed.append(videoPacket(0, 0, true), HEADERS)
      expect(clock.pendingTimers).toBe(1)
      feed[leave]()
      expect(clock.pendingTimers).toBe(0)
    }
  })

  test('what the format refuses is not there', () => {
    const { feed } = makeFeed({}, new RecordFormat({ video: false }))
    feed.append(videoPacket(0, 0, true), HEADERS)
    feed.append(audioPacket(1, 0), HEADERS)
    feed.append({ ...audioPacket(2, 0), trackId: 1 }, HEADERS)
    feed.cut()
    expect(words([feed.batch(0)?.bytes ?? Buffer.alloc(0)])).toEqual(['aac1'])
  })

  test('a frame of the wire format stands around each batch and each prelude, but never around nothing', () => {
    const { feed } = makeFeed({}, new RecordFormat({ framed: true }))
    feed.append(videoPacket(0, 0, true), HEADERS)
    const [prelude, batch] = drain(feed.join('new', true)).map((bytes) => bytes.toString('latin1'))
    expect(prelude).toMatch(/^<\d+:.*>$/s)
    expect(batch).toBe(`<${14 + 45}:${batch?.slice(4, -1)}>`)
  })

  test('without headers and metadata a player gets no frame around nothing', () => {
    const { feed } = makeFeed({}, new RecordFormat({ framed: true }))
    const cursor = feed.join('new', false)
    feed.append(audioPacket(0, 0), HeaderSet.EMPTY)
    feed.cut()
    const pieces = drain(cursor)
    expect(pieces).toHaveLength(1)
    expect(pieces[0]?.toString('latin1')).toMatch(/^<26:/)
  })
})

describe('one encoding for all players', () => {
  test('each packet is written once, and all get the same Buffers', () => {
    const { clock, feed, format } = makeFeed()
    const cursors = Array.from({ length: 50 }, () => feed.join('new', true))
    for (let number = 0; number < 100; number++) {
      feed.append(videoPacket(number, number * 40, number % 25 === 0), HEADERS)
      clock.elapse(40)
    }
    feed.cut()
    const [first = [], ...others] = cursors.map(drain)
    for (const pieces of others) expect(pieces.every((piece, index) => piece === first[index])).toBe(true)
    const media = [...format.writes].filter(([payload]) => payload.length === 45 || payload.length === 25)
    expect(media).toHaveLength(100)
    expect(media.every(([, count]) => count === 1)).toBe(true)
  })

  test('headers are encoded once for all players that start at the same key frame', () => {
    const { feed, format } = makeFeed()
    feed.append(videoPacket(0, 0, true), HEADERS)
    const preludes = Array.from({ length: 10 }, () => drain(feed.join('new', true))[0])
    expect(new Set(preludes).size).toBe(1)
    const [header] = HEADERS.packets
    expect(header && format.writes.get(header.payload)).toBe(1)
  })
})

describe('memory', () => {
  const HOUR_FRAMES = 25 * 3_600

  /** An hour of 25 fps, a key frame each `gopFrames`; returns the most that the log held. */
  function runHour(options: Partial<StreamOptions>, gopFrames: number, bytes: number): number {
    const { clock, feed } = makeFeed({ mwLatencyMs: 400, ...options })
    feed.join('new', true)
    let mostBytes = 0
    for (let frame = 0; frame < HOUR_FRAMES; frame++) {
      feed.append(videoPacket(frame, frame * 40, frame % gopFrames === 0, bytes), HEADERS)
      clock.elapse(40)
      if (frame % 250 === 0) mostBytes = Math.max(mostBytes, logBytes(feed))
    }
    return mostBytes
  }

  test('an hour with a key frame each 2 s holds queue_length and a batch', () => {
    expect(runHour({}, 50, 100)).toBeLessThan(265 * 125)
  })

  test('an hour with a key frame each minute holds the GOP and queue_length', () => {
    const held = runHour({}, 1_500, 100)
    expect(held).toBeGreaterThan(1_200 * 100)
    expect(held).toBeLessThan((1_500 + 265) * 125)
  })

  test('an hour without a second key frame holds queue_length: gop_cache_max_frames ends the cache', () => {
    const { clock, feed } = makeFeed({ gopCacheMaxFrames: 1_000 })
    for (let frame = 0; frame < HOUR_FRAMES; frame++) {
      feed.append(videoPacket(frame, frame * 40, frame === 0, 100), HEADERS)
      clock.elapse(40)
      if (frame === 900) expect(logBytes(feed)).toBeGreaterThan(880 * 100)
    }
    expect(logBytes(feed)).toBeLessThan(265 * 125)
    expect(feed.newestGop).toBeNull()
  })

  test('with gop_cache off a long GOP is not kept', () => {
    expect(runHour({ gopCache: false }, 1_500, 100)).toBeLessThan(265 * 125)
  })

  test('timestamps that stand still do not make the log grow without end', () => {
    const { feed } = makeFeed()
    for (let frame = 0; frame < 900; frame++) feed.append(videoPacket(frame, 7, frame === 0, 200_000), HEADERS)
    expect(logBytes(feed)).toBeLessThanOrEqual(64 * 1024 * 1024)
  })

  test('tiny batches are bounded too, when timestamps stand still', () => {
    const { feed } = makeFeed({ minLatency: true })
    for (let packet = 0; packet < 70_000; packet++) {
      feed.append(audioPacket(packet, 7), HEADERS)
      feed.cut()
    }
    let batches = 0
    for (let seq = feed.nextSeq - 1; feed.batch(seq); seq--) batches++
    expect(batches).toBeLessThan(65_000)
  })
})
