import { describe, expect, test } from 'vitest'
import { runDolphin } from './dolphin-run.ts'
import { runSharp } from './sharp-run.ts'

const SEEDS = 2

describe('servers behind a proxy, through crashes of both, partitions, resets and stalls', () => {
  test.each([
    ['dolphin', runDolphin],
    ['sharp', runSharp],
  ])(
    '%s keeps all rules',
    async (_name, run) => {
      for (let seed = 1; seed <= SEEDS; seed++) {
        const { violation, frames } = await run(seed)
        if (violation) throw new Error(`seed ${seed}: ${violation.message}`, { cause: violation })
        expect(frames).toBeGreaterThan(0)
      }
    },
    120_000,
  )
})
