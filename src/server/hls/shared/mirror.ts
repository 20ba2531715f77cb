import { posix } from 'node:path'
import { DiskError } from '../../../st/disk.ts'
import { TimeoutError } from '../../../st/errors.ts'
import { Mutex } from '../../../st/mutex.ts'
import type { Thread } from '../../../st/thread.ts'
import type { HlsFile, HlsFiles } from '../files.ts'
import { type Entry, nameOf, readPlaylist } from '../recover.ts'
import type { HlsSegment } from '../segment.ts'
import { type HlsStream, QUERY_MARK } from '../stream.ts'
import { type Mark, readMark } from './mark.ts'
import type { SharedStorage } from './share.ts'

/** A player does not wait for a storage that hangs: it asks another server. */
const REFRESH_TIMEOUT_MS = 2_000

/** Shows a stream as it is in the shared storage, whoever writes it: nothing else is ever served. */
export class StorageMirror {
  readonly #storage: SharedStorage
  readonly #files: HlsFiles
  readonly #stream: HlsStream
  readonly #mutex = new Mutex()
  #asked = 0
  #answered = 0
  #text = ''
  #isAway = false
  /** Of the playlist that is shown. */
  mark: Mark | null = null
  /** When it changed last, monotonic, ms. */
  changedMs = 0
  /** Segments that playlists named and that were not there. */
  missing = 0

  constructor(storage: SharedStorage, files: HlsFiles, stream: HlsStream) {
    this.#storage = storage
    this.#files = files
    this.#stream = stream
  }

  /**
   * Shows what is there now.
   * @returns false: that cannot be read; what was there before would be less than other servers have shown
   * @throws InterruptedError
   */
  async refresh(thread: Thread): Promise<boolean> {
    try {
      await this.read(thread, REFRESH_TIMEOUT_MS)
      return true
    } catch (error) {
      if (!(error instanceof DiskError || error instanceof TimeoutError)) throw error
      const facts = { stream: this.#stream.key, reason: error.message }
      if (!this.#isAway) thread.log.warn(facts, 'the shared storage cannot be read: players get nothing from here')
      this.#isAway = true
      return false
    }
  }

  /**
   * Shows what is there now: read after this was called. All who ask while one reads are answered by one more reading.
   * @param timeoutMs for those who read before
   * @throws DiskError, TimeoutError, InterruptedError
   */
  async read(thread: Thread, timeoutMs: number): Promise<void> {
    const ticket = ++this.#asked
    await this.#mutex.lock(thread, timeoutMs)
    try {
      if (this.#answered >= ticket) return
      const answered = this.#asked
      await this.#readNow(thread)
      this.#answered = answered
    } finally {
      this.#mutex.unlock(thread)
    }
  }

  async #readNow(thread: Thread): Promise<void> {
    const text = (await this.#storage.read(thread, this.#stream.playlistName))?.toString() ?? ''
    if (this.#isAway) thread.log.info({ stream: this.#stream.key }, 'the shared storage can be read again')
    this.#isAway = false
    const playlist = text === this.#text ? null : readPlaylist(text)
    if (!playlist) return
    const isIndependent = text.includes('#EXT-X-INDEPENDENT-SEGMENTS')
    const known = new Map(this.#stream.segments.map((segment) => [segment.sequence, segment]))
    let segments: HlsSegment[] = []
    let lost = 0
    for (const [index, entry] of playlist.entries.entries()) {
      const sequence = playlist.sequence + index
      const segment = known.get(sequence) ?? (await this.#segment(thread, entry, sequence, isIndependent))
      if (segment) segments.push(segment)
      else {
        // Behind a hole a playlist cannot go on.
        this.missing++
        lost += [...segments, entry].filter(({ discontinuity }) => discontinuity).length
        segments = []
      }
    }
    this.#text = text
    this.mark = readMark(text)
    this.changedMs = thread.world.clock.nowMs()
    this.#stream.resume({
      nextSequence: playlist.sequence + playlist.entries.length,
      discontinuitySequence: playlist.discontinuitySequence + lost,
      targetSeconds: playlist.targetSeconds,
      segments,
    })
  }

  async #segment(thread: Thread, entry: Entry, sequence: number, isIndependent: boolean): Promise<HlsSegment | null> {
    const { uri, durationMs, discontinuity, programDateTimeMs, map } = entry
    const name = nameOf(uri, this.#stream)
    const bytes = name === null ? null : await this.#storage.size(thread, name)
    if (name === null || bytes === null) return null
    return {
      sequence,
      durationMs,
      discontinuity,
      programDateTimeMs,
      file: this.#file(name),
      initFile: map === null ? null : this.#file(nameOf(map, this.#stream) ?? map),
      uri: this.#marked(uri),
      map: map === null ? null : this.#marked(map),
      key: null,
      parts: [],
      bytes,
      isIndependent,
      frames: 0,
    }
  }

  /** Its bytes are read when somebody asks for them. */
  #file(name: string): HlsFile {
    const { vhost } = this.#stream.names
    const known = this.#files.get(vhost, name)
    return known ?? this.#files.add(vhost, { name, contentType: contentTypeOf(name), isUnique: true, bytes: null }, 0)
  }

  #marked(uri: string): string {
    return this.#stream.options.hlsEntryPrefix === '' ? uri + QUERY_MARK : uri
  }
}

/** Of a segment, by its name. */
export function contentTypeOf(name: string): string {
  return posix.extname(name) === '.ts' ? 'video/mp2t' : 'video/mp4'
}
