import { type Disk, DiskError, type DiskFile, type OpenHow } from '../../../src/st/disk.ts'
import { RealDisk } from '../../../src/st/real/disk.ts'
import type { Thread } from '../../../src/st/thread.ts'

/** A disk that is full when so many bytes have been written to it, and counts what it is asked for. */
export class SmallDisk extends RealDisk implements Disk {
  leftBytes: number
  refused = 0

  constructor(bytes: number) {
    super()
    this.leftBytes = bytes
  }

  override async open(thread: Thread, path: string, how: OpenHow, timeoutMs: number): Promise<DiskFile> {
    const file = await super.open(thread, path, how, timeoutMs)
    let knownBytes = (await super.info(thread, path, timeoutMs))?.bytes ?? 0
    return {
      read: (...args) => file.read(...args),
      sync: (...args) => file.sync(...args),
      truncate: (...args) => file.truncate(...args),
      close: (...args) => file.close(...args),
      write: async (by, bytes, position, ms) => {
        // What is written over takes no room.
        const grownBytes = Math.max(0, position + bytes.length - knownBytes)
        if (grownBytes > this.leftBytes) {
          this.refused++
          // As much as there is room for is written all the same.
          await file.write(by, bytes.subarray(0, Math.max(0, bytes.length - grownBytes + this.leftBytes)), position, ms)
          this.leftBytes = 0
          throw new DiskError('ENOSPC', 'no space left on device')
        }
        this.leftBytes -= grownBytes
        knownBytes += grownBytes
        await file.write(by, bytes, position, ms)
      },
    }
  }
}
