/** The two directories: what has been copied, on the disk, or in memory when that does not take it. */
import { createHash } from 'node:crypto'
import { posix } from 'node:path'
import { DiskError } from '../../../st/disk.ts'
import { asError, TimeoutError } from '../../../st/errors.ts'
import type { Thread } from '../../../st/thread.ts'
import type { StreamName } from './segment-report.ts'

const DISK_TIMEOUT_MS = 10_000
const ASIDE = '.tmp'
const HASH_LETTERS = 16
/** Names that `put` gives. */
const OURS = /-[0-9a-f]{16}-([0-9a-z]{8})\d+\.(?:ts|m4s|mp4)(?:\.tmp)?$/
const MAX_DEPTH = 10
/** Players of a stream want the same few segments: these have one buffer, however many they are. */
const SHARED_BYTES = 128 * 1024 * 1024

/** Bytes that are kept. */
export interface KeptFile {
  readonly hash: string
  readonly ending: 'ts' | 'm4s' | 'mp4'
  readonly bytes: number
  /** Null: `memory` has them, since the disk did not take them. */
  readonly path: string | null
  readonly memory: Buffer | null
}

/** SHA-256, hex. */
export function hashOf(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** What kind of file has this name. */
export function endingOf(name: string): KeptFile['ending'] {
  const ending = posix.extname(name)
  return ending === '.ts' ? 'ts' : ending === '.mp4' ? 'mp4' : 'm4s'
}

/** As much of a hash as stands in names. */
export function shortHash(hash: string): string {
  return hash.slice(0, HASH_LETTERS)
}

export class Shelf {
  readonly #dir: string
  /** In the names of files, with a number: none is another one's while that is being removed. */
  readonly #life: string
  /** By hash: of bytes that are there twice, the newest. */
  readonly #files = new Map<string, KeptFile>()
  /** What was written or read lately, the oldest first. */
  readonly #shared = new Map<KeptFile, Buffer>()
  #sharedBytes = 0
  /** Paths of another life that are served on. */
  readonly #adopted = new Set<string>()
  #count = 0
  diskFailures = 0

  /** @param life eight characters of 0-9a-z that no other life of this coordinator has */
  constructor(dir: string, life: string) {
    this.#dir = dir
    this.#life = life
  }

  get size(): number {
    return this.#files.size
  }

  get(hash: string): KeptFile | null {
    return this.#files.get(hash) ?? null
  }

  /** Keeps bytes in the directory of a side: aside first, then under the name. @throws InterruptedError */
  async put(
    thread: Thread,
    side: string,
    { vhost, app, stream }: StreamName,
    ending: KeptFile['ending'],
    bytes: Buffer,
  ): Promise<KeptFile> {
    const hash = hashOf(bytes)
    const name = `${stream}-${shortHash(hash)}-${this.#life}${++this.#count}.${ending}`
    const path = posix.join(this.#dir, side, vhost, app, name)
    const isStored = await this.#attempt(thread, () => this.#write(thread, path, bytes))
    const file = { hash, ending, bytes: bytes.length, path: isStored ? path : null, memory: isStored ? null : bytes }
    this.#files.set(hash, file)
    this.#share(file, bytes)
    return file
  }

  /** Null when the disk does not give them. @throws InterruptedError */
  async read(thread: Thread, kept: KeptFile): Promise<Buffer | null> {
    const { path, memory, bytes } = kept
    const shared = this.#shared.get(kept) ?? memory
    if (path === null || shared) return shared
    let found: Buffer | null = null
    await this.#attempt(thread, async () => {
      const file = await thread.world.disk.open(thread, path, 'read', DISK_TIMEOUT_MS)
      try {
        const read = await file.read(thread, bytes, 0, DISK_TIMEOUT_MS)
        if (read.length !== bytes) return
        found = read
        this.#share(kept, read)
      } finally {
        await file.close(thread, DISK_TIMEOUT_MS)
      }
    })
    return found
  }

  /** Goes on with a file of another life. @returns null when it is not there, or not what it was. @throws InterruptedError */
  async adopt(thread: Thread, path: string, hash: string, maxBytes: number): Promise<KeptFile | null> {
    const known = this.#files.get(hash)
    if (known?.path === path) return known
    const { disk } = thread.world
    let bytes = 0
    await this.#attempt(thread, async () => {
      bytes = (await disk.info(thread, path, DISK_TIMEOUT_MS))?.bytes ?? 0
    })
    if (bytes === 0 || bytes > maxBytes) return null
    const file = { hash, ending: endingOf(path), bytes, path, memory: null }
    const found = await this.read(thread, file)
    if (!found || hashOf(found) !== hash) {
      this.#unshare(file)
      return null
    }
    this.#adopted.add(path)
    this.#files.set(hash, file)
    return file
  }

  /** @throws InterruptedError */
  async remove(thread: Thread, file: KeptFile): Promise<void> {
    if (this.#files.get(file.hash) === file) this.#files.delete(file.hash)
    this.#unshare(file)
    const { path } = file
    if (path === null) return
    this.#adopted.delete(path)
    await this.#attempt(thread, () => thread.world.disk.remove(thread, path, DISK_TIMEOUT_MS))
  }

  /** Removes what another life has left. @throws InterruptedError */
  async clear(thread: Thread, sides: readonly string[]): Promise<void> {
    for (const side of sides) await this.#attempt(thread, () => this.#clear(thread, posix.join(this.#dir, side), 0))
  }

  #share(file: KeptFile, bytes: Buffer): void {
    if (file.path === null || this.#shared.has(file)) return
    this.#shared.set(file, bytes)
    this.#sharedBytes += file.bytes
    for (const [oldest] of this.#shared) if (this.#sharedBytes > SHARED_BYTES) this.#unshare(oldest)
  }

  #unshare(file: KeptFile): void {
    if (this.#shared.delete(file)) this.#sharedBytes -= file.bytes
  }

  async #clear(thread: Thread, path: string, depth: number): Promise<void> {
    const { disk } = thread.world
    for (const { name, kind } of await disk.list(thread, path, DISK_TIMEOUT_MS)) {
      const inside = posix.join(path, name)
      const life = OURS.exec(name)?.[1]
      if (kind === 'file' && life !== undefined && life !== this.#life && !this.#adopted.has(inside)) {
        await disk.remove(thread, inside, DISK_TIMEOUT_MS)
      } else if (kind === 'folder' && depth < MAX_DEPTH) await this.#clear(thread, inside, depth + 1)
    }
  }

  async #write(thread: Thread, path: string, bytes: Buffer): Promise<void> {
    const { disk } = thread.world
    const aside = path + ASIDE
    try {
      await writeNew(thread, aside, bytes)
    } catch (error) {
      if (!(error instanceof DiskError)) throw error
      if (error.errno === 'ENOENT') await makeFolders(thread, posix.dirname(path))
      else if (error.errno === 'EEXIST') await disk.remove(thread, aside, DISK_TIMEOUT_MS)
      else throw error
      await writeNew(thread, aside, bytes)
    }
    await disk.rename(thread, aside, path, DISK_TIMEOUT_MS)
  }

  /** @returns whether the disk did it */
  async #attempt(thread: Thread, work: () => Promise<void>): Promise<boolean> {
    try {
      await work()
      return true
    } catch (caught) {
      const error = asError(caught)
      if (!(error instanceof DiskError || error instanceof TimeoutError)) throw error
      this.diskFailures++
      thread.log.warn({ reason: error.message, code: error.code }, 'backup: the disk failed')
      return false
    }
  }
}

async function writeNew(thread: Thread, path: string, bytes: Buffer): Promise<void> {
  const { disk } = thread.world
  const file = await disk.open(thread, path, 'create', DISK_TIMEOUT_MS)
  try {
    await file.write(thread, bytes, 0, DISK_TIMEOUT_MS)
  } catch (error) {
    // A part of a segment on a full disk helps nobody.
    await disk.remove(thread, path, DISK_TIMEOUT_MS)
    throw error
  } finally {
    await file.close(thread, DISK_TIMEOUT_MS)
  }
}

export async function makeFolders(thread: Thread, path: string): Promise<void> {
  const parts = path.split('/')
  for (let count = 1; count <= parts.length; count++) {
    const folder = parts.slice(0, count).join('/')
    if (folder !== '' && folder !== '.') await thread.world.disk.makeFolder(thread, folder, DISK_TIMEOUT_MS)
  }
}
