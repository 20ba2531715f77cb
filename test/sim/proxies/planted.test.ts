import { expect, test } from 'vitest'
import { Choice } from '../../../src/cluster/dolphin/choice.ts'
import { SharpServers } from '../../../src/cluster/sharp/servers.ts'
import type { Follower } from '../../../src/st/followers.ts'
import { Socket } from '../../../src/st/socket.ts'
import { Continuation } from '../../../src/stream/continuation.ts'
import { each, patch } from '../edge/patch.ts'
import { runDolphin } from './dolphin-run.ts'
import { runSharp } from './sharp-run.ts'
import type { ProxyOutcome } from './stage.ts'

type Run = (seed: number) => Promise<ProxyOutcome>

/** Only those who pass bytes on are prompt. */
function patchPump(step: (socket: Socket, follower: Follower) => boolean): () => void {
  return patch(
    Socket,
    'followInput',
    (original) =>
      function (this: unknown, thread, follower, timeoutMs) {
        const own = follower as Follower
        const socket = this as Socket
        if (!own.isPrompt) return original.call(this, thread, follower, timeoutMs)
        const spoilt: Follower = {
          get activeMs() {
            return own.activeMs ?? 0
          },
          step: () => step(socket, own),
        }
        return original.call(this, thread, spoilt, timeoutMs)
      },
  )
}

/** Found within so many seeds, from 1 on; the numbers were chosen before looking. */
const PLANTED: readonly (readonly [string, Run, number, () => () => void])[] = [
  [
    'a proxy that now and then loses what it has read',
    runDolphin,
    4,
    () => {
      const isLost = each(300)
      return patchPump((socket, follower) => {
        if (isLost()) socket.tryRead()
        return follower.step()
      })
    },
  ],
  [
    'a proxy that writes on without waiting for a slow reader',
    runDolphin,
    8,
    () =>
      patchPump((socket, follower) => {
        while (!follower.step()) if (socket.isAtEnd()) return false
        return true
      }),
  ],
  [
    'a proxy by stream that sometimes forgets the stream',
    runDolphin,
    8,
    () => {
      const forgets = each(3)
      return patch(
        Choice,
        'enter',
        (original) =>
          function (this: unknown, wish) {
            return original.call(this, forgets() ? { ...(wish as object), stream: null } : wish)
          },
      )
    },
  ],
  ['frames that come again after a move', runSharp, 16, () => patch(Continuation, 'leavesOut', () => () => false)],
  [
    'a stream that is asked of a server that is down',
    runSharp,
    8,
    () =>
      patch(
        SharpServers,
        'find',
        (original) =>
          async function (this: unknown, ...args) {
            const found = (await original.apply(this, args)) as unknown[]
            return found.toReversed()
          },
      ),
  ],
]

test.each(PLANTED)(
  'finds %s',
  async (_name, run, seeds, plant) => {
    const takeOut = plant()
    try {
      let found: string | null = null
      for (let seed = 1; seed <= seeds && found === null; seed++) found = await violationOf(run, seed)
      expect(found).not.toBeNull()
    } finally {
      takeOut()
    }
  },
  120_000,
)

async function violationOf(run: Run, seed: number): Promise<string | null> {
  try {
    return (await run(seed)).violation?.message ?? null
  } catch (error) {
    // A planted bug may break more than a rule: then the run itself ends.
    return error instanceof Error ? error.message : String(error)
  }
}
