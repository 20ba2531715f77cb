import { posix } from 'node:path'
import { Condition } from '../../st/condition.ts'
import { TimeoutError } from '../../st/errors.ts'
import type { Log } from '../../st/log.ts'
import type { Thread } from '../../st/thread.ts'
import type { Publication } from '../../stream/publication.ts'
import type { Source } from '../../stream/source.ts'
import type { ServerContext } from '../context.ts'
import { Demand } from './demand.ts'
import { type HlsFile, HlsFiles } from './files.ts'
import { type HlsKeeper, type KeeperParts, StreamKeeper, type Turn } from './keeper.ts'
import { namesOf, playlistName } from './names.ts'
import type { HlsNotices } from './notices.ts'
import type { HlsOptions } from './options.ts'
import { PlaylistCache } from './playlist.ts'
import type { HlsSegment } from './segment.ts'
import { SharedKeeper } from './shared/keeper.ts'
import { isStored, loadSegment } from './shared/loading.ts'
import type { HlsBackups } from './shared/share.ts'
import { HlsStream, QUERY_MARK } from './stream.ts'
import { Viewers } from './viewers.ts'

/** For the last segments to be written when the server ends. */
const LAST_SEGMENTS_MS = 5_000
/** So many streams of the past may be kept; a new name for each publish must not cost more and more. */
const MOST_STREAMS = 10_000

/** A stream with all that belongs to it. */
export interface LiveStream {
  readonly stream: HlsStream
  readonly playlists: PlaylistCache
  readonly keeper: HlsKeeper
  readonly thread: Thread
}

/** All streams as HLS. */
export class HlsService {
  readonly files = new HlsFiles()
  readonly viewers: Viewers
  readonly demand: Demand
  /** A stream has come. */
  readonly appeared = new Condition('stream')
  readonly #context: ServerContext
  readonly #notices: HlsNotices | null
  readonly #streams = new Map<string, LiveStream>()
  /** By the vhost and path of its playlist. */
  readonly #playlists = new Map<string, LiveStream>()
  readonly #served = new Set<Publication>()
  readonly #life: string
  readonly #backups: HlsBackups | null
  #isStopping = false

  /** @param backups null: this server alone makes what it serves */
  constructor(context: ServerContext, notices: HlsNotices | null, backups: HlsBackups | null = null) {
    this.#context = context
    this.#notices = notices
    this.#backups = backups
    this.#life = context.world.newId()
    this.viewers = new Viewers(context)
    this.demand = new Demand(context)
    context.hub.watchers.add((source, publication) => this.#begin(source, publication))
  }

  get(key: string): LiveStream | null {
    return this.#streams.get(key) ?? null
  }

  /** The stream whose playlist is at this path; null: none is, or not yet. */
  at(vhost: string, path: string): LiveStream | null {
    return this.#playlists.get(vhost + path) ?? null
  }

  /** A stream that other servers write into the storage that this one shares with them; null: there is none. */
  async stored(thread: Thread, key: string): Promise<LiveStream | null> {
    const options = this.#options(key)
    if (!this.#backups || !options?.enabled) return null
    const names = namesOf(key)
    const playlist = playlistName(options.hlsM3u8File, names)
    const share = this.#backups.shareOf(names.vhost, playlist)
    const isThere = share !== null && (await isStored(thread, share, playlist, options.hlsDisposeMs))
    return this.get(key) ?? (isThere && !this.#isStopping ? this.#make(key, options, thread.log) : null)
  }

  /** A file that players ask for; null: there is none of that name, or it has gone. */
  async file(thread: Thread, vhost: string, name: string): Promise<HlsFile | null> {
    const known = this.files.get(vhost, name)
    return this.#backups ? loadSegment(thread, this.#backups, { vhost, name }, known) : known
  }

  /** Whether there is no file at all. */
  get isEmpty(): boolean {
    return this.files.size === 0 && !this.#backups
  }

  /** The configuration has changed: what is published now and was no HLS becomes it. What is HLS follows by itself. */
  reload(): void {
    for (const source of this.#context.hub.sources) {
      const { publication } = source
      if (publication && !this.#served.has(publication)) this.#begin(source, publication)
    }
  }

  /** When no publisher is left: writes what is still to be written and ends all threads. */
  async stop(thread: Thread): Promise<void> {
    this.#isStopping = true
    await this.viewers.stop(thread)
    await this.demand.stop(thread)
    const live = [...this.#streams.values()]
    for (const { keeper } of live) keeper.end()
    const { clock } = thread.world
    const deadlineMs = clock.nowMs() + LAST_SEGMENTS_MS
    for (const { thread: own } of live) {
      try {
        await own.join(thread, Math.max(1, Math.ceil(deadlineMs - clock.nowMs())))
      } catch (error) {
        if (!(error instanceof TimeoutError)) throw error
        await own.stop(thread, 'server stops')
      }
    }
  }

  #begin(source: Source, publication: Publication): void {
    const live = this.#liveFor(source.key, publication)
    if (!live) return
    this.#served.add(publication)
    live.keeper.begin({ publication, reader: publication.read() })
    this.appeared.broadcast()
  }

  #liveFor(key: string, { publisher }: Publication): LiveStream | null {
    const options = this.#options(key)
    if (!options?.enabled || this.#isStopping) return null
    return this.get(key) ?? this.#make(key, options, publisher.log)
  }

  /** It came while the files of those before it were being removed, which takes as long as the disk takes. */
  #beginAnew(key: string, turn: Turn): void {
    const { publication, reader } = turn
    const live = this.#liveFor(key, publication)
    if (live) live.keeper.begin(turn)
    else {
      publication.unread(reader)
      this.#served.delete(publication)
    }
  }

  #make(key: string, options: HlsOptions, log: Log): LiveStream | null {
    const names = namesOf(key)
    const playlist = playlistName(options.hlsM3u8File, names)
    const place = `${names.vhost}/${playlist}`
    const owner = this.#playlists.get(place)?.stream.key
    if (owner !== undefined || this.#streams.size >= MOST_STREAMS) {
      log.warn({ stream: key, owner, streams: this.#streams.size }, 'no HLS: the playlist is taken')
      return null
    }
    const { world } = this.#context
    const { files } = this
    const stream = new HlsStream(world, files, { key, names, playlistName: playlist }, options)
    const parts: KeeperParts = {
      world,
      files,
      stream,
      options: () => this.#options(key),
      finished: (turn, segment, path) => this.#tell(turn, stream, segment, path),
      over: ({ publication }) => this.#served.delete(publication),
    }
    const share = this.#backups?.shareOf(names.vhost, playlist) ?? null
    const keeper = share ? new SharedKeeper(parts, share) : new StreamKeeper(parts)
    const thread = world.spawn('hls', async (own) => {
      try {
        await keeper.run(own)
      } finally {
        this.#streams.delete(key)
        this.#playlists.delete(place)
        for (const turn of keeper.takeLeft()) this.#beginAnew(key, turn)
      }
    })
    const live = { stream, keeper, thread, playlists: new PlaylistCache(stream, this.#life) }
    this.#streams.set(key, live)
    this.#playlists.set(place, live)
    return live
  }

  #options(key: string): HlsOptions | null {
    return this.#context.options.resolveVhost(namesOf(key).vhost)?.hls ?? null
  }

  #tell({ publication }: Turn, stream: HlsStream, segment: HlsSegment, path: (name: string) => string): void {
    const publisher = this.#context.clients.get(publication.publisher.id)
    if (!this.#notices || !publisher) return
    const { playlistName: m3u8Url } = stream
    const tsUrl = segment.uri.replace(QUERY_MARK, '')
    this.#notices.hls(publisher, {
      cwd: this.#context.world.platform.folder,
      file: path(segment.file.name),
      durationMs: segment.durationMs,
      url: /^https?:/.test(tsUrl) ? tsUrl : posix.join(posix.dirname(m3u8Url), tsUrl),
      m3u8: path(m3u8Url),
      m3u8Url,
      seqNo: segment.sequence,
    })
    this.#notices.hlsNotify(publisher, tsUrl, stream.options.hlsNbNotify)
  }
}
