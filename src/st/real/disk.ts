import { constants, type Stats } from 'node:fs'
import { type FileHandle, lstat, mkdir, open, readdir, rename, rmdir, unlink } from 'node:fs/promises'
import {
  type Disk,
  type DiskEntry,
  DiskError,
  type DiskFile,
  type EntryKind,
  type FileInfo,
  type OpenHow,
} from '../disk.ts'
import { asError, StError } from '../errors.ts'
import type { Thread } from '../thread.ts'
import { untilSettled } from './settled.ts'

const { O_APPEND, O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY } = constants
// Without O_NONBLOCK the open of a named pipe would hold one of Node's few threads for ever.
const FLAGS = {
  create: O_WRONLY | O_CREAT | O_EXCL,
  read: O_RDONLY | O_NOFOLLOW | O_NONBLOCK,
  update: O_RDWR | O_NOFOLLOW | O_NONBLOCK,
  append: O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK,
  follow: O_RDONLY | O_NONBLOCK,
} as const satisfies Record<OpenHow, number>

/** The files of the machine; the work is done by Node's own threads. */
export class RealDisk implements Disk {
  async open(thread: Thread, path: string, how: OpenHow, timeoutMs: number): Promise<DiskFile> {
    const opening = open(path, FLAGS[how])
    try {
      return new RealFile(await settled(thread, `open ${path}`, opening, timeoutMs), path)
    } catch (error) {
      // Nobody waits for the file any more, and it may still be opened.
      void closeWhenOpen(opening)
      throw error
    }
  }

  async info(thread: Thread, path: string, timeoutMs: number): Promise<FileInfo | null> {
    const found = await settled(thread, `look for ${path}`, unlessMissing(lstat(path)), timeoutMs)
    return found && { kind: kindOf(found), bytes: found.size, modifiedMs: found.mtimeMs }
  }

  rename(thread: Thread, from: string, to: string, timeoutMs: number): Promise<void> {
    return settled(thread, `rename ${from} to ${to}`, rename(from, to), timeoutMs)
  }

  remove(thread: Thread, path: string, timeoutMs: number): Promise<void> {
    return settled(thread, `remove ${path}`, unlink(path), timeoutMs)
  }

  async list(thread: Thread, path: string, timeoutMs: number): Promise<readonly DiskEntry[]> {
    const listing = unlessMissing(readdir(path, { withFileTypes: true }))
    const entries = (await settled(thread, `list ${path}`, listing, timeoutMs)) ?? []
    return entries
      .map((entry) => ({ name: entry.name, kind: kindOf(entry) }))
      .toSorted((one, other) => (one.name < other.name ? -1 : 1))
  }

  makeFolder(thread: Thread, path: string, timeoutMs: number): Promise<void> {
    return settled(thread, `make ${path}`, ifMissing(mkdir(path)), timeoutMs)
  }

  removeFolder(thread: Thread, path: string, timeoutMs: number): Promise<void> {
    return settled(thread, `remove ${path}`, rmdir(path), timeoutMs)
  }
}

class RealFile implements DiskFile {
  readonly #handle: FileHandle
  readonly #path: string

  constructor(handle: FileHandle, path: string) {
    this.#handle = handle
    this.#path = path
  }

  write(thread: Thread, bytes: Buffer, position: number, timeoutMs: number): Promise<void> {
    return settled(thread, `write ${this.#path}`, this.#writeAll(bytes, position), timeoutMs)
  }

  read(thread: Thread, length: number, position: number, timeoutMs: number): Promise<Buffer> {
    return settled(thread, `read ${this.#path}`, this.#readAll(length, position), timeoutMs)
  }

  truncate(thread: Thread, bytes: number, timeoutMs: number): Promise<void> {
    return settled(thread, `truncate ${this.#path}`, this.#handle.truncate(bytes), timeoutMs)
  }

  sync(thread: Thread, timeoutMs: number): Promise<void> {
    return settled(thread, `sync ${this.#path}`, this.#handle.sync(), timeoutMs)
  }

  close(thread: Thread, timeoutMs: number): Promise<void> {
    return settled(thread, `close ${this.#path}`, this.#handle.close(), timeoutMs)
  }

  async #writeAll(bytes: Buffer, position: number): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      const { bytesWritten } = await this.#handle.write(bytes, done, bytes.length - done, position + done)
      done += bytesWritten
    }
  }

  async #readAll(length: number, position: number): Promise<Buffer> {
    const bytes = Buffer.allocUnsafeSlow(length)
    let done = 0
    while (done < length) {
      const { bytesRead } = await this.#handle.read(bytes, done, length - done, position + done)
      if (bytesRead === 0) break
      done += bytesRead
    }
    return bytes.subarray(0, done)
  }
}

/** Waits for what Node does with a file. */
async function settled<T>(thread: Thread, what: string, work: Promise<T>, timeoutMs: number): Promise<T> {
  try {
    return await untilSettled(thread, what, work, timeoutMs)
  } catch (error) {
    throw diskError(what, asError(error))
  }
}

/** For a file that nobody waits for any more: whether it can be opened and closed is nobody's affair either. */
async function closeWhenOpen(opening: Promise<FileHandle>): Promise<void> {
  const handle = await opening.catch(() => null)
  await handle?.close().catch(() => null)
}

function diskError(what: string, error: Error): Error {
  const errno = errnoOf(error)
  return errno === null || error instanceof StError
    ? error
    : new DiskError(errno, `cannot ${what}: ${error.message}`, { cause: error })
}

function errnoOf(error: unknown): string | null {
  const code: unknown = error instanceof Error && 'code' in error ? error.code : null
  return typeof code === 'string' ? code : null
}

async function unlessMissing<T>(work: Promise<T>): Promise<T | null> {
  try {
    return await work
  } catch (error) {
    const errno = errnoOf(error)
    if (errno === 'ENOENT' || errno === 'ENOTDIR') return null
    throw error
  }
}

async function ifMissing(work: Promise<unknown>): Promise<void> {
  try {
    await work
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error
  }
}

function kindOf(entry: Pick<Stats, 'isFile' | 'isDirectory'>): EntryKind {
  if (entry.isFile()) return 'file'
  return entry.isDirectory() ? 'folder' : 'other'
}
