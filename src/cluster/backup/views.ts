import { StError } from '../../st/errors.ts'
import type { Thread } from '../../st/thread.ts'
import type { StandbyKeeper } from './standby-keeper.ts'

/** Who has not said for so many leases that it stands by does so no more. */
const SIDE_LEASES = 2

/** There is no other server that could write. `backup_none`: no such stream; `backup_alone`: nobody stands by. */
export class BackupError extends StError {}

/** A server that has a stream, or has had it lately. */
export interface SideView {
  readonly name: string
  /** `reader`: it has no publisher and serves what the others write. */
  readonly role: 'writer' | 'standby' | 'reader'
  /** How long ago its newest frame came, ms; null: it did not say. */
  readonly lagMs: number | null
  /** How much of the stream it holds that is not in the storage, ms. */
  readonly heldMs: number | null
  /** How long ago it said so, ms. */
  readonly ageMs: number
}

/** A stream that several servers write by turns. */
export interface BackupView {
  readonly stream: string
  readonly mode: 'standby'
  /** Of this server. */
  readonly role: SideView['role']
  /** Name of the server that writes; null: nobody does. */
  readonly writer: string | null
  /** Since when, wall clock, ms since 1970; null: nobody does. */
  readonly sinceMs: number | null
  /** Number of its turn. */
  readonly turn: number | null
  /** Number of the newest segment; null: there is none. */
  readonly sequence: number | null
  /** How long the playlist has not changed, ms. */
  readonly ageMs: number
  /** Segments that the playlist named and that were not there. */
  readonly missing: number
  readonly sides: readonly SideView[]
}

/** What there is to say of a stream now. @throws DiskError, TimeoutError, InterruptedError */
export async function viewOf(thread: Thread, keeper: StandbyKeeper): Promise<BackupView> {
  const { stream, storage, name, mirror, side } = keeper
  await mirror.refresh(thread)
  const look = await storage.look(thread)
  const facts = look?.facts?.isWriting === true ? look.facts : null
  const own: SideView = { name, role: roleOf(keeper), ...side, ageMs: 0 }
  const others = (await storage.sides(thread)).filter((other) => other.name !== name)
  const sides: SideView[] = [own, ...others.map((other) => ({ ...other, role: 'standby' as const }))]
  if (facts && facts.name !== name) {
    sides.push({ name: facts.name, role: 'writer', lagMs: null, heldMs: null, ageMs: 0 })
  }
  return {
    stream: stream.key,
    mode: 'standby',
    role: own.role,
    writer: facts?.name ?? null,
    sinceMs: facts?.sinceMs ?? null,
    turn: look?.number ?? null,
    sequence: stream.segments.at(-1)?.sequence ?? null,
    ageMs: thread.world.clock.nowMs() - mirror.changedMs,
    missing: mirror.missing,
    sides,
  }
}

/**
 * Lets another server write, from the end of the segment that is being made on.
 * @throws BackupError when nobody stands by; DiskError, TimeoutError, InterruptedError
 */
export async function switchWriter(thread: Thread, keeper: StandbyKeeper, leaseMs: number): Promise<void> {
  const { storage, name } = keeper
  const writer = (await storage.look(thread))?.facts?.name
  const sides = await storage.sides(thread)
  const ready = sides.filter((one) => one.name !== writer && one.ageMs <= SIDE_LEASES * leaseMs)
  if (ready.length === 0) throw new BackupError('backup_alone', `nobody stands by for ${writer ?? name}`)
  if (keeper.election.fence) keeper.giveAway()
  else await storage.askSwitch(thread)
}

/** What a server does for a stream. */
export function roleOf({ election, isPublished }: StandbyKeeper): SideView['role'] {
  if (election.fence) return 'writer'
  return isPublished ? 'standby' : 'reader'
}
