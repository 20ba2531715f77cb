import type { HlsOptions } from '../../server/hls/options.ts'
import type { Candidate, Election, HlsBackups, HlsShare } from '../../server/hls/shared/share.ts'
import type { Thread } from '../../st/thread.ts'
import type { World } from '../../st/world.ts'
import { LeaseElection } from './election.ts'
import type { BackupOptions } from './options.ts'
import { RedisLeases, type RedisOptions } from './redis-leases.ts'
import { SharedRoot } from './shared-root.ts'
import { StreamStorage } from './stream-storage.ts'
import { BackupError, type BackupView, type Contest, roleOf, switchWriter, viewOf } from './views.ts'

/** What backups stand on. */
export interface BackupsParts {
  readonly world: World
  /** Of a vhost; null when there is none. */
  optionsOf(vhost: string): { readonly hls: HlsOptions; readonly hlsBackup: BackupOptions } | null
  /** Where the leases of vhosts are that have them there. */
  readonly redis: RedisOptions
}

/** What has happened at this server. */
interface Counters {
  turns: number
  fenced: number
  missing: number
}

/** The streams of this server that others write too. */
export class Backups implements HlsBackups {
  readonly #parts: BackupsParts
  readonly #redis: RedisLeases
  readonly #roots = new Map<string, SharedRoot>()
  readonly #contests = new Map<string, Contest>()
  readonly #counters: Counters = { turns: 0, fenced: 0, missing: 0 }

  constructor(parts: BackupsParts) {
    this.#parts = parts
    this.#redis = new RedisLeases(parts.redis)
  }

  /** Keys of the streams. */
  get streams(): Iterable<string> {
    return this.#contests.keys()
  }

  /** For the metrics. */
  get state(): Counters & { streams: Map<string, number>; isRedisUp: boolean } {
    const streams = new Map(['writer', 'standby', 'reader'].map((role) => [role, 0]))
    let { missing } = this.#counters
    for (const contest of this.#contests.values()) {
      const role = roleOf(contest)
      streams.set(role, (streams.get(role) ?? 0) + 1)
      missing += contest.candidate.missing
    }
    return { ...this.#counters, missing, streams, isRedisUp: this.#redis.isUp }
  }

  /** What there is to say of a stream; null: it is not here. @throws DiskError, TimeoutError, InterruptedError */
  async view(thread: Thread, stream: string): Promise<BackupView | null> {
    const contest = this.#contests.get(stream)
    return contest ? viewOf(thread, contest) : null
  }

  /** Lets another server write a stream. @throws BackupError, DiskError, TimeoutError, InterruptedError */
  async switchWriter(thread: Thread, stream: string): Promise<void> {
    const contest = this.#contests.get(stream)
    if (!contest) throw new BackupError('backup_none', `${stream} has no backup here`)
    await switchWriter(thread, contest)
  }

  shareOf(vhost: string, playlistName: string): HlsShare | null {
    const { world } = this.#parts
    const settings = this.#settings(vhost)
    if (!settings) return null
    const options = (): BackupOptions => this.#settings(vhost)?.hlsBackup ?? settings.hlsBackup
    const storage = new StreamStorage(world.disk, this.#root(settings.hls.hlsPath), playlistName)
    const name = settings.hlsBackup.name || fileName(world.platform.machine.name)
    return {
      name,
      storage,
      get leaseMs() {
        return options().leaseMs
      },
      elect: (candidate) => this.#elect(candidate, { name, storage, options }),
    }
  }

  /** When no stream is left. */
  stop(): void {
    this.#redis.close()
  }

  /** Of a folder; there are as many as vhosts have. */
  #root(path: string): SharedRoot {
    const known = this.#roots.get(path)
    const root = known ?? new SharedRoot(this.#parts.world.disk, path)
    if (!known) this.#roots.set(path, root)
    return root
  }

  #elect(candidate: Candidate, own: Omit<Contest, 'candidate' | 'election'>): Election {
    const election = new LeaseElection({
      ...own,
      candidate,
      clock: this.#parts.world.clock,
      redis: own.options().redis ? this.#redis : null,
      counters: this.#counters,
      onEnd: () => {
        this.#counters.missing += candidate.missing
        if (this.#contests.get(candidate.key)?.election === election) this.#contests.delete(candidate.key)
      },
    })
    this.#contests.set(candidate.key, { ...own, candidate, election })
    return election
  }

  /** Those of a vhost that shares its HLS; null: it does not. */
  #settings(vhost: string): ReturnType<BackupsParts['optionsOf']> {
    const settings = this.#parts.optionsOf(vhost)
    return settings?.hlsBackup.enabled === true && settings.hls.hlsPath !== '' ? settings : null
  }
}

/** A machine's name as part of a file's name. */
function fileName(name: string): string {
  return name.replace(/[^\w.-]/g, '_') || 'server'
}
