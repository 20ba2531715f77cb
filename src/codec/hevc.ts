import { BitReader } from './bit-reader.ts'
import { CodecError } from './errors.ts'
import { removeEmulationPrevention } from './nalu.ts'
import { levelText, type PictureConfig, pictureSize } from './picture.ts'

const CONFIG_HEADER_BYTES = 23
const LEVEL_OFFSET = 12
const ARRAY_COUNT_OFFSET = 22
const ARRAY_HEADER_BYTES = 3
const NALU_LENGTH_BYTES = 2
const PROFILE_MASK = 0x1f
const NALU_TYPE_MASK = 0x3f
const NALU_TYPE_SPS = 33

const NALU_HEADER_BITS = 16
const MAX_SUB_LAYERS_MINUS1 = 6
const SUB_LAYER_SLOTS = 8
const PROFILE_BITS = 88
const LEVEL_BITS = 8
/** general_level_idc is thirty times the level. */
const LEVEL_TENTHS_DIVISOR = 3
const CHROMA_420 = 1
const CHROMA_422 = 2
const CHROMA_444 = 3

const PROFILE_NAMES: ReadonlyMap<number, string> = new Map([
  [1, 'Main'],
  [2, 'Main10'],
  [3, 'Main Still Picture'],
  [4, 'Rext'],
])

/**
 * Profile, level and picture size of an HEVCDecoderConfigurationRecord (ISO/IEC 14496-15 8.3.3.1). A record without
 * an SPS has size 0x0. Throws CodecError.
 */
export function parseHevcConfig(bytes: Buffer): PictureConfig {
  // |version:8|space:2|tier:1|profile:5|compatibility:32|constraints:48|level:8| 9 bytes |array count:8| arrays
  need(bytes, CONFIG_HEADER_BYTES)
  const profile = PROFILE_NAMES.get(bytes.readUInt8(1) & PROFILE_MASK) ?? ''
  const level = levelText(Math.round(bytes.readUInt8(LEVEL_OFFSET) / LEVEL_TENTHS_DIVISOR))
  const sps = findSps(bytes)
  if (sps === null) return { profile, level, width: 0, height: 0 }
  return { profile, level, ...parseSpsSize(removeEmulationPrevention(sps)) }
}

function findSps(bytes: Buffer): Buffer | null {
  const arrays = bytes.readUInt8(ARRAY_COUNT_OFFSET)
  let offset = CONFIG_HEADER_BYTES
  for (let array = 0; array < arrays; array++) {
    // |completeness:1|0:1|NAL unit type:6|count:16| (|length:16|NAL unit|)*
    need(bytes, offset + ARRAY_HEADER_BYTES)
    const type = bytes.readUInt8(offset) & NALU_TYPE_MASK
    const count = bytes.readUInt16BE(offset + 1)
    offset += ARRAY_HEADER_BYTES
    for (let index = 0; index < count; index++) {
      need(bytes, offset + NALU_LENGTH_BYTES)
      const end = offset + NALU_LENGTH_BYTES + bytes.readUInt16BE(offset)
      need(bytes, end)
      if (type === NALU_TYPE_SPS) return bytes.subarray(offset + NALU_LENGTH_BYTES, end)
      offset = end
    }
  }
  return null
}

/** ITU-T H.265 7.3.2.2.1, as far as the conformance window. */
function parseSpsSize(sps: Buffer): { width: number; height: number } {
  const reader = new BitReader(sps)
  reader.skip(NALU_HEADER_BITS + 4) // sps_video_parameter_set_id
  skipProfileTierLevel(reader)
  reader.unsignedGolomb() // sps_seq_parameter_set_id
  const chromaFormat = reader.unsignedGolomb()
  const separatePlanes = chromaFormat === CHROMA_444 && reader.flag()
  const width = reader.unsignedGolomb()
  const height = reader.unsignedGolomb()
  if (!reader.flag()) return pictureSize(width, height)
  const unitX = !separatePlanes && (chromaFormat === CHROMA_420 || chromaFormat === CHROMA_422) ? 2 : 1
  const unitY = !separatePlanes && chromaFormat === CHROMA_420 ? 2 : 1
  const horizontal = (reader.unsignedGolomb() + reader.unsignedGolomb()) * unitX
  const vertical = (reader.unsignedGolomb() + reader.unsignedGolomb()) * unitY
  return pictureSize(width - horizontal, height - vertical)
}

/** sps_max_sub_layers_minus1, the nesting flag and profile_tier_level (7.3.3). */
function skipProfileTierLevel(reader: BitReader): void {
  const subLayers = reader.bits(3)
  if (subLayers > MAX_SUB_LAYERS_MINUS1) {
    throw new CodecError('hevc_bad_sps', `an SPS has at most ${MAX_SUB_LAYERS_MINUS1} sub-layers, found ${subLayers}`)
  }
  reader.skip(1 + PROFILE_BITS + LEVEL_BITS)
  let subLayerBits = 0
  for (let index = 0; index < subLayers; index++) {
    if (reader.flag()) subLayerBits += PROFILE_BITS
    if (reader.flag()) subLayerBits += LEVEL_BITS
  }
  if (subLayers > 0) reader.skip((SUB_LAYER_SLOTS - subLayers) * 2)
  reader.skip(subLayerBits)
}

function need(bytes: Buffer, length: number): void {
  if (bytes.length >= length) return
  throw new CodecError('hevc_short_config', `HEVC configuration needs ${length} bytes, has ${bytes.length}`)
}
