import { posix } from 'node:path'
import { type Disk, DiskError } from '../../st/disk.ts'
import type { Thread } from '../../st/thread.ts'
import type { SharedStorage, SideFacts, WritingTurn } from '../../server/hls/shared/share.ts'
import { Fence, leaseText, type LeaseFacts, readLease } from './fence.ts'
import type { SharedRoot } from './shared-root.ts'
import {
  clearFolder,
  createFile,
  makeFolders,
  overwrite,
  readWhole,
  STORAGE_TIMEOUT_MS,
  unlessMissing,
} from './storage-files.ts'

/** 2023-01-01, ms since 1970: the first turn at a stream is numbered by the seconds since then. */
const EPOCH_MS = 1_672_531_200_000
const LEASE = /^(\d{1,15})\.lease$/
const FOLDER = /^\d{1,15}$/
const SIDE = /^(.+)\.side$/
const SWITCH = 'switch'
/** Nobody has more servers that share one stream: files of theirs that are looked at. */
const MOST_ENTRIES = 32
const SIDE_BYTES = 128

/** The newest turn at writing. */
export interface Look {
  readonly number: number
  /** It changes as long as the writer lives. */
  readonly text: string
  /** Null: it has just been begun, or cannot be read. */
  readonly facts: LeaseFacts | null
}

export interface Side extends SideFacts {
  readonly name: string
  /** How long ago it said so, ms, by the clock of the storage: since the newest sign of life of anybody. */
  readonly ageMs: number
}

/**
 * What several servers that write one stream by turns know of each other: files beside its playlist, in a folder whose name
 * begins with a dot. `N.lease` is the turn with this number, made by whoever begins it and by nobody else (O_EXCL),
 * and written again and again as long as he lives; `N` is the folder from which he publishes; `NAME.side` is who
 * stands by; `switch` asks the writer to give the stream to another one.
 */
export class StreamStorage implements SharedStorage {
  readonly #disk: Disk
  readonly #root: SharedRoot
  readonly #playlistName: string
  readonly #base: string

  constructor(disk: Disk, root: SharedRoot, playlistName: string) {
    this.#disk = disk
    this.#root = root
    this.#playlistName = playlistName
    const { dir, base } = posix.parse(playlistName)
    this.#base = posix.join(root.path, dir, `.${base}.standby`)
  }

  /** A file below `hls_path`; null when it is not there. @throws DiskError, TimeoutError, InterruptedError */
  async read(thread: Thread, name: string): Promise<Buffer | null> {
    const bytes = await readWhole(thread, this.#disk, this.path(name))
    if (bytes) return bytes
    await this.#root.check(thread)
    // It may have come with the storage.
    return readWhole(thread, this.#disk, this.path(name))
  }

  /** Where a file is, as it is configured. */
  path(name: string): string {
    return posix.join(this.#root.path, name)
  }

  /** Its size; null when it is not there. @throws as `read` */
  async size(thread: Thread, name: string): Promise<number | null> {
    return (await this.#disk.info(thread, this.path(name), STORAGE_TIMEOUT_MS))?.bytes ?? null
  }

  /** For how long the playlist has not been written, by a clock that all servers have in common. @throws as `read` */
  async idleMs(thread: Thread): Promise<number> {
    const info = await this.#disk.info(thread, this.path(this.#playlistName), STORAGE_TIMEOUT_MS)
    return info ? thread.world.clock.wallMs() - info.modifiedMs : 0
  }

  /** The newest turn; null when there is none. @throws as `read` */
  async look(thread: Thread): Promise<Look | null> {
    await this.#root.check(thread)
    const { leases } = await this.#names(thread)
    const number = Math.max(...leases)
    if (leases.length === 0) return null
    const text = (await readWhole(thread, this.#disk, this.#lease(number)))?.toString() ?? ''
    return { number, text, facts: readLease(text) }
  }

  /**
   * Begins a turn: from the moment in which this returns, all before it can do nothing more.
   * @param least its number is this at least
   * @returns null when somebody else was faster
   * @throws DiskError, TimeoutError, InterruptedError; a turn may have been begun then, which nobody uses
   */
  async take(thread: Thread, facts: LeaseFacts, least: number): Promise<Fence | null> {
    const disk = this.#disk
    await this.#root.use(thread)
    await makeFolders(thread, disk, this.#base)
    const before = await this.#names(thread)
    const all = [...before.leases, ...before.folders]
    const seconds = Math.floor((thread.world.clock.wallMs() - EPOCH_MS) / 1000)
    const number = Math.max(least, all.length === 0 ? Math.max(1, seconds) : Math.max(...all) + 1)
    if (!(await this.#claim(thread, number, facts))) return null
    const folder = `${this.#base}/${number}`
    await disk.makeFolder(thread, folder, STORAGE_TIMEOUT_MS)
    const after = await this.#names(thread)
    if (Math.max(...after.leases, ...after.folders) > number) {
      // This server slept, and its number is one of the past.
      await clearFolder(thread, disk, folder)
      await unlessMissing(disk.remove(thread, this.#lease(number), STORAGE_TIMEOUT_MS))
      return null
    }
    const leftovers = await this.#endAllBefore(thread, number, after)
    await makeFolders(thread, disk, posix.dirname(this.path(this.#playlistName)))
    const place = { root: this.#root.path, folder, leasePath: this.#lease(number) }
    return new Fence(disk, place, { number, facts, leftovers })
  }

  /** Makes the folders that files of these names need. @throws as `read` */
  async makeFoldersFor(thread: Thread, names: Iterable<string>): Promise<void> {
    const folders = new Set([...names].map((name) => posix.dirname(this.path(name))))
    for (const folder of folders) await makeFolders(thread, this.#disk, folder)
  }

  /** Asks the writer to give the stream to another server. @throws as `read` */
  async askSwitch(thread: Thread): Promise<void> {
    try {
      await createFile(thread, this.#disk, `${this.#base}/${SWITCH}`, Buffer.alloc(0))
    } catch (error) {
      if (!(error instanceof DiskError) || error.errno !== 'EEXIST') throw error
    }
  }

  /** Whether somebody has asked for that since the last call. @throws as `read` */
  async takeSwitch(thread: Thread): Promise<boolean> {
    const path = `${this.#base}/${SWITCH}`
    if (!(await this.#disk.info(thread, path, STORAGE_TIMEOUT_MS))) return false
    await unlessMissing(this.#disk.remove(thread, path, STORAGE_TIMEOUT_MS))
    return true
  }

  /** Says that this server could write. @throws as `read` */
  async standBy(thread: Thread, name: string, facts: SideFacts): Promise<void> {
    const path = this.#side(name)
    const bytes = Buffer.from(`${JSON.stringify(facts).padEnd(SIDE_BYTES)}\n`)
    try {
      await overwrite(thread, this.#disk, path, bytes)
    } catch (error) {
      if (!(error instanceof DiskError) || error.errno !== 'ENOENT') throw error
      await makeFolders(thread, this.#disk, this.#base)
      await createFile(thread, this.#disk, path, bytes)
    }
  }

  /** This server cannot write any more, or does. @throws as `read` */
  async leave(thread: Thread, name: string): Promise<void> {
    await unlessMissing(this.#disk.remove(thread, this.#side(name), STORAGE_TIMEOUT_MS))
  }

  /** Who stands by, or did lately. @throws as `read` */
  async sides(thread: Thread): Promise<Side[]> {
    const entries = await this.#disk.list(thread, this.#base, STORAGE_TIMEOUT_MS)
    const found: (SideFacts & { name: string; saidMs: number })[] = []
    let nowMs = 0
    for (const { name: file } of entries.slice(0, MOST_ENTRIES)) {
      const saidMs = (await this.#disk.info(thread, `${this.#base}/${file}`, STORAGE_TIMEOUT_MS))?.modifiedMs ?? 0
      nowMs = Math.max(nowMs, saidMs)
      const name = SIDE.exec(file)?.[1]
      if (name === undefined) continue
      const text = await readWhole(thread, this.#disk, this.#side(name))
      found.push({ name, saidMs, ...readSide(text?.toString() ?? '') })
    }
    return found.map(({ saidMs, ...side }) => ({ ...side, ageMs: nowMs - saidMs }))
  }

  /** The stream is over: removes all that servers know of each other, as long as nobody else is there. @throws as `read` */
  async forget(thread: Thread, { number }: WritingTurn): Promise<void> {
    await clearFolder(thread, this.#disk, `${this.#base}/${number}`)
    await unlessMissing(this.#disk.remove(thread, this.#lease(number), STORAGE_TIMEOUT_MS))
    try {
      await this.#disk.removeFolder(thread, this.#base, STORAGE_TIMEOUT_MS)
    } catch (error) {
      if (!(error instanceof DiskError)) throw error
    }
  }

  async #claim(thread: Thread, number: number, facts: LeaseFacts): Promise<boolean> {
    try {
      await createFile(thread, this.#disk, this.#lease(number), leaseText(facts, 0))
      return true
    } catch (error) {
      if (error instanceof DiskError && error.errno === 'EEXIST') return false
      throw error
    }
  }

  /** @returns files that may have been published and that no playlist names */
  async #endAllBefore(thread: Thread, number: number, { leases, folders }: Names): Promise<string[]> {
    const leftovers: string[] = []
    for (const old of folders) if (old < number) await clearFolder(thread, this.#disk, `${this.#base}/${old}`)
    for (const old of leases) {
      if (old >= number) continue
      const text = await readWhole(thread, this.#disk, this.#lease(old))
      leftovers.push(...(readLease(text?.toString() ?? '')?.intent ?? []))
      await unlessMissing(this.#disk.remove(thread, this.#lease(old), STORAGE_TIMEOUT_MS))
    }
    return leftovers
  }

  async #names(thread: Thread): Promise<Names> {
    const entries = await this.#disk.list(thread, this.#base, STORAGE_TIMEOUT_MS)
    return {
      leases: entries.flatMap(({ name }) => LEASE.exec(name)?.[1] ?? []).map(Number),
      folders: entries.flatMap(({ name }) => FOLDER.exec(name)?.[0] ?? []).map(Number),
    }
  }

  #lease(number: number): string {
    return `${this.#base}/${number}.lease`
  }

  #side(name: string): string {
    return `${this.#base}/${name}.side`
  }
}

/** Numbers of turns of which something is there. */
interface Names {
  readonly leases: readonly number[]
  readonly folders: readonly number[]
}

function readSide(text: string): SideFacts {
  try {
    const members = JSON.parse(text) as Record<string, unknown> | null
    return { lagMs: Number(members?.['lagMs']) || 0, heldMs: Number(members?.['heldMs']) || 0 }
  } catch (error) {
    if (error instanceof SyntaxError) return { lagMs: 0, heldMs: 0 }
    throw error
  }
}
