import type { Disk } from '../../st/disk.ts'
import type { Thread } from '../../st/thread.ts'
import { RecordError } from './error.ts'

/** For one operation on a file: a disk that takes longer is broken, or a network file system that has gone. */
export const DISK_TIMEOUT_MS = 30_000

/**
 * Makes the folder of a recording. The fixed part is what whoever runs the server chose, with links if he likes; below
 * it only real folders are entered: a link would lead elsewhere.
 * @param fixed of the configuration
 * @param names of the folders below it
 * @returns the path
 * @throws RecordError 'record_path', DiskError, TimeoutError, InterruptedError
 */
export async function makeFolders(
  thread: Thread,
  disk: Disk,
  fixed: string,
  names: readonly string[],
): Promise<string> {
  let path = ''
  for (const [index, part] of fixed.split('/').entries()) {
    path = index === 0 ? part : `${path}/${part}`
    if (part !== '' && part !== '.' && part !== '..') await disk.makeFolder(thread, path, DISK_TIMEOUT_MS)
  }
  for (const name of names) {
    path = `${path}/${name}`
    await disk.makeFolder(thread, path, DISK_TIMEOUT_MS)
    if (!(await isFolder(thread, disk, path))) {
      throw new RecordError('record_path', `${path} is no folder, or a link to one`)
    }
  }
  return path
}

/** Whether all folders between the fixed one and a file are real ones. @throws DiskError, TimeoutError, InterruptedError */
export async function isBelow(thread: Thread, disk: Disk, fixed: string, names: readonly string[]): Promise<boolean> {
  let path = fixed
  for (const name of names) {
    path = `${path}/${name}`
    if (!(await isFolder(thread, disk, path))) return false
  }
  return true
}

async function isFolder(thread: Thread, disk: Disk, path: string): Promise<boolean> {
  return (await disk.info(thread, path, DISK_TIMEOUT_MS))?.kind === 'folder'
}
