import { describe, expect, test } from 'vitest'
import { Feed } from '../../src/stream/feed.ts'
import { HeaderSet } from '../../src/stream/headers.ts'
import type { StreamOptions } from '../../src/stream/options.ts'
import { TestClock } from '../st/support/clock.ts'
import { makeTestWorld, noting, type TestWorld } from '../st/support/world.ts'
import { audioPacket, headerPacket, videoPacket } from './media.ts'
import { readRecords, RecordFormat, word, words } from './record-format.ts'
import { drain, OPTIONS } from './support.ts'

const SOUND = HeaderSet.EMPTY.withHeader(headerPacket('audio', 'asc:1')).withKind('audio')
const HEADERS = SOUND.withHeader(headerPacket('video', 'sps:1')).withKind('video')
const PRELUDE = ['asc:1', 'sps:1']

/** A feed whose batches are cut by the test: each call of `gop` and `more` is one. */
class Bench {
  readonly clock = new TestClock()
  readonly feed: Feed
  nowMs = 0
  #number = 0

  constructor(options: Partial<StreamOptions> = {}, format = new RecordFormat()) {
    this.feed = new Feed(format, this.clock, { ...OPTIONS, minLatency: true, ...options })
  }

  /** A key frame and `more` frames, one a second. */
  gop(more: number): void {
    this.#video(true)
    this.more(more)
  }

  /** Frames that need those before them, one a second. */
  more(count: number): void {
    for (let index = 0; index < count; index++) this.#video(false)
  }

  /** Sound, one frame a second. */
  sound(count: number, headers = SOUND): void {
    for (let index = 0; index < count; index++) {
      this.feed.append(audioPacket(this.#number++, this.nowMs), headers)
      this.#next()
    }
  }

  #video(isKey: boolean): void {
    this.feed.append(videoPacket(this.#number++, this.nowMs, isKey), HEADERS)
    this.#next()
  }

  #next(): void {
    this.feed.cut()
    this.nowMs += 1_000
  }
}

test('a player knows how many bytes are there for it', () => {
  const bench = new Bench()
  bench.gop(2)
  const cursor = bench.feed.join('new', true)
  const sizes = [0, 1, 2].map((seq) => bench.feed.batch(seq)?.bytes.length ?? 0)
  expect(cursor.pendingBytes).toBe(sizes.reduce((sum, size) => sum + size, 0))
  drain(cursor)
  expect(cursor.pendingBytes).toBe(0)
  // One that has not moved for hours counts what is kept, not what was.
  bench.gop(50)
  bench.gop(1)
  const kept = [0, 1].map((back) => bench.feed.batch(bench.feed.nextSeq - 1 - back)?.bytes.length ?? 0)
  expect(cursor.pendingBytes).toBeGreaterThanOrEqual((kept[0] ?? 0) + (kept[1] ?? 0))
  expect(cursor.pendingBytes).toBeLessThan(20 * (kept[0] ?? 0))
})

describe('a new player', () => {
  test('begins at the newest key frame, headers first, stamped with its time', () => {
    const bench = new Bench()
    bench.gop(2)
    bench.gop(2)
    const pieces = drain(bench.feed.join('new', true))
    expect(words(pieces)).toEqual([...PRELUDE, 'key3', 'inter4', 'inter5'])
    expect(readRecords(pieces).map((record) => record.dtsMs)).toEqual([3_000, 3_000, 3_000, 4_000, 5_000])
  })

  test('gets what stands in the open batch at once', () => {
    const bench = new Bench({ minLatency: false })
    bench.feed.append(videoPacket(0, 0, true), HEADERS)
    bench.feed.append(videoPacket(1, 40, false), HEADERS)
    expect(words(drain(bench.feed.join('new', true)))).toEqual([...PRELUDE, 'key0', 'inter1'])
  })

  test('waits for the next key frame when it may not have the one that was', () => {
    const bench = new Bench({ gopCache: false })
    bench.gop(2)
    const cursor = bench.feed.join('next key', true)
    bench.more(3)
    expect(drain(cursor)).toEqual([])
    bench.gop(1)
    expect(words(drain(cursor))).toEqual([...PRELUDE, 'key6', 'inter7'])
    expect(cursor.droppedPackets).toBe(0)
  })

  test('of a stream without a picture starts at once, with what comes next', () => {
    const bench = new Bench()
    bench.sound(5)
    const cursor = bench.feed.join('new', false)
    expect(drain(cursor)).toEqual([])
    bench.sound(2)
    expect(words(drain(cursor))).toEqual(['asc:1', 'aac5', 'aac6'])
  })

  test('that takes no picture needs no key frame', () => {
    const bench = new Bench({}, new RecordFormat({ video: false }))
    bench.gop(3)
    const cursor = bench.feed.join('new', true)
    bench.sound(1, HEADERS)
    expect(words(drain(cursor))).toEqual(['asc:1', 'aac4'])
  })

  test('waits for the first key frame of a publisher that began in the middle of a GOP', () => {
    const bench = new Bench()
    bench.more(3)
    const cursor = bench.feed.join('new', true)
    bench.more(2)
    expect(drain(cursor)).toEqual([])
    bench.gop(0)
    expect(words(drain(cursor))).toEqual([...PRELUDE, 'key5'])
  })

  test('is told of sound that began after the key frame at which it starts', () => {
    const bench = new Bench()
    const silent = HeaderSet.EMPTY.withMetadata({}).withKind('video')
    bench.feed.append(videoPacket(0, 0, true), silent)
    const before = bench.feed.join('new', true)
    expect(words(drain(before))[0]).toBe('{"hasAudio":false,"hasVideo":true}')
    bench.feed.append(audioPacket(1, 10), silent.withKind('audio'))
    expect(words(drain(bench.feed.join('new', true)))[0]).toBe('{"hasAudio":true,"hasVideo":true}')
  })
})

describe('codec headers that change', () => {
  test('reach a player in their place; who joins later gets the new ones (ossrs/srs#1441)', () => {
    const bench = new Bench()
    bench.gop(1)
    const early = bench.feed.join('new', true)
    const changed = headerPacket('video', 'sps:2', 2_000)
    bench.feed.append(changed, HEADERS)
    bench.feed.append(videoPacket(100, 2_000, true), HEADERS.withHeader(changed))
    bench.feed.cut()
    expect(words(drain(early))).toEqual([...PRELUDE, 'key0', 'inter1', 'sps:2', 'key100'])
    expect(words(drain(bench.feed.join('new', true)))).toEqual(['asc:1', 'sps:2', 'key100'])
  })

  test('who starts at the key frame before the change gets the old one first, then the new one in its place', () => {
    const bench = new Bench()
    bench.gop(1)
    const changed = headerPacket('audio', 'asc:2', 2_000)
    bench.feed.append(changed, HEADERS)
    bench.feed.append(audioPacket(100, 2_000), HEADERS.withHeader(changed))
    bench.feed.cut()
    expect(words(drain(bench.feed.join('new', true)))).toEqual([...PRELUDE, 'key0', 'inter1', 'asc:2', 'aac100'])
  })
})

describe('a storm of new players', () => {
  test('who begin at an older key frame does not cut the open batch to pieces for all others', () => {
    const bench = new Bench()
    bench.gop(3)
    const cursor = bench.feed.join('new', true)
    drain(cursor)
    for (let i = 0; i < 10; i++) {
      bench.feed.append(audioPacket(100, 2_000 + i), HEADERS)
      bench.feed.join('new', true)
    }
    expect(drain(cursor)).toEqual([])
    bench.feed.cut()
    expect(drain(cursor)).toHaveLength(1)
  })
})

describe('a slow player', () => {
  test('goes on at the newest key frame with headers first, and knows how many packets it missed', () => {
    const bench = new Bench()
    bench.gop(3)
    const cursor = bench.feed.join('new', true)
    drain(cursor)
    for (let gop = 0; gop < 5; gop++) bench.gop(3)
    const pieces = drain(cursor)
    expect(words(pieces)).toEqual([...PRELUDE, 'key20', 'inter21', 'inter22', 'inter23'])
    expect(readRecords(pieces)[0]?.dtsMs).toBe(20_000)
    expect(cursor.droppedPackets).toBe(16)
  })

  test('is left alone while it is not more than queue_length behind', () => {
    const bench = new Bench()
    bench.gop(0)
    const cursor = bench.feed.join('new', true)
    drain(cursor)
    for (let gop = 0; gop < 5; gop++) bench.gop(1)
    expect(words(drain(cursor))).toHaveLength(10)
    expect(cursor.droppedPackets).toBe(0)
  })

  test('is not thrown about by a GOP that is longer than queue_length: it gets all of it', () => {
    const bench = new Bench({ queueLengthMs: 3_000 })
    bench.gop(20)
    const cursor = bench.feed.join('new', true)
    const expected = [...PRELUDE, 'key0', ...Array.from({ length: 20 }, (_, index) => `inter${index + 1}`)]
    const pieces: Buffer[] = []
    for (let bytes = cursor.next(); bytes && pieces.length < 50; bytes = cursor.next()) pieces.push(bytes)
    expect(words(pieces)).toEqual(expected)
    expect(cursor.droppedPackets).toBe(0)
  })

  test('in the middle of a long GOP leaves it for the next key frame when that is there', () => {
    const bench = new Bench({ queueLengthMs: 3_000 })
    bench.gop(20)
    const cursor = bench.feed.join('new', true)
    for (let piece = 0; piece < 4; piece++) cursor.next()
    bench.gop(1)
    expect(words(drain(cursor))).toEqual([...PRELUDE, 'key21', 'inter22'])
    expect(cursor.droppedPackets).toBe(18)
  })

  test('that fell off a GOP too long to be kept never continues with a frame that it cannot decode', () => {
    const bench = new Bench({ gopCacheMaxFrames: 5 })
    bench.gop(0)
    const cursor = bench.feed.join('new', true)
    drain(cursor)
    bench.more(60)
    expect(drain(cursor)).toEqual([])
    bench.more(5)
    expect(drain(cursor)).toEqual([])
    bench.gop(1)
    expect(words(drain(cursor))).toEqual([...PRELUDE, 'key66', 'inter67'])
    expect(cursor.droppedPackets).toBe(65)
  })

  test('of a stream without a picture goes on at the newest sound', () => {
    const bench = new Bench()
    const cursor = bench.feed.join('new', false)
    bench.sound(1)
    drain(cursor)
    bench.sound(60)
    expect(words(drain(cursor))).toEqual(['asc:1', 'aac60'])
    expect(cursor.droppedPackets).toBe(59)
  })

  test('does not starve when the picture has ceased: it goes on with the sound', () => {
    const bench = new Bench()
    bench.gop(0)
    const cursor = bench.feed.join('new', true)
    drain(cursor)
    bench.sound(11, HEADERS)
    bench.feed.forgetGop()
    bench.sound(30, HEADERS)
    expect(words(drain(cursor)).at(-1)).toBe('aac41')
    bench.sound(2, HEADERS)
    expect(words(drain(cursor))).toEqual(['aac42', 'aac43'])
  })

  test('that drops again and again always gets headers and a key frame first', () => {
    const bench = new Bench({ queueLengthMs: 2_000 })
    const cursor = bench.feed.join('new', true)
    let droppedPackets = 0
    for (let round = 0; round < 20; round++) {
      for (let gop = 0; gop < 3; gop++) bench.gop(2)
      const got = words(drain(cursor))
      expect(got.slice(0, 3)).toEqual([...PRELUDE, `key${round * 9 + 6}`])
      expect(cursor.droppedPackets).toBe(droppedPackets)
      droppedPackets += 6
    }
  })
})

test('a player that waits for a key frame gets the sound when the picture has ceased', () => {
  const bench = new Bench({ gopCache: false })
  bench.gop(1)
  const cursor = bench.feed.join('next key', true)
  bench.sound(11, HEADERS)
  bench.feed.forgetGop()
  bench.sound(2, HEADERS)
  expect(words(drain(cursor)).at(-1)).toBe('aac14')
})

test('skipToNewest brings a player that paused to the newest key frame, and never back', () => {
  const bench = new Bench()
  bench.gop(1)
  const cursor = bench.feed.join('new', true)
  drain(cursor)
  bench.gop(1)
  bench.gop(1)
  cursor.skipToNewest()
  expect(words(drain(cursor))).toEqual([...PRELUDE, 'key4', 'inter5'])
  cursor.skipToNewest()
  expect(drain(cursor)).toEqual([])
})

describe('following', () => {
  /** A player that follows until its socket is full, it is told to stop, or the end. */
  function follower(feed: Feed, world: TestWorld['world']) {
    const state = { got: [] as string[], isFull: false, notes: [] as string[] }
    const cursor = feed.join('new', false)
    const write = (bytes: Buffer): boolean => {
      state.got.push(...words([bytes]))
      return !state.isFull
    }
    const thread = noting(world, state.notes, 'follower', (self) => cursor.follow(self, { write }))
    return { state, cursor, thread }
  }

  function soundFeed() {
    const { world, clock } = makeTestWorld()
    const feed = new Feed(new RecordFormat(), clock, OPTIONS)
    return { world, clock, feed, ...follower(feed, world) }
  }

  test('writes what is there and each batch that comes, in its turn', async () => {
    const { clock, feed, state } = soundFeed()
    await clock.settle()
    for (let i = 0; i < 3; i++) {
      feed.append(audioPacket(i, i * 23), SOUND)
      await clock.pass(350)
    }
    expect(state.got).toEqual(['asc:1', 'aac0', 'aac1', 'aac2'])
    expect(state.notes).toEqual([])
  })

  test('returns when a write was not taken whole: nothing more is written', async () => {
    const { clock, feed, state, cursor } = soundFeed()
    await clock.settle()
    state.isFull = true
    feed.append(audioPacket(0, 0), SOUND)
    await clock.pass(350)
    expect([state.got, state.notes, cursor.ended]).toEqual([['asc:1'], ['follower ok'], false])
    expect(words(drain(cursor))).toEqual(['aac0'])
  })

  test('returns at once when it is halted, and writes nothing more', async () => {
    const { clock, feed, state, cursor, thread } = soundFeed()
    await clock.settle()
    cursor.halt(thread)
    await clock.settle()
    expect(state.notes).toEqual(['follower ok'])
    cursor.halt(thread)
    feed.append(audioPacket(0, 0), SOUND)
    await clock.pass(350)
    expect(state.got).toEqual([])
  })

  test('returns at the end of the feed, with all that was left', async () => {
    const { clock, feed, state, cursor } = soundFeed()
    await clock.settle()
    feed.append(audioPacket(0, 0), SOUND)
    feed.end()
    await clock.settle()
    expect([state.got, state.notes, cursor.ended]).toEqual([['asc:1', 'aac0'], ['follower ok'], true])
    expect(clock.pendingTimers).toBe(0)
  })

  test('is ended by an interrupt, also by one that comes between a batch and its turn', async () => {
    const { clock, feed, state, thread } = soundFeed()
    await clock.settle()
    feed.append(audioPacket(0, 0), SOUND)
    feed.cut()
    thread.interrupt('kicked')
    await clock.settle()
    expect(state.notes).toEqual(['follower st_interrupted'])
  })
})

describe('the end', () => {
  test('at the end a player still gets what is left', () => {
    const bench = new Bench({ minLatency: false })
    bench.gop(0)
    const cursor = bench.feed.join('new', true)
    bench.feed.append(videoPacket(9, 1_000, false), HEADERS)
    bench.feed.end()
    expect(cursor.ended).toBe(false)
    expect(readRecords(drain(cursor)).map(word)).toEqual([...PRELUDE, 'key0', 'inter9'])
    expect(cursor.ended).toBe(true)
  })

  test('at the end a player that never saw a key frame is done', () => {
    const bench = new Bench()
    bench.more(1)
    const cursor = bench.feed.join('new', true)
    bench.more(2)
    bench.feed.end()
    expect(drain(cursor)).toEqual([])
    expect(cursor.ended).toBe(true)
  })
})
