import { CodecError } from '../../codec/errors.ts'
import type { Clock } from '../../st/clock.ts'
import type { Log } from '../../st/log.ts'
import type { HeaderSet } from '../../stream/headers.ts'
import type { ReadPacket } from '../../stream/packet-reader.ts'
import { Cutter } from './cutter.ts'
import type { SegmentMaker } from './maker.ts'
import { Mp4Packager } from './mp4-packager.ts'
import { NO_PIECE, type Packager, type Piece } from './packager.ts'
import { partLengths } from './parts.ts'
import type { HlsSegment } from './segment.ts'
import type { HlsStream } from './stream.ts'
import { carries, checkTrack, type HlsFrame, type HlsTrack, type HlsTracks, toFrame, TrackWatch } from './tracks.ts'
import { TsPackager } from './ts-packager.ts'

/** A kind of which nothing has come for so long is no part of the stream any more: players would wait for it. */
const CEASED_MS = 10_000
/** A segment is cut when it is as large as this, whatever its length. */
const SEGMENT_LIMIT_BYTES = 128 * 1024 * 1024
/** The wall clock of a segment follows from its time, unless that is further away from when it came. */
const WALL_TOLERANCE_MS = 10_000
/**
 * Less than that is made up for by this much of the time that passes. A jump within a playlist would make hls.js, which
 * aligns two versions of it by their dates, look for segments at the wrong place.
 */
const WALL_PULL = 0.01

/** The first frames wait for so long for those of the other kind. */
const HOLD_MS = 1_000
const HOLD_FRAMES = 1_000

type Kind = 'video' | 'audio'

/** Makes segments of the packets of one publish. */
export class Segmenter implements SegmentMaker {
  readonly #clock: Clock
  readonly #log: Log
  readonly #stream: HlsStream
  readonly #cutter: Cutter
  readonly #watches = { video: new TrackWatch('video'), audio: new TrackWatch('audio') }
  /** Of which there are frames at present. */
  #wanted: { video: HlsTrack | null; audio: HlsTrack | null } = { video: null, audio: null }
  #seenMs: { video: number; audio: number } | null = null
  /** Of the open segment. */
  #tracks: HlsTracks = { video: null, audio: null }
  #packager: Packager | null = null
  #hasOpen = false
  /** What the packager was made for. */
  #fmp4 = false
  readonly #expected: { video: boolean; audio: boolean }
  /** Before the first segment: until all that the stream has is there. */
  #held: { readonly frame: HlsFrame; readonly track: HlsTrack }[] | null = []
  /** Wall clock minus decode time, and the decode time at which that was looked at. */
  #wallOffsetMs = Number.NaN
  #wallDtsMs = 0
  readonly #left = new Set<string>()
  readonly #broken = new WeakSet<HlsTrack>()
  /** Finished, and not taken yet. */
  #finished: HlsSegment[] = []
  /** Packets that did not reach it. */
  #dropped = 0
  /** Frames that were damaged. */
  damaged = 0

  /**
   * @param log the publisher's
   * @param expected the kinds that the stream has: it begins with the first picture that can be decoded, and when both are there
   */
  constructor(clock: Clock, log: Log, stream: HlsStream, expected: { video: boolean; audio: boolean }) {
    this.#clock = clock
    this.#log = log
    this.#stream = stream
    this.#expected = { ...expected }
    this.#cutter = new Cutter(stream.options)
    this.#cutter.follow(stream.options, stream.targetSeconds)
  }

  /** Takes a packet; what is damaged or cannot be carried is left out. @throws CodecError for a damaged frame */
  take({ packet, headers }: ReadPacket): void {
    if (packet.type !== 'frame' || packet.trackId !== 0 || packet.kind === 'data') return
    if (!carries(packet.codec, this.#stream.options.hlsUseFmp4)) {
      this.#leaveOut(packet.kind, packet.codec, null)
      return
    }
    const track = this.#watches[packet.kind].trackOf(packet, headers)
    if (!track || !this.#isUsable(packet.kind, track)) return
    const frame = toFrame(packet)
    this.#wanted[frame.kind] = track
    this.#seenMs ??= { video: frame.dtsMs, audio: frame.dtsMs }
    this.#seenMs[frame.kind] = frame.dtsMs
    if (packet.kind === 'video' && packet.isKey && this.#wanted.audio) this.#followSound(headers)
    if (this.#held) this.#hold(this.#held, frame, track)
    else this.#place(frame, track)
  }

  /** Packets in front of the next one were dropped when there are more than before. */
  noteDrops(count: number): void {
    if (count !== this.#dropped) this.finish()
    this.#dropped = count
  }

  /** The publish is over, or its packets have a hole: the open segment ends, and what follows begins anew. */
  finish(): void {
    if (this.#held) this.#release(this.#held)
    if (this.#hasOpen) this.#close(this.#end(null), this.#cutter.endMs())
    this.#packager = null
  }

  /** Whether there is something for `takeFinished`. */
  get hasFinished(): boolean {
    return this.#finished.length > 0
  }

  /** Segments that were finished since the last call. */
  takeFinished(): HlsSegment[] {
    const finished = this.#finished
    this.#finished = []
    return finished
  }

  /** Frames wait until there is one of each kind: a segment says in front which tracks it has. */
  #hold(held: { frame: HlsFrame; track: HlsTrack }[], frame: HlsFrame, track: HlsTrack): void {
    held.push({ frame, track })
    const isComplete = (['video', 'audio'] as const).every((kind) => !this.#expected[kind] || this.#wanted[kind])
    const first = held[0]?.frame ?? frame
    if (isComplete || Math.abs(frame.dtsMs - first.dtsMs) > HOLD_MS || held.length > HOLD_FRAMES) this.#release(held)
  }

  #release(held: readonly { frame: HlsFrame; track: HlsTrack }[]): void {
    this.#held = null
    for (const { frame, track } of held) this.#place(frame, track)
  }

  /** An encoder that begins anew changes both tracks: they are to change together. */
  #followSound(headers: HeaderSet): void {
    const track = this.#watches.audio.announced(headers)
    const isCarried = track !== null && carries(track.codec, this.#stream.options.hlsUseFmp4)
    if (isCarried && this.#isUsable('audio', track)) this.#wanted.audio = track
  }

  /** A track whose header is damaged must not take the other one with it. */
  #isUsable(kind: Kind, track: HlsTrack): boolean {
    if (track === this.#wanted[kind]) return true
    if (this.#broken.has(track)) return false
    try {
      checkTrack(kind, track, this.#stream.options.hlsUseFmp4)
      return true
    } catch (error) {
      if (!(error instanceof CodecError)) throw error
      this.#broken.add(track)
      this.#leaveOut(kind, track.codec, error)
      return false
    }
  }

  #place(frame: HlsFrame, track: HlsTrack): void {
    if (!this.#hasOpen) this.#noteCeased(frame)
    // Sound can begin a segment where no picture would be missed.
    const canStart = frame.kind === 'video' ? frame.isKey : !this.#wanted.video && !this.#expected.video
    if (!this.#hasOpen) {
      if (canStart) this.#begin(frame, null)
      return
    }
    const verdict = this.#verdict(frame)
    const isOther = this.#tracks[frame.kind] !== track
    if (verdict === 'gap') this.#jump(frame, canStart)
    else if (verdict === 'cut' || (canStart && this.#isOtherForm())) this.#cut(frame)
    else if (!isOther) this.#add(frame)
  }

  #verdict(frame: HlsFrame): 'on' | 'cut' | 'gap' {
    if ((this.#stream.making?.bytes ?? 0) > SEGMENT_LIMIT_BYTES) return 'cut'
    return this.#cutter.decide(frame, this.#stream.aheadMs)
  }

  /** The frame is too far away to be in the open segment or to follow it. */
  #jump(frame: HlsFrame, canStart: boolean): void {
    this.finish()
    if (canStart) this.#begin(frame, null)
  }

  /** The open segment ends, and the next one begins with the frame. */
  #cut(frame: HlsFrame): void {
    this.#noteCeased(frame)
    const endMs = this.#cutter.endAt(frame)
    const startsAnew = !this.#packager || this.#isOtherForm()
    this.#close(this.#end(startsAnew ? null : frame), endMs)
    if (startsAnew) this.#packager = null
    this.#begin(frame, endMs)
  }

  /** Whether the next segment has other tracks or another form than the open one. */
  #isOtherForm(): boolean {
    const { video, audio } = this.#wanted
    return (
      video !== this.#tracks.video || audio !== this.#tracks.audio || this.#fmp4 !== this.#stream.options.hlsUseFmp4
    )
  }

  #noteCeased({ dtsMs }: HlsFrame): void {
    const ceasedMs = dtsMs - Math.max(CEASED_MS, this.#cutter.aimedMs)
    for (const kind of ['video', 'audio'] as const) {
      if ((this.#seenMs?.[kind] ?? dtsMs) >= ceasedMs) continue
      this.#wanted[kind] = null
      this.#expected[kind] = false
    }
  }

  #begin(frame: HlsFrame, startMs: number | null): void {
    const { options, targetSeconds } = this.#stream
    this.#cutter.follow(options, targetSeconds)
    const startsAnew = this.#packager === null
    if (startsAnew) {
      if (startMs === null) this.#wallOffsetMs = Number.NaN
      this.#tracks = { ...this.#wanted }
      this.#fmp4 = options.hlsUseFmp4
      this.#packager = this.#makePackager()
    }
    this.#cutter.begin(frame, startMs, this.#tracks.video !== null)
    this.#stream.open({
      startsAnew,
      isIndependent: this.#tracks.video === null || (frame.kind === 'video' && frame.isKey),
      wallMs: this.#wallMs(startMs ?? frame.dtsMs),
      place: null,
      tracks: this.#tracks,
      init: this.#packager?.init ?? null,
    })
    this.#hasOpen = true
    if (this.#tracks[frame.kind] === this.#wanted[frame.kind]) this.#add(frame)
  }

  #makePackager(): Packager {
    const { hlsUseFmp4, hlsLowLatency, hlsPartMs, hlsDtsDirectly } = this.#stream.options
    if (!hlsUseFmp4) return new TsPackager(this.#tracks, hlsDtsDirectly)
    return new Mp4Packager(this.#tracks, hlsLowLatency ? partLengths(hlsPartMs) : null, () => this.#wallOffsetMs)
  }

  #add(frame: HlsFrame): void {
    const pieces = this.#taken(frame)
    this.#cutter.took(frame)
    const { making } = this.#stream
    if (making && frame.kind === 'video') making.frames++
    for (const piece of pieces) this.#stream.add(piece)
  }

  #taken(frame: HlsFrame): readonly Piece[] {
    try {
      return this.#packager?.add(frame) ?? NO_PIECE
    } catch (error) {
      if (error instanceof CodecError) this.damaged++
      throw error
    }
  }

  #end(next: HlsFrame | null): readonly Piece[] {
    try {
      return this.#packager?.end(next) ?? NO_PIECE
    } catch (error) {
      if (!(error instanceof CodecError)) throw error
      this.#packager = null
      this.damaged++
      return NO_PIECE
    }
  }

  #close(pieces: readonly Piece[], endMs: number): void {
    for (const piece of pieces) this.#stream.add(piece)
    this.#hasOpen = false
    const lengthMs = this.#cutter.ended(endMs)
    const segment = this.#stream.commit(lengthMs, this.#cutter.targetSeconds)
    if (segment) this.#finished.push(segment)
  }

  /** When what has this time was made, by the wall clock. */
  #wallMs(dtsMs: number): number {
    const offsetMs = this.#clock.wallMs() - dtsMs
    const awayMs = offsetMs - this.#wallOffsetMs
    const mostMs = Math.max(0, WALL_PULL * (dtsMs - this.#wallDtsMs))
    const isNear = Math.abs(awayMs) <= WALL_TOLERANCE_MS
    this.#wallOffsetMs = isNear ? this.#wallOffsetMs + Math.max(-mostMs, Math.min(mostMs, awayMs)) : offsetMs
    this.#wallDtsMs = dtsMs
    return dtsMs + this.#wallOffsetMs
  }

  #leaveOut(kind: Kind, codec: string, err: Error | null): void {
    this.#expected[kind] = false
    if (this.#left.has(codec)) return
    this.#left.add(codec)
    const container = this.#stream.options.hlsUseFmp4 ? 'fMP4' : 'MPEG-TS'
    const why = err ? 'the header of a track is damaged' : `${container} does not carry the codec`
    this.#log.warn({ stream: this.#stream.key, kind, codec, err }, `HLS: ${why}`)
  }
}
