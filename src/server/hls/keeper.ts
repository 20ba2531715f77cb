import { CodecError } from '../../codec/errors.ts'
import { FOREVER } from '../../st/clock.ts'
import { Condition } from '../../st/condition.ts'
import { DiskError } from '../../st/disk.ts'
import { asError, TimeoutError } from '../../st/errors.ts'
import type { Thread } from '../../st/thread.ts'
import type { World } from '../../st/world.ts'
import type { PacketReader } from '../../stream/packet-reader.ts'
import type { Publication } from '../../stream/publication.ts'
import type { HlsFile, HlsFiles } from './files.ts'
import { AtcRun, type AtcState } from './atc/run.ts'
import { AtcSegmenter } from './atc/segmenter.ts'
import { HlsFolder } from './folder.ts'
import type { HlsOptions } from './options.ts'
import { plainPlaylist } from './playlist.ts'
import { readPast, WHOLE } from './recover.ts'
import type { HlsSegment } from './segment.ts'
import type { SegmentMaker } from './maker.ts'
import { Segmenter } from './segmenter.ts'
import type { HlsStream } from './stream.ts'

/** Looked at again and again until the first frame is there or the publisher has gone. */
const SETTLE_TIMEOUT_MS = 30_000
/** With `hls_dispose 0` files stay on the disk for ever, and in memory for so long. */
const MEMORY_DISPOSE_MS = 120_000

/** A publish, and what it brings. */
export interface Turn {
  readonly publication: Publication
  readonly reader: PacketReader
}

/** One stream's thread, which makes HLS of one publish after the other, or shows what another server makes of it. */
export interface HlsKeeper {
  /** A publish begins. Never waits. */
  begin(turn: Turn): void
  /** The server ends: when what is there has been dealt with, so does the thread. */
  end(): void
  /** The thread. When it ends, the stream is gone. @throws InterruptedError */
  run(thread: Thread): Promise<void>
  /** Publishes that began when the thread was ending already: somebody else must make HLS of them. */
  takeLeft(): Turn[]
  /** What there is to say of segments that are cut by the encoder's time; null: they are not. */
  readonly atc?: AtcState | null
  /**
   * Brings the stream to what it is at this moment wherever it is kept; without it, it is kept here.
   * @returns false: nobody knows what it is at this moment
   * @throws InterruptedError
   */
  refresh?(thread: Thread): Promise<boolean>
}

/** What a keeper needs of the service. */
export interface KeeperParts {
  readonly world: World
  readonly files: HlsFiles
  readonly stream: HlsStream
  /** Null: HLS is off now. */
  readonly options: () => HlsOptions | null
  /** Called for each segment that can be fetched; `path` is where it is, as configured. */
  readonly finished: (turn: Turn, segment: HlsSegment, path: (name: string) => string) => void
  /** HLS of a publish has ended. */
  readonly over: (turn: Turn) => void
}

/**
 * One stream's thread: makes segments of one publish after the other, writes them to the disk if they are to be there,
 * and removes everything when nobody has published for `hls_dispose`.
 */
export class StreamKeeper implements HlsKeeper {
  readonly stream: HlsStream
  readonly #parts: KeeperParts
  readonly #turns: Turn[] = []
  readonly #changed = new Condition('publish')
  readonly #atc: AtcRun
  #isAtc = false
  #folder: HlsFolder | null = null
  #keyFolder: HlsFolder | null = null
  #stored = new Set<HlsFile>()
  #isStopping = false
  #hasRecovered = false
  /** Players have seen nothing that is not on the disk. */
  #isStored = false

  constructor(parts: KeeperParts) {
    this.#parts = parts
    this.stream = parts.stream
    this.#atc = new AtcRun(parts.stream)
  }

  /** Segments by the encoder's time; null: they are counted. */
  get atc(): AtcState | null {
    return this.#isAtc ? this.#atc.state : null
  }

  begin(turn: Turn): void {
    this.#turns.push(turn)
    this.#changed.broadcast()
  }

  end(): void {
    this.#isStopping = true
    this.#changed.broadcast()
  }

  takeLeft(): Turn[] {
    return this.#turns.splice(0)
  }

  async run(thread: Thread): Promise<void> {
    let gone: HlsFile[] = []
    try {
      for (let turn = await this.#next(thread); turn; turn = await this.#next(thread)) await this.#serve(thread, turn)
      if (this.#isStopping && this.#isStored && this.stream.options.hlsRecover) {
        await this.#onDisk(thread, null, () => this.#writePlaylist(thread, WHOLE))
      }
    } finally {
      gone = this.stream.dispose()
    }
    const { hlsDisposeMs, hlsRecover } = this.stream.options
    // What is to be gone on with after a restart stays.
    if (this.#isStopping ? hlsRecover || hlsDisposeMs === 0 : hlsDisposeMs === 0) return
    await this.#onDisk(thread, null, async () => {
      await this.#removeFiles(thread, gone)
      await this.#folder?.remove(thread, this.stream.playlistName)
    })
  }

  /** The next publish; null when none has come for `hls_dispose`, or the server ends. */
  async #next(thread: Thread): Promise<Turn | null> {
    const { clock } = this.#parts.world
    const { hlsDisposeMs } = this.stream.options
    const deadlineMs = clock.nowMs() + (hlsDisposeMs || MEMORY_DISPOSE_MS)
    for (;;) {
      const turn = this.#turns.shift()
      if (turn) return turn
      const leftMs = Math.ceil(deadlineMs - clock.nowMs())
      if (leftMs <= 0 || this.#isStopping) return null
      try {
        await this.#changed.wait(thread, leftMs)
      } catch (error) {
        if (!(error instanceof TimeoutError)) throw error
      }
    }
  }

  async #serve(thread: Thread, turn: Turn): Promise<void> {
    const { publication, reader } = turn
    try {
      this.#follow()
      while (!publication.ended && !(await publication.settled(thread, SETTLE_TIMEOUT_MS))) continue
      this.#isAtc = publication.isAtc
      await this.#recover(thread)
      this.stream.setLive(true)
      await this.#segment(thread, turn)
    } catch (error) {
      // HLS ends for this publish; the publish goes on, or is ended.
      if (!(error instanceof CodecError || error instanceof DiskError || error instanceof TimeoutError)) throw error
      publication.publisher.log.warn({ err: error, stream: this.stream.key }, 'HLS ends: see hls_on_error')
      if (this.stream.options.hlsOnError === 'disconnect') publication.publisher.interrupt('HLS failed')
    } finally {
      publication.unread(reader)
      this.stream.setLive(false)
      this.#parts.over(turn)
    }
  }

  /** Takes the options of now. @returns false when HLS is off */
  #follow(): boolean {
    const options = this.#parts.options()
    if (!options?.enabled) return false
    const isMoved = options.hlsPath !== this.stream.options.hlsPath
    this.stream.follow(options)
    if (!this.#folder || isMoved) {
      const { disk } = this.#parts.world
      this.#stored = new Set()
      this.#folder = options.hlsPath === '' ? null : new HlsFolder(disk, options.hlsPath)
      this.#keyFolder = this.#folder && new HlsFolder(disk, options.hlsKeyFilePath || options.hlsPath)
    }
    return true
  }

  async #recover(thread: Thread): Promise<void> {
    if (this.#hasRecovered || !this.#folder || !this.stream.options.hlsRecover) return
    this.#hasRecovered = true
    const folder = this.#folder
    await this.#onDisk(thread, null, async () => {
      // By its own time a stream goes on where that is, and what it has missed the other server has.
      const past = await readPast(thread, folder, this.#parts.files, this.stream, !this.#isAtc)
      if (!past) return
      if (this.#isAtc) return folder.removeOld(thread, this.stream.playlistName)
      this.stream.resume(past)
      for (const { file, initFile } of past.segments) {
        this.#stored.add(file)
        if (initFile) this.#stored.add(initFile)
      }
      // From now on the disk is behind again.
      await this.#writePlaylist(thread)
      this.#isStored = past.segments.length > 0
    })
  }

  async #segment(thread: Thread, turn: Turn): Promise<void> {
    const { publication, reader } = turn
    const log = publication.publisher.log
    const segmenter = this.#maker(publication)
    const taker = { step: () => this.#takeAll(turn, segmenter) }
    try {
      while (!reader.isAtEnd) {
        await reader.follow(thread, taker, FOREVER)
        if (!(await this.#publish(thread, turn, segmenter))) return
      }
    } finally {
      segmenter.finish()
      await this.#publish(thread, turn, segmenter)
      if (segmenter.damaged > 0) log.warn({ stream: this.stream.key, frames: segmenter.damaged }, 'HLS left frames out')
    }
  }

  #maker({ headers, publisher, isAtc }: Publication): SegmentMaker {
    const { clock } = this.#parts.world
    const kinds = { video: headers.hasVideo, audio: headers.hasAudio }
    if (isAtc) return new AtcSegmenter(clock, publisher.log, this.stream, this.#atc)
    return new Segmenter(clock, publisher.log, this.stream, kinds)
  }

  /** Takes what has come. @returns whether to wait for more: no segment is finished, and the publish goes on */
  #takeAll(turn: Turn, segmenter: SegmentMaker): boolean {
    const { reader } = turn
    for (let read = reader.take(); read; read = reader.take()) {
      segmenter.noteDrops(reader.droppedPackets)
      this.#take(turn, segmenter, read)
      if (segmenter.hasFinished) return false
    }
    return !reader.ended
  }

  #take({ publication }: Turn, segmenter: SegmentMaker, read: NonNullable<ReturnType<PacketReader['take']>>): void {
    try {
      segmenter.take(read)
    } catch (error) {
      if (!(error instanceof CodecError) || this.stream.options.hlsOnError !== 'continue') throw error
      if (segmenter.damaged === 1) publication.publisher.log.warn({ err: error }, 'HLS leaves a frame out')
    }
  }

  /** Brings finished segments to where they are fetched. @returns false when HLS has been switched off */
  async #publish(thread: Thread, turn: Turn, segmenter: SegmentMaker): Promise<boolean> {
    const segments = segmenter.takeFinished()
    if (segments.length === 0) return true
    for (const segment of segments) {
      await this.#onDisk(thread, turn, () => this.#write(thread, segment))
      this.#parts.finished(turn, segment, (name) => this.#folder?.path(name) ?? name)
    }
    return this.#follow()
  }

  async #write(thread: Thread, { initFile, key, file }: HlsSegment): Promise<void> {
    const gone = this.stream.takeGone()
    this.#isStored = false
    if (!this.#folder) return
    if (initFile) await this.#store(thread, this.#folder, initFile)
    if (key && this.#keyFolder) await this.#store(thread, this.#keyFolder, key.file)
    await this.#store(thread, this.#folder, file)
    await this.#writePlaylist(thread)
    await this.#removeFiles(thread, gone)
    this.#isStored = true
  }

  /** @param mark what stands behind it */
  async #writePlaylist(thread: Thread, mark = ''): Promise<void> {
    const text = plainPlaylist(this.stream) + (mark === '' ? '' : `${mark}\n`)
    await this.#folder?.write(thread, this.stream.playlistName, Buffer.from(text), '.temp')
  }

  async #store(thread: Thread, folder: HlsFolder, file: HlsFile): Promise<void> {
    if (this.#stored.has(file) || !file.bytes) return
    await folder.write(thread, file.name, file.bytes, '.tmp')
    this.#stored.add(file)
  }

  async #removeFiles(thread: Thread, files: readonly HlsFile[]): Promise<void> {
    for (const file of files) {
      if (!this.#stored.delete(file) || !this.stream.options.hlsCleanup) continue
      await this.#folder?.remove(thread, file.name)
      await this.#keyFolder?.remove(thread, file.name)
    }
  }

  /** A disk that fails costs the files on it; players of this server are served from memory. */
  async #onDisk(thread: Thread, turn: Turn | null, work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (caught) {
      const error = asError(caught)
      if (!(error instanceof DiskError || error instanceof TimeoutError)) throw error
      const log = turn?.publication.publisher.log ?? thread.log
      log.warn({ err: error, stream: this.stream.key }, 'HLS: the disk failed')
      if (turn && this.stream.options.hlsOnError !== 'continue') throw error
    }
  }
}
