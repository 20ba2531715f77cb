import { posix } from 'node:path'
import { type Disk, DiskError, type DiskFile } from '../../st/disk.ts'
import type { Thread } from '../../st/thread.ts'

/** For one operation of the disk. */
const DISK_TIMEOUT_MS = 10_000
/** Nobody's playlist or segment is larger. */
const READ_LIMIT_BYTES = 256 * 1024 * 1024

/** The folder on the disk in which a web server, or the next life of this one, finds playlists and segments. */
export class HlsFolder {
  readonly #disk: Disk
  readonly #root: string
  /** What was written and not removed. */
  readonly #names = new Set<string>()

  /** @param root `hls_path`, or `hls_key_file_path` */
  constructor(disk: Disk, root: string) {
    this.#disk = disk
    this.#root = root
  }

  /** Where a file is, as it is configured. */
  path(name: string): string {
    return posix.join(this.#root, name)
  }

  /**
   * Writes a file so that nobody ever sees a part of it: aside, then renamed.
   * @param ending of the name aside, as SRS has it
   * @throws DiskError, TimeoutError, InterruptedError
   */
  async write(thread: Thread, name: string, bytes: Buffer, ending: '.tmp' | '.temp'): Promise<void> {
    const path = this.path(name)
    const aside = path + ending
    const file = await this.#create(thread, aside)
    try {
      await file.write(thread, bytes, 0, DISK_TIMEOUT_MS)
    } finally {
      await file.close(thread, DISK_TIMEOUT_MS)
    }
    await this.#disk.rename(thread, aside, path, DISK_TIMEOUT_MS)
    this.#names.add(name)
  }

  /** Removes a file that was written. @throws DiskError, TimeoutError, InterruptedError */
  async remove(thread: Thread, name: string): Promise<void> {
    if (!this.#names.delete(name)) return
    await unlessMissing(this.#disk.remove(thread, this.path(name), DISK_TIMEOUT_MS))
  }

  /** A file's bytes, which is then one that was written; null when it is not there. @throws as `write` */
  async read(thread: Thread, name: string): Promise<Buffer | null> {
    const path = this.path(name)
    const info = await this.#disk.info(thread, path, DISK_TIMEOUT_MS)
    if (info?.kind !== 'file' || info.bytes > READ_LIMIT_BYTES) return null
    const file = await this.#disk.open(thread, path, 'read', DISK_TIMEOUT_MS)
    try {
      this.#names.add(name)
      return await file.read(thread, info.bytes, 0, DISK_TIMEOUT_MS)
    } finally {
      await file.close(thread, DISK_TIMEOUT_MS)
    }
  }

  /** When a file was written, ms since 1970; null when it is not there. @throws as `write` */
  async writtenMs(thread: Thread, name: string): Promise<number | null> {
    return (await this.#disk.info(thread, this.path(name), DISK_TIMEOUT_MS))?.modifiedMs ?? null
  }

  /** Removes a file that was written in another life. @throws as `write` */
  async removeOld(thread: Thread, name: string): Promise<void> {
    this.#names.add(name)
    await this.remove(thread, name)
  }

  async #create(thread: Thread, path: string): Promise<DiskFile> {
    try {
      return await this.#disk.open(thread, path, 'create', DISK_TIMEOUT_MS)
    } catch (error) {
      if (!(error instanceof DiskError)) throw error
      // A server that was killed left it, or the folder is not there yet.
      if (error.errno === 'EEXIST') await this.#disk.remove(thread, path, DISK_TIMEOUT_MS)
      else if (error.errno === 'ENOENT') await this.#makeFolders(thread, posix.dirname(path))
      else throw error
    }
    return this.#disk.open(thread, path, 'create', DISK_TIMEOUT_MS)
  }

  async #makeFolders(thread: Thread, path: string): Promise<void> {
    const parts = path.split('/')
    for (let count = 1; count <= parts.length; count++) {
      const folder = parts.slice(0, count).join('/')
      if (folder !== '' && folder !== '.') await this.#disk.makeFolder(thread, folder, DISK_TIMEOUT_MS)
    }
  }
}

async function unlessMissing(removal: Promise<void>): Promise<void> {
  try {
    await removal
  } catch (error) {
    if (!(error instanceof DiskError) || error.errno !== 'ENOENT') throw error
  }
}
