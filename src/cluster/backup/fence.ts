import { posix } from 'node:path'
import { type Disk, DiskError } from '../../st/disk.ts'
import { StError } from '../../st/errors.ts'
import { Mutex } from '../../st/mutex.ts'
import type { Thread } from '../../st/thread.ts'
import type { WritingTurn } from '../../server/hls/shared/share.ts'
import { isMissing, overwrite, STORAGE_TIMEOUT_MS, unlessMissing } from './storage-files.ts'

/** A lease takes so many bytes at least: what is written over it later needs no room on a disk that is full. */
const LEASE_BYTES = 1_024

/** What a writer says of itself in its lease. */
export interface LeaseFacts {
  /** Of its server. */
  readonly name: string
  /** Of this very turn at writing. */
  readonly token: string
  /** False: it has given the stream back. */
  readonly isWriting: boolean
  /** Wall clock, ms since 1970. */
  readonly sinceMs: number
  /** Files that it is about to publish. */
  readonly intent: readonly string[]
}

/** Another server writes the stream now. */
export class FencedError extends StError {
  constructor(number: number, cause: unknown) {
    super('backup_fenced', `turn ${number} at writing is over: another server has begun one`, { cause })
  }
}

/**
 * A turn at writing a stream into the shared storage. All that it publishes is written into a folder of its own and
 * moved from there to its place; what it removes is moved there first. Whoever begins the next turn removes that
 * folder before anything else: from then on nothing can be moved out of it or into it, however late this server wakes
 * up, since the file system itself refuses.
 */
export class Fence implements WritingTurn {
  /** Of the turn: each is greater than the one before. */
  readonly number: number
  /** Files that turns before this one may have left behind. */
  readonly leftovers: readonly string[]
  readonly #disk: Disk
  readonly #root: string
  readonly #folder: string
  readonly #leasePath: string
  readonly #mutex = new Mutex()
  #facts: LeaseFacts
  #renewals = 0
  #files = 0

  constructor(
    disk: Disk,
    place: { readonly root: string; readonly folder: string; readonly leasePath: string },
    turn: { readonly number: number; readonly facts: LeaseFacts; readonly leftovers: readonly string[] },
  ) {
    this.number = turn.number
    this.leftovers = turn.leftovers
    this.#disk = disk
    this.#root = place.root
    this.#folder = place.folder
    this.#leasePath = place.leasePath
    this.#facts = turn.facts
  }

  get facts(): LeaseFacts {
    return this.#facts
  }

  /**
   * Puts a file to its place, whole, and instead of one that is there.
   * @param name below `hls_path`
   * @throws FencedError; DiskError, TimeoutError, InterruptedError: then nobody knows whether it will be there, and the
   *   turn must be given up
   */
  async write(thread: Thread, name: string, bytes: Buffer): Promise<void> {
    const aside = `${this.#folder}/${this.#files++}`
    await this.#guarded(async () => {
      const file = await this.#disk.open(thread, aside, 'create', STORAGE_TIMEOUT_MS)
      try {
        await file.write(thread, bytes, 0, STORAGE_TIMEOUT_MS)
      } finally {
        await file.close(thread, STORAGE_TIMEOUT_MS)
      }
      await this.#disk.rename(thread, aside, posix.join(this.#root, name), STORAGE_TIMEOUT_MS)
    })
  }

  /** Removes a file from its place, if it is there and the turn is not over. @throws as `write` */
  async remove(thread: Thread, name: string): Promise<void> {
    const aside = `${this.#folder}/${this.#files++}`
    try {
      await this.#disk.rename(thread, posix.join(this.#root, name), aside, STORAGE_TIMEOUT_MS)
    } catch (error) {
      if (isMissing(error)) return
      throw error
    }
    await unlessMissing(this.#disk.remove(thread, aside, STORAGE_TIMEOUT_MS))
  }

  /** Says what is about to be published: if this server dies before a playlist names it, the next one removes it. */
  intend(thread: Thread, names: readonly string[]): Promise<void> {
    return this.#say(thread, { ...this.#facts, intent: names })
  }

  /** Shows that this server lives. @throws as `write` */
  renew(thread: Thread): Promise<void> {
    return this.#say(thread, this.#facts)
  }

  /** Gives the stream back: who waits for it need not wait for the end of the lease. @throws as `write` */
  release(thread: Thread): Promise<void> {
    return this.#say(thread, { ...this.#facts, isWriting: false, intent: [] })
  }

  async #say(thread: Thread, facts: LeaseFacts): Promise<void> {
    await this.#mutex.lock(thread, STORAGE_TIMEOUT_MS)
    try {
      this.#facts = facts
      const bytes = leaseText(facts, ++this.#renewals)
      await this.#guarded(() => overwrite(thread, this.#disk, this.#leasePath, bytes))
    } finally {
      this.#mutex.unlock(thread)
    }
  }

  async #guarded(work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      // What this turn stands on is gone.
      if (error instanceof DiskError && isMissing(error)) throw new FencedError(this.number, error)
      throw error
    }
  }
}

/** @param renewals makes each text another one */
export function leaseText(facts: LeaseFacts, renewals: number): Buffer {
  const text = JSON.stringify({ ...facts, renewals })
  return Buffer.from(`${text.padEnd(LEASE_BYTES)}\n`)
}

/** Null when it is none, or is being written at this moment. */
export function readLease(text: string): LeaseFacts | null {
  try {
    const members = JSON.parse(text.split('\n', 1)[0] ?? '') as Record<string, unknown> | null
    const { name, token, isWriting, sinceMs, intent } = members ?? {}
    if (typeof name !== 'string' || typeof token !== 'string' || typeof isWriting !== 'boolean') return null
    if (typeof sinceMs !== 'number' || !Array.isArray(intent)) return null
    return { name, token, isWriting, sinceMs, intent: intent.filter((one) => typeof one === 'string') }
  } catch (error) {
    if (error instanceof SyntaxError) return null
    throw error
  }
}
