import { StError } from '../../st/errors.ts'
import type { Thread } from '../../st/thread.ts'
import type { Candidate, Election } from '../../server/hls/shared/share.ts'
import type { BackupOptions } from './options.ts'
import type { StreamStorage } from './stream-storage.ts'

/** Who has not said for so many leases that it stands by does so no more. */
const SIDE_LEASES = 2

/** There is no other server that could write. `backup_none`: no such stream; `backup_alone`: nobody stands by. */
export class BackupError extends StError {}

/** A stream that this server could write, or does. */
export interface Contest {
  /** Of this server. */
  readonly name: string
  readonly storage: StreamStorage
  readonly options: () => BackupOptions
  readonly candidate: Candidate
  readonly election: Election
}

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
export async function viewOf(thread: Thread, contest: Contest): Promise<BackupView> {
  const { storage, name, candidate } = contest
  await candidate.watch(thread)
  const look = await storage.look(thread)
  const facts = look?.facts?.isWriting === true ? look.facts : null
  const own: SideView = { name, role: roleOf(contest), ...candidate.side, ageMs: 0 }
  const others = (await storage.sides(thread)).filter((other) => other.name !== name)
  const sides: SideView[] = [own, ...others.map((other) => ({ ...other, role: 'standby' as const }))]
  if (facts && facts.name !== name) {
    sides.push({ name: facts.name, role: 'writer', lagMs: null, heldMs: null, ageMs: 0 })
  }
  return {
    stream: candidate.key,
    mode: 'standby',
    role: own.role,
    writer: facts?.name ?? null,
    sinceMs: facts?.sinceMs ?? null,
    turn: look?.number ?? null,
    sequence: candidate.sequence,
    ageMs: thread.world.clock.nowMs() - candidate.changedMs,
    missing: candidate.missing,
    sides,
  }
}

/**
 * Lets another server write, from the end of the segment that is being made on.
 * @throws BackupError when nobody stands by; DiskError, TimeoutError, InterruptedError
 */
export async function switchWriter(
  thread: Thread,
  { storage, name, options, candidate, election }: Contest,
): Promise<void> {
  const writer = (await storage.look(thread))?.facts?.name
  const sides = await storage.sides(thread)
  const ready = sides.filter((one) => one.name !== writer && one.ageMs <= SIDE_LEASES * options().leaseMs)
  if (ready.length === 0) throw new BackupError('backup_alone', `nobody stands by for ${writer ?? name}`)
  if (election.fence) candidate.giveAway()
  else await storage.askSwitch(thread)
}

/** What a server does for a stream. */
export function roleOf({ election, candidate }: Contest): SideView['role'] {
  if (election.fence) return 'writer'
  return candidate.isPublished ? 'standby' : 'reader'
}
