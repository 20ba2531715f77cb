/** Goes on from what another life of a coordinator has told its players. */
import type { Thread } from '../../../st/thread.ts'
import type { Sent } from './entries.ts'
import type { Placed } from './joint.ts'
import type { Remembered } from './memory.ts'
import type { Entry, Served } from './served-log.ts'
import type { KeptFile, Shelf } from './shelf.ts'

/** What a stream begins with. */
export interface Restored {
  readonly generation: number
  readonly served: readonly Served[]
  /** Where its playlist begins: behind what cannot be given any more. */
  readonly firstNumber: number
}

/** Where an entry is in time that ended so long ago. */
export function placedOf({ entry, ageMs }: Sent, nowMs: number): Placed {
  const { side, session, seqNo, durationMs, facts } = entry
  const localEndMs = nowMs - ageMs
  return { side, session, seqNo, durationMs, facts, offsetMs: localEndMs - facts.endMs, localEndMs }
}

/** For how long the last of it has been over, ms: by the wall clock, which may have been set back. */
export function ageOf(thread: Thread, { told }: Remembered): number {
  return Math.max(0, thread.world.clock.wallMs() - (told.at(-1) ?? told[0]).endWallMs)
}

/** Looks at the files of what was told. Players do not get a playlist of long ago. @throws InterruptedError */
export async function restore(
  thread: Thread,
  shelf: Shelf,
  remembered: Remembered,
  maxBytes: number,
): Promise<Restored> {
  const { clock } = thread.world
  const { told, generation } = remembered
  const lengthMs = told.reduce((sum, { entry }) => sum + entry.durationMs, 0)
  const isOfNow = ageOf(thread, remembered) <= lengthMs
  const adopt = async (path: string | null, hash: string | null): Promise<KeptFile | null> =>
    isOfNow && path !== null && hash !== null ? shelf.adopt(thread, path, hash, maxBytes) : null
  const served: Served[] = []
  let firstNumber = 0
  for (const { entry, endWallMs, path, initPath } of told) {
    const file = await adopt(path, entry.hash)
    const initFile = await adopt(initPath, entry.initHash)
    if (!isWhole(entry, file, initFile)) firstNumber = entry.number + 1
    const nowMs = clock.nowMs()
    const placed = placedOf({ entry, ageMs: Math.max(0, clock.wallMs() - endWallMs) }, nowMs)
    served.push({ entry, placed, sinceMs: placed.localEndMs, file, initFile })
  }
  return { generation, served, firstNumber }
}

function isWhole({ initHash }: Entry, file: KeptFile | null, initFile: KeptFile | null): boolean {
  return file !== null && (initHash === null || initFile !== null)
}
