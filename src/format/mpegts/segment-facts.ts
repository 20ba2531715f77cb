/** What a finished segment of MPEG-TS says of itself: for who passes segments on that others have made. */
import { CodecError } from '../../codec/errors.ts'
import type { SegmentFacts } from '../segment-facts.ts'
import { TS_PACKET_BYTES } from './packet.ts'

const SYNC = 0x47
const PAT_PID = 0
const PID_MASK = 0x1f_ff
const COUNTER_MASK = 0x0f
const HAS_PAYLOAD = 0x10
const HAS_ADAPTATION = 0x20
const UNIT_START = 0x40
const STARTS_ANEW = 0x80
const TICKS_PER_MS = 90
const PES_HEAD_BYTES = 19
const VIDEO_STREAM_ID = 0xe0
const VIDEO_STREAM_ID_MASK = 0xf0
/** Of the first frame of each track: parameter sets, or the head of a frame of sound, stand there. */
const SAMPLE_BYTES = 1_024
/** A table that goes over more packets is none of a live stream's. */
const MAX_TRACKS = 8

interface Track {
  readonly isVideo: boolean
  readonly firstDts: number
  lastDts: number
  /** The shortest way from one frame to the next, which the last one is taken to last. */
  intervalTicks: number
  sample: Buffer
}

/** Times wrap around at 2^33 ticks: so much later is the same time again, ms. */
export const TS_WRAP_MS = 2 ** 33 / TICKS_PER_MS

/**
 * Reads a whole segment: packets, tables, the times of its pictures (or, without any, of its sound).
 * @throws CodecError 'ts_segment_invalid' when it is none, or not whole; also when it is encrypted
 */
export function tsSegmentFacts(bytes: Buffer): SegmentFacts {
  if (bytes.length === 0 || bytes.length % TS_PACKET_BYTES !== 0) throw invalid(`${bytes.length} bytes are no packets`)
  const reader = new SegmentReader()
  for (let at = 0; at < bytes.length; at += TS_PACKET_BYTES) reader.take(bytes.subarray(at, at + TS_PACKET_BYTES), at)
  return reader.finish()
}

class SegmentReader {
  #pmtPid: number | null = null
  /** By PID: the stream type of the PMT. */
  #types = new Map<number, number>()
  readonly #tracks = new Map<number, Track>()
  readonly #first: Record<string, number> = {}
  readonly #last: Record<string, number> = {}

  // |sync:8|error:1|start:1|priority:1|pid:13|scrambling:2|adaptation:1|payload:1|counter:4|
  take(packet: Buffer, at: number): void {
    if (packet[0] !== SYNC) throw invalid(`no sync byte at ${at}`)
    const pid = packet.readUInt16BE(1) & PID_MASK
    const flags = packet[3] ?? 0
    if ((flags & HAS_PAYLOAD) === 0) return
    const adaptationBytes = (flags & HAS_ADAPTATION) === 0 ? 0 : 1 + (packet[4] ?? 0)
    const startsAnew = adaptationBytes > 1 && ((packet[5] ?? 0) & STARTS_ANEW) !== 0
    const payload = packet.subarray(4 + adaptationBytes)
    const isStart = ((packet[1] ?? 0) & UNIT_START) !== 0
    if (pid === PAT_PID) this.#readPat(payload, isStart)
    else if (pid === this.#pmtPid) this.#readPmt(payload, isStart)
    else if (this.#types.has(pid)) {
      this.#count(pid, flags & COUNTER_MASK, startsAnew)
      this.#readFrames(pid, payload, isStart)
    }
  }

  finish(): SegmentFacts {
    const tracks = [...this.#tracks.values()]
    const leading = tracks.find(({ isVideo }) => isVideo) ?? tracks[0]
    if (!leading) throw invalid('it has no frame with a time, or no tables')
    const endDts = leading.lastDts + leading.intervalTicks
    return {
      container: 'ts',
      startMs: leading.firstDts / TICKS_PER_MS,
      endMs: endDts / TICKS_PER_MS,
      codecs: [...this.#types].map(([pid, type]) => `${pid}:${type}:${this.#sampleOf(pid, type)}`).join(' '),
      firstCounters: this.#first,
      lastCounters: this.#last,
    }
  }

  /** A packet that says so begins its counter anew: then there is nothing that it must go on from. */
  #count(pid: number, counter: number, startsAnew: boolean): void {
    const key = String(pid)
    if (!(key in this.#last) && !startsAnew) this.#first[key] = counter
    this.#last[key] = counter
  }

  // ISO/IEC 13818-1 2.4.4.3: pointer, |table:8|length:16|id:16|version:8|number:8|last:8|, then |program:16|pid:16| each
  #readPat(payload: Buffer, isStart: boolean): void {
    if (!isStart || this.#pmtPid !== null) return
    const section = sectionOf(payload)
    if (section.length < 12) throw invalid('its PAT is too short')
    this.#pmtPid = section.readUInt16BE(10) & PID_MASK
  }

  // 2.4.4.8: |table:8|length:16|program:16|version:8|number:8|last:8|PCR:16|info length:16|..., |type:8|pid:16|length:16|...
  #readPmt(payload: Buffer, isStart: boolean): void {
    if (!isStart) return
    const section = sectionOf(payload)
    if (section.length < 12) throw invalid('its PMT is too short')
    const end = Math.min(section.length, 3 + (section.readUInt16BE(1) & 0x0f_ff) - 4)
    const types = new Map<number, number>()
    for (let at = 12 + (section.readUInt16BE(10) & 0x0f_ff); at + 5 <= end && types.size < MAX_TRACKS; ) {
      types.set(section.readUInt16BE(at + 1) & PID_MASK, section[at] ?? 0)
      at += 5 + (section.readUInt16BE(at + 3) & 0x0f_ff)
    }
    this.#types = types
  }

  #readFrames(pid: number, payload: Buffer, isStart: boolean): void {
    const track = this.#tracks.get(pid)
    if (!isStart) {
      if (track && track.lastDts === track.firstDts) track.sample = joined(track.sample, payload)
      return
    }
    const dts = decodeTime(payload)
    if (dts === null) return
    const body = payload.subarray(9 + (payload[8] ?? 0))
    const isVideo = ((payload[3] ?? 0) & VIDEO_STREAM_ID_MASK) === VIDEO_STREAM_ID
    if (!track) {
      this.#tracks.set(pid, { isVideo, firstDts: dts, lastDts: dts, intervalTicks: 0, sample: joined(body, EMPTY) })
      return
    }
    const interval = wrapped(dts - track.lastDts)
    if (interval > 0)
      track.intervalTicks = track.intervalTicks === 0 ? interval : Math.min(track.intervalTicks, interval)
    track.lastDts += interval
  }

  #sampleOf(pid: number, type: number): string {
    const sample = this.#tracks.get(pid)?.sample ?? EMPTY
    if (type === AVC) return parameterSet(sample, (nal) => (nal & 0x1f) === 7)
    if (type === HEVC) return parameterSet(sample, (nal) => ((nal >> 1) & 0x3f) === 33)
    // The part of an ADTS header that all frames of a stream have in common.
    return type === AAC ? sample.toString('hex', 0, 3) : ''
  }
}

const AVC = 0x1b
const HEVC = 0x24
const AAC = 0x0f
const EMPTY = Buffer.alloc(0)
const START_CODE = Buffer.of(0, 0, 1)

/** The first parameter set of a sequence, by which pictures of another size or profile can be told. */
function parameterSet(sample: Buffer, isWanted: (nal: number) => boolean): string {
  for (let at = sample.indexOf(START_CODE); at >= 0; ) {
    const next = sample.indexOf(START_CODE, at + 3)
    if (isWanted(sample[at + 3] ?? 0)) return sample.toString('hex', at + 3, next < 0 ? sample.length : next)
    at = next
  }
  return ''
}

/** |000001:24|stream id:8|length:16|flags:16|header length:8|PTS:40|(DTS:40)|; null: no time, or no PES packet */
function decodeTime(payload: Buffer): number | null {
  if (payload.length < PES_HEAD_BYTES || payload.readUIntBE(0, 3) !== 1) return null
  const flags = payload[7] ?? 0
  if ((flags & 0x80) === 0) return null
  const at = (flags & 0x40) === 0 ? 9 : 14
  const high = ((payload[at] ?? 0) >> 1) & 0x07
  return (high * 2 ** 15 + (payload.readUInt16BE(at + 1) >> 1)) * 2 ** 15 + (payload.readUInt16BE(at + 3) >> 1)
}

function sectionOf(payload: Buffer): Buffer {
  return payload.subarray(1 + (payload[0] ?? 0))
}

function joined(sample: Buffer, payload: Buffer): Buffer {
  const left = SAMPLE_BYTES - sample.length
  return left <= 0 ? sample : Buffer.concat([sample.subarray(0, SAMPLE_BYTES), payload.subarray(0, left)])
}

function wrapped(ticks: number): number {
  const range = 2 ** 33
  return ticks - Math.round(ticks / range) * range
}

function invalid(why: string): CodecError {
  return new CodecError('ts_segment_invalid', `the segment is not MPEG-TS, or not whole: ${why}`)
}
