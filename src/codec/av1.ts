import { BitReader } from './bit-reader.ts'
import { CodecError } from './errors.ts'
import { type PictureConfig, pictureSize } from './picture.ts'

const CONFIG_BYTES = 4
const PROFILE_SHIFT = 5
const LEVEL_MASK = 0x1f
const LEVEL_UNLIMITED = 31
const OBU_SEQUENCE_HEADER = 1
const OBU_TYPE_SHIFT = 3
const OBU_TYPE_MASK = 0x0f
const OBU_EXTENSION = 0x04
const OBU_HAS_SIZE = 0x02
const LEB128_MAX_BYTES = 8
const LEVEL_WITH_TIER = 7

const PROFILE_NAMES: readonly string[] = ['Main', 'High', 'Professional']

/**
 * Profile, level and picture size of an AV1CodecConfigurationRecord (AV1 in ISOBMFF 2.3.3). The size is 0x0 when the
 * record carries no sequence header. Throws CodecError.
 */
export function parseAv1Config(bytes: Buffer): PictureConfig {
  // |marker:1|version:7| |profile:3|level:5| |tier:1|colour:7| |delay:8| OBUs
  if (bytes.length < CONFIG_BYTES) {
    throw new CodecError('av1_short_config', `AV1 configuration needs ${CONFIG_BYTES} bytes, has ${bytes.length}`)
  }
  const profileAndLevel = bytes.readUInt8(1)
  const profile = PROFILE_NAMES[profileAndLevel >> PROFILE_SHIFT] ?? ''
  const level = levelName(profileAndLevel & LEVEL_MASK)
  const size = parseAv1Size(bytes.subarray(CONFIG_BYTES))
  return { profile, level, width: size?.width ?? 0, height: size?.height ?? 0 }
}

/**
 * Picture size from the first sequence header among OBUs (a record's or a key frame's), null when there is none.
 * Throws CodecError.
 */
export function parseAv1Size(obus: Buffer): { width: number; height: number } | null {
  let offset = 0
  while (offset < obus.length) {
    // AV1 5.3.2: |0:1|type:4|extension:1|has size:1|0:1| (extension:8) (size:leb128)
    const header = obus.readUInt8(offset)
    offset += (header & OBU_EXTENSION) === 0 ? 1 : 2
    const size = (header & OBU_HAS_SIZE) === 0 ? { value: obus.length - offset, end: offset } : readLeb128(obus, offset)
    const end = size.end + size.value
    if (end > obus.length) throw new CodecError('av1_short_obu', `OBU needs ${end} bytes, has ${obus.length}`)
    const type = (header >> OBU_TYPE_SHIFT) & OBU_TYPE_MASK
    if (type === OBU_SEQUENCE_HEADER) return parseSequenceHeaderSize(obus.subarray(size.end, end))
    offset = end
  }
  return null
}

function readLeb128(bytes: Buffer, start: number): { value: number; end: number } {
  let value = 0
  for (let index = 0; index < LEB128_MAX_BYTES && start + index < bytes.length; index++) {
    const byte = bytes.readUInt8(start + index)
    value += (byte & 0x7f) * 2 ** (7 * index)
    if ((byte & 0x80) === 0) return { value, end: start + index + 1 }
  }
  throw new CodecError('av1_bad_leb128', `a size of at most ${LEB128_MAX_BYTES} bytes at ${start} of ${bytes.length}`)
}

/** AV1 5.5.1, as far as the frame size. */
function parseSequenceHeaderSize(obu: Buffer): { width: number; height: number } {
  const reader = new BitReader(obu)
  reader.skip(4) // seq_profile, still_picture
  const reduced = reader.flag()
  if (reduced)
    reader.skip(5) // seq_level_idx[0]
  else skipOperatingPoints(reader, skipTimingInfo(reader))
  const widthBits = reader.bits(4) + 1
  const heightBits = reader.bits(4) + 1
  return pictureSize(reader.bits(widthBits) + 1, reader.bits(heightBits) + 1)
}

/** Returns the length of a decoder buffer delay in bits, 0 when there is no decoder model (5.5.3, 5.5.4). */
function skipTimingInfo(reader: BitReader): number {
  if (!reader.flag()) return 0
  reader.skip(64) // num_units_in_display_tick, time_scale
  if (reader.flag()) skipUvlc(reader) // num_ticks_per_picture_minus_1
  if (!reader.flag()) return 0
  const delayBits = reader.bits(5) + 1
  reader.skip(42) // num_units_in_decoding_tick, two lengths
  return delayBits
}

function skipUvlc(reader: BitReader): void {
  let zeros = 0
  while (!reader.flag()) zeros++
  if (zeros < 32) reader.skip(zeros)
}

function skipOperatingPoints(reader: BitReader, delayBits: number): void {
  const displayDelays = reader.flag()
  const points = reader.bits(5) + 1
  for (let point = 0; point < points; point++) {
    reader.skip(12) // operating_point_idc
    if (reader.bits(5) > LEVEL_WITH_TIER) reader.skip(1) // seq_tier
    if (delayBits > 0 && reader.flag()) reader.skip(2 * delayBits + 1)
    if (displayDelays && reader.flag()) reader.skip(4)
  }
}

/** AV1 A.3: index 0 is 2.0, four minor levels to each major one. */
function levelName(index: number): string {
  return index === LEVEL_UNLIMITED ? '' : `${2 + (index >> 2)}.${index & 3}`
}
