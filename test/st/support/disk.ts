import {
  type Disk,
  type DiskEntry,
  DiskError,
  type DiskFile,
  type FileInfo,
  type OpenHow,
} from '../../../src/st/disk.ts'
import type { Thread } from '../../../src/st/thread.ts'

/** A disk in memory: each operation takes the thread's turn, none takes time. */
export class TestDisk implements Disk {
  readonly files = new Map<string, Buffer>()
  readonly folders = new Set<string>(['.', ''])
  readonly written = new Map<string, number>()
  /** Set: every operation fails with it. */
  errno: string | null = null
  /** All names under which a file ever was to be seen whole. */
  readonly renamed: string[] = []

  async open(thread: Thread, path: string, how: OpenHow): Promise<DiskFile> {
    await this.#turn(thread)
    if (how === 'create' || (how === 'append' && !this.files.has(path))) {
      if (this.files.has(path)) throw new DiskError('EEXIST', `there is ${path}`)
      if (!this.folders.has(folderOf(path))) throw new DiskError('ENOENT', `no folder for ${path}`)
      this.#set(thread, path, Buffer.alloc(0))
    } else if (!this.files.has(path)) throw new DiskError('ENOENT', `no file ${path}`)
    return this.#file(path)
  }

  async info(thread: Thread, path: string): Promise<FileInfo | null> {
    await this.#turn(thread)
    const bytes = this.files.get(path)
    return bytes ? { kind: 'file', bytes: bytes.length, modifiedMs: this.written.get(path) ?? 0 } : null
  }

  async rename(thread: Thread, from: string, to: string): Promise<void> {
    await this.#turn(thread)
    const bytes = this.files.get(from)
    if (!bytes) throw new DiskError('ENOENT', `no file ${from}`)
    this.files.delete(from)
    this.written.delete(from)
    this.#set(thread, to, bytes)
    this.renamed.push(to)
  }

  async remove(thread: Thread, path: string): Promise<void> {
    await this.#turn(thread)
    if (!this.files.delete(path)) throw new DiskError('ENOENT', `no file ${path}`)
    this.written.delete(path)
  }

  async list(thread: Thread): Promise<readonly DiskEntry[]> {
    await this.#turn(thread)
    return []
  }

  async makeFolder(thread: Thread, path: string): Promise<void> {
    await this.#turn(thread)
    if (!this.folders.has(folderOf(path))) throw new DiskError('ENOENT', `no folder for ${path}`)
    this.folders.add(path)
  }

  async removeFolder(thread: Thread, path: string): Promise<void> {
    await this.#turn(thread)
    if (!this.folders.delete(path)) throw new DiskError('ENOENT', `no folder ${path}`)
  }

  #file(path: string): DiskFile {
    return {
      write: async (thread, bytes, position) => {
        await this.#turn(thread)
        const old = this.files.get(path) ?? Buffer.alloc(0)
        const grown = Buffer.alloc(Math.max(old.length, position + bytes.length))
        old.copy(grown)
        bytes.copy(grown, position)
        this.#set(thread, path, grown)
      },
      read: async (thread, length, position) => {
        await this.#turn(thread)
        return Buffer.from((this.files.get(path) ?? Buffer.alloc(0)).subarray(position, position + length))
      },
      truncate: async (thread, bytes) => {
        await this.#turn(thread)
        this.#set(thread, path, (this.files.get(path) ?? Buffer.alloc(0)).subarray(0, bytes))
      },
      sync: async (thread) => this.#turn(thread),
      close: async (thread) => this.#turn(thread),
    }
  }

  #set(thread: Thread, path: string, bytes: Buffer): void {
    this.files.set(path, bytes)
    this.written.set(path, thread.world.clock.wallMs())
  }

  async #turn(thread: Thread): Promise<void> {
    await thread.yield()
    if (this.errno) throw new DiskError(this.errno, 'the disk fails')
  }
}

function folderOf(path: string): string {
  const slash = path.lastIndexOf('/')
  return slash < 0 ? '' : path.slice(0, slash)
}
