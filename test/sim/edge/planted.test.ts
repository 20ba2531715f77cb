import { expect, test } from 'vitest'
import { Edge, Pulls } from '../../../src/cluster/edge/edge.ts'
import type { Client } from '../../../src/server/client.ts'
import { Continuation } from '../../../src/stream/continuation.ts'
import { each, patch } from './patch.ts'
import { runEdges } from './run.ts'

/** What players get back when they are let in is replaced, for those whose address says so. */
function spoilLeave(isSpoilt: (client: Client) => boolean, spoil: (leave: () => void) => () => void): () => void {
  return patch(
    Edge,
    'enter',
    (original) =>
      async function (...args) {
        const leave = (await original.apply(this, args)) as (() => void) | null
        return leave && args[1] === 'play' && isSpoilt(args[2] as Client) ? spoil(leave) : leave
      },
  )
}

/** Found within so many seeds, from 1 on; the numbers were chosen before looking. */
const PLANTED: readonly (readonly [string, number, () => () => void])[] = [
  [
    'a pull that two players start twice',
    8,
    () => {
      const forgets = each(3)
      return patch(
        Pulls,
        'get',
        (original) =>
          function (...args) {
            return forgets() ? undefined : original.apply(this, args)
          },
      )
    },
  ],
  [
    'a linger that ends the pull under a new player',
    8,
    () =>
      spoilLeave(
        ({ peer }) => /[13]$/.test(peer.host),
        (leave) => {
          leave()
          return () => {}
        },
      ),
  ],
  [
    'a player that leaves and is still counted',
    8,
    () =>
      spoilLeave(
        ({ peer }) => peer.host.endsWith('2'),
        () => () => {},
      ),
  ],
  ['frames that come again after a cut', 16, () => patch(Continuation, 'leavesOut', () => () => false)],
]

test.each(PLANTED)('finds %s within %i seeds', async (_name, seeds, plant) => {
  const takeOut = plant()
  try {
    let found: string | null = null
    for (let seed = 1; seed <= seeds && found === null; seed++) found = await violationOf(seed)
    expect(found).not.toBeNull()
  } finally {
    takeOut()
  }
})

async function violationOf(seed: number): Promise<string | null> {
  try {
    return (await runEdges(seed)).violation?.message ?? null
  } catch (error) {
    // A planted bug may break more than a rule: then the run itself ends.
    return error instanceof Error ? error.message : String(error)
  }
}
