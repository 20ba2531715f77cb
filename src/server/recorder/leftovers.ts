import type { DiskEntry } from '../../st/disk.ts'
import { asError, StError } from '../../st/errors.ts'
import type { Thread } from '../../st/thread.ts'
import type { DvrPath } from './dvr-path.ts'
import { finishFlv } from './finish-flv.ts'
import { COPY_SUFFIX, finishMp4 } from './finish-mp4.ts'
import { DISK_TIMEOUT_MS } from './folders.ts'
import { PART_SUFFIX } from './recording-file.ts'

/** A file that grew a shorter time ago may be another server's, which records into the same folder. */
const UNTOUCHED_MS = 10_000
/** How deep recordings are looked for, and how many names are looked at. */
const MAX_DEPTH = 16
const MAX_NAMES = 1_000_000

/** A file below the folder of recordings. */
export interface FoundFile {
  /** As configured, so that it can be opened. */
  readonly path: string
  /** Below the folder. */
  readonly name: string
}

/**
 * All files below the folder of a `dvr_path`, folder by folder in the order of their names; links are not followed.
 * @throws DiskError, TimeoutError, InterruptedError
 */
export async function* filesBelow(thread: Thread, { folder }: DvrPath): AsyncGenerator<FoundFile> {
  let left = MAX_NAMES
  const open: { path: string; name: string; depth: number }[] = [{ path: folder, name: '', depth: 0 }]
  for (let next = open.shift(); next; next = open.shift()) {
    const { path, name, depth } = next
    const entries: readonly DiskEntry[] = await thread.world.disk.list(thread, path, DISK_TIMEOUT_MS)
    left -= entries.length
    if (left < 0) return
    for (const entry of entries) {
      const below = { path: `${path}/${entry.name}`, name: name === '' ? entry.name : `${name}/${entry.name}` }
      if (entry.kind === 'file') yield below
      else if (entry.kind === 'folder' && depth < MAX_DEPTH) open.push({ ...below, depth: depth + 1 })
    }
  }
}

/**
 * Finishes the recordings that a killed server has left.
 * @param isOurs tells the files that this server writes itself
 * @throws InterruptedError
 */
export async function finishLeftovers(
  thread: Thread,
  paths: readonly DvrPath[],
  isOurs: (partPath: string) => boolean,
): Promise<void> {
  const parts = new Set<string>()
  try {
    for (const path of paths) {
      for await (const found of filesBelow(thread, path)) if (isPart(found, path)) parts.add(found.path)
    }
  } catch (error) {
    tell(thread, asError(error), 'cannot look for unfinished recordings')
  }
  // A copy that was being made stands in the way of the one that is to be made.
  for (const part of [...parts].filter(isCopy)) await finish(thread, part, isOurs)
  for (const part of [...parts].filter((one) => !isCopy(one))) await finish(thread, part, isOurs)
}

function isCopy(part: string): boolean {
  return part.endsWith(COPY_SUFFIX)
}

/** A recording that was being written, or the copy of one that was being finished. */
function isPart({ name }: FoundFile, path: DvrPath): boolean {
  const whole = isCopy(name) ? name.slice(0, -COPY_SUFFIX.length) : name
  return whole.endsWith(PART_SUFFIX) && path.matches(whole.slice(0, -PART_SUFFIX.length))
}

async function finish(thread: Thread, part: string, isOurs: (partPath: string) => boolean): Promise<void> {
  const { disk } = thread.world
  try {
    if (isOurs(part) || !(await isAbandoned(thread, part)) || isOurs(part)) return
    if (isCopy(part)) await disk.remove(thread, part, DISK_TIMEOUT_MS)
    else await finishPart(thread, part)
  } catch (error) {
    tell(thread, asError(error), 'cannot finish a recording')
  }
}

async function finishPart(thread: Thread, part: string): Promise<void> {
  const { disk } = thread.world
  const file = part.slice(0, -PART_SUFFIX.length)
  const isMp4 = file.endsWith('.mp4')
  const failure = isMp4 ? await finishMp4(thread, disk, part) : null
  const isEmpty = isMp4 ? failure?.code === 'mp4_no_samples' : !(await finishFlv(thread, disk, part))
  if (isEmpty) await disk.remove(thread, part, DISK_TIMEOUT_MS)
  else if (await disk.info(thread, file, DISK_TIMEOUT_MS)) {
    thread.log.warn({ file, part }, 'an unfinished recording stays as it is: there is a file of its name')
  } else {
    await disk.rename(thread, part, file, DISK_TIMEOUT_MS)
    thread.log.info({ file, fragmented: failure?.message ?? null }, 'finished a recording that a killed server left')
  }
}

/** Waits until nobody has written to a file for a while. @returns false when it is gone, or still grows */
async function isAbandoned(thread: Thread, part: string): Promise<boolean> {
  const { disk, clock } = thread.world
  const before = await disk.info(thread, part, DISK_TIMEOUT_MS)
  if (!before) return false
  const untouchedMs = clock.wallMs() - before.modifiedMs
  if (untouchedMs >= UNTOUCHED_MS) return true
  await thread.sleep(Math.min(UNTOUCHED_MS, UNTOUCHED_MS - untouchedMs))
  const after = await disk.info(thread, part, DISK_TIMEOUT_MS)
  return after !== null && after.bytes === before.bytes && after.modifiedMs === before.modifiedMs
}

function tell(thread: Thread, error: Error, text: string): void {
  if (!(error instanceof StError) || error.code === 'st_interrupted') throw error
  thread.log.warn({ reason: error.message, code: error.code }, text)
}
