import { expect, test } from 'vitest'
import { ClusterRun } from './cluster-run.ts'

test.each([1, 2, 3, 4])(
  'three origins, two edges and Redis in virtual time: everybody plays in the end, and nothing is left: seed %i',
  async (seed) => {
    const notes: string[] = []
    const broken = await new ClusterRun(seed, (line) => void notes.push(line)).run()
    expect(broken, notes.join('\n')).toBeNull()
  },
  120_000,
)
