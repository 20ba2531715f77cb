import { describe, expect, test } from 'vitest'
import { joinChains } from '../../../src/cluster/chain.ts'
import type { EdgeOptions, OriginAddress } from '../../../src/cluster/edge/options.ts'
import { inOrder, nameOf, OriginTurns } from '../../../src/cluster/edge/origins.ts'
import type { Origin } from '../../../src/cluster/origin/origin.ts'
import type { Thread } from '../../../src/st/thread.ts'
import { makeTestWorld } from '../../st/support/world.ts'

const ORIGINS: readonly OriginAddress[] = ['a', 'b', 'c'].map((host) => ({ host, port: null }))

function settings(balance: EdgeOptions['balance'], origin = ORIGINS): EdgeOptions {
  return { balance, origin, originTimeoutMs: 5_000 } as EdgeOptions
}

function names(origins: readonly OriginAddress[]): string {
  return origins.map(nameOf).join('')
}

describe('the order of origins', () => {
  test('goes round, from one that is another for each stream', () => {
    expect([0, 1, 2, 3].map((start) => names(inOrder(settings('round_robin'), 'v/a/s', start)))).toEqual([
      'abc',
      'bca',
      'cab',
      'abc',
    ])
  })

  test('by hash depends on the stream alone, and one more origin moves only what it takes', () => {
    const keys = Array.from({ length: 300 }, (_, index) => `v/live/s${index}`)
    const more = settings('hash', [...ORIGINS, { host: 'd', port: null }])
    const firsts = keys.map((key) => names(inOrder(settings('hash'), key, 7)).charAt(0))
    const moved = keys.filter((key, index) => names(inOrder(more, key, 1)).charAt(0) !== firsts[index])
    for (const host of ['a', 'b', 'c']) {
      expect(firsts.filter((first) => first === host).length).toBeGreaterThan(60)
    }
    expect(moved.every((key) => names(inOrder(more, key, 1)).startsWith('d'))).toBe(true)
    expect(moved.length).toBeLessThan(120)
    expect(names(inOrder(settings('hash', ORIGINS.toReversed()), 'v/live/s1', 0))).toBe(
      names(inOrder(settings('hash'), 'v/live/s1', 0)),
    )
  })
})

/** Asks for turns in a world in which time stands; notes each with the time. */
async function turnsOf(
  act: (turns: OriginTurns, thread: Thread, note: (what: string) => void) => Promise<void>,
  found: readonly Origin[] = [],
): Promise<string[]> {
  const { world, clock } = makeTestWorld()
  const notes: string[] = []
  const turns = new OriginTurns('v/a/s', 0, () => settings('round_robin'), { find: async () => found })
  const thread = world.spawn('turns', (own) => act(turns, own, (what) => void notes.push(`${what}${clock.nowMs()}`)))
  for (let step = 0; step < 200 && !thread.ended; step++) await clock.pass(250)
  return notes
}

async function next(turns: OriginTurns, thread: Thread, servedMs: number, note: (what: string) => void): Promise<void> {
  const origin = await turns.next(thread)
  note(origin ? nameOf(origin) : 'none')
  if (origin) turns.report(origin, servedMs)
}

describe('turns', () => {
  test('that fail are pauses between rounds, which grow up to 3 s', async () => {
    const notes = await turnsOf(async (turns, thread, note) => {
      for (let turn = 0; turn < 16; turn++) await next(turns, thread, 0, note)
    })
    const starts = notes.filter((note) => note.startsWith('a')).map((note) => Number(note.slice(1)))
    const pauses = starts.slice(1).map((start, index) => start - (starts[index] ?? 0))
    expect(notes.map((note) => note.charAt(0)).join('')).toBe('abcabcabcabcabca')
    expect(pauses).toEqual([500, 1_000, 2_000, 3_000, 3_000])
  })

  test('after an origin that served come at once, and the one that was lost comes last', async () => {
    const notes = await turnsOf(async (turns, thread, note) => {
      await next(turns, thread, 10_000, note)
      await next(turns, thread, 0, note)
      await next(turns, thread, 0, note)
      await next(turns, thread, 0, note)
    })
    expect(notes.map((note) => note.charAt(0)).join('')).toBe('abca')
    expect(new Set(notes.map((note) => note.slice(1))).size).toBe(1)
  })

  test('are those of a registry, when it knows', async () => {
    const found = [{ host: 'r', port: 1936, httpPort: null, api: '' }]
    const notes = await turnsOf((turns, thread, note) => next(turns, thread, 0, note), found)
    expect(notes[0]).toMatch(/^r:1936/)
  })
})

test('a chain has each server once, the last one who asks at its end', () => {
  expect(joinChains([], 'me')).toBe('me')
  expect(joinChains(['a,b', 'b,c', '', 'me,a'], 'me')).toBe('a,b,c,me')
  expect(joinChains([Array.from({ length: 100 }, (_, index) => `s${index}`).join()], 'me').split(',')).toHaveLength(33)
})
