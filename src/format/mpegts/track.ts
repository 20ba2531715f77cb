import { CodecError } from '../../codec/errors.ts'
import { parseMp3Frame } from '../../codec/mp3.ts'
import { opusChannelConfig } from '../../codec/opus.ts'
import { avcParameterSets, hevcParameterSets } from '../../codec/parameter-sets.ts'
import { AdtsWriter } from '../adts.ts'
import { AnnexB, AVC_SYNTAX, HEVC_SYNTAX } from './annex-b.ts'

const STREAM_ID_VIDEO = 0xe0
const STREAM_ID_AUDIO = 0xc0
const STREAM_ID_PRIVATE = 0xbd

const STREAM_TYPE_MPEG1_AUDIO = 0x03
const STREAM_TYPE_MPEG2_AUDIO = 0x04
/** MPEG-1 audio begins at this rate, Hz; the lower ones are of MPEG-2. */
const MPEG1_AUDIO_RATE = 32_000

const OPUS_LACING = 255
const NOTHING = Buffer.alloc(0)

/** Turns a codec's frames, as FLV and MP4 have them, into those of an elementary stream. */
export interface FrameWriter {
  /** Bytes that `write` will write. @throws CodecError when the frame is damaged or too large */
  size(body: Buffer, isKey: boolean): number
  /** Writes a frame that `size` has accepted. @returns the offset behind it */
  write(out: Buffer, offset: number, body: Buffer, isKey: boolean): number
}

/** One elementary stream of a program: what its tables say of it, and how its frames are written. */
export interface TsTrack {
  readonly pid: number
  readonly streamType: number
  /** Descriptors of its entry in the PMT. */
  readonly descriptors: Buffer
  /** First byte behind the start code of a PES packet. */
  readonly streamId: number
  readonly frames: FrameWriter
}

type Make = (header: Buffer) => Omit<TsTrack, 'pid'>

/** A PID for each codec, those of SRS where it has one: a player never sees the codec of a PID change. */
const VIDEO: ReadonlyMap<string, { pid: number; make: Make }> = new Map([
  ['avc1', { pid: 0x100, make: avc }],
  ['hvc1', { pid: 0x102, make: hevc }],
])

const AUDIO: ReadonlyMap<string, { pid: number; make: Make }> = new Map([
  ['mp4a', { pid: 0x101, make: aac }],
  ['.mp3', { pid: 0x104, make: mp3 }],
  ['ac-3', { pid: 0x105, make: () => privateAudio(0x81, 'AC-3') }],
  ['ec-3', { pid: 0x106, make: () => privateAudio(0x87, 'EAC3') }],
  ['Opus', { pid: 0x107, make: opus }],
])

/** Whether MPEG-TS has a place for the codec (a fourCC): it has none that players know for AV1, VP9 or FLAC. */
export function tsCarries(codec: string): boolean {
  return VIDEO.has(codec) || AUDIO.has(codec)
}

/**
 * A track for pictures of `codec` ('avc1', 'hvc1'), by its decoder configuration record.
 * @throws CodecError 'ts_codec_unsupported', and those of the record
 */
export function tsVideoTrack(codec: string, header: Buffer): TsTrack {
  return makeTrack(VIDEO, codec, header)
}

/**
 * A track for sound of `codec` ('mp4a', '.mp3', 'ac-3', 'ec-3', 'Opus'). `header` is the AudioSpecificConfig or OpusHead;
 * of a codec without one, the first frame.
 * @throws CodecError 'ts_codec_unsupported', and those of the header
 */
export function tsAudioTrack(codec: string, header: Buffer): TsTrack {
  return makeTrack(AUDIO, codec, header)
}

function makeTrack(codecs: typeof VIDEO, codec: string, header: Buffer): TsTrack {
  const known = codecs.get(codec)
  if (!known) throw new CodecError('ts_codec_unsupported', `MPEG-TS does not carry '${codec}'`)
  return { pid: known.pid, ...known.make(header) }
}

function avc(record: Buffer): Omit<TsTrack, 'pid'> {
  const frames = new AnnexB(AVC_SYNTAX, avcParameterSets(record))
  return { streamType: 0x1b, descriptors: NOTHING, streamId: STREAM_ID_VIDEO, frames }
}

function hevc(record: Buffer): Omit<TsTrack, 'pid'> {
  const frames = new AnnexB(HEVC_SYNTAX, hevcParameterSets(record))
  return { streamType: 0x24, descriptors: registration('HEVC'), streamId: STREAM_ID_VIDEO, frames }
}

function aac(config: Buffer): Omit<TsTrack, 'pid'> {
  return { streamType: 0x0f, descriptors: NOTHING, streamId: STREAM_ID_AUDIO, frames: new AdtsWriter(config) }
}

function mp3(frame: Buffer): Omit<TsTrack, 'pid'> {
  const isMpeg1 = parseMp3Frame(frame).sampleRate >= MPEG1_AUDIO_RATE
  const streamType = isMpeg1 ? STREAM_TYPE_MPEG1_AUDIO : STREAM_TYPE_MPEG2_AUDIO
  return { streamType, descriptors: NOTHING, streamId: STREAM_ID_AUDIO, frames: AS_IT_IS }
}

/** AC-3 and E-AC-3 (ATSC A/52 A.4, G.3). */
function privateAudio(streamType: number, format: string): Omit<TsTrack, 'pid'> {
  return { streamType, descriptors: registration(format), streamId: STREAM_ID_PRIVATE, frames: AS_IT_IS }
}

/** Opus in private data (ETSI TS draft 0.1.3, 5.2): |extension:8|length:8|Opus audio descriptor:8|channels:8| */
function opus(head: Buffer): Omit<TsTrack, 'pid'> {
  const audioDescriptor = Buffer.of(0x7f, 2, 0x80, opusChannelConfig(head))
  const descriptors = Buffer.concat([registration('Opus'), audioDescriptor])
  return { streamType: 0x06, descriptors, streamId: STREAM_ID_PRIVATE, frames: OPUS_FRAMES }
}

/** ISO/IEC 13818-1 2.6.8: |5:8|length:8|format:32| */
function registration(format: string): Buffer {
  return Buffer.concat([Buffer.of(0x05, format.length), Buffer.from(format, 'latin1')])
}

const AS_IT_IS: FrameWriter = {
  size: (body) => body.length,
  write: (out, offset, body) => offset + body.copy(out, offset),
}

/** Each frame behind an opus_control_header: |0x3ff:11|no trim, no extension:3|00:2| (255:8)* rest:8 */
const OPUS_FRAMES: FrameWriter = {
  size: (body) => 2 + Math.floor(body.length / OPUS_LACING) + 1 + body.length,
  write(out, offset, body) {
    const full = Math.floor(body.length / OPUS_LACING)
    out.writeUInt16BE(0x7fe0, offset)
    out.fill(OPUS_LACING, offset + 2, offset + 2 + full)
    out[offset + 2 + full] = body.length % OPUS_LACING
    return offset + 3 + full + body.copy(out, offset + 3 + full)
  },
}
