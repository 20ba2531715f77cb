import { BitReader } from './bit-reader.ts'
import { CodecError } from './errors.ts'
import { levelText, type PictureConfig, pictureSize } from './picture.ts'

const RECORD_BYTES = 8
const FULL_BOX_HEADER_BYTES = 4

const VP9_FRAME_MARKER = 2
const VP9_SYNC_CODE = 0x498342
const VP9_COLOR_SRGB = 7

const VP8_KEY_FRAME_BYTES = 10
const VP8_INTER_FRAME = 0x01
const VP8_START_CODE = 0x9d012a
const VP8_SIZE_MASK = 0x3fff

/**
 * Profile and level of a VPCodecConfigurationRecord (VP Codec ISO Media File Format Binding), with or without the
 * version and flags of its box: encoders send both. The record has no picture size: it is 0x0. Throws CodecError.
 */
export function parseVpxConfig(bytes: Buffer): PictureConfig {
  // (|version:8|flags:24|) |profile:8|level:8|depth:4|chroma:3|range:1|primaries:8|transfer:8|matrix:8|init size:16|
  if (bytes.length < RECORD_BYTES) {
    throw new CodecError('vpx_short_config', `VP9 configuration needs ${RECORD_BYTES} bytes, has ${bytes.length}`)
  }
  const start = bytes.length >= FULL_BOX_HEADER_BYTES + RECORD_BYTES ? FULL_BOX_HEADER_BYTES : 0
  const level = levelText(bytes.readUInt8(start + 1))
  return { profile: String(bytes.readUInt8(start)), level, width: 0, height: 0 }
}

/** Picture size of a VP9 key frame (VP9 6.2), null for another frame. Throws CodecError. */
export function parseVp9Size(frame: Buffer): { width: number; height: number } | null {
  const reader = new BitReader(frame)
  if (reader.bits(2) !== VP9_FRAME_MARKER) return null
  const profile = reader.bits(1) + 2 * reader.bits(1)
  if (profile === 3) reader.skip(1)
  const showExisting = reader.flag()
  if (showExisting || reader.flag()) return null
  reader.skip(2) // show_frame, error_resilient_mode
  if (reader.bits(24) !== VP9_SYNC_CODE) return null
  skipVp9Color(reader, profile)
  return pictureSize(reader.bits(16) + 1, reader.bits(16) + 1)
}

/** VP9 6.2.2. */
function skipVp9Color(reader: BitReader, profile: number): void {
  if (profile >= 2) reader.skip(1) // ten_or_twelve_bit
  const oddProfile = profile % 2 === 1
  const srgb = reader.bits(3) === VP9_COLOR_SRGB
  if (!srgb)
    reader.skip(oddProfile ? 4 : 1) // color_range, and subsampling with a reserved bit
  else if (oddProfile) reader.skip(1)
}

/** Picture size of a VP8 key frame (RFC 6386 9.1), null for another frame. Throws CodecError. */
export function parseVp8Size(frame: Buffer): { width: number; height: number } | null {
  // |frame tag:24| 9d 01 2a |scale:2 width:14 (little endian)|scale:2 height:14|
  if (frame.length < VP8_KEY_FRAME_BYTES) {
    throw new CodecError('vpx_short_frame', `VP8 key frame needs ${VP8_KEY_FRAME_BYTES} bytes, has ${frame.length}`)
  }
  const isInter = (frame.readUInt8(0) & VP8_INTER_FRAME) !== 0
  if (isInter || frame.readUIntBE(3, 3) !== VP8_START_CODE) return null
  return pictureSize(frame.readUInt16LE(6) & VP8_SIZE_MASK, frame.readUInt16LE(8) & VP8_SIZE_MASK)
}
