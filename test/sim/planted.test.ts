import { expect, test } from 'vitest'
import { seedsNeeded } from './find-planted.ts'
import { PLANTED } from './planted.ts'

test.each(PLANTED.map((bug) => [bug.name, bug] as const))(
  'finds %s',
  async (_name, bug) => {
    expect(await seedsNeeded(bug, bug.seeds)).not.toBeNull()
  },
  120_000,
)
