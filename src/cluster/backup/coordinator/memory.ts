/**
 * What a coordinator has told its players of a stream, for the life after this one. It is on the disk itself before players
 * hear of it: two files in turn, each of them whole, with a checksum and a number that goes up. One that is torn leaves the
 * one before, and what stood in the torn one was not told yet. They do not grow once they are there: a full disk takes them.
 */
import { posix } from 'node:path'
import { DiskError, type DiskFile } from '../../../st/disk.ts'
import { asError, TimeoutError } from '../../../st/errors.ts'
import type { Thread } from '../../../st/thread.ts'
import { isEntry } from './entries.ts'
import { isCount, isText, nameOfKey, parsed } from './segment-report.ts'
import type { Entry, Served } from './served-log.ts'
import { hashOf, makeFolders, shortHash } from './shelf.ts'

const VERSION = 1
const FILES = /^[0-9a-f]{16}\.told[01]$/
/** Files have whole pieces of it. */
const PIECE_BYTES = 16 * 1024
const MAX_BYTES = 4 * 1024 * 1024
/** Players wait for the disk, though not for long. */
const SAVE_TIMEOUT_MS = 1_000
/** A disk that has failed is asked again after so long. */
const PAUSE_MS = 5_000

/** An entry that was told, its end by the wall clock, ms, and where its files are; null: nowhere. */
interface Told {
  readonly entry: Entry
  readonly endWallMs: number
  readonly path: string | null
  readonly initPath: string | null
}

/** What was told of a stream, the oldest first; there is at least one. */
export interface Remembered {
  readonly key: string
  readonly generation: number
  readonly told: readonly [Told, ...Told[]]
}

export class Memory {
  readonly #dir: string
  readonly #key: string
  readonly #window: number
  #generation: number
  #pauseUntilMs = -Infinity
  /** Whether the disk has what players have been told. */
  isKept = true

  /** @param window so many entries are kept; @param generation of what is there; 0: nothing */
  constructor(dir: string, key: string, window: number, generation: number) {
    this.#dir = dir
    this.#key = key
    this.#window = window
    this.#generation = generation
  }

  /** Keeps the last ones. What the disk does not take is forgotten altogether, rather than half of it. @throws InterruptedError */
  async save(thread: Thread, served: readonly Served[]): Promise<void> {
    const nowMs = thread.world.clock.nowMs()
    if (nowMs < this.#pauseUntilMs) return
    // Nothing of what could not be read may ever count again.
    if (this.#generation === 0) await this.forget(thread)
    const generation = this.#generation + 1
    const told = served.slice(-this.#window).map((one) => toldOf(thread, one))
    const text = JSON.stringify({ version: VERSION, key: this.#key, generation, told })
    this.#generation = generation
    const error = await attempt(() => write(thread, this.#path(generation), padded(text)))
    if (!error) this.isKept = true
    else {
      if (this.isKept)
        thread.log.warn({ stream: this.#key, reason: error.message }, 'backup: the disk does not remember')
      this.isKept = false
      this.#pauseUntilMs = nowMs + PAUSE_MS
      await this.forget(thread)
    }
  }

  /** @throws InterruptedError */
  async forget(thread: Thread): Promise<void> {
    for (const slot of [0, 1]) {
      const error = await attempt(() => thread.world.disk.remove(thread, this.#path(slot), SAVE_TIMEOUT_MS))
      if (!error || (error instanceof DiskError && error.errno === 'ENOENT')) continue
      thread.log.warn({ stream: this.#key, reason: error.message }, 'backup: the disk does not forget')
    }
  }

  #path(generation: number): string {
    return posix.join(this.#dir, `${shortHash(hashOf(Buffer.from(this.#key)))}.told${generation % 2}`)
  }
}

/** What another life has left, of each stream the newest that is whole. @throws InterruptedError */
export async function readMemories(thread: Thread, dir: string): Promise<readonly Remembered[]> {
  const newest = new Map<string, Remembered>()
  const unreadable: string[] = []
  const error = await attempt(async () => {
    for (const { name, kind } of await thread.world.disk.list(thread, dir, SAVE_TIMEOUT_MS)) {
      if (kind !== 'file' || !FILES.test(name)) continue
      const found = await read(thread, posix.join(dir, name))
      if (!found) unreadable.push(name)
      else if (found.generation > (newest.get(found.key)?.generation ?? 0)) newest.set(found.key, found)
    }
  })
  if (error)
    thread.log.warn({ reason: error.message }, 'backup: what was told cannot be read; numbers begin by the clock')
  for (const file of unreadable) {
    const text = 'backup: what was told last cannot be read: the file before it counts, else the clock'
    thread.log.warn({ file }, text)
  }
  return [...newest.values()]
}

async function read(thread: Thread, path: string): Promise<Remembered | null> {
  const { disk } = thread.world
  const file = await disk.open(thread, path, 'read', SAVE_TIMEOUT_MS)
  try {
    const bytes = await file.read(thread, MAX_BYTES, 0, SAVE_TIMEOUT_MS)
    const [checksum, text = ''] = bytes.toString().split('\n', 2)
    return hashOf(Buffer.from(text)) === checksum ? remembered(text) : null
  } finally {
    await file.close(thread, SAVE_TIMEOUT_MS)
  }
}

function remembered(text: string): Remembered | null {
  const { version, key, generation, told } = parsed(text) ?? {}
  if (version !== VERSION || !isText(key) || !nameOfKey(key) || !isCount(generation)) return null
  return Array.isArray(told) && told.every(isTold) && isSome(told) ? { key, generation, told } : null
}

function isSome(told: readonly Told[]): told is readonly [Told, ...Told[]] {
  return told.length > 0
}

function isTold(value: unknown): value is Told {
  if (typeof value !== 'object' || value === null) return false
  const { entry, endWallMs, path, initPath } = value as Readonly<Record<string, unknown>>
  return isEntry(entry) && Number.isFinite(endWallMs) && [path, initPath].every((one) => one === null || isText(one))
}

function toldOf({ world: { clock } }: Thread, { entry, placed, file, initFile }: Served): Told {
  const endWallMs = clock.wallMs() - (clock.nowMs() - placed.localEndMs)
  return { entry, endWallMs, path: file?.path ?? null, initPath: initFile?.path ?? null }
}

/** With its checksum, in whole pieces. */
function padded(text: string): Buffer {
  const lines = Buffer.from(`${hashOf(Buffer.from(text))}\n${text}\n`)
  return Buffer.concat([lines, Buffer.alloc(PIECE_BYTES - (lines.length % PIECE_BYTES), '\n')])
}

async function write(thread: Thread, path: string, bytes: Buffer): Promise<void> {
  const file = await openOrMake(thread, path)
  try {
    await file.write(thread, bytes, 0, SAVE_TIMEOUT_MS)
    await file.sync(thread, SAVE_TIMEOUT_MS)
  } finally {
    await file.close(thread, SAVE_TIMEOUT_MS)
  }
}

async function openOrMake(thread: Thread, path: string): Promise<DiskFile> {
  const { disk } = thread.world
  try {
    return await disk.open(thread, path, 'update', SAVE_TIMEOUT_MS)
  } catch (error) {
    if (!(error instanceof DiskError) || error.errno !== 'ENOENT') throw error
    await makeFolders(thread, posix.dirname(path))
    return disk.open(thread, path, 'create', SAVE_TIMEOUT_MS)
  }
}

/** @returns what the disk has against it; null: it was done @throws InterruptedError */
async function attempt(work: () => Promise<void>): Promise<DiskError | TimeoutError | null> {
  try {
    await work()
    return null
  } catch (caught) {
    const error = asError(caught)
    if (error instanceof DiskError || error instanceof TimeoutError) return error
    throw error
  }
}
