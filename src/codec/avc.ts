import { BitReader } from './bit-reader.ts'
import { CodecError } from './errors.ts'
import { removeEmulationPrevention } from './nalu.ts'
import { levelText, type PictureConfig, pictureSize } from './picture.ts'

const MIN_CONFIG_BYTES = 6
const SPS_COUNT_MASK = 0x1f
const SPS_LENGTH_OFFSET = 6
const SPS_OFFSET = 8
const NALU_HEADER_BITS = 8
const MACROBLOCK_PIXELS = 16
const MAX_POC_CYCLE = 255
const CHROMA_444 = 3

const CONSTRAINT_SET1 = 0x40
const CONSTRAINT_SET3 = 0x10
const BASELINE = 66
const HIGH_10 = 110
const HIGH_422 = 122
const HIGH_444_PREDICTIVE = 244
const LEVEL_1B = 9
const LEVEL_11 = 11

/** Profiles whose SPS carries the chroma format and scaling lists (ITU-T H.264 7.3.2.1.1). */
const HIGH_PROFILES: ReadonlySet<number> = new Set([44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 244])

const PROFILE_NAMES: ReadonlyMap<number, string> = new Map([
  [66, 'Baseline'],
  [77, 'Main'],
  [88, 'Extended'],
  [100, 'High'],
  [110, 'High(10)'],
  [122, 'High(422)'],
  [144, 'High(444)'],
  [244, 'High(444+Predictive)'],
])

const INTRA_PROFILE_NAMES: ReadonlyMap<number, string> = new Map([
  [HIGH_10, 'High(10+Intra)'],
  [HIGH_422, 'High(422+Intra)'],
  [HIGH_444_PREDICTIVE, 'High(444+Intra)'],
])

/**
 * Profile, level and picture size of an AVCDecoderConfigurationRecord (ISO/IEC 14496-15 5.3.3.1). A record without an
 * SPS (parameter sets in the stream) has size 0x0. Throws CodecError.
 */
export function parseAvcConfig(bytes: Buffer): PictureConfig {
  // |version:8|profile:8|constraint flags:8|level:8|111111:6|length size - 1:2|111:3|SPS count:5| (|length:16|SPS|)*
  if (bytes.length < MIN_CONFIG_BYTES) {
    throw new CodecError('avc_short_config', `AVC configuration needs ${MIN_CONFIG_BYTES} bytes, has ${bytes.length}`)
  }
  const profileIdc = bytes.readUInt8(1)
  const constraints = bytes.readUInt8(2)
  const text = { profile: profileName(profileIdc, constraints), level: levelName(bytes.readUInt8(3), constraints) }
  if ((bytes.readUInt8(5) & SPS_COUNT_MASK) === 0) return { ...text, width: 0, height: 0 }
  return { ...text, ...parseSpsSize(firstSps(bytes)) }
}

function firstSps(bytes: Buffer): Buffer {
  const length = bytes.length < SPS_OFFSET ? 1 : bytes.readUInt16BE(SPS_LENGTH_OFFSET)
  const end = SPS_OFFSET + length
  if (end > bytes.length) {
    throw new CodecError('avc_short_config', `AVC configuration with SPS needs ${end} bytes, has ${bytes.length}`)
  }
  return removeEmulationPrevention(bytes.subarray(SPS_OFFSET, end))
}

/** ITU-T H.264 7.3.2.1.1, as far as the cropping rectangle. */
function parseSpsSize(sps: Buffer): { width: number; height: number } {
  const reader = new BitReader(sps)
  reader.skip(NALU_HEADER_BITS)
  const profileIdc = reader.bits(8)
  reader.skip(16) // constraint flags, level
  reader.unsignedGolomb() // seq_parameter_set_id
  const chromaArrayType = HIGH_PROFILES.has(profileIdc) ? readChroma(reader) : 1
  reader.unsignedGolomb() // log2_max_frame_num_minus4
  skipPictureOrder(reader)
  reader.unsignedGolomb() // max_num_ref_frames
  reader.skip(1) // gaps_in_frame_num_value_allowed_flag
  const widthInMbs = reader.unsignedGolomb() + 1
  const heightInMapUnits = reader.unsignedGolomb() + 1
  const frameMbsOnly = reader.flag()
  if (!frameMbsOnly) reader.skip(1) // mb_adaptive_frame_field_flag
  reader.skip(1) // direct_8x8_inference_flag
  const fields = frameMbsOnly ? 1 : 2
  const crop = readCrop(reader, chromaArrayType, fields)
  return pictureSize(
    widthInMbs * MACROBLOCK_PIXELS - crop.horizontal,
    heightInMapUnits * MACROBLOCK_PIXELS * fields - crop.vertical,
  )
}

/** Reads the part that only the high profiles have; returns ChromaArrayType (7.4.2.1.1). */
function readChroma(reader: BitReader): number {
  const chromaFormat = reader.unsignedGolomb()
  const separatePlanes = chromaFormat === CHROMA_444 && reader.flag()
  reader.unsignedGolomb() // bit_depth_luma_minus8
  reader.unsignedGolomb() // bit_depth_chroma_minus8
  reader.skip(1) // qpprime_y_zero_transform_bypass_flag
  if (reader.flag()) skipScalingMatrix(reader, chromaFormat === CHROMA_444 ? 12 : 8)
  return separatePlanes ? 0 : chromaFormat
}

function skipScalingMatrix(reader: BitReader, lists: number): void {
  const smallLists = 6
  for (let list = 0; list < lists; list++) {
    if (reader.flag()) skipScalingList(reader, list < smallLists ? 16 : 64)
  }
}

/** ITU-T H.264 7.3.2.1.1.1: a scale that becomes 0 ends the list. */
function skipScalingList(reader: BitReader, size: number): void {
  let scale = 8
  for (let index = 0; index < size && scale !== 0; index++) {
    scale = (((scale + reader.signedGolomb()) % 256) + 256) % 256
  }
}

function skipPictureOrder(reader: BitReader): void {
  const type = reader.unsignedGolomb()
  if (type === 0) reader.unsignedGolomb() // log2_max_pic_order_cnt_lsb_minus4
  if (type !== 1) return
  reader.skip(1) // delta_pic_order_always_zero_flag
  reader.signedGolomb() // offset_for_non_ref_pic
  reader.signedGolomb() // offset_for_top_to_bottom_field
  const cycle = reader.unsignedGolomb()
  if (cycle > MAX_POC_CYCLE) throw new CodecError('avc_bad_sps', `a cycle has ${MAX_POC_CYCLE} frames, found ${cycle}`)
  for (let index = 0; index < cycle; index++) reader.signedGolomb()
}

/** Pixels that cropping takes away; a crop unit is a chroma sample (7.4.2.1.1, formulas 7-19 to 7-22). */
function readCrop(
  reader: BitReader,
  chromaArrayType: number,
  fields: number,
): { horizontal: number; vertical: number } {
  if (!reader.flag()) return { horizontal: 0, vertical: 0 }
  const unitX = chromaArrayType === 1 || chromaArrayType === 2 ? 2 : 1
  const unitY = (chromaArrayType === 1 ? 2 : 1) * fields
  const horizontal = (reader.unsignedGolomb() + reader.unsignedGolomb()) * unitX
  const vertical = (reader.unsignedGolomb() + reader.unsignedGolomb()) * unitY
  return { horizontal, vertical }
}

function profileName(profileIdc: number, constraints: number): string {
  if (profileIdc === BASELINE && (constraints & CONSTRAINT_SET1) !== 0) return 'Baseline(Constrained)'
  const intra = (constraints & CONSTRAINT_SET3) !== 0 ? INTRA_PROFILE_NAMES.get(profileIdc) : undefined
  return intra ?? PROFILE_NAMES.get(profileIdc) ?? ''
}

function levelName(levelIdc: number, constraints: number): string {
  const is1b = levelIdc === LEVEL_1B || (levelIdc === LEVEL_11 && (constraints & CONSTRAINT_SET3) !== 0)
  return is1b ? '1b' : levelText(levelIdc)
}
