/** What HLS that several servers write by turns needs of whoever knows the other servers. */
import type { Thread } from '../../../st/thread.ts'

/** Another server writes the stream now: StError with this code. */
export const FENCED = 'backup_fenced'

/** Files that all of the servers have in common. All calls throw DiskError, TimeoutError, InterruptedError. */
export interface SharedStorage {
  /** A file below `hls_path`, whole; null when it is not there. */
  read(thread: Thread, name: string): Promise<Buffer | null>
  /** Its size; null when it is not there. */
  size(thread: Thread, name: string): Promise<number | null>
  /** Where a file is, as it is configured. */
  path(name: string): string
  /** For how long the playlist has not been written, ms. */
  idleMs(thread: Thread): Promise<number>
  /** Makes the folders that files of these names need. */
  makeFoldersFor(thread: Thread, names: Iterable<string>): Promise<void>
  /** Other servers that could write, and how long ago they said so, ms. */
  sides(thread: Thread): Promise<readonly { readonly name: string; readonly ageMs: number }[]>
  /** The stream is over: removes all that servers know of each other. */
  forget(thread: Thread, turn: WritingTurn): Promise<void>
}

/**
 * A turn at writing: the right to change what is in the storage. When another server has begun one, all calls throw
 * StError `backup_fenced` and have changed nothing. After any other error nobody knows what will be there: the turn must
 * be given up.
 */
export interface WritingTurn {
  /** Each is greater than the one before. */
  readonly number: number
  /** Name of the server, and since when it writes, ms since 1970. */
  readonly facts: { readonly name: string; readonly sinceMs: number }
  /** Files that turns before this one may have left behind. */
  readonly leftovers: readonly string[]
  /** Says what is about to be published. */
  intend(thread: Thread, names: readonly string[]): Promise<void>
  /** Puts a file to its place, whole. */
  write(thread: Thread, name: string, bytes: Buffer): Promise<void>
  /** Removes a file, if it is there. */
  remove(thread: Thread, name: string): Promise<void>
  /** Shows that this server lives. */
  renew(thread: Thread): Promise<void>
}

/** Decides, with those of other servers, whose turn it is. */
export interface Election {
  /** The turn of this server; null: it may not write. */
  readonly fence: WritingTurn | null
  /** The last one, which may still be able to write. */
  readonly lastFence: WritingTurn | null
  /** Takes part as long as there is something to write. */
  want(isWanted: boolean): void
  /** Writes no more from now on. @param holdsOff lets the others go first */
  giveUp(holdsOff: boolean): void
  /** A write has found that another server has begun a turn. */
  fenced(thread: Thread, turn: WritingTurn): void
  /** The thread. @throws InterruptedError */
  run(thread: Thread): Promise<void>
}

/** What a server holds of a stream. */
export interface SideFacts {
  /** How long ago its newest frame came, ms. */
  readonly lagMs: number
  /** How much of the stream it holds for the case that it has to go on with it, ms. */
  readonly heldMs: number
}

/** A stream that could be written here. */
export interface Candidate {
  /** Of its source. */
  readonly key: string
  /** Whether it is published at this server. */
  readonly isPublished: boolean
  readonly side: SideFacts
  /** The writer lives and does not write what this server has had for long. */
  readonly isOverdue: boolean
  /** Number of the newest segment in the storage; null: there is none. */
  readonly sequence: number | null
  /** When the playlist changed last, monotonic, ms. */
  readonly changedMs: number
  /** Segments that playlists named and that were not there. */
  readonly missing: number
  /** Looks at the storage, while another server writes. @throws DiskError, TimeoutError, InterruptedError */
  watch(thread: Thread): Promise<void>
  /** Lets another server go on, when the segment that is being made is finished. */
  giveAway(): void
}

/** A stream's part of what servers share. */
export interface HlsShare {
  /** Of this server. */
  readonly name: string
  readonly storage: SharedStorage
  /** A writer that has shown no life for so long is taken for gone. */
  readonly leaseMs: number
  elect(candidate: Candidate): Election
}

/** Streams that several servers write by turns, into storage that they share. */
export interface HlsBackups {
  /** Null: this server alone makes HLS of the vhost. */
  shareOf(vhost: string, playlistName: string): HlsShare | null
}
