import { type Disk, DiskError, type DiskFile } from '../../st/disk.ts'
import type { Thread } from '../../st/thread.ts'
import { RecordError } from './error.ts'
import type { FilePiece } from './file-writer.ts'
import { finishFlv } from './finish-flv.ts'
import { finishMp4 } from './finish-mp4.ts'
import { DISK_TIMEOUT_MS } from './folders.ts'

/** Ends the name of a file that is being written. */
export const PART_SUFFIX = '.tmp'
/** Of so many recordings of one name that there are already. */
const MAX_NAMES = 10_000

/** A recording under its name. */
export interface PublishedFile {
  readonly bytes: number
  /** Why it is a fragmented MP4 all the same, which plays too; null: it is not. */
  readonly fragmented: string | null
}

/** A recording on the disk: aside while it grows, under its name when it is finished. */
export class RecordingFile {
  /** Where it will be, as configured. */
  readonly path: string
  readonly #disk: Disk
  readonly #file: DiskFile
  bytes = 0

  private constructor(disk: Disk, path: string, file: DiskFile) {
    this.#disk = disk
    this.path = path
    this.#file = file
  }

  /**
   * Makes the file under a name that no recording has: nothing is ever written over.
   * @param path of the finished file; when it is taken `-1`, `-2` ... is put before its ending
   * @throws RecordError, DiskError, TimeoutError, InterruptedError
   */
  static async create(thread: Thread, disk: Disk, path: string): Promise<RecordingFile> {
    const dot = path.lastIndexOf('.')
    for (let number = 0; number < MAX_NAMES; number++) {
      const name = number === 0 ? path : `${path.slice(0, dot)}-${number}${path.slice(dot)}`
      if (await disk.info(thread, name, DISK_TIMEOUT_MS)) continue
      const file = await createNew(thread, disk, name + PART_SUFFIX)
      if (file) return new RecordingFile(disk, name, file)
    }
    throw new RecordError('record_path', `${path} is there already, and ${MAX_NAMES} more of its name`)
  }

  get partPath(): string {
    return this.path + PART_SUFFIX
  }

  /** @throws DiskError, TimeoutError, InterruptedError */
  async write(thread: Thread, pieces: readonly FilePiece[]): Promise<void> {
    for (const { position, bytes } of pieces) {
      await this.#file.write(thread, bytes, position, DISK_TIMEOUT_MS)
      this.bytes = Math.max(this.bytes, position + bytes.length)
    }
  }

  /** Nothing more is written. What is finished must outlive a power cut. @throws DiskError, TimeoutError, InterruptedError */
  async close(thread: Thread): Promise<void> {
    try {
      await this.#file.sync(thread, DISK_TIMEOUT_MS)
    } finally {
      await this.#file.close(thread, DISK_TIMEOUT_MS)
    }
  }

  /**
   * Puts the closed file under its name, an MP4 with its index in front.
   * @param isBroken not all could be written
   * @returns null when there is no frame in it: it was removed
   * @throws DiskError, TimeoutError, InterruptedError: the part is still there, and the next start finishes it
   */
  async publish(thread: Thread, isBroken: boolean): Promise<PublishedFile | null> {
    const isMp4 = this.path.endsWith('.mp4')
    const hasFrames = isMp4 || !isBroken || (await finishFlv(thread, this.#disk, this.partPath))
    const failure = isMp4 ? await finishMp4(thread, this.#disk, this.partPath) : null
    if (!hasFrames || failure?.code === 'mp4_no_samples') {
      await this.#disk.remove(thread, this.partPath, DISK_TIMEOUT_MS)
      return null
    }
    await this.#disk.rename(thread, this.partPath, this.path, DISK_TIMEOUT_MS)
    const info = await this.#disk.info(thread, this.path, DISK_TIMEOUT_MS)
    return { bytes: info?.bytes ?? 0, fragmented: failure?.message ?? null }
  }
}

/** Null when there is such a file. */
async function createNew(thread: Thread, disk: Disk, path: string): Promise<DiskFile | null> {
  try {
    return await disk.open(thread, path, 'create', DISK_TIMEOUT_MS)
  } catch (error) {
    if (error instanceof DiskError && error.errno === 'EEXIST') return null
    throw error
  }
}
