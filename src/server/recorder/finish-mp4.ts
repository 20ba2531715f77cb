import { CodecError } from '../../codec/errors.ts'
import { type FinishedMovie, finishedMovie } from '../../format/mp4/finished.ts'
import { RecordingReader } from '../../format/mp4/recording-reader.ts'
import { type Disk, DiskError, type DiskFile } from '../../st/disk.ts'
import type { Thread } from '../../st/thread.ts'
import { DISK_TIMEOUT_MS } from './folders.ts'

/** Ends the name of a finished copy that is being made. */
export const COPY_SUFFIX = '.new'
const COPY_BYTES = 1024 * 1024
const BRAND_BYTES = 12
/** The major brands of what grows and of what is finished. */
const FRAGMENTED = 'ftypiso6'

/**
 * Turns a fragmented recording into a plain MP4 under the same name, in one step: whoever is killed meanwhile leaves the
 * one or the other.
 * @returns why it was left as it is: the disk has no room for a second copy, or its index would be too big; else null
 * @throws DiskError, TimeoutError, InterruptedError
 */
export async function finishMp4(thread: Thread, disk: Disk, path: string): Promise<CodecError | DiskError | null> {
  const copyPath = path + COPY_SUFFIX
  const part = await disk.open(thread, path, 'update', DISK_TIMEOUT_MS)
  try {
    const reading = await readRecording(thread, disk, part, path)
    // What was written of a fragment when the disk was full or the server killed.
    if (reading?.isCut) await part.truncate(thread, reading.wholeBytes, DISK_TIMEOUT_MS)
    const movie = reading && finishedMovie(reading.tracks, reading.index)
    if (movie) await makeCopy(thread, disk, part, movie, copyPath)
    if (movie) await disk.rename(thread, copyPath, path, DISK_TIMEOUT_MS)
    return null
  } catch (error) {
    if (error instanceof CodecError || (error instanceof DiskError && isFull(error))) return error
    throw error
  } finally {
    await part.close(thread, DISK_TIMEOUT_MS)
  }
}

/** What is in the file; null when it is finished already. */
async function readRecording(
  thread: Thread,
  disk: Disk,
  part: DiskFile,
  path: string,
): Promise<RecordingReader | null> {
  const brand = await part.read(thread, BRAND_BYTES, 0, DISK_TIMEOUT_MS)
  if (brand.length === BRAND_BYTES && brand.toString('latin1', 4) !== FRAGMENTED) return null
  const info = await disk.info(thread, path, DISK_TIMEOUT_MS)
  const reading = new RecordingReader(info?.bytes ?? 0)
  for (let range = reading.wanted; range; range = reading.wanted) {
    reading.push(await part.read(thread, range.length, range.offset, DISK_TIMEOUT_MS))
  }
  return reading
}

async function makeCopy(
  thread: Thread,
  disk: Disk,
  part: DiskFile,
  movie: FinishedMovie,
  copyPath: string,
): Promise<void> {
  const copy = await disk.open(thread, copyPath, 'create', DISK_TIMEOUT_MS)
  let isWhole = false
  try {
    const head = Buffer.concat(movie.head)
    await copy.write(thread, head, 0, DISK_TIMEOUT_MS)
    let position = head.length
    for (const { offset, length } of movie.ranges) {
      for (let done = 0; done < length; done += COPY_BYTES) {
        const bytes = await part.read(thread, Math.min(COPY_BYTES, length - done), offset + done, DISK_TIMEOUT_MS)
        await copy.write(thread, bytes, position, DISK_TIMEOUT_MS)
        position += bytes.length
      }
    }
    // Else a power cut after the rename would leave neither the copy nor what it was made of.
    await copy.sync(thread, DISK_TIMEOUT_MS)
    isWhole = true
  } finally {
    await copy.close(thread, DISK_TIMEOUT_MS)
    if (!isWhole) await disk.remove(thread, copyPath, DISK_TIMEOUT_MS)
  }
}

function isFull({ errno }: DiskError): boolean {
  return errno === 'ENOSPC' || errno === 'EDQUOT' || errno === 'EFBIG'
}
