import { describe, expect, test } from 'vitest'
import { runEdges } from './run.ts'

const BATCHES = 3
const SEEDS_IN_A_BATCH = 8

describe('edges and origins through crashes, partitions, resets and stalls', () => {
  test.each(Array.from({ length: BATCHES }, (_, batch) => batch * SEEDS_IN_A_BATCH + 1))(
    'keep all rules from seed %i on',
    async (first) => {
      for (let seed = first; seed < first + SEEDS_IN_A_BATCH; seed++) {
        const { violation, frames } = await runEdges(seed)
        if (violation) throw new Error(`seed ${seed}: ${violation.message}`, { cause: violation })
        expect(frames).toBeGreaterThan(0)
      }
    },
  )
})
