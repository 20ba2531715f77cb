import { expect, test } from 'vitest'
import { seedsNeeded } from './find-planted.ts'
import { MOST_SEEDS, PLANTED } from './planted.ts'

// Those that are rare are found by `npm run simulate -- --planted 100`.
test.each(PLANTED.filter(({ isRare }) => !isRare).map((bug) => [bug.name, bug] as const))(
  'finds %s',
  async (_name, bug) => {
    expect(await seedsNeeded(bug, MOST_SEEDS)).not.toBeNull()
  },
)
