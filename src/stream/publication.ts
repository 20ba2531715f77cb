import { isDeepStrictEqual } from 'node:util'
import { Condition } from '../st/condition.ts'
import { TimeoutError } from '../st/errors.ts'
import type { Thread } from '../st/thread.ts'
import { CodecError } from '../codec/errors.ts'
import { Continuation } from './continuation.ts'
import type { Cursor } from './cursor.ts'
import { Feed, type JoinAt } from './feed.ts'
import { GopCache } from './gop-cache.ts'
import { HeaderSet } from './headers.ts'
import type { StreamOptions } from './options.ts'
import { PacketReader } from './packet-reader.ts'
import { asksForAtc, type Metadata, type Packet, parsePackets, type UntimedPacket, withTime } from './packet.ts'
import { SoundCache } from './sound-cache.ts'
import type { Timeline } from './timeline.ts'
import type { WireFormat } from './wire-format.ts'

/** How long a new player waits for the second kind of media to show before it is told that there is none. */
const SETTLE_MS = 1_000
/** A stream whose last picture is older than this is played as sound only, and no GOP is kept for it. */
const PICTURE_CEASED_MS = 10_000

/** Counters of a publish, for the page, the API and the logs. */
export interface PublicationCounters {
  receivedBytes: number
  videoFrames: number
  audioFrames: number
  /** Messages that were not understood and left out. */
  malformed: number
}

/** One publisher's time on a source: from its acceptance to its end. */
export class Publication {
  readonly publisher: Thread
  readonly startedMs: number
  readonly counters: PublicationCounters = { receivedBytes: 0, videoFrames: 0, audioFrames: 0, malformed: 0 }
  readonly #options: StreamOptions
  readonly #timeline: Timeline
  readonly #feeds = new Map<string, Feed>()
  readonly #readers = new Set<PacketReader>()
  readonly #settling = new Condition('first frames')
  readonly #ending = new Condition('end of the publish')
  readonly #gop: GopCache
  readonly #sound = new SoundCache()
  #headers = HeaderSet.EMPTY
  #firstHeaders: readonly Packet[] = []
  #firstFrameDtsMs: number | null = null
  #firstFrameMs = 0
  #isSettled = false
  #lastVideoDtsMs = 0
  #lastVideo: Packet | null = null
  #lastAudio: Packet | null = null
  /** What the newest key frame showed as its time. */
  #lastKeyInMs = 0
  #ended = false
  /** Of the last change of connections; null: there was none. */
  #continuation: Continuation | null = null
  lastPacketMs: number
  /** The times of its packets are the publisher's own. */
  isAtc: boolean

  constructor(publisher: Thread, options: StreamOptions, timeline: Timeline) {
    this.publisher = publisher
    this.#options = options
    this.#gop = new GopCache(options)
    this.#timeline = timeline
    this.startedMs = publisher.world.clock.nowMs()
    this.lastPacketMs = this.startedMs
    this.isAtc = options.atc
    timeline.begin(this.isAtc)
  }

  get headers(): HeaderSet {
    return this.#headers
  }

  /** Where a player begins that enters now, or about there, in ms on the timeline. */
  get beginMs(): number {
    return this.#gop.beginMs ?? this.#timeline.nowMs
  }

  get ended(): boolean {
    return this.#ended
  }

  /** The newest key frame and the newest sound, for statistics: some codecs tell their form only in frames. */
  get lastVideo(): Packet | null {
    return this.#lastVideo
  }

  get lastAudio(): Packet | null {
    return this.#lastAudio
  }

  /**
   * Takes one audio or video message. Never waits. After the end nothing is taken any more: a publisher that was
   * replaced may still have messages at hand.
   * @param timestampMs as received, 0..2^32-1
   * @throws CodecError with `atc`, see Timeline.correct
   */
  publish(kind: 'audio' | 'video', timestampMs: number, payload: Buffer): void {
    if (this.#ended) return
    this.#received(payload.length)
    for (const packet of this.#parse(kind, payload)) this.#take(packet, timestampMs)
  }

  /** What follows comes over another connection than what came before, for a publisher that has one after the other. */
  reconnected(): void {
    this.#continuation = new Continuation(this.#timeline, this.#lastVideo, this.#lastKeyInMs)
    for (const reader of this.#readers) reader.breakOff()
  }

  /** Replaces the metadata; players that are there get it in its place among the media. Null clears it. */
  setMetadata(metadata: Metadata | null): void {
    if (this.#ended) return
    this.#received(0)
    const isLate = this.#firstFrameDtsMs !== null
    if (!isLate && this.#options.atcAuto && asksForAtc(metadata)) this.#timeline.begin((this.isAtc = true))
    // GStreamer's muxer says the same again and again.
    if (isDeepStrictEqual(metadata, this.#headers.metadata)) return
    this.#headers = this.#headers.withMetadata(metadata)
    this.#gop.addMetadata(this.#headers, this.#timeline.nowMs)
    this.#announceMetadata()
  }

  /** Passes on a data message that is not metadata (cue points, text). */
  publishData(timestampMs: number, payload: Buffer): void {
    if (this.#ended) return
    this.#received(payload.length)
    if (this.#firstFrameDtsMs === null) return
    const dtsMs = this.#timeline.beside(timestampMs)
    this.#append({ kind: 'data', type: 'other', isKey: false, codec: '', trackId: 0, payload, bodyOffset: 0, dtsMs })
  }

  /** The publisher's turn is over: with `min_latency` what it brought goes out now. */
  flush(): void {
    if (!this.#options.minLatency) return
    for (const feed of this.#feeds.values()) feed.cut()
  }

  /**
   * Waits until it is known what the stream has.
   * @param timeoutMs limit for the first frame, or FOREVER
   * @returns false when the publish ended before, or no frame came in time
   * @throws InterruptedError
   */
  async settled(thread: Thread, timeoutMs: number): Promise<boolean> {
    const { clock } = thread.world
    const deadlineMs = clock.nowMs() + timeoutMs
    while (!this.#isSettled && !this.#ended) {
      const untilMs = this.#firstFrameDtsMs === null ? deadlineMs : this.#firstFrameMs + SETTLE_MS
      const leftMs = untilMs - clock.nowMs()
      if (leftMs <= 0) break
      await waitAtMost(thread, this.#settling, leftMs)
    }
    return !this.#ended && this.#firstFrameDtsMs !== null
  }

  /** A cursor for a player of a stream that is settled: at the first frame if it is still there, else as configured. */
  enter(format: WireFormat): Cursor {
    return this.#joinNow(format, this.#gop.hasStart ? 'start' : 'new')
  }

  /** A cursor for a player that has read another format up to here: at what comes next, or at the next key frame. */
  rejoin(format: WireFormat, at: 'now' | 'next key'): Cursor {
    return this.#joinNow(format, at)
  }

  /** A player that had joined is gone; the last one of a format takes its feed with it. */
  leave(cursor: Cursor, format: WireFormat): void {
    cursor.leave()
    const feed = this.#feeds.get(format.key)
    if (!feed || feed.cursors > 0 || this.#ended) return
    feed.dispose()
    this.#feeds.delete(format.key)
  }

  /** All packets from the newest key frame on (with a GOP cache) or from now on; for other makers than players. */
  read(): PacketReader {
    return this.#read(new PacketReader())
  }

  /** As `read`, for one that must not fall behind: it is bounded by `queue_length` too. */
  readLive(): PacketReader {
    return this.#read(new PacketReader(() => this.#options.queueLengthMs))
  }

  #read(reader: PacketReader): PacketReader {
    this.#gop.replay(reader)
    if (this.#ended) reader.end()
    else this.#readers.add(reader)
    return reader
  }

  /** A reader is no longer needed. */
  unread(reader: PacketReader): void {
    this.#readers.delete(reader)
  }

  /**
   * Waits for the end of the publish.
   * @returns false when it has not come in time
   * @throws InterruptedError
   */
  async untilEnded(thread: Thread, timeoutMs: number): Promise<boolean> {
    if (!this.#ended) await waitAtMost(thread, this.#ending, timeoutMs)
    return this.#ended
  }

  /** Ends the publish: players read what is left and then see the end. */
  end(): void {
    if (this.#ended) return
    this.#ended = true
    this.#ending.broadcast()
    for (const feed of this.#feeds.values()) feed.end()
    for (const reader of this.#readers) reader.end()
    this.#readers.clear()
    this.#gop.clear()
    this.#settling.broadcast()
  }

  #joinNow(format: WireFormat, at: JoinAt): Cursor {
    let feed = this.#feeds.get(format.key)
    if (!feed) {
      feed = new Feed(format, this.publisher.world.clock, this.#options)
      const cache = !format.carriesVideo && this.#options.fastCacheMs > 0 ? this.#sound : this.#gop
      cache.fill(feed)
      this.#feeds.set(format.key, feed)
    }
    const hasPicture = this.#headers.hasVideo && !this.#pictureCeased()
    if (this.#ended) feed.end()
    return feed.join(at, hasPicture)
  }

  #parse(kind: 'audio' | 'video', payload: Buffer): UntimedPacket[] {
    try {
      return parsePackets(kind, payload)
    } catch (error) {
      if (!(error instanceof CodecError)) throw error
      if (error.code === 'flv_empty_tag') return []
      // One bad message must not end a stream that is otherwise fine; the first is told, all are counted.
      if (this.counters.malformed++ === 0) this.publisher.log.warn({ err: error, kind }, 'media message left out')
      return []
    }
  }

  #take(untimed: UntimedPacket, timestampMs: number): void {
    const track = untimed.trackId === 0 ? untimed.kind : `${untimed.kind}${untimed.trackId}`
    if (untimed.type === 'header' || untimed.type === 'config') {
      if (this.#options.reduceSequenceHeader && this.#headers.hasSame(untimed)) return
      const header = withTime(untimed, this.#timeline.stamp(track))
      this.#append(header)
      this.#headers = this.#headers.withHeader(header)
      return
    }
    if (untimed.type === 'frame' && this.#continuation?.leavesOut(untimed, track, timestampMs)) return
    if (untimed.isKey && untimed.trackId === 0) this.#lastKeyInMs = timestampMs
    const packet = withTime(untimed, this.#timeline.correct(track, timestampMs, this.lastPacketMs))
    if (packet.type === 'frame') this.#count(packet)
    this.#append(packet)
    if (packet.type === 'frame') this.#settle(packet)
  }

  /** Further tracks are counted; but what a stream has, and whether its picture goes on, the first ones say. */
  #count(packet: Packet): void {
    if (packet.kind === 'video') {
      this.counters.videoFrames++
      if (packet.trackId > 0) return
      if (packet.isKey || !this.#lastVideo) this.#lastVideo = packet
      this.#lastVideoDtsMs = packet.dtsMs
    } else {
      this.counters.audioFrames++
      if (packet.trackId > 0) return
      this.#lastAudio = packet
      if (this.#headers.hasVideo && this.#pictureCeased()) this.#forgetGop()
    }
    this.#noteKind(packet)
  }

  /** The first frame of a kind changes what headers and metadata may say; players that are there are told. */
  #noteKind(packet: Packet): void {
    const kind = packet.kind === 'video' ? 'video' : 'audio'
    if (kind === 'video' ? this.#headers.hasVideo : this.#headers.hasAudio) return
    this.#headers = this.#headers.withKind(kind)
    this.#announceMetadata()
    this.#announceHeaders(kind, packet.dtsMs)
  }

  /** Headers from before the first frame are not given to players while nothing of their kind has come. */
  #announceHeaders(kind: 'audio' | 'video', dtsMs: number): void {
    const held = this.#headers.packets.filter((packet) => packet.kind === kind && this.#firstHeaders.includes(packet))
    for (const feed of this.#feeds.values()) {
      for (const packet of held) feed.append({ ...packet, dtsMs }, this.#headers)
    }
  }

  /** Both kinds are there, or the one that the metadata declares, or nothing more came for a while of stream time. */
  #settle(packet: Packet): void {
    if (this.#firstFrameDtsMs === null) {
      this.#firstFrameDtsMs = packet.dtsMs
      this.#firstFrameMs = this.lastPacketMs
      this.#firstHeaders = this.#headers.packets
      this.#settling.broadcast()
    }
    if (this.#isSettled) return
    if (!this.#headers.hasAllDeclared && packet.dtsMs - this.#firstFrameDtsMs < SETTLE_MS) return
    this.#isSettled = true
    this.#settling.broadcast()
  }

  #announceMetadata(): void {
    if (this.#firstFrameDtsMs === null || !this.#headers.metadata) return
    for (const feed of this.#feeds.values()) feed.appendMetadata(this.#headers, this.#timeline.nowMs)
  }

  #append(packet: Packet): void {
    // Headers that come before the first frame reach every player by the header set.
    if (this.#firstFrameDtsMs === null && packet.type !== 'frame') return
    this.#gop.add(packet, this.#headers)
    this.#sound.add(packet, this.#headers, this.#options.fastCacheMs)
    for (const feed of this.#feeds.values()) feed.append(packet, this.#headers)
    for (const reader of this.#readers) reader.push(packet, this.#headers)
  }

  #forgetGop(): void {
    this.#gop.clear()
    for (const feed of this.#feeds.values()) feed.forgetGop()
  }

  #pictureCeased(): boolean {
    return this.#timeline.nowMs - this.#lastVideoDtsMs > PICTURE_CEASED_MS
  }

  #received(bytes: number): void {
    this.counters.receivedBytes += bytes
    this.lastPacketMs = this.publisher.world.clock.nowMs()
  }
}

async function waitAtMost(thread: Thread, condition: Condition, timeoutMs: number): Promise<void> {
  try {
    await condition.wait(thread, timeoutMs)
  } catch (error) {
    if (!(error instanceof TimeoutError)) throw error
  }
}
