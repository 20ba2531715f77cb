import { posix } from 'node:path'
import type { HlsBackups, HlsKeeper } from '../../server/hls/backups.ts'
import type { HlsFile } from '../../server/hls/files.ts'
import type { KeeperParts } from '../../server/hls/keeper.ts'
import type { HlsOptions } from '../../server/hls/options.ts'
import { DiskError } from '../../st/disk.ts'
import { TimeoutError } from '../../st/errors.ts'
import type { Thread } from '../../st/thread.ts'
import type { World } from '../../st/world.ts'
import { contentTypeOf } from './mirror.ts'
import type { BackupOptions } from './options.ts'
import { type RedisOptions, RedisLeases } from './redis-leases.ts'
import { type BackupCounters, StandbyKeeper } from './standby-keeper.ts'
import { StreamStorage } from './stream-storage.ts'
import { BackupError, type BackupView, roleOf, switchWriter, viewOf } from './views.ts'

/** The name of a segment that was written by turns: nothing else of the folder is served. */
const SEGMENT = /-t\d{1,15}(?:-\d+)?\.\w{1,8}$/

/** What backups stand on. */
export interface BackupsParts {
  readonly world: World
  /** Of a vhost; null when there is none. */
  optionsOf(vhost: string): { readonly hls: HlsOptions; readonly hlsBackup: BackupOptions } | null
  /** Null: no vhost has its leases there. */
  readonly redis: RedisOptions | null
}

/** The streams of this server that others write too. */
export class Backups implements HlsBackups {
  readonly #parts: BackupsParts
  readonly #redis: RedisLeases | null
  readonly #keepers = new Map<string, StandbyKeeper>()
  readonly #counters: BackupCounters = { turns: 0, fenced: 0, missing: 0 }

  constructor(parts: BackupsParts) {
    this.#parts = parts
    this.#redis = parts.redis && new RedisLeases(parts.redis)
  }

  /** Keys of the streams. */
  get streams(): Iterable<string> {
    return this.#keepers.keys()
  }

  /** For the metrics. */
  get state(): BackupCounters & { streams: Map<string, number>; isRedisUp: boolean } {
    const streams = new Map(['writer', 'standby', 'reader'].map((role) => [role, 0]))
    for (const keeper of this.#keepers.values()) streams.set(roleOf(keeper), (streams.get(roleOf(keeper)) ?? 0) + 1)
    return { ...this.#counters, streams, isRedisUp: this.#redis?.isUp ?? false }
  }

  /** What there is to say of a stream; null: it is not here. @throws DiskError, TimeoutError, InterruptedError */
  async view(thread: Thread, stream: string): Promise<BackupView | null> {
    const keeper = this.#keepers.get(stream)
    return keeper ? viewOf(thread, keeper) : null
  }

  /** Lets another server write a stream. @throws BackupError, DiskError, TimeoutError, InterruptedError */
  async switchWriter(thread: Thread, stream: string): Promise<void> {
    const keeper = this.#keepers.get(stream)
    if (!keeper) throw new BackupError('backup_none', `${stream} has no backup here`)
    await switchWriter(thread, keeper, keeper.leaseMs)
  }

  keeperOf(parts: KeeperParts): HlsKeeper | null {
    const { key, playlistName, names } = parts.stream
    const settings = this.#settings(names.vhost)
    if (!settings) return null
    const options = (): BackupOptions => this.#settings(names.vhost)?.hlsBackup ?? settings.hlsBackup
    const keeper = new StandbyKeeper(parts, {
      storage: new StreamStorage(this.#parts.world.disk, settings.hls.hlsPath, playlistName),
      redis: settings.hlsBackup.redis ? this.#redis : null,
      options,
      name: settings.hlsBackup.name || fileName(this.#parts.world.platform.machine.name),
      counters: this.#counters,
    })
    this.#keepers.set(key, keeper)
    const run = async (thread: Thread): Promise<void> => {
      try {
        await keeper.run(thread)
      } finally {
        if (this.#keepers.get(key) === keeper) this.#keepers.delete(key)
      }
    }
    return {
      begin: (turn) => keeper.begin(turn),
      end: () => keeper.end(),
      refresh: (thread) => keeper.refresh(thread),
      run,
    }
  }

  async isStored(thread: Thread, vhost: string, playlistName: string): Promise<boolean> {
    const settings = this.#settings(vhost)
    if (!settings) return false
    const { hlsPath, hlsDisposeMs } = settings.hls
    const storage = new StreamStorage(this.#parts.world.disk, hlsPath, playlistName)
    try {
      if ((await storage.size(thread, playlistName)) === null) return false
      return hlsDisposeMs === 0 || (await storage.idleMs(thread)) <= hlsDisposeMs
    } catch (error) {
      return this.#isAway(thread, error)
    }
  }

  async load(thread: Thread, vhost: string, name: string, known: HlsFile | null): Promise<HlsFile | null> {
    const settings = this.#settings(vhost)
    if (!settings || !SEGMENT.test(name) || !isPlain(name)) return known
    const storage = new StreamStorage(this.#parts.world.disk, settings.hls.hlsPath, name)
    try {
      const bytes = await storage.read(thread, name)
      if (known) known.bytes ??= bytes
      return known ?? (bytes && { name, contentType: contentTypeOf(name), isUnique: true, bytes, promise: null })
    } catch (error) {
      this.#isAway(thread, error)
      return known
    }
  }

  /** When no stream is left. */
  stop(): void {
    this.#redis?.close()
  }

  /** Those of a vhost that shares its HLS; null: it does not. */
  #settings(vhost: string): ReturnType<BackupsParts['optionsOf']> {
    const settings = this.#parts.optionsOf(vhost)
    return settings?.hlsBackup.enabled === true && settings.hls.hlsPath !== '' ? settings : null
  }

  #isAway(thread: Thread, error: unknown): false {
    if (!(error instanceof DiskError || error instanceof TimeoutError)) throw error
    thread.log.warn({ reason: error.message }, 'the shared storage cannot be read')
    return false
  }
}

/** A name that leads nowhere else than below the folder. */
function isPlain(name: string): boolean {
  return posix.normalize(name) === name && !name.split('/').some((part) => part.startsWith('.')) && !/[\\\0]/.test(name)
}

/** A machine's name as part of a file's name. */
function fileName(name: string): string {
  return name.replace(/[^\w.-]/g, '_') || 'server'
}
