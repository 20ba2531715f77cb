/** A coordinator: copies the segments of two servers, and serves those of one. */
import { HttpPool } from '../../../http/pool.ts'
import type { Thread } from '../../../st/thread.ts'
import type { World } from '../../../st/world.ts'
import { Copier } from './copier.ts'
import { PeerLink } from './link.ts'
import type { Beginnings, CoordinatorOptions } from './options.ts'
import type { Parts } from './parts.ts'
import type { Sent } from './entries.ts'
import { Memory, readMemories } from './memory.ts'
import { ageOf, restore, type Restored } from './restore.ts'
import { nameOfKey, keyOf, type SegmentReport, type StreamName } from './segment-report.ts'
import { Shelf } from './shelf.ts'
import { BackupStream } from './stream.ts'

export class Coordinator {
  readonly options: CoordinatorOptions
  readonly link: PeerLink
  readonly shelf: Shelf
  readonly copier: Copier
  readonly #world: World
  readonly #parts: Parts
  readonly #pool: HttpPool
  readonly #streams = new Map<string, BackupStream>()
  readonly #threads = new Set<Thread>()
  #isStopping = false
  /** Reports of streams that there is no room for. */
  refused = 0

  constructor(world: World, options: CoordinatorOptions, beginnings: Beginnings) {
    this.#world = world
    this.options = options
    this.#pool = new HttpPool(world)
    this.link = new PeerLink(world, this.#pool, options, () => this.#last())
    this.shelf = new Shelf(options.dir, world.newId())
    this.copier = new Copier(this.#pool, options)
    this.#parts = { world, options, beginnings, link: this.link, copier: this.copier, shelf: this.shelf }
  }

  get streams(): readonly BackupStream[] {
    return [...this.#streams.values()]
  }

  /** Goes on from what another life has told players. Before anything else. @throws InterruptedError */
  async restore(thread: Thread): Promise<void> {
    const { dir, disposeMs, maxSegmentBytes, maxStreams, window } = this.options
    for (const remembered of await readMemories(thread, dir)) {
      const name = nameOfKey(remembered.key)
      const isRoom = this.#streams.size < maxStreams
      if (!name || !isRoom || ageOf(thread, remembered) > disposeMs) {
        await new Memory(dir, remembered.key, window, 0).forget(thread)
        continue
      }
      const restored = await restore(thread, this.shelf, remembered, maxSegmentBytes)
      const stream = this.#begin(name, restored)
      const last = stream.log.last?.entry.number
      this.#world.log.info({ stream: stream.key, last }, 'backup: a stream goes on from what was told')
    }
  }

  /** Removes what another life has left, and begins to look for the other coordinator. */
  start(): void {
    this.#spawn('backup-clear', (thread) =>
      this.shelf.clear(
        thread,
        this.options.sides.map(({ name }) => name),
      ),
    )
    this.#spawn('backup-link', (thread) => this.link.run(thread))
  }

  /** Returns when all threads are gone. What players were told last stays on the disk, for the next life. */
  async stop(thread: Thread): Promise<void> {
    this.#isStopping = true
    for (const one of this.#threads) await one.stop(thread, 'coordinator stops')
    await this.#pool.stop(thread)
  }

  stream(name: StreamName): BackupStream | null {
    return this.#streams.get(keyOf(name)) ?? null
  }

  /** A server has finished a segment. Never waits. @returns false when there is no such side, or no room */
  report(report: SegmentReport): boolean {
    if (!this.options.sides.some(({ name }) => name === report.side)) return false
    const stream = this.#streamOf(report.name)
    stream?.report(report)
    return stream !== null
  }

  /** Takes what the leader has chosen. @returns false when it is none of a stream that there is room for @throws InterruptedError */
  async take(thread: Thread, key: string, entries: readonly Sent[]): Promise<boolean> {
    const name = nameOfKey(key)
    const stream = name && this.#streamOf(name)
    await stream?.take(thread, entries)
    return stream !== null
  }

  #streamOf(name: StreamName): BackupStream | null {
    const key = keyOf(name)
    const known = this.#streams.get(key)
    if (known) return known
    if (this.#isStopping || this.#streams.size >= this.options.maxStreams) {
      this.refused++
      return null
    }
    this.#world.log.info({ stream: key }, 'backup: a stream begins')
    return this.#begin(name, null)
  }

  #begin(name: StreamName, restored: Restored | null): BackupStream {
    const stream = new BackupStream(this.#parts, name, restored)
    this.#streams.set(stream.key, stream)
    this.#spawn('backup-stream', async (thread) => {
      try {
        await stream.run(thread)
      } finally {
        this.#streams.delete(stream.key)
      }
    })
    return stream
  }

  #spawn(name: string, body: (thread: Thread) => Promise<void>): void {
    this.#threads.add(this.#world.spawn(name, body, (thread) => this.#threads.delete(thread)))
  }

  #last(): Record<string, number> {
    const last: Record<string, number> = {}
    for (const { key, lastNumber } of this.#streams.values()) if (lastNumber !== null) last[key] = lastNumber
    return last
  }
}
