import { posix } from 'node:path'
import { type Disk, DiskError } from '../../st/disk.ts'
import type { Thread } from '../../st/thread.ts'
import { createFile, makeFolders, STORAGE_TIMEOUT_MS } from './storage-files.ts'

const MARKER = '.standby-storage'
const TEXT = 'Servers write HLS here by turns. A folder without this file is where the storage is not mounted.\n'

/**
 * The folder that servers share. Where a storage is not mounted any more there is a folder as well, an empty one, which may
 * even be written to: so there is a file by which who has seen it once tells the one from the other.
 */
export class SharedRoot {
  readonly path: string
  readonly #disk: Disk
  #isSeen = false

  /** @param path `hls_path` */
  constructor(disk: Disk, path: string) {
    this.path = path
    this.#disk = disk
  }

  /** @throws DiskError `ESTALE`: the storage that was there is not; and as `Disk.info` */
  async check(thread: Thread): Promise<void> {
    const isThere = (await this.#disk.info(thread, this.#marker, STORAGE_TIMEOUT_MS)) !== null
    if (this.#isSeen && !isThere) throw new DiskError('ESTALE', `${this.path}: the shared storage is not there`)
    this.#isSeen ||= isThere
  }

  /** Before anything is written. @throws as `check`, and as `Disk.open` */
  async use(thread: Thread): Promise<void> {
    await this.check(thread)
    if (this.#isSeen) return
    await makeFolders(thread, this.#disk, this.path)
    try {
      await createFile(thread, this.#disk, this.#marker, Buffer.from(TEXT))
    } catch (error) {
      // Another server was faster.
      if (!(error instanceof DiskError) || error.errno !== 'EEXIST') throw error
    }
    this.#isSeen = true
  }

  get #marker(): string {
    return posix.join(this.path, MARKER)
  }
}
