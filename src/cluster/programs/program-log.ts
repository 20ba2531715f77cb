import { DiskError, type DiskFile } from '../../st/disk.ts'
import type { Thread } from '../../st/thread.ts'

const DISK_TIMEOUT_MS = 10_000
/** What a log grows to before it becomes `NAME.1`, in the place of the one before. */
const LOG_LIMIT_BYTES = 10 * 1024 * 1024

/** The file in which the words of a program are kept, over its restarts. It has a limit: twice 10 MB stay at most. */
export class ProgramLog {
  readonly #path: string
  #file: DiskFile | null = null
  #bytes = 0
  #hasFailed = false

  constructor(path: string) {
    this.#path = path
  }

  /** A disk that fails is told of once; the program runs on. @throws TimeoutError, InterruptedError */
  async write(thread: Thread, text: Buffer): Promise<void> {
    try {
      if (this.#bytes >= LOG_LIMIT_BYTES) await this.#rotate(thread)
      this.#file ??= await this.#open(thread)
      await this.#file.write(thread, text, this.#bytes, DISK_TIMEOUT_MS)
      this.#bytes += text.length
    } catch (error) {
      if (!(error instanceof DiskError)) throw error
      if (!this.#hasFailed) thread.log.warn({ file: this.#path, reason: error.message }, 'a program cannot be logged')
      this.#hasFailed = true
    }
  }

  /** @throws TimeoutError, InterruptedError */
  async close(thread: Thread): Promise<void> {
    const file = this.#file
    this.#file = null
    await file?.close(thread, DISK_TIMEOUT_MS)
  }

  async #open(thread: Thread): Promise<DiskFile> {
    const { disk } = thread.world
    await makeFolder(thread, this.#path)
    this.#bytes = (await disk.info(thread, this.#path, DISK_TIMEOUT_MS))?.bytes ?? 0
    return disk.open(thread, this.#path, 'append', DISK_TIMEOUT_MS)
  }

  async #rotate(thread: Thread): Promise<void> {
    await this.close(thread)
    await thread.world.disk.rename(thread, this.#path, `${this.#path}.1`, DISK_TIMEOUT_MS)
    this.#bytes = 0
  }
}

async function makeFolder(thread: Thread, path: string): Promise<void> {
  const parts = path.split('/').slice(0, -1)
  for (const [index, part] of parts.entries()) {
    if (part === '' || part === '.' || part === '..') continue
    await thread.world.disk.makeFolder(thread, parts.slice(0, index + 1).join('/'), DISK_TIMEOUT_MS)
  }
}
