import { CodecError } from '../../../codec/errors.ts'
import type { Clock } from '../../../st/clock.ts'
import type { Log } from '../../../st/log.ts'
import type { HeaderSet } from '../../../stream/headers.ts'
import { codecBytes, type Packet } from '../../../stream/packet.ts'
import type { ReadPacket } from '../../../stream/packet-reader.ts'
import type { SegmentMaker } from '../maker.ts'
import type { HlsSegment } from '../segment.ts'
import type { HlsStream } from '../stream.ts'
import { carries, checkTrack, type HlsFrame, type HlsTrack, toFrame, TrackWatch } from '../tracks.ts'
import { FrameOrder, type TrackFrame } from './order.ts'
import { beginsWithKey, formOf, renderInit, renderMp4, renderTs, type SegmentContent } from './render.ts'
import type { AtcRun } from './run.ts'
import { constantTarget, type Place, Slots } from './slots.ts'

/** A segment that is larger is left out. */
const SEGMENT_LIMIT_BYTES = 128 * 1024 * 1024
/** About what a frame costs beside its bytes. */
const FRAME_OVERHEAD_BYTES = 256

type Kind = HlsFrame['kind']
const KINDS = ['video', 'audio'] as const

/** The slot that frames are collected for. */
interface Open {
  readonly slot: number
  readonly startMs: number
  /** Nothing of it is missing. */
  readonly isWhole: boolean
  readonly frames: HlsFrame[]
  readonly tracks: { video: HlsTrack | null; audio: HlsTrack | null }
  bytes: number
}

/**
 * Makes segments by the encoder's own time (`atc`): what is in a segment, its number and its bytes follow from the
 * frames alone, and not from when this server was started, or what it has seen before. Segments of which it may have
 * missed something, at the begin or end of a publish or around a jump, are left out.
 */
export class AtcSegmenter implements SegmentMaker {
  readonly #clock: Clock
  readonly #log: Log
  readonly #stream: HlsStream
  readonly #run: AtcRun
  readonly #watches = { video: new TrackWatch('video'), audio: new TrackWatch('audio') }
  readonly #order = new FrameOrder()
  /** By the newest headers or frames. */
  readonly #declared: { video: HlsTrack | null; audio: HlsTrack | null } = { video: null, audio: null }
  readonly #headers: { video: Packet | null; audio: Packet | null } = { video: null, audio: null }
  readonly #usable = new WeakMap<HlsTrack, boolean>()
  /** Time of the first frame of a kind: before it something may be missing. */
  readonly #firstMs: { video: number; audio: number } = { video: Infinity, audio: Infinity }
  readonly #left = new Set<string>()
  #slots: Slots | null = null
  #open: Open | null = null
  #finished: HlsSegment[] = []
  #dropped = 0
  damaged = 0

  /**
   * @param log the publisher's
   * @param run of the stream; it outlives the publish
   */
  constructor(clock: Clock, log: Log, stream: HlsStream, run: AtcRun) {
    this.#clock = clock
    this.#log = log
    this.#stream = stream
    this.#run = run
  }

  get hasFinished(): boolean {
    return this.#finished.length > 0
  }

  takeFinished(): HlsSegment[] {
    const finished = this.#finished
    this.#finished = []
    return finished
  }

  take({ packet, headers, isAfterBreak }: ReadPacket): void {
    if (isAfterBreak) this.#leaveSlot('the publish comes over another connection')
    if (packet.type !== 'frame' || packet.trackId !== 0 || packet.kind === 'data') return
    for (const kind of KINDS) this.#declare(kind, headers)
    const track = this.#trackOf(packet.kind, packet, headers)
    if (!track) return
    this.#declared[packet.kind] = track
    const slots = this.#slotsFor(packet.dtsMs)
    const frame = { ...toFrame(packet), dtsMs: slots.timeOf(packet.dtsMs) }
    this.#firstMs[packet.kind] = Math.min(this.#firstMs[packet.kind], frame.dtsMs)
    this.#order.push({ frame, track })
    for (let next = this.#order.next(); next; next = this.#order.next()) this.#place(next, slots)
  }

  #slotsFor(dtsMs: number): Slots {
    const { hlsFragmentMs, hlsAtcWaitMs } = this.#stream.options
    if (this.#slots?.isFor(hlsFragmentMs, hlsAtcWaitMs)) return this.#slots
    this.#open = null
    const slots = new Slots(dtsMs, this.#clock.wallMs(), hlsFragmentMs, hlsAtcWaitMs)
    const { isTimeOfDay } = slots
    this.#log.info({ stream: this.#stream.key, isTimeOfDay }, "HLS is cut by the encoder's time")
    this.#slots = slots
    return slots
  }

  noteDrops(count: number): void {
    if (count !== this.#dropped) this.#leaveSlot('packets were dropped')
    this.#dropped = count
  }

  /** What is collected is not whole, or nobody knows that it is. */
  finish(): void {
    this.#open = null
  }

  /** What follows is as the begin of a publish. */
  #leaveSlot(why: string): void {
    this.#order.clear()
    if (this.#open?.isWhole) this.#log.warn({ stream: this.#stream.key, number: this.#open.slot }, `HLS by atc: ${why}`)
    this.#open = null
    this.#firstMs.video = Infinity
    this.#firstMs.audio = Infinity
  }

  #place(next: TrackFrame, slots: Slots): void {
    const { frame, track } = next
    const place = slots.place(frame.dtsMs)
    const open = this.#open
    if (!open || open.bytes > SEGMENT_LIMIT_BYTES) this.#openSlot(next, place, false)
    else if (place.slot > open.slot && this.#begins(frame, place)) {
      const follows = place.slot === open.slot + 1
      if (follows) this.#close(open, frame, slots)
      this.#openSlot(next, place, follows)
    } else if ((open.tracks[frame.kind] ?? track) === track) this.#collect(open, next)
    else this.#openSlot(next, place, false)
  }

  /** Whether a frame in a later slot begins its segment. Sound is not cut where pictures are. */
  #begins(frame: HlsFrame, { slot, offsetMs, waitMs }: Place): boolean {
    const isKey = this.#declared.video ? frame.kind === 'video' && frame.isKey : true
    return isKey || offsetMs >= waitMs || slot > (this.#open?.slot ?? slot) + 1
  }

  #openSlot(next: TrackFrame, { slot }: Place, isWhole: boolean): void {
    const startMs = next.frame.dtsMs
    if (!isWhole && this.#open?.isWhole) this.#log.info({ stream: this.#stream.key, slot }, 'HLS by atc begins anew')
    this.#open = { slot, startMs, isWhole, frames: [], tracks: { video: null, audio: null }, bytes: 0 }
    this.#collect(this.#open, next)
  }

  #collect(open: Open, { frame, track }: TrackFrame): void {
    open.tracks[frame.kind] = track
    open.bytes += frame.body.length + FRAME_OVERHEAD_BYTES
    // Only its begin is needed of what is left out.
    if (open.isWhole) open.frames.push(frame)
  }

  #close(open: Open, next: HlsFrame, slots: Slots): void {
    const hasAll = KINDS.every((kind) => !open.tracks[kind] || this.#firstMs[kind] < open.startMs)
    if (!open.isWhole || !hasAll) return
    const { options } = this.#stream
    const tracks = {
      video: open.tracks.video ?? this.#declared.video,
      audio: open.tracks.audio ?? this.#declared.audio,
    }
    const { isTimeOfDay } = slots
    const rendered = this.#rendered({ number: open.slot, tracks, frames: open.frames, next, isTimeOfDay })
    if (!rendered) return
    const segment = {
      ...rendered,
      number: open.slot,
      timeMs: open.startMs,
      durationMs: next.dtsMs - open.startMs,
      isTimeOfDay,
      isIndependent: beginsWithKey(open.frames, tracks.video !== null),
      pictures: open.frames.filter(({ kind }) => kind === 'video').length,
      tracks,
      form: formOf(options.hlsUseFmp4, tracks),
    }
    this.#finished.push(...this.#run.add(segment, constantTarget(options)))
  }

  #rendered(content: SegmentContent): { bytes: Buffer; init: Buffer | null } | null {
    const { hlsUseFmp4, hlsDtsDirectly } = this.#stream.options
    try {
      if (!hlsUseFmp4) return { bytes: renderTs(content, hlsDtsDirectly, () => this.damaged++), init: null }
      return { bytes: renderMp4(content), init: renderInit(content.tracks) }
    } catch (error) {
      if (!(error instanceof CodecError)) throw error
      this.damaged++
      this.#log.warn(
        { err: error, stream: this.#stream.key, number: content.number },
        'HLS by atc leaves a segment out',
      )
      return null
    }
  }

  /** A kind whose header came belongs to the stream, also while none of it comes: who was started later knows no more. */
  #declare(kind: Kind, headers: HeaderSet): void {
    const header = headers.header(kind, 0)
    if (!header || header === this.#headers[kind]) return
    this.#headers[kind] = header
    if (this.#declared[kind]) return
    const config = codecBytes(header)
    const track: HlsTrack = { codec: header.codec, config, frame: config }
    if (!this.#isUsable(kind, track)) return
    this.#declared[kind] = track
    this.#order.kinds.add(kind)
  }

  #trackOf(kind: Kind, packet: Packet, headers: HeaderSet): HlsTrack | null {
    const track = this.#watches[kind].trackOf(packet, headers)
    return track && this.#isUsable(kind, track) ? track : null
  }

  #isUsable(kind: Kind, track: HlsTrack): boolean {
    const known = this.#usable.get(track)
    if (known !== undefined) return known
    const problem = problemOf(kind, track, this.#stream.options.hlsUseFmp4)
    this.#usable.set(track, problem === null)
    if (problem !== null && !this.#left.has(track.codec)) {
      this.#left.add(track.codec)
      this.#log.warn({ stream: this.#stream.key, kind, codec: track.codec, why: problem }, 'HLS leaves a track out')
    }
    return problem === null
  }
}

function problemOf(kind: Kind, track: HlsTrack, fmp4: boolean): string | null {
  if (!carries(track.codec, fmp4)) return `${fmp4 ? 'fMP4' : 'MPEG-TS'} does not carry it`
  try {
    checkTrack(kind, track, fmp4)
    return null
  } catch (error) {
    if (!(error instanceof CodecError)) throw error
    return error.message
  }
}
