import { posix } from 'node:path'
import { type DiskEntry, DiskError, type FileInfo } from '../disk.ts'
import type { SeededRandom } from './random.ts'

/** A kernel writes to the disk what it was given within so long, unless it is told to do so at once. */
const WRITE_BACK_MS = 30_000
/** Names reach the disk within so long, in the order in which they were changed. */
const JOURNAL_MS = 5_000
/** How often a file that lost its end has zeros there instead: its length was written, its bytes were not. */
const ZEROS = 0.3
const FIRST_CAPACITY_BYTES = 4_096

/** A write, or the cut of the file behind so many bytes. */
interface Change {
  readonly dueMs: number
  readonly position: number
  readonly bytes: Buffer | null
}

/** What a file holds, and how much of it is on the disk itself. */
export class SimFile {
  #bytes: Buffer = Buffer.alloc(0)
  #length = 0
  #changes: Change[] = []
  /** So many of them are safe. */
  #synced = 0
  modifiedMs: number

  constructor(modifiedMs: number) {
    this.modifiedMs = modifiedMs
  }

  get length(): number {
    return this.#length
  }

  /** A copy of what is there. */
  read(position: number, length: number): Buffer {
    return Buffer.from(this.#bytes.subarray(position, Math.min(this.#length, position + length)))
  }

  /** @param dueMs when it is safe, at the latest */
  write(position: number, bytes: Buffer, dueMs: number): void {
    const own = Buffer.from(bytes)
    this.#changes.push({ dueMs, position, bytes: own })
    this.#put(position, own)
  }

  truncate(length: number, dueMs: number): void {
    this.#changes.push({ dueMs, position: length, bytes: null })
    this.#cut(length)
  }

  sync(): void {
    this.#synced = this.#changes.length
  }

  /** The machine loses its power: what was not written back is gone, from the first lost change on. */
  lose(nowMs: number, random: SeededRandom): void {
    const lost = this.#changes.findIndex(({ dueMs }, index) => index >= this.#synced && dueMs > nowMs)
    if (lost < 0) return
    const before = this.#length
    const kept = this.#changes.slice(0, lost)
    const half = this.#changes[lost]
    if (half?.bytes) kept.push({ ...half, bytes: half.bytes.subarray(0, random.below(half.bytes.length)) })
    this.#bytes = Buffer.alloc(0)
    this.#length = 0
    for (const { position, bytes } of kept) {
      if (bytes) this.#put(position, bytes)
      else this.#cut(position)
    }
    if (this.#length < before && random.chance(ZEROS)) {
      const zeros = Buffer.alloc(random.below(before - this.#length + 1))
      kept.push({ dueMs: nowMs, position: this.#length, bytes: zeros })
      this.#put(this.#length, zeros)
    }
    this.#changes = kept
    this.sync()
  }

  #put(position: number, bytes: Buffer): void {
    const end = position + bytes.length
    if (end > this.#bytes.length) {
      const grown = Buffer.alloc(Math.max(FIRST_CAPACITY_BYTES, end, 2 * this.#bytes.length))
      this.#bytes.copy(grown, 0, 0, this.#length)
      this.#bytes = grown
    }
    bytes.copy(this.#bytes, position)
    this.#length = Math.max(this.#length, end)
  }

  #cut(length: number): void {
    this.#bytes.fill(0, length)
    this.#length = length
  }
}

/** Files by path, and folders. */
interface Names {
  readonly files: Map<string, SimFile>
  readonly folders: Set<string>
}

/** The file system of a simulated machine. Plain calls: how long they take is the disk's affair. Throws DiskError. */
export class FileSystem {
  #names: Names = { files: new Map(), folders: new Set(['.', '/']) }
  /** What is on the disk itself. */
  #safe: Names = { files: new Map(), folders: new Set(['.', '/']) }
  #journal: { readonly dueMs: number; readonly apply: (names: Names) => void }[] = []
  readonly #random: SeededRandom

  constructor(random: SeededRandom) {
    this.#random = random
  }

  /** Paths of all files, sorted. */
  get paths(): string[] {
    return [...this.#names.files.keys()].toSorted()
  }

  /** Null when there is none. */
  file(path: string): SimFile | null {
    return this.#names.files.get(posix.normalize(path)) ?? null
  }

  create(path: string, nowMs: number, wallMs: number): SimFile {
    const name = posix.normalize(path)
    if (this.#names.files.has(name) || this.#names.folders.has(name)) throw failure('EEXIST', path)
    this.#needFolder(name)
    const file = new SimFile(wallMs)
    this.#change(nowMs, ({ files }) => files.set(name, file))
    return file
  }

  existing(path: string): SimFile {
    const file = this.file(path)
    if (!file) throw failure(this.#names.folders.has(posix.normalize(path)) ? 'EISDIR' : 'ENOENT', path)
    return file
  }

  info(path: string): FileInfo | null {
    const name = posix.normalize(path)
    const file = this.#names.files.get(name)
    if (file) return { kind: 'file', bytes: file.length, modifiedMs: file.modifiedMs }
    return this.#names.folders.has(name) ? { kind: 'folder', bytes: 0, modifiedMs: 0 } : null
  }

  rename(from: string, to: string, nowMs: number): void {
    const file = this.existing(from)
    const [oldName, newName] = [posix.normalize(from), posix.normalize(to)]
    if (this.#names.folders.has(newName)) throw failure('EISDIR', to)
    this.#needFolder(newName)
    this.#change(nowMs, ({ files }) => {
      files.delete(oldName)
      files.set(newName, file)
    })
  }

  remove(path: string, nowMs: number): void {
    this.existing(path)
    this.#change(nowMs, ({ files }) => files.delete(posix.normalize(path)))
  }

  list(path: string): DiskEntry[] {
    const folder = posix.normalize(path)
    const below = (kind: DiskEntry['kind'], names: Iterable<string>): DiskEntry[] =>
      [...names]
        .filter((name) => name !== folder && posix.dirname(name) === folder)
        .map((name) => ({ name: posix.basename(name), kind }))
    const entries = [...below('file', this.#names.files.keys()), ...below('folder', this.#names.folders)]
    return entries.toSorted((one, other) => (one.name < other.name ? -1 : 1))
  }

  makeFolder(path: string, nowMs: number): void {
    const name = posix.normalize(path)
    if (this.info(name)) return
    this.#needFolder(name)
    this.#change(nowMs, ({ folders }) => folders.add(name))
  }

  removeFolder(path: string, nowMs: number): void {
    const name = posix.normalize(path)
    if (!this.#names.folders.has(name)) throw failure('ENOENT', path)
    if (this.list(name).length > 0) throw failure('ENOTEMPTY', path)
    this.#change(nowMs, ({ folders }) => folders.delete(name))
  }

  /** When what is written now is safe, at the latest. */
  dueMs(nowMs: number): number {
    return nowMs + this.#random.between(0, WRITE_BACK_MS)
  }

  /** As on Linux: with a file's bytes all names are safe. */
  sync(file: SimFile): void {
    file.sync()
    this.#commit(Infinity)
  }

  /** The machine loses its power. */
  lose(nowMs: number): void {
    this.#commit(nowMs)
    this.#journal = []
    this.#names = { files: new Map(this.#safe.files), folders: new Set(this.#safe.folders) }
    for (const file of new Set(this.#names.files.values())) file.lose(nowMs, this.#random)
  }

  #change(nowMs: number, apply: (names: Names) => void): void {
    apply(this.#names)
    const dueMs = nowMs + this.#random.between(0, JOURNAL_MS)
    this.#journal.push({ dueMs: Math.max(dueMs, this.#journal.at(-1)?.dueMs ?? 0), apply })
  }

  #commit(nowMs: number): void {
    for (let next = this.#journal[0]; next && next.dueMs <= nowMs; next = this.#journal[0]) {
      next.apply(this.#safe)
      this.#journal.shift()
    }
  }

  #needFolder(name: string): void {
    const folder = posix.dirname(name)
    if (this.#names.files.has(folder)) throw failure('ENOTDIR', name)
    if (!this.#names.folders.has(folder)) throw failure('ENOENT', name)
  }
}

function failure(errno: string, path: string): DiskError {
  return new DiskError(errno, `${errno}: ${path}`)
}
