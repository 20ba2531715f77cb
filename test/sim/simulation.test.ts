import { describe, expect, test } from 'vitest'
import { describePlan, makePlan, type PlanSize, SMALL, TINY } from './plan.ts'
import { REGRESSIONS } from './regressions.ts'
import { runPlan } from './run.ts'

const BATCHES = 12
const SEEDS_IN_A_BATCH = 20
/** A second or a few, where nothing else runs. */
const TEST_MS = 120_000

test(
  'the same seed gives the same trace, byte for byte; another seed another one',
  async () => {
    const traces = [5, 5, 6].map(async (seed) => {
      const lines: string[] = []
      const { hash } = await runPlan(makePlan(seed), (line) => void lines.push(line))
      return { hash, text: lines.join('\n') }
    })
    const [one, again, other] = await Promise.all(traces)
    expect(one?.text.length).toBeGreaterThan(10_000)
    expect(again).toEqual(one)
    expect(other?.hash).not.toBe(one?.hash)
  },
  TEST_MS,
)

describe('a server, its publishers, players and back end through faults', () => {
  test.each(Array.from({ length: BATCHES }, (_, batch) => batch * SEEDS_IN_A_BATCH + 1))(
    'keep all rules from seed %i on',
    async (first) => {
      for (let seed = first; seed < first + SEEDS_IN_A_BATCH; seed++) await keepsRules(seed, TINY)
    },
    TEST_MS,
  )

  test(
    'keep all rules where a bug was found once',
    async () => {
      for (const { seed } of REGRESSIONS) await keepsRules(seed, SMALL)
    },
    TEST_MS,
  )
})

async function keepsRules(seed: number, size: PlanSize): Promise<void> {
  const plan = makePlan(seed, size)
  const { violation } = await runPlan(plan)
  if (violation) throw new Error(`${violation.message}\n${describePlan(plan)}`, { cause: violation })
}
