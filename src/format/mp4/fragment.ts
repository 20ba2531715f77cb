import { CodecError } from '../../codec/errors.ts'
import { ascii, BOX_HEADER_BYTES, box, fullBox, uint32, uint64 } from './box.ts'
import type { Sample } from './sample.ts'
import type { Mp4Track } from './track.ts'

/** Samples of one track, each where the one before ends. */
export interface Run {
  readonly track: Mp4Track
  readonly samples: readonly Sample[]
}

/** What may stand in front of a fragment. */
export interface FragmentOptions {
  /** A segment type box: at the beginning of a segment, not before its later parts. Default: none. */
  readonly isSegmentStart?: boolean
  /** Wall clock, ms since 1970, of the first sample of the first run: prft, by which players measure latency. */
  readonly producerTimeMs?: number
}

const MAX_UINT32 = 0xff_ff_ff_ff
const MAX_INT32 = 0x7f_ff_ff_ff
const UINT32_RANGE = 2 ** 32

const FULL_BOX_BYTES = BOX_HEADER_BYTES + 4
const MOVIE_FRAGMENT_HEADER_BYTES = FULL_BOX_BYTES + 4
const TRACK_HEADER_BYTES = FULL_BOX_BYTES + 8
const DECODE_TIME_BYTES = FULL_BOX_BYTES + 8
const RUN_HEADER_BYTES = FULL_BOX_BYTES + 8
const TRACK_BYTES = BOX_HEADER_BYTES + TRACK_HEADER_BYTES + DECODE_TIME_BYTES + RUN_HEADER_BYTES
const VIDEO_SAMPLE_BYTES = 16
const AUDIO_SAMPLE_BYTES = 8

const VERSION_1 = 0x01_00_00_00
/** tfhd: default-base-is-moof, default-sample-flags-present (8.8.7). */
const TRACK_FLAGS = 0x02_00_20
/** trun: offset of the data, and for each sample duration and size; for a picture flags and composition too (8.8.8). */
const AUDIO_RUN_FLAGS = 0x00_03_01
const VIDEO_RUN_FLAGS = 0x00_0f_01

/** Sample flags (8.8.3.1): depends on no other; depends on others and is no sync sample. */
const KEY_FLAGS = 0x02_00_00_00
const DELTA_FLAGS = 0x01_01_00_00

/** prft: the wall clock belongs to the media time by a rule that is always the same (8.16.5.3). */
const CONSISTENT_TIME = 8
const NTP_EPOCH_SECONDS = 2_208_988_800

/**
 * A fragment: moof and mdat (ISO/IEC 14496-12 8.8.4, CMAF chunk), which a whole segment is made of, or a part of
 * Low-Latency HLS. Equal samples and sequence number give equal bytes, also on another server. A run without samples
 * is left out; the others lie behind each other in the order given.
 * @throws CodecError 'mp4_no_samples', 'mp4_run_gap' when a sample does not begin where the one before ends,
 *   'mp4_time_invalid', 'mp4_fragment_too_big' (2 GiB)
 */
export function writeFragment(sequence: number, runs: readonly Run[], options: FragmentOptions = {}): Buffer {
  const filled = runs.filter(({ samples }) => samples.length > 0)
  const preamble = Buffer.concat([...segmentType(options), ...producerTime(filled, options)])
  const headBytes = filled.reduce((sum, run) => sum + trackBytes(run), BOX_HEADER_BYTES + MOVIE_FRAGMENT_HEADER_BYTES)
  const dataBytes = filled.reduce((sum, run) => sum + sampleBytes(run), BOX_HEADER_BYTES)
  if (filled.length === 0) throw new CodecError('mp4_no_samples', 'a fragment has at least one sample')
  const totalBytes = preamble.length + headBytes + dataBytes
  if (totalBytes > MAX_INT32) {
    throw new CodecError('mp4_fragment_too_big', `a fragment has ${MAX_INT32} bytes, this would have ${totalBytes}`)
  }
  const out = Buffer.allocUnsafe(totalBytes)
  preamble.copy(out)
  const moof = out.subarray(preamble.length)
  let offset = writeHeader(moof, sequence, headBytes)
  let dataOffset = headBytes + BOX_HEADER_BYTES
  for (const run of filled) {
    offset = writeTrack(moof, offset, run, dataOffset)
    dataOffset = copySamples(moof, dataOffset, run.samples)
  }
  writeBoxHeader(moof, offset, dataBytes, 'mdat')
  return out
}

/** True when playing can begin with this fragment: every picture track begins with a key frame (`INDEPENDENT=YES`). */
export function isIndependent(runs: readonly Run[]): boolean {
  const pictures = runs.filter(({ track }) => track.kind === 'video')
  return pictures.every(({ samples }) => samples[0]?.isKey ?? false)
}

function segmentType({ isSegmentStart = false }: FragmentOptions): Buffer[] {
  return isSegmentStart ? box('styp', ascii('msdh'), uint32(0), ascii('msdhiso6')) : []
}

/** Producer reference time (8.16.5): |1:8|flags:24|track id:32|NTP time:64|media time:64|. */
function producerTime([first]: readonly Run[], { producerTimeMs }: FragmentOptions): Buffer[] {
  const sample = first?.samples[0]
  if (producerTimeMs === undefined || !first || !sample) return []
  const seconds = Math.floor(producerTimeMs / 1000)
  const fraction = Math.floor(((producerTimeMs - seconds * 1000) / 1000) * UINT32_RANGE)
  const ntp = uint32((seconds + NTP_EPOCH_SECONDS) % UINT32_RANGE, fraction)
  return fullBox('prft', 1, CONSISTENT_TIME, uint32(first.track.id), ntp, uint64(sample.dts))
}

function sampleEntryBytes({ kind }: Mp4Track): number {
  return kind === 'video' ? VIDEO_SAMPLE_BYTES : AUDIO_SAMPLE_BYTES
}

function trackBytes({ track, samples }: Run): number {
  return TRACK_BYTES + samples.length * sampleEntryBytes(track)
}

function sampleBytes({ samples }: Run): number {
  let bytes = 0
  for (const sample of samples) bytes += sample.bytes.length
  return bytes
}

function writeBoxHeader(out: Buffer, offset: number, bytes: number, type: string): number {
  out.writeUInt32BE(bytes, offset)
  out.write(type, offset + 4, 'latin1')
  return offset + BOX_HEADER_BYTES
}

function writeHeader(out: Buffer, sequence: number, headBytes: number): number {
  // |moof| |mfhd|0:32|sequence number:32|
  let offset = writeBoxHeader(out, 0, headBytes, 'moof')
  offset = writeBoxHeader(out, offset, MOVIE_FRAGMENT_HEADER_BYTES, 'mfhd')
  offset = out.writeUInt32BE(0, offset)
  return out.writeUInt32BE(sequence >>> 0, offset)
}

function writeTrack(out: Buffer, start: number, run: Run, dataOffset: number): number {
  const { track, samples } = run
  const bytes = trackBytes(run)
  // |traf| |tfhd|flags:32|track id:32|default sample flags:32|
  let offset = writeBoxHeader(out, start, bytes, 'traf')
  offset = writeBoxHeader(out, offset, TRACK_HEADER_BYTES, 'tfhd')
  offset = out.writeUInt32BE(TRACK_FLAGS, offset)
  offset = out.writeUInt32BE(track.id, offset)
  offset = out.writeUInt32BE(KEY_FLAGS, offset)
  // |tfdt|version:8|0:24|decode time:64|
  offset = writeBoxHeader(out, offset, DECODE_TIME_BYTES, 'tfdt')
  offset = out.writeUInt32BE(VERSION_1, offset)
  offset = writeTime(out, offset, samples)
  // |trun|version:8|flags:24|samples:32|offset from the moof:32| samples
  offset = writeBoxHeader(out, offset, RUN_HEADER_BYTES + samples.length * sampleEntryBytes(track), 'trun')
  const isVideo = track.kind === 'video'
  offset = out.writeUInt32BE(VERSION_1 + (isVideo ? VIDEO_RUN_FLAGS : AUDIO_RUN_FLAGS), offset)
  offset = out.writeUInt32BE(samples.length, offset)
  offset = out.writeUInt32BE(dataOffset, offset)
  return writeSamples(out, offset, samples, isVideo)
}

function writeTime(out: Buffer, offset: number, samples: readonly Sample[]): number {
  const dts = samples[0]?.dts ?? 0
  if (!Number.isSafeInteger(dts) || dts < 0) invalidTime(`decode time ${dts}`)
  const middle = out.writeUInt32BE(Math.floor(dts / UINT32_RANGE), offset)
  return out.writeUInt32BE(dts % UINT32_RANGE, middle)
}

/** |duration:32|size:32| and for a picture |flags:32|composition offset:32 signed| */
function writeSamples(out: Buffer, start: number, samples: readonly Sample[], isVideo: boolean): number {
  let offset = start
  let dts = samples[0]?.dts ?? 0
  for (const sample of samples) {
    if (sample.dts !== dts) {
      throw new CodecError('mp4_run_gap', `a sample begins at ${sample.dts}, the one before ends at ${dts}`)
    }
    const { duration, compositionTicks } = sample
    if (!(duration >= 0 && duration <= MAX_UINT32)) invalidTime(`duration ${duration}`)
    offset = out.writeUInt32BE(duration, offset)
    offset = out.writeUInt32BE(sample.bytes.length, offset)
    dts += duration
    if (!isVideo) continue
    if (!(compositionTicks >= -MAX_INT32 && compositionTicks <= MAX_INT32))
      invalidTime(`composition ${compositionTicks}`)
    offset = out.writeUInt32BE(sample.isKey ? KEY_FLAGS : DELTA_FLAGS, offset)
    offset = out.writeInt32BE(compositionTicks, offset)
  }
  return offset
}

function copySamples(out: Buffer, start: number, samples: readonly Sample[]): number {
  let offset = start
  for (const { bytes } of samples) {
    out.set(bytes, offset)
    offset += bytes.length
  }
  return offset
}

function invalidTime(what: string): never {
  throw new CodecError('mp4_time_invalid', `${what} does not fit into a fragment`)
}
