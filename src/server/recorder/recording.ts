import { CodecError } from '../../codec/errors.ts'
import { asError, InterruptedError, StError, TimeoutError } from '../../st/errors.ts'
import type { Thread } from '../../st/thread.ts'
import type { HeaderSet } from '../../stream/headers.ts'
import type { PacketReader, ReadPacket } from '../../stream/packet-reader.ts'
import type { Packet } from '../../stream/packet.ts'
import type { Publication } from '../../stream/publication.ts'
import { DvrPath, type StreamNames } from './dvr-path.ts'
import { RecordError } from './error.ts'
import type { FilePiece, FileWriter } from './file-writer.ts'
import { FlvWriter } from './flv-writer.ts'
import { makeFolders } from './folders.ts'
import { Mp4Writer } from './mp4-writer.ts'
import type { DvrOptions } from './options.ts'
import { RecordingFile } from './recording-file.ts'

/** A killed process loses about so much of a recording. */
const FLUSH_MS = 1_000
const FLUSH_BYTES = 256 * 1024
const SETTLED_MS = 2_000
/** A stream whose last picture is older is sound alone, also for the recorder. */
const PICTURE_CEASED_MS = 10_000

/** What a recording needs of its surroundings. */
export interface RecordingParts {
  readonly names: StreamNames
  /** Read again for each file: a reload changes the next one. */
  options(): DvrOptions
  readonly isUtc: boolean
  /** A file is made: until it is finished nobody else may touch it. */
  began(file: RecordingFile): void
  /** A file is finished, under its name. */
  finished(file: RecordingFile): void
  /** A file is no longer written, finished or not. */
  left(file: RecordingFile): void
}

interface OpenFile {
  readonly writer: FileWriter
  readonly options: DvrOptions
  readonly path: DvrPath
  /** Decode time that is 0 in the file. */
  readonly baseMs: number
  readonly firstMs: number
  hasVideo: boolean
  flushedMs: number
  onDisk: RecordingFile | null
}

/** Records one publish, into one file after the other. */
export class Recording {
  readonly #publication: Publication
  readonly #reader: PacketReader
  readonly #parts: RecordingParts
  readonly #told = new Set<string>()
  #file: OpenFile | null = null
  #lastVideoMs: number | null = null
  #lastMs = 0
  #hasFailed = false
  /** Files that are finished. */
  files = 0
  #finishedBytes = 0

  constructor(publication: Publication, parts: RecordingParts) {
    this.#publication = publication
    // At once: nothing of the publish may be missed.
    this.#reader = publication.read()
    this.#parts = parts
  }

  get bytes(): number {
    return this.#finishedBytes + (this.#file?.onDisk?.bytes ?? 0)
  }

  /** Of the file that is open, ms. */
  get durationMs(): number {
    return this.#file ? Math.max(0, this.#lastMs - this.#file.firstMs) : 0
  }

  /** The file that is open, as configured; null: none. */
  get path(): string | null {
    return this.#file?.onDisk?.path ?? null
  }

  /** Ends the recording; what has come is still written. */
  stop(): void {
    this.#publication.unread(this.#reader)
    this.#reader.end()
  }

  /** Until the publish ends, `stop`, or the disk fails: that ends the recording and nothing else. @throws InterruptedError */
  async run(thread: Thread): Promise<void> {
    try {
      let read = await this.#next(thread)
      // What the stream has shows soon after its first frame.
      if (read) await this.#publication.settled(thread, SETTLED_MS)
      for (; read; read = this.#reader.take() ?? (await this.#next(thread))) await this.#take(thread, read)
    } catch (error) {
      this.#failed(thread, error)
    } finally {
      this.#publication.unread(this.#reader)
      await this.#finish(thread)
      const dropped = this.#reader.droppedPackets
      if (dropped > 0) thread.log.warn({ dropped }, 'the disk was too slow for the recording: packets are missing')
    }
  }

  /** The next packet; while none comes, what has come is written. */
  async #next(thread: Thread): Promise<ReadPacket | null> {
    for (;;) {
      try {
        return await this.#reader.next(thread, FLUSH_MS)
      } catch (error) {
        if (!(error instanceof TimeoutError)) throw error
        if (this.#file) await this.#flush(thread, this.#file)
      }
    }
  }

  async #take(thread: Thread, { packet, headers }: ReadPacket): Promise<void> {
    if (packet.trackId > 0) return
    const isNew = this.#file !== null && this.#endsFile(this.#file, packet, headers)
    if (isNew) await this.#finish(thread)
    const file = this.#file ?? this.#begin(packet, headers)
    if (!file || !file.writer.fits(packet, headers)) return
    this.#lastMs = packet.dtsMs
    if (packet.kind === 'video' && packet.type === 'frame') {
      this.#lastVideoMs = packet.dtsMs
      // Pictures without the one that they are made from are of no use to anybody.
      if (!file.hasVideo && !packet.isKey && file.options.dvrWaitKeyframe) return
      file.hasVideo = true
    }
    this.#add(thread, file, packet, headers)
    const isDue = packet.dtsMs - file.flushedMs >= FLUSH_MS || file.writer.pendingBytes >= FLUSH_BYTES
    if (isDue) await this.#flush(thread, file)
  }

  #add(thread: Thread, file: OpenFile, packet: Packet, headers: HeaderSet): void {
    try {
      file.writer.add(packet, headers, Math.max(0, packet.dtsMs - file.baseMs))
    } catch (error) {
      // One damaged frame must not end a recording that is otherwise fine.
      if (!(error instanceof CodecError)) throw error
      this.#warnOnce(thread, error.message, 'a frame is left out of the recording')
    }
    for (const reason of file.writer.leftOut) this.#warnOnce(thread, reason, 'a kind is left out of the recording')
  }

  /** Whether the packet begins a new file: the codec is another one now, or the file is long enough. */
  #endsFile(file: OpenFile, packet: Packet, headers: HeaderSet): boolean {
    if (packet.type !== 'frame' || !this.#canBegin(file.options, packet, headers)) return false
    if (!file.writer.fits(packet, headers)) return true
    const { dvrPlan, dvrDurationMs } = file.options
    return dvrPlan === 'segment' && packet.dtsMs - file.firstMs >= dvrDurationMs
  }

  /** Whether a file may begin with the packet. */
  #canBegin({ dvrWaitKeyframe }: DvrOptions, packet: Packet, headers: HeaderSet): boolean {
    if (!dvrWaitKeyframe || packet.isKey) return true
    const hasPicture = headers.hasVideo || this.#publication.headers.hasVideo
    const lastMs = this.#lastVideoMs ?? packet.dtsMs
    return packet.kind === 'audio' && (!hasPicture || packet.dtsMs - lastMs > PICTURE_CEASED_MS)
  }

  /** Begins a file, on paper: it is made on the disk with its first bytes. */
  #begin(packet: Packet, headers: HeaderSet): OpenFile | null {
    const options = this.#parts.options()
    // The sound that comes before the first picture of a publish belongs to it.
    const isOpening = this.#lastVideoMs === null && packet.kind === 'audio' && this.files === 0
    if (packet.type !== 'frame' || !(isOpening || this.#canBegin(options, packet, headers))) return null
    const path = new DvrPath(options.dvrPath)
    const known = headers.withKindsOf(this.#publication.headers)
    const { dtsMs } = packet
    this.#file = {
      writer: path.ending === '.mp4' ? new Mp4Writer() : new FlvWriter(known),
      options,
      path,
      baseMs: options.timeJitter === 'off' ? 0 : dtsMs,
      firstMs: dtsMs,
      hasVideo: false,
      flushedMs: dtsMs,
      onDisk: null,
    }
    return this.#file
  }

  async #flush(thread: Thread, file: OpenFile): Promise<void> {
    file.flushedMs = this.#lastMs
    if (file.writer.pendingBytes === 0) return
    const onDisk = await this.#onDisk(thread, file)
    await onDisk.write(thread, file.writer.take())
  }

  async #onDisk(thread: Thread, file: OpenFile): Promise<RecordingFile> {
    if (file.onDisk) return file.onDisk
    const { disk, clock } = thread.world
    const names = file.path.names(this.#parts.names, clock.wallMs(), this.#parts.isUtc)
    const folder = await makeFolders(thread, disk, file.path.folder, names.slice(0, -1))
    file.onDisk = await RecordingFile.create(thread, disk, `${folder}/${names.at(-1)}`)
    this.#parts.began(file.onDisk)
    thread.log.info({ file: file.onDisk.path }, 'recording')
    return file.onDisk
  }

  /** Writes the rest of the file and puts it under its name. Failures are told and not thrown. @throws InterruptedError */
  async #finish(thread: Thread): Promise<void> {
    const file = this.#file
    this.#file = null
    if (!file) return
    try {
      const pieces = this.#hasFailed ? [] : file.writer.end()
      const onDisk = file.onDisk ?? (pieces.length > 0 ? await this.#onDisk(thread, file) : null)
      if (!onDisk) return
      await this.#writeLast(thread, onDisk, pieces)
      const published = await onDisk.publish(thread, this.#hasFailed)
      if (!published) return
      this.files++
      this.#finishedBytes += published.bytes
      thread.log.info({ file: onDisk.path, ...published }, 'recorded')
      this.#parts.finished(onDisk)
    } catch (error) {
      this.#failed(thread, error)
    } finally {
      if (file.onDisk) this.#parts.left(file.onDisk)
    }
  }

  /** A disk that is full takes no more, but what is on it can be closed. */
  async #writeLast(thread: Thread, onDisk: RecordingFile, pieces: readonly FilePiece[]): Promise<void> {
    try {
      await onDisk.write(thread, pieces)
    } catch (error) {
      this.#failed(thread, error)
    } finally {
      await onDisk.close(thread)
    }
  }

  /** Tells a failure of the disk, once; a fault of ours goes on. */
  #failed(thread: Thread, caught: unknown): void {
    const error = asError(caught)
    const isExpected = error instanceof StError || error instanceof RecordError || error instanceof CodecError
    if (error instanceof InterruptedError || !isExpected) throw error
    if (!this.#hasFailed) thread.log.error({ reason: error.message, code: error.code }, 'recording stopped')
    this.#hasFailed = true
  }

  #warnOnce(thread: Thread, reason: string, text: string): void {
    if (this.#told.has(text)) return
    this.#told.add(text)
    thread.log.warn({ reason }, text)
  }
}
