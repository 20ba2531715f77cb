import { type Disk, type DiskEntry, DiskError, type DiskFile, type FileInfo } from '../../../src/st/disk.ts'
import { ProcessDisk, type SimDisk } from '../../../src/st/sim/disk.ts'
import type { SimFile } from '../../../src/st/sim/file-system.ts'
import type { Life } from '../../../src/st/sim/life.ts'
import type { Thread } from '../../../src/st/thread.ts'
import { readMark } from '../../../src/server/hls/shared/mark.ts'
import { readPlaylist } from '../read-playlist.ts'
import { Violation } from '../violation.ts'

/** How a server sees the storage. */
export interface SideState {
  /** `full`: it cannot put anything there; `away`: it cannot do anything with it. */
  disk: 'ok' | 'full' | 'away'
}

/** The shared storage as one server's process sees it. */
export class SideDisk implements Disk {
  readonly #disk: ProcessDisk
  readonly #state: SideState

  constructor(disk: SimDisk, life: Life, state: SideState) {
    this.#disk = new ProcessDisk(disk, life)
    this.#state = state
  }

  async open(thread: Thread, path: string, how: 'create' | 'read' | 'update', timeoutMs: number): Promise<DiskFile> {
    this.#check(path)
    const file = await this.#disk.open(thread, path, how, timeoutMs)
    const check = (grows: boolean): void => this.#check(path, grows)
    return {
      write: async (own, bytes, position, limitMs) => {
        check(how === 'create')
        await file.write(own, bytes, position, limitMs)
      },
      read: async (own, length, position, limitMs) => {
        check(false)
        return file.read(own, length, position, limitMs)
      },
      truncate: (own, bytes, limitMs) => file.truncate(own, bytes, limitMs),
      sync: (own, limitMs) => file.sync(own, limitMs),
      close: (own, limitMs) => file.close(own, limitMs),
    }
  }

  async info(thread: Thread, path: string, timeoutMs: number): Promise<FileInfo | null> {
    this.#check(path)
    return this.#disk.info(thread, path, timeoutMs)
  }

  async rename(thread: Thread, from: string, to: string, timeoutMs: number): Promise<void> {
    this.#check(from)
    await this.#disk.rename(thread, from, to, timeoutMs)
  }

  async remove(thread: Thread, path: string, timeoutMs: number): Promise<void> {
    this.#check(path)
    await this.#disk.remove(thread, path, timeoutMs)
  }

  async list(thread: Thread, path: string, timeoutMs: number): Promise<readonly DiskEntry[]> {
    this.#check(path)
    return this.#disk.list(thread, path, timeoutMs)
  }

  async makeFolder(thread: Thread, path: string, timeoutMs: number): Promise<void> {
    this.#check(path, true)
    await this.#disk.makeFolder(thread, path, timeoutMs)
  }

  async removeFolder(thread: Thread, path: string, timeoutMs: number): Promise<void> {
    this.#check(path)
    await this.#disk.removeFolder(thread, path, timeoutMs)
  }

  #check(path: string, grows = false): void {
    if (this.#state.disk === 'away') throw new DiskError('EIO', `the storage is away: ${path}`)
    if (this.#state.disk === 'full' && grows) throw new DiskError('ENOSPC', `no space for ${path}`)
  }
}

/** Looks at each playlist that anybody puts into the storage: turns and numbers only grow, and nothing is taken back. */
export class PlaylistWatch {
  readonly #disk: SimDisk
  readonly #path: string
  #file: SimFile | null = null
  #turn = -1
  #first = -1
  #last = -1
  /** Who wrote last. */
  writer = ''
  readonly #paths = new Map<number, string>()
  /** By server. */
  readonly written = new Map<string, number>()

  constructor(disk: SimDisk, path: string) {
    this.#disk = disk
    this.#path = path
  }

  /** @throws Violation */
  look(): void {
    const file = this.#disk.files.file(this.#path)
    if (!file || file === this.#file) return
    this.#file = file
    const text = file.read(0, file.length).toString()
    const mark = readMark(text)
    if (!mark) throw new Violation('mark', `a playlist without a mark: ${text.slice(-200)}`)
    const { mediaSequence, segments } = readPlaylist(text, '/live/s.m3u8')
    const last = segments.at(-1)?.sequence ?? -1
    this.written.set(mark.writer, (this.written.get(mark.writer) ?? 0) + 1)
    if (mark.turn < this.#turn) throw new Violation('fence', `turn ${mark.turn} writes after ${this.#turn}`)
    if (mediaSequence < this.#first || last <= this.#last) {
      const what = `${mediaSequence}..${last} after ${this.#first}..${this.#last}`
      throw new Violation('numbers', `the playlist in the storage goes back: ${what}`)
    }
    for (const { sequence, path } of segments) {
      const known = this.#paths.get(sequence)
      if (known !== undefined && known !== path) throw new Violation('numbers', `${sequence} is ${known} and ${path}`)
      this.#paths.set(sequence, path)
    }
    this.#turn = mark.turn
    this.writer = mark.writer
    this.#first = mediaSequence
    this.#last = last
  }
}
