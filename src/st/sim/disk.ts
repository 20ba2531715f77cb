import { Condition } from '../condition.ts'
import { type Disk, type DiskEntry, DiskError, type DiskFile, type FileInfo } from '../disk.ts'
import { asError } from '../errors.ts'
import type { Thread } from '../thread.ts'
import { FileSystem, type SimFile } from './file-system.ts'
import type { Life } from './life.ts'
import type { SeededRandom } from './random.ts'

/** Most operations are answered from memory; some wait for the disk. */
const QUICK_MS = 0.5
const SLOW_MS = 40
const SLOW = 0.1

/** An operation that was asked for and has not been done. */
interface Operation {
  readonly life: Life
  readonly work: () => void
}

/**
 * The disk of a simulated machine: it outlives the machine's processes, and its power as far as it was synced. Or one that
 * several machines share.
 */
export class SimDisk {
  readonly files: FileSystem
  readonly #random: SeededRandom
  readonly #underWay = new Set<Operation>()
  /** Files can be changed and not grow. */
  isFull = false
  /** Each operation takes so much longer, ms. */
  delayMs = 0
  /** Files that the present process has open. */
  openFiles = 0

  constructor(random: SeededRandom) {
    this.#random = random
    this.files = new FileSystem(random.fork('files'))
  }

  /** Lets `work` happen in its time, in a process that is still there then; what it throws goes to `settle`. */
  begin(life: Life, afterMs: number, work: () => void): number {
    const operation = { life, work }
    this.#underWay.add(operation)
    const latencyMs = this.#random.chance(SLOW) ? this.#random.between(0, SLOW_MS) : this.#random.between(0, QUICK_MS)
    const durationMs = afterMs + latencyMs + this.delayMs
    life.happen(durationMs, () => {
      this.#underWay.delete(operation)
      work()
    })
    return durationMs
  }

  /** One of the processes that share the disk is killed: its last operations are done or not. */
  leave(life: Life): void {
    for (const operation of this.#underWay) {
      if (operation.life !== life) continue
      this.#underWay.delete(operation)
      if (this.#random.chance(0.5)) operation.work()
    }
  }

  /** The process is killed: its last operations are done or not. With the machine goes what was not synced. */
  crash(kind: 'process' | 'machine', nowMs: number): void {
    for (const { work } of this.#underWay) if (kind === 'process' && this.#random.chance(0.5)) work()
    this.#underWay.clear()
    this.openFiles = 0
    if (kind === 'machine') this.files.lose(nowMs)
  }
}

/** A disk as one process sees it. */
export class ProcessDisk implements Disk {
  readonly #disk: SimDisk
  readonly #life: Life

  constructor(disk: SimDisk, life: Life) {
    this.#disk = disk
    this.#life = life
  }

  async open(thread: Thread, path: string, how: 'create' | 'read' | 'update', timeoutMs: number): Promise<DiskFile> {
    const { files } = this.#disk
    let isWanted = true
    try {
      return await this.#settled(thread, `open ${path}`, timeoutMs, () => {
        const file =
          how === 'create' ? files.create(path, this.#life.nowMs(), this.#life.wallMs()) : files.existing(path)
        // Nobody waits for it any more: it is closed at once.
        if (isWanted) this.#disk.openFiles++
        return new ProcessFile(this.#disk, this.#life, file, path)
      })
    } finally {
      isWanted = false
    }
  }

  info(thread: Thread, path: string, timeoutMs: number): Promise<FileInfo | null> {
    return this.#settled(thread, `look for ${path}`, timeoutMs, () => this.#disk.files.info(path))
  }

  rename(thread: Thread, from: string, to: string, timeoutMs: number): Promise<void> {
    const work = (): void => this.#disk.files.rename(from, to, this.#life.nowMs())
    return this.#settled(thread, `rename ${from} to ${to}`, timeoutMs, work)
  }

  remove(thread: Thread, path: string, timeoutMs: number): Promise<void> {
    return this.#settled(thread, `remove ${path}`, timeoutMs, () => this.#disk.files.remove(path, this.#life.nowMs()))
  }

  list(thread: Thread, path: string, timeoutMs: number): Promise<readonly DiskEntry[]> {
    return this.#settled(thread, `list ${path}`, timeoutMs, () => this.#disk.files.list(path))
  }

  makeFolder(thread: Thread, path: string, timeoutMs: number): Promise<void> {
    const work = (): void => this.#disk.files.makeFolder(path, this.#life.nowMs())
    return this.#settled(thread, `make ${path}`, timeoutMs, work)
  }

  removeFolder(thread: Thread, path: string, timeoutMs: number): Promise<void> {
    const work = (): void => this.#disk.files.removeFolder(path, this.#life.nowMs())
    return this.#settled(thread, `remove ${path}`, timeoutMs, work)
  }

  #settled<T>(thread: Thread, what: string, timeoutMs: number, work: () => T): Promise<T> {
    return settled(thread, what, timeoutMs, work, (run) => void this.#disk.begin(this.#life, 0, run))
  }
}

/** An open file: one operation after the other. */
class ProcessFile implements DiskFile {
  readonly #disk: SimDisk
  readonly #life: Life
  readonly #file: SimFile
  readonly #path: string
  #freeMs = 0
  #isClosed = false

  constructor(disk: SimDisk, life: Life, file: SimFile, path: string) {
    this.#disk = disk
    this.#life = life
    this.#file = file
    this.#path = path
  }

  write(thread: Thread, bytes: Buffer, position: number, timeoutMs: number): Promise<void> {
    return this.#settled(thread, 'write', timeoutMs, () => {
      const room = this.#disk.isFull ? Math.max(0, this.#file.length - position) : bytes.length
      this.#change((dueMs) => this.#file.write(position, bytes.subarray(0, room), dueMs))
      if (room < bytes.length) throw new DiskError('ENOSPC', `no space for ${this.#path}`)
    })
  }

  read(thread: Thread, length: number, position: number, timeoutMs: number): Promise<Buffer> {
    return this.#settled(thread, 'read', timeoutMs, () => this.#file.read(position, length))
  }

  truncate(thread: Thread, bytes: number, timeoutMs: number): Promise<void> {
    return this.#settled(thread, 'truncate', timeoutMs, () =>
      this.#change((dueMs) => this.#file.truncate(bytes, dueMs)),
    )
  }

  sync(thread: Thread, timeoutMs: number): Promise<void> {
    return this.#settled(thread, 'sync', timeoutMs, () => this.#disk.files.sync(this.#file))
  }

  close(thread: Thread, timeoutMs: number): Promise<void> {
    return this.#settled(thread, 'close', timeoutMs, () => {
      this.#isClosed = true
      this.#disk.openFiles--
    })
  }

  #change(apply: (dueMs: number) => void): void {
    apply(this.#disk.files.dueMs(this.#life.nowMs()))
    this.#file.modifiedMs = this.#life.wallMs()
  }

  #settled<T>(thread: Thread, what: string, timeoutMs: number, work: () => T): Promise<T> {
    const checked = (): T => {
      if (this.#isClosed) throw new DiskError('EBADF', `${this.#path} is closed`)
      return work()
    }
    return settled(thread, `${what} ${this.#path}`, timeoutMs, checked, (run) => {
      const nowMs = this.#life.nowMs()
      const waitMs = Math.max(0, this.#freeMs - nowMs)
      this.#freeMs = nowMs + this.#disk.begin(this.#life, waitMs, run)
    })
  }
}

/** Waits as a thread for what the disk does: an interrupt or the timeout ends the wait and not the operation. */
async function settled<T>(
  thread: Thread,
  what: string,
  timeoutMs: number,
  work: () => T,
  begin: (run: () => void) => void,
): Promise<T> {
  const end = new Condition(what)
  const outcome: { values: T[]; error: Error | null } = { values: [], error: null }
  begin(() => {
    try {
      outcome.values.push(work())
    } catch (error) {
      outcome.error = asError(error)
    }
    end.broadcast()
  })
  await end.wait(thread, timeoutMs)
  if (outcome.error) throw outcome.error
  return outcome.values[0] as T
}
