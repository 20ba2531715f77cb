import { expect, test, vi } from 'vitest'
import { Untold } from '../../../src/cluster/cores/untold.ts'
import { CoresRun } from './cores-run.ts'

const SEEDS = 2
/** A planted fault is found within so many seeds. */
const WITHIN = 10

test('a server of several processes keeps all rules while its processes are killed', async () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const { violation, frames } = await CoresRun.run(seed)
    expect(`seed ${seed}: ${violation}`).toBe(`seed ${seed}: null`)
    expect(frames).toBeGreaterThan(0)
  }
}, 120_000)

test('it is found when ends of clients are forgotten that leave while there is no origin', async () => {
  const spies = [
    vi.spyOn(Untold.prototype, 'add').mockImplementation(() => {}),
    vi.spyOn(Untold.prototype, 'addGone').mockImplementation(() => {}),
  ]
  try {
    let violation: string | null = null
    for (let seed = 1; seed <= WITHIN && !violation; seed++) violation = (await CoresRun.run(seed)).violation
    expect(violation).toMatch(/1 open, and is not there/)
  } finally {
    for (const spy of spies) spy.mockRestore()
  }
}, 120_000)
