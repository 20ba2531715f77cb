/** Files of a storage that several servers share: any of them may change or remove what is there, at any moment. */
import { posix } from 'node:path'
import { type Disk, DiskError } from '../../st/disk.ts'
import type { Thread } from '../../st/thread.ts'

/** For one operation, of a lease or a file: a storage that takes longer counts as away. */
export const STORAGE_TIMEOUT_MS = 5_000
const PIECE_BYTES = 256 * 1024
/** No segment and no playlist is larger. */
const LIMIT_BYTES = 256 * 1024 * 1024

/** Whether an operation failed because something is not there. */
export function isMissing(error: unknown): boolean {
  return error instanceof DiskError && (error.errno === 'ENOENT' || error.errno === 'ENOTDIR')
}

/** What `work` gives; null when a file or folder that it needs is not there. @throws DiskError, StError */
export async function unlessMissing<T>(work: Promise<T>): Promise<T | null> {
  try {
    return await work
  } catch (error) {
    if (isMissing(error)) return null
    throw error
  }
}

/**
 * A whole file, as it was when it was opened, whatever takes its place meanwhile; null when it is not there.
 * @throws DiskError, TimeoutError, InterruptedError
 */
export async function readWhole(thread: Thread, disk: Disk, path: string): Promise<Buffer | null> {
  const file = await unlessMissing(disk.open(thread, path, 'read', STORAGE_TIMEOUT_MS))
  if (!file) return null
  try {
    const pieces: Buffer[] = []
    for (let position = 0; position < LIMIT_BYTES; ) {
      const piece = await file.read(thread, PIECE_BYTES, position, STORAGE_TIMEOUT_MS)
      pieces.push(piece)
      position += piece.length
      if (piece.length < PIECE_BYTES) return Buffer.concat(pieces)
    }
    throw new DiskError('EFBIG', `${path} is too large`)
  } finally {
    await file.close(thread, STORAGE_TIMEOUT_MS)
  }
}

/** Makes a file that must not be there yet (`EEXIST`). @throws DiskError, TimeoutError, InterruptedError */
export async function createFile(thread: Thread, disk: Disk, path: string, bytes: Buffer): Promise<void> {
  const file = await disk.open(thread, path, 'create', STORAGE_TIMEOUT_MS)
  try {
    await file.write(thread, bytes, 0, STORAGE_TIMEOUT_MS)
  } finally {
    await file.close(thread, STORAGE_TIMEOUT_MS)
  }
}

/** Writes over the begin of a file that is there. @throws DiskError `ENOENT`, TimeoutError, InterruptedError */
export async function overwrite(thread: Thread, disk: Disk, path: string, bytes: Buffer): Promise<void> {
  const file = await disk.open(thread, path, 'update', STORAGE_TIMEOUT_MS)
  try {
    await file.write(thread, bytes, 0, STORAGE_TIMEOUT_MS)
  } finally {
    await file.close(thread, STORAGE_TIMEOUT_MS)
  }
}

/** Makes a folder and those above it. @throws DiskError, TimeoutError, InterruptedError */
export async function makeFolders(thread: Thread, disk: Disk, path: string): Promise<void> {
  const parts = posix.normalize(path).split('/')
  for (let count = 1; count <= parts.length; count++) {
    const folder = parts.slice(0, count).join('/')
    if (folder !== '' && folder !== '.' && folder !== '..') await disk.makeFolder(thread, folder, STORAGE_TIMEOUT_MS)
  }
}

const CLEAR_ATTEMPTS = 20
const CLEAR_PAUSE_MS = 25

/**
 * Removes a folder with the files in it, also while somebody goes on to put files there.
 * @throws DiskError, TimeoutError, InterruptedError
 */
export async function clearFolder(thread: Thread, disk: Disk, path: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    for (const { name } of await disk.list(thread, path, STORAGE_TIMEOUT_MS)) {
      await unlessMissing(disk.remove(thread, `${path}/${name}`, STORAGE_TIMEOUT_MS))
    }
    try {
      await unlessMissing(disk.removeFolder(thread, path, STORAGE_TIMEOUT_MS))
      return
    } catch (error) {
      if (!(error instanceof DiskError) || error.errno !== 'ENOTEMPTY' || attempt >= CLEAR_ATTEMPTS) throw error
    }
    await thread.sleep(CLEAR_PAUSE_MS)
  }
}
