import { describe, expect, test } from 'vitest'
import { ANSWER_MS } from './viewer.ts'
import { type Fault, type FaultKind, makeStandbyPlan, runStandby, type StandbyOutcome } from './standby-run.ts'

const LEASE_MS = 2_000
/** A segment, and what it takes until a viewer sees it. */
const SEGMENT_MS = 3_500

/** One fault in an otherwise quiet world, twice with other chances. */
async function outcomesOf(what: FaultKind, fault: Partial<Fault> = {}, hasRedis = false): Promise<StandbyOutcome[]> {
  const outcomes: StandbyOutcome[] = []
  for (const seed of [1, 2]) {
    const faults = [{ what, atMs: 12_300 + seed * 700, forMs: 10_000, side: 'writer', ...fault } as const]
    const outcome = await runStandby({ seed, hasRedis, leaseMs: LEASE_MS, busyMs: 24_000, faults })
    if (outcome.violation) throw new Error(`seed ${seed}: ${outcome.violation.message}`, { cause: outcome.violation })
    outcomes.push(outcome)
  }
  return outcomes
}

/** No picture is missing, and a new segment was never later than that. */
function expectNoGap(outcomes: readonly StandbyOutcome[], waitMs: number): void {
  for (const { lostPictures, longestMs, discontinuities } of outcomes) {
    expect({ lostPictures, discontinuities }).toEqual({ lostPictures: 0, discontinuities: 0 })
    expect(longestMs).toBeLessThan(SEGMENT_MS + waitMs)
  }
}

/** How many servers have written. */
function writers({ written }: StandbyOutcome): number {
  return written.size
}

describe('players of two servers of which one writes', () => {
  /** Until the standby knows: the lease, and how often it looks. */
  const LOST_MS = LEASE_MS + 1_000
  /** Until the front has given up a server that does not answer, for a playlist and for a segment. */
  const FRONT_MS = 2 * ANSWER_MS

  test('miss nothing when the writer is killed', async () => {
    const outcomes = await outcomesOf('kill')
    expectNoGap(outcomes, LOST_MS)
    expect(outcomes.map(writers)).toEqual([2, 2])
  })

  test('miss nothing when the machine of the writer loses its power', async () => {
    expectNoGap(await outcomesOf('power'), LOST_MS + FRONT_MS)
  })

  test('miss nothing when the writer is stopped for ten seconds; then it cannot write', async () => {
    const outcomes = await outcomesOf('stop')
    expectNoGap(outcomes, LOST_MS + FRONT_MS)
    expect(outcomes.map(writers)).toEqual([2, 2])
  })

  test('do not notice that the servers cannot see each other', async () => {
    const outcomes = await outcomesOf('cut peers')
    expectNoGap(outcomes, 0)
    expect(outcomes.map(writers)).toEqual([1, 1])
  })

  test('do not notice that the standby is killed', async () => {
    expectNoGap(await outcomesOf('kill', { side: 'other' }), 0)
  })

  test.each(['kill redis', 'cut redis'] as const)('do not notice "%s"', async (what) => {
    const outcomes = await outcomesOf(what, {}, true)
    expectNoGap(outcomes, 0)
    expect(outcomes.map(writers)).toEqual([1, 1])
  })

  test('miss nothing when the writer is killed while Redis holds the lease', async () => {
    expectNoGap(await outcomesOf('kill', {}, true), LOST_MS)
  })

  test.each(['disk full', 'disk away'] as const)('miss nothing with "%s" at the writer', async (what) => {
    const outcomes = await outcomesOf(what)
    expectNoGap(outcomes, LOST_MS)
    expect(outcomes.map(writers)).toEqual([2, 2])
  })

  test('miss nothing and wait for nothing when the writer is changed by hand, asked at either server', async () => {
    for (const side of ['writer', 'other'] as const) {
      const outcomes = await outcomesOf('switch', { side })
      expectNoGap(outcomes, 0)
      expect(outcomes.map(writers)).toEqual([2, 2])
    }
  })

  test('miss nothing when the encoder loses its connection to the writer', async () => {
    expectNoGap(await outcomesOf('encoder reset'), SEGMENT_MS)
  })

  test('see one discontinuity where the encoder was restarted', async () => {
    for (const { lostPictures, discontinuities, longestMs } of await outcomesOf('encoder restart')) {
      expect({ lostPictures, discontinuities }).toEqual({ lostPictures: 0, discontinuities: 1 })
      expect(longestMs).toBeLessThan(3 * SEGMENT_MS)
    }
  })
})

describe('two servers of which one writes, through whatever happens', () => {
  test('keep all rules', async () => {
    for (let seed = 1; seed <= 16; seed++) {
      const { violation, segments } = await runStandby(makeStandbyPlan(seed))
      if (violation) throw new Error(`seed ${seed}: ${violation.message}`, { cause: violation })
      expect(segments).toBeGreaterThan(0)
    }
  })
})
