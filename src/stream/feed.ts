import { Condition } from '../st/condition.ts'
import type { Clock, Timer } from '../st/clock.ts'
import { Cursor } from './cursor.ts'
import { HeaderSet } from './headers.ts'
import type { StreamOptions } from './options.ts'
import type { Packet } from './packet.ts'
import type { WireFormat } from './wire-format.ts'

/** A batch is cut at this size also when its time has not come: larger writes gain nothing. */
const BATCH_LIMIT_BYTES = 256 * 1024
/** What a feed keeps at most, whatever `queue_length` and the GOP ask for. */
const LOG_LIMIT_BYTES = 64 * 1024 * 1024
/** About what a batch costs beside its bytes: with it, the limit bounds tiny batches too. */
const BATCH_OVERHEAD_BYTES = 1024
/** Batches of sound from a cache are this long at most, ms. */
const CACHED_BATCH_MS = 500
const NOTHING = Buffer.alloc(0)

/** Bytes ready for the socket: whole messages, encoded once, shared by all players of the format. */
export interface Batch {
  readonly seq: number
  readonly bytes: Buffer
  /** The batch begins with a key frame: a player may start here. */
  readonly startsGop: boolean
  /** The headers in force at its begin. */
  readonly headers: HeaderSet
  readonly firstDtsMs: number
  readonly lastDtsMs: number
  /** Packets of the feed before this batch and in it, so that drops can be counted. */
  readonly packetIndex: number
  readonly packets: number
  /** Headers encoded for a player that starts here; made when the first one does. */
  prelude: Buffer | null
}

/**
 * Where a player begins: as the options say (`new`); at the first packet of all, if it is still there (`start`); at a
 * key frame that is still to come (`next key`); or where it is, having read another format up to here (`now`).
 */
export type JoinAt = 'new' | 'start' | 'next key' | 'now'

/**
 * A stream in one wire format: an append-only log of batches that each player reads at its own pace with a cursor.
 * GOP cache, player queue, merged write and the drop of slow players all follow from this one structure: memory is
 * bounded by the log, not by the number of players.
 */
export class Feed {
  readonly format: WireFormat
  readonly #clock: Clock
  readonly #options: StreamOptions
  readonly appended = new Condition('next batch')
  #log: Batch[] = []
  #logBytes = 0
  #nextSeq = 0
  #packets = 0
  #newestGop: Batch | null = null
  #open: Packet[] = []
  #openBytes = 0
  #openHeaders: HeaderSet | null = null
  #headers = HeaderSet.EMPTY
  #timer: Timer | null = null
  #ended = false
  #hasPicture = false
  cursors = 0

  constructor(format: WireFormat, clock: Clock, options: StreamOptions) {
    this.format = format
    this.#clock = clock
    this.#options = options
  }

  get ended(): boolean {
    return this.#ended
  }

  /** Decode time of the newest packet that players can have, ms. */
  get headDtsMs(): number {
    return this.#log.at(-1)?.lastDtsMs ?? 0
  }

  /** Whether pictures come at present: then who has lost the thread must wait for a key frame. */
  get hasPicture(): boolean {
    return this.#hasPicture
  }

  /** A player that is further behind has lost the thread, ms. */
  get queueLengthMs(): number {
    return this.#options.queueLengthMs
  }

  /** The batch at which a player can start or go on after a drop; null when no key frame is kept. */
  get newestGop(): Batch | null {
    return this.#newestGop
  }

  get newestBatch(): Batch | null {
    return this.#log.at(-1) ?? null
  }

  get nextSeq(): number {
    return this.#nextSeq
  }

  /** The batch with this number; null when it is not there any more or not yet. */
  batch(seq: number): Batch | null {
    const first = this.#log[0]
    return first ? (this.#log[seq - first.seq] ?? null) : null
  }

  /** Puts the metadata of `headers` in, as this format has them. */
  appendMetadata(headers: HeaderSet, dtsMs: number): void {
    for (const packet of this.format.metadata(headers)) this.append({ ...packet, dtsMs }, headers)
  }

  /** Appends a packet to the open batch. `headers` are those in force before it. Never waits. */
  append(packet: Packet, headers: HeaderSet): void {
    this.#noteKinds(headers)
    if (!this.format.accepts(packet)) return
    const bytes = this.format.size(packet, headers)
    if (bytes === 0) return
    if (packet.kind === 'video' && packet.type === 'frame' && packet.trackId === 0) this.#hasPicture = true
    if (startsGop(packet) || this.#isLong(packet)) this.cut()
    this.#openHeaders ??= headers
    this.#open.push(packet)
    this.#openBytes += bytes
    if (this.#openBytes >= BATCH_LIMIT_BYTES || this.#options.sendMinIntervalMs > 0) this.cut()
    else if (!this.#options.minLatency)
      this.#timer ??= this.#clock.after(this.#options.mwLatencyMs, () => this.#onTime())
  }

  /** Closes the open batch, if there is anything in it, and wakes the players. */
  cut(): void {
    this.#timer?.cancel()
    this.#timer = null
    const [first] = this.#open
    if (!first || !this.#openHeaders) return
    const batch: Batch = {
      seq: this.#nextSeq++,
      bytes: this.#encode(this.#open, this.#openBytes),
      startsGop: startsGop(first),
      headers: this.#openHeaders,
      firstDtsMs: first.dtsMs,
      lastDtsMs: (this.#open.at(-1) ?? first).dtsMs,
      packetIndex: this.#packets,
      packets: this.#open.length,
      prelude: null,
    }
    this.#packets += this.#open.length
    this.#open = []
    this.#openBytes = 0
    this.#openHeaders = null
    this.#log.push(batch)
    this.#logBytes += batch.bytes.length + BATCH_OVERHEAD_BYTES
    if (batch.startsGop) this.#newestGop = batch
    this.#trim()
    this.appended.broadcast()
  }

  /** A cursor for a new player. @param hasPicture pictures come at present */
  join(at: JoinAt, hasPicture: boolean): Cursor {
    this.cursors++
    const needsKey = hasPicture && this.format.carriesVideo
    if (needsKey) this.#hasPicture = true
    // What is in the open batch would reach a player that begins there only when its time has come.
    if (!needsKey || at === 'now' || this.#open.some(startsGop)) this.cut()
    const start = this.#startOf(at, needsKey)
    const isDecodable = at === 'now' || start?.seq === 0
    return new Cursor(this, start?.seq ?? this.#nextSeq, needsKey && !isDecodable)
  }

  /** The batch at which a player begins; null: with what comes next. */
  #startOf(at: JoinAt, needsKey: boolean): Batch | null {
    // Without its picture a stream is not played from its first picture on, but from now.
    const first = at === 'start' && (this.format.carriesVideo || !this.#headers.hasVideo) ? this.batch(0) : null
    if (first) return first
    const isNew = at === 'start' || at === 'new'
    if (isNew && this.#cachedMs > 0) return this.#since(this.headDtsMs - this.#cachedMs)
    return isNew && needsKey && this.#options.gopCache ? this.#newestGop : null
  }

  /** The picture has ceased: new players no longer begin at its last key frame, and nobody waits for the next one. */
  forgetGop(): void {
    this.#newestGop = null
    this.#hasPicture = false
    this.#trim()
  }

  /** The headers for a player that starts at `batch`, stamped with its time. */
  prelude(batch: Batch): Buffer {
    batch.prelude ??= this.#encodeHeaders(batch)
    return batch.prelude
  }

  /** No packet will follow. Players read what is there and then see the end. */
  end(): void {
    this.cut()
    this.#ended = true
    this.appended.broadcast()
  }

  /** Frees the timer of a feed that nobody reads any more. */
  dispose(): void {
    this.#timer?.cancel()
    this.#timer = null
  }

  /** Preludes say which kinds there are: when that changes they are made anew. */
  #noteKinds(headers: HeaderSet): void {
    const { hasAudio, hasVideo } = this.#headers
    this.#headers = headers
    if (headers.hasAudio === hasAudio && headers.hasVideo === hasVideo) return
    for (const batch of this.#log) batch.prelude = null
  }

  #onTime(): void {
    this.#timer = null
    this.cut()
  }

  #encodeHeaders(batch: Batch): Buffer {
    const { format } = this
    if (format.prelude) {
      const bytes = format.prelude(batch.startsGop)
      return this.#framed(bytes.length, (out, offset) => offset + bytes.copy(out, offset))
    }
    // Whether there is sound was often not known yet when the first key frame came: the kinds are those of now.
    const headers = batch.headers.withKindsOf(this.#headers)
    const packets = [...format.metadata(headers), ...headers.shown]
      .filter((packet) => format.accepts(packet))
      .map((packet) => ({ ...packet, dtsMs: batch.firstDtsMs }))
    return this.#encode(
      packets,
      packets.reduce((bytes, packet) => bytes + format.size(packet, headers), 0),
    )
  }

  #encode(packets: readonly Packet[], bytes: number): Buffer {
    return this.#framed(bytes, (out, start) => {
      let offset = start
      for (const packet of packets) offset = this.format.write(out, offset, packet)
      return offset
    })
  }

  #framed(bytes: number, fill: (out: Buffer, offset: number) => number): Buffer {
    if (bytes === 0) return NOTHING
    const { frameTail } = this.format
    const frame = this.format.frameHead(bytes)
    const out = Buffer.allocUnsafeSlow(frame.length + bytes + frameTail.length)
    const end = fill(out, frame.copy(out, 0))
    frameTail.copy(out, end)
    return out
  }

  /** Drops what no player may need: older than `queue_length` and, with a GOP cache, older than the newest GOP. */
  #trim(): void {
    const oldestMs = this.headDtsMs - Math.max(this.#options.queueLengthMs, this.#cachedMs)
    const gopSeq = this.#keepsGop() ? (this.#newestGop?.seq ?? Infinity) : Infinity
    let count = 0
    for (const batch of this.#log) {
      const needed = batch.lastDtsMs >= oldestMs || batch.seq >= gopSeq
      if (needed && this.#logBytes <= LOG_LIMIT_BYTES) break
      this.#logBytes -= batch.bytes.length + BATCH_OVERHEAD_BYTES
      if (batch === this.#newestGop) this.#newestGop = null
      count++
    }
    if (count > 0) this.#log.splice(0, count)
  }

  /** What a new feed takes from a cache comes all at once: a later player may need only the newer half of it. */
  #isLong({ dtsMs }: Packet): boolean {
    return this.#cachedMs > 0 && dtsMs - (this.#open[0]?.dtsMs ?? dtsMs) >= CACHED_BATCH_MS
  }

  /** How much of a stream without pictures a new player gets, ms. */
  get #cachedMs(): number {
    return this.format.carriesVideo ? 0 : this.#options.fastCacheMs
  }

  #since(dtsMs: number): Batch | null {
    return this.#log.find(({ firstDtsMs }) => firstDtsMs >= dtsMs) ?? null
  }

  #keepsGop(): boolean {
    const { gopCache, gopCacheMaxFrames } = this.#options
    return gopCache && this.#packets - (this.#newestGop?.packetIndex ?? 0) <= gopCacheMaxFrames
  }
}

/** Key frames of the first track cut the log: a player that starts there can decode all that follows. */
function startsGop(packet: Packet): boolean {
  return packet.isKey && packet.trackId === 0
}
