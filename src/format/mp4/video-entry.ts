import { parseAv1Config, parseAv1Size } from '../../codec/av1.ts'
import { parseAvcConfig } from '../../codec/avc.ts'
import { CodecError } from '../../codec/errors.ts'
import { parseHevcConfig } from '../../codec/hevc.ts'
import { parseVp9Size, parseVpxConfig } from '../../codec/vpx.ts'
import { box, uint8, uint16, uint32 } from './box.ts'

const MAX_SIDE_PIXELS = 0xffff
const ENTRY_RESERVED_BYTES = 6
const FIRST_DATA_REFERENCE = 1
const VISUAL_RESERVED_BYTES = 16
const DPI_72 = 0x00_48_00_00
const FRAMES_PER_SAMPLE = 1
const COMPRESSOR_BYTES = 32
const DEPTH_24 = 0x18
const NO_COLOUR_TABLE = 0xffff

const HEVC_ARRAY_COUNT_OFFSET = 22
const HEVC_ARRAYS_OFFSET = 23
const HEVC_ARRAY_HEADER_BYTES = 3
const HEVC_COMPLETE = 0x80
const HEVC_TYPE_MASK = 0x3f
/** VPS, SPS and PPS. */
const HEVC_PARAMETER_SETS: ReadonlySet<number> = new Set([32, 33, 34])

/** Marker bit and version 1. */
const AV1_MARKER = 0x81
const VP9_RECORD_BYTES = 8
const VP9_BOX_VERSION = 1
const FULL_BOX_BYTES = 4

interface Size {
  width: number
  height: number
}
interface VideoCodec {
  configType: string
  size(config: Buffer, keyFrame: Buffer | null): Size | null
  /** The bytes of the configuration box. */
  record(config: Buffer): Buffer[]
}

const CODECS: ReadonlyMap<string, VideoCodec> = new Map<string, VideoCodec>([
  ['avc1', { configType: 'avcC', size: parseAvcConfig, record: (config) => [config] }],
  ['hvc1', { configType: 'hvcC', size: parseHevcConfig, record: (config) => [completeHevc(config)] }],
  ['av01', { configType: 'av1C', size: av1Size, record: av1Record }],
  ['vp09', { configType: 'vpcC', size: vp9Size, record: vp9Record }],
])

/** The VisualSampleEntry of a codec (ISO/IEC 14496-12 12.1.3) with its configuration. Throws CodecError. */
export function videoEntry(codec: string, config: Buffer | null, keyFrame: Buffer | null): Size & { entry: Buffer[] } {
  const known = CODECS.get(codec)
  if (!known) throw new CodecError('mp4_codec_unsupported', `MP4 has no video track for codec ${codec}`)
  if (!config) throw new CodecError('mp4_config_missing', `${codec} needs a configuration record`)
  const { width, height } = checkSize(known.size(config, keyFrame))
  // |0:48|data reference:16| |0:128|width:16|height:16|dpi:32|dpi:32|0:32|frames:16|compressor:256|depth:16|-1:16|
  const entry = box(
    codec,
    Buffer.alloc(ENTRY_RESERVED_BYTES),
    uint16(FIRST_DATA_REFERENCE),
    Buffer.alloc(VISUAL_RESERVED_BYTES),
    uint16(width, height),
    uint32(DPI_72, DPI_72, 0),
    uint16(FRAMES_PER_SAMPLE),
    Buffer.alloc(COMPRESSOR_BYTES),
    uint16(DEPTH_24, NO_COLOUR_TABLE),
    box(known.configType, known.record(config)),
  )
  return { width, height, entry }
}

function checkSize(size: Size | null): Size {
  if (!size || size.width === 0) {
    throw new CodecError(
      'mp4_size_unknown',
      'neither the configuration nor the key frame tells the size of the picture',
    )
  }
  if (size.width <= MAX_SIDE_PIXELS && size.height <= MAX_SIDE_PIXELS) return size
  throw new CodecError('mp4_size_too_big', `a side has ${MAX_SIDE_PIXELS} pixels, found ${size.width}x${size.height}`)
}

/**
 * hvc1 promises that all parameter sets are in the record (ISO/IEC 14496-15 8.4.1.1), which encoders deny in its
 * completeness bits when they write it for FLV. Safari plays what keeps the promise.
 */
function completeHevc(config: Buffer): Buffer {
  const out = Buffer.from(config)
  let offset = HEVC_ARRAYS_OFFSET
  for (let arrays = out.readUInt8(HEVC_ARRAY_COUNT_OFFSET); arrays > 0; arrays--) {
    // |completeness:1|0:1|NAL unit type:6|count:16| (|length:16|NAL unit|)*
    needHevc(out, offset + HEVC_ARRAY_HEADER_BYTES)
    const header = out.readUInt8(offset)
    if (HEVC_PARAMETER_SETS.has(header & HEVC_TYPE_MASK)) out.writeUInt8(header | HEVC_COMPLETE, offset)
    let count = out.readUInt16BE(offset + 1)
    offset += HEVC_ARRAY_HEADER_BYTES
    for (; count > 0; count--) {
      needHevc(out, offset + 2)
      offset += 2 + out.readUInt16BE(offset)
    }
  }
  needHevc(out, offset)
  return out
}

function needHevc(config: Buffer, bytes: number): void {
  if (config.length >= bytes) return
  throw new CodecError('mp4_bad_config', `HEVC configuration needs ${bytes} bytes, has ${config.length}`)
}

function av1Size(config: Buffer, keyFrame: Buffer | null): Size | null {
  const size = parseAv1Config(config)
  if (size.width > 0 || !keyFrame) return size
  return parseAv1Size(keyFrame)
}

function av1Record(config: Buffer): Buffer[] {
  const first = config.readUInt8(0)
  if (first === AV1_MARKER) return [config]
  throw new CodecError('mp4_bad_config', `AV1 configuration begins with 0x81, found 0x${first.toString(16)}`)
}

function vp9Size(config: Buffer, keyFrame: Buffer | null): Size | null {
  parseVpxConfig(config)
  return keyFrame && parseVp9Size(keyFrame)
}

/** The record with the version of its box, which some encoders send and some do not (see parseVpxConfig). */
function vp9Record(config: Buffer): Buffer[] {
  const start = config.length >= FULL_BOX_BYTES + VP9_RECORD_BYTES ? FULL_BOX_BYTES : 0
  const record = Buffer.from(config.subarray(start, start + VP9_RECORD_BYTES))
  record.writeUInt16BE(0, VP9_RECORD_BYTES - 2) // VP9 has no initialization data
  return [uint8(VP9_BOX_VERSION, 0, 0, 0), record]
}
