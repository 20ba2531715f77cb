/** What is served of a storage that several servers share, and is not in memory. */
import { posix } from 'node:path'
import { DiskError } from '../../../st/disk.ts'
import { TimeoutError } from '../../../st/errors.ts'
import type { Thread } from '../../../st/thread.ts'
import type { HlsFile } from '../files.ts'
import { contentTypeOf } from './mirror.ts'
import type { HlsBackups, HlsShare } from './share.ts'

/** The name of a segment that was written by turns: nothing else of the folder is served. */
const SEGMENT = /-t\d{1,15}(?:-\d+)?\.\w{1,8}$/

/**
 * Whether a stream's playlist is there, and no older than `disposeMs` (0: however old).
 * @throws InterruptedError
 */
export async function isStored(
  thread: Thread,
  { storage }: HlsShare,
  playlistName: string,
  disposeMs: number,
): Promise<boolean> {
  try {
    if ((await storage.size(thread, playlistName)) === null) return false
    return disposeMs === 0 || (await storage.idleMs(thread)) <= disposeMs
  } catch (error) {
    noteAway(thread, error)
    return false
  }
}

/**
 * A segment, whoever wrote it; null: there is none of that name.
 * @param known it was read from a playlist already
 * @throws InterruptedError
 */
export async function loadSegment(
  thread: Thread,
  backups: HlsBackups,
  { vhost, name }: { readonly vhost: string; readonly name: string },
  known: HlsFile | null,
): Promise<HlsFile | null> {
  const share = SEGMENT.test(name) && isPlain(name) ? backups.shareOf(vhost, name) : null
  if (!share || known?.bytes || known?.promise) return known
  try {
    const bytes = await share.storage.read(thread, name)
    if (known) known.bytes ??= bytes
    return known ?? (bytes && { name, contentType: contentTypeOf(name), isUnique: true, bytes, promise: null })
  } catch (error) {
    noteAway(thread, error)
    return known
  }
}

/** A name that leads nowhere else than below the folder. */
function isPlain(name: string): boolean {
  return posix.normalize(name) === name && !name.split('/').some((part) => part.startsWith('.')) && !/[\\\0]/.test(name)
}

function noteAway(thread: Thread, error: unknown): void {
  if (!(error instanceof DiskError || error instanceof TimeoutError)) throw error
  thread.log.warn({ reason: error.message }, 'the shared storage cannot be read')
}
