import { StError } from './errors.ts'
import type { Thread } from './thread.ts'

/** A file operation failed. */
export class DiskError extends StError {
  /** The system's word: `ENOENT`, `EEXIST`, `ENOSPC` (the disk is full), `EACCES` ... */
  readonly errno: string

  constructor(errno: string, message: string, options?: ErrorOptions) {
    super('st_disk', message, options)
    this.errno = errno
  }
}

/** What a name in a folder stands for; a symbolic link is `other`. */
export type EntryKind = 'file' | 'folder' | 'other'

/** A name in a folder. */
export interface DiskEntry {
  readonly name: string
  readonly kind: EntryKind
}

/** What is known of a file without opening it. */
export interface FileInfo {
  readonly kind: EntryKind
  readonly bytes: number
  /** Wall clock, ms since 1970. */
  readonly modifiedMs: number
}

/** An open file. Whoever opened it closes it. All calls throw DiskError, TimeoutError, InterruptedError. */
export interface DiskFile {
  /** Writes all of the bytes, which must not change meanwhile, at `position`. */
  write(thread: Thread, bytes: Buffer, position: number, timeoutMs: number): Promise<void>
  /** Up to `length` bytes from `position`; fewer only at the end of the file. */
  read(thread: Thread, length: number, position: number, timeoutMs: number): Promise<Buffer>
  /** Cuts the file off behind `bytes`. */
  truncate(thread: Thread, bytes: number, timeoutMs: number): Promise<void>
  /** Waits until what was written is on the disk itself: what is not may be lost with the machine's power. */
  sync(thread: Thread, timeoutMs: number): Promise<void>
  /** Waits for what an interrupted call has left under way. */
  close(thread: Thread, timeoutMs: number): Promise<void>
}

/**
 * `create` makes a file that is not there yet (`EEXIST`), also not as a link; `update` reads and writes one; `append`
 * writes behind what is there, whatever the position, and makes the file when it is missing. Only `follow` reads a file by
 * a link to it too: for names that the configuration gives.
 */
export type OpenHow = 'create' | 'read' | 'update' | 'append' | 'follow'

/**
 * The file system of a world, in blocking style: the thread waits, everybody else goes on. An interrupt or a timeout ends
 * the wait and not the operation. All calls throw DiskError, TimeoutError, InterruptedError.
 */
export interface Disk {
  /** @throws DiskError, TimeoutError, InterruptedError */
  open(thread: Thread, path: string, how: OpenHow, timeoutMs: number): Promise<DiskFile>
  /** Null when there is nothing. A symbolic link is not followed. */
  info(thread: Thread, path: string, timeoutMs: number): Promise<FileInfo | null>
  /** What is there under the new name is replaced in one step. */
  rename(thread: Thread, from: string, to: string, timeoutMs: number): Promise<void>
  remove(thread: Thread, path: string, timeoutMs: number): Promise<void>
  /** The names in a folder, sorted; none when it is not there. */
  list(thread: Thread, path: string, timeoutMs: number): Promise<readonly DiskEntry[]>
  /** Makes one folder, unless something is there already. */
  makeFolder(thread: Thread, path: string, timeoutMs: number): Promise<void>
  /** Removes a folder that is empty (else `ENOTEMPTY`). */
  removeFolder(thread: Thread, path: string, timeoutMs: number): Promise<void>
}

/** Of a world without files. */
export const NO_DISK: Disk = {
  open: refuse,
  info: refuse,
  rename: refuse,
  remove: refuse,
  list: refuse,
  makeFolder: refuse,
  removeFolder: refuse,
}

function refuse(): Promise<never> {
  return Promise.reject(new DiskError('ENODEV', 'this world has no disk'))
}
