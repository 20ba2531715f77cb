import { execFileSync } from 'node:child_process'
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'

const BLOCK = Buffer.alloc(64 << 10)

/** Whether disks can be made: that is root's. */
export const HAS_DISKS = process.getuid?.() === 0

/** A small file system in memory that can be filled; for who is not root a folder that cannot. */
export class Disk {
  readonly folder: string
  readonly #isMounted: boolean

  private constructor(folder: string, isMounted: boolean) {
    this.folder = folder
    this.#isMounted = isMounted
  }

  static make(folder: string, megabytes: number): Disk {
    mkdirSync(folder, { recursive: true })
    if (HAS_DISKS) execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', folder])
    return new Disk(folder, HAS_DISKS)
  }

  /** Leaves not a byte. */
  fill(): void {
    if (!this.#isMounted) throw new Error(`${this.folder} is no disk of its own`)
    const file = openSync(this.#ballast, 'a')
    try {
      for (;;) writeSync(file, BLOCK)
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error
    } finally {
      closeSync(file)
    }
  }

  empty(): void {
    rmSync(this.#ballast, { force: true })
  }

  remove(): void {
    if (this.#isMounted) execFileSync('umount', ['--lazy', this.folder])
  }

  get #ballast(): string {
    return join(this.folder, 'ballast')
  }
}
