import { describe, expect, test } from 'vitest'
import { Election } from '../../../src/cluster/backup/coordinator/election.ts'
import { beginsAfter, endsTogether, fits, goesOn, type Placed } from '../../../src/cluster/backup/coordinator/joint.ts'
import { ServedLog } from '../../../src/cluster/backup/coordinator/served-log.ts'
import { writeMediaPlaylist } from '../../../src/format/m3u8/media-playlist.ts'
import { TS_WRAP_MS } from '../../../src/format/mpegts/segment-facts.ts'

/** A segment of two seconds. @param startMs by the encoder's clock @param offsetMs of the local clock */
function placed(side: string, seqNo: number, startMs: number, offsetMs: number, more: Partial<Placed> = {}): Placed {
  const endMs = startMs + 2_000
  const facts = { container: 'ts' as const, startMs, endMs, codecs: 'x', firstCounters: {}, lastCounters: {} }
  const { facts: changed, ...rest } = more
  const localEndMs = endMs + offsetMs
  return {
    side,
    session: side,
    seqNo,
    durationMs: 2_000,
    facts: { ...facts, ...changed },
    offsetMs,
    localEndMs,
    ...rest,
  }
}

describe('what comes next', () => {
  const last = placed('one', 5, 10_000, 500_000)

  test('of the same publish, the next number, whatever its times are', () => {
    expect(beginsAfter(last, placed('one', 6, 0, 500_000))).toBe(true)
    expect(beginsAfter(last, placed('one', 5, 90_000, 500_000))).toBe(false)
  })

  test('of the next publish to the same server, what has come later', () => {
    expect(beginsAfter(last, placed('one', 0, 11_000, 500_100, { session: 'next' }))).toBe(true)
    expect(beginsAfter(last, placed('one', 0, 9_000, 500_100, { session: 'before' }))).toBe(false)
  })

  test('of the other server with the same clock, what begins where the last one ends', () => {
    const offsetMs = 500_300
    expect(beginsAfter(last, placed('two', 80, 10_000, offsetMs))).toBe(false)
    expect(beginsAfter(last, placed('two', 80, 11_000, offsetMs))).toBe(false)
    expect(beginsAfter(last, placed('two', 81, 12_000, offsetMs))).toBe(true)
    expect(fits(last, placed('two', 81, 12_000, offsetMs))).toBe(true)
    expect(fits(last, placed('two', 81, 13_000, offsetMs))).toBe(false)
    expect(endsTogether(last, placed('two', 80, 10_000, offsetMs))).toBe(true)
  })

  test('of one with another clock, what began when the last one ended, about', () => {
    const offsetMs = 300_000
    const at = (localBeginMs: number): Placed => placed('two', 1, localBeginMs - offsetMs, offsetMs)
    expect(beginsAfter(last, at(511_000))).toBe(false)
    expect(beginsAfter(last, at(511_600))).toBe(true)
    expect(beginsAfter(last, at(513_000))).toBe(true)
    expect(fits(last, at(512_000))).toBe(false)
  })

  test('the clock of MPEG-TS wraps', () => {
    const end = placed('one', 5, TS_WRAP_MS - 2_000, 500_000)
    const begin = placed('two', 9, 0, 500_000 + TS_WRAP_MS)
    expect(beginsAfter(end, begin)).toBe(true)
    expect(goesOn(end, begin)).toBe(true)
  })

  test('a discontinuity is where times, codecs or counters do not go on', () => {
    const counters = (first: number): Partial<Placed> => ({
      facts: { ...last.facts, startMs: 12_000, endMs: 14_000, firstCounters: { 256: first } },
    })
    const counted = { ...last, facts: { ...last.facts, lastCounters: { 256: 15 } } }
    expect(goesOn(counted, placed('two', 1, 12_000, 500_000, counters(0)))).toBe(true)
    expect(goesOn(counted, placed('two', 1, 12_000, 500_000, counters(3)))).toBe(false)
    expect(goesOn(last, placed('two', 1, 12_400, 500_000))).toBe(false)
    expect(goesOn(last, placed('one', 6, 12_400, 500_000))).toBe(true)
    expect(goesOn(last, placed('one', 7, 14_000, 500_000))).toBe(false)
    expect(goesOn(last, placed('one', 6, 12_000, 500_000, { facts: { ...last.facts, codecs: 'y' } }))).toBe(false)
  })
})

describe('the side that is served', () => {
  const side = (name: string, priority: number, isHealthy: boolean) => ({
    name,
    priority,
    isHealthy,
    healthySinceMs: 0,
  })
  const both = (one: boolean, two: boolean) => [side('two', 2, two), side('one', 1, one)]

  test('is the healthy one with the smaller number, and stays', () => {
    const election = new Election(6_000)
    expect(election.choose(both(false, false), 0)).toBeNull()
    expect(election.choose(both(false, true), 0)).toBe('two')
    expect(election.choose(both(true, true), 100_000)).toBe('two')
    expect(election.choose(both(true, false), 200_000)).toBe('one')
    expect(election.choose(both(false, false), 300_000)).toBe('one')
    expect(election.switches).toBe(1)
  })

  test('is another one after a while only, counted from its first segment', () => {
    const election = new Election(6_000)
    election.choose(both(true, true), 0)
    expect(election.choose(both(false, true), 10_000)).toBe('two')
    election.shown('two', 13_000, true)
    expect(election.choose(both(true, false), 18_900)).toBe('two')
    expect(election.choose(both(true, false), 19_000)).toBe('one')
  })

  test('is not left for one that has just come', () => {
    const election = new Election(0)
    election.choose(both(true, true), 0)
    const fresh = [side('one', 1, false), { ...side('two', 2, true), healthySinceMs: 9_500 }]
    expect(election.choose(fresh, 10_000)).toBe('one')
    expect(election.choose(fresh, 10_500)).toBe('two')
  })
})

describe('the log of what is served', () => {
  const served = (number: number, more: object = {}) => ({
    entry: {
      number,
      side: 'one',
      session: 's',
      seqNo: number,
      before: null,
      durationMs: 2_000,
      facts: placed('one', 1, 0, 0).facts,
      name: `a b-${number}-x.ts`,
      hash: '',
      initName: null,
      initHash: null,
      discontinuity: false,
      discontinuities: 7,
      ...more,
    },
    placed: placed('one', number, 0, 0),
    sinceMs: 0,
    file: null,
    initFile: null,
  })
  const text = (log: ServedLog): string => {
    const playlist = log.playlist()
    return playlist ? writeMediaPlaylist(playlist) : ''
  }

  test('lists the newest, keeps some more, and counts discontinuities that have gone', () => {
    const log = new ServedLog(3)
    expect(log.playlist()).toBeNull()
    const gone = []
    for (let number = 10; number < 22; number++)
      gone.push(...log.push(served(number, { discontinuity: number === 19 })))
    expect(text(log)).toMatch(
      /TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:19\n#EXT-X-DISCONTINUITY-SEQUENCE:6\n#EXT-X-DISCONT/,
    )
    expect(text(log).match(/^a%20b-\d+-x\.ts$/gm)).toEqual(['a%20b-19-x.ts', 'a%20b-20-x.ts', 'a%20b-21-x.ts'])
    expect(gone.map(({ entry }) => entry.number)).toEqual([10, 11, 12])
    expect(log.kept).toHaveLength(9)
  })

  test('never goes back, and begins anew behind a hole', () => {
    const log = new ServedLog(3)
    log.push(served(10))
    log.push(served(11))
    expect(() => log.push(served(11))).toThrow(RangeError)
    log.push(served(15))
    expect(text(log)).toContain('MEDIA-SEQUENCE:15\n')
    expect(text(log).match(/EXTINF/g)).toHaveLength(1)
  })

  test('the target never shrinks', () => {
    const log = new ServedLog(3)
    for (const durationMs of [4_600, 2_000, 2_000, 2_000])
      log.push(served((log.last?.entry.number ?? 0) + 1, { durationMs }))
    expect(text(log)).toContain('TARGETDURATION:5\n')
  })
})
