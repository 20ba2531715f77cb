import { CodecError } from './errors.ts'

const LENGTH_SIZE_MASK = 0x03
const NALU_LENGTH_BYTES = 2
/** They are repeated before every key frame: a header full of them would make of small frames large ones. */
const MAX_BYTES = 8 * 1024

const AVC_LENGTH_SIZE_OFFSET = 4
const AVC_SPS_COUNT_OFFSET = 5
const AVC_SPS_COUNT_MASK = 0x1f

const HEVC_LENGTH_SIZE_OFFSET = 21
const HEVC_ARRAY_COUNT_OFFSET = 22
const HEVC_NALU_TYPE_MASK = 0x3f
const HEVC_VPS = 32
const HEVC_PPS = 34

/** What a decoder configuration record says to whoever takes the stream out of its container. */
export interface ParameterSets {
  /** Size of the length field before each NAL unit, 1 to 4. */
  readonly lengthBytes: number
  /** NAL units, in the order in which they come before a key frame. */
  readonly nalus: readonly Buffer[]
}

/**
 * SPS and PPS of an AVCDecoderConfigurationRecord (ISO/IEC 14496-15 5.3.3.1).
 * @throws CodecError 'avc_short_config', 'parameter_sets_too_large'
 */
export function avcParameterSets(record: Buffer): ParameterSets {
  // |32 bits|111111:6|length size - 1:2|111:3|SPS count:5| (|length:16|SPS|)* |PPS count:8| (|length:16|PPS|)*
  need('avc', record, AVC_SPS_COUNT_OFFSET + 1)
  const nalus: Buffer[] = []
  const spsCount = record.readUInt8(AVC_SPS_COUNT_OFFSET) & AVC_SPS_COUNT_MASK
  const ppsCountOffset = readNalus('avc', record, AVC_SPS_COUNT_OFFSET + 1, spsCount, nalus)
  // Without parameter sets (they are in the stream then) some records end here.
  const ppsCount = ppsCountOffset < record.length ? record.readUInt8(ppsCountOffset) : 0
  readNalus('avc', record, ppsCountOffset + 1, ppsCount, nalus)
  return checked({ lengthBytes: lengthBytes(record, AVC_LENGTH_SIZE_OFFSET), nalus })
}

/**
 * VPS, SPS and PPS of an HEVCDecoderConfigurationRecord (ISO/IEC 14496-15 8.3.3.1); SEI is left out.
 * @throws CodecError 'hevc_short_config', 'parameter_sets_too_large'
 */
export function hevcParameterSets(record: Buffer): ParameterSets {
  // |168 bits|6 bits|length size - 1:2|array count:8| (|completeness:1|0:1|type:6|count:16| (|length:16|NAL unit|)*)*
  need('hevc', record, HEVC_ARRAY_COUNT_OFFSET + 1)
  const byType = new Map<number, Buffer[]>()
  const arrays = record.readUInt8(HEVC_ARRAY_COUNT_OFFSET)
  let offset = HEVC_ARRAY_COUNT_OFFSET + 1
  for (let array = 0; array < arrays; array++) {
    need('hevc', record, offset + 1 + NALU_LENGTH_BYTES)
    const type = record.readUInt8(offset) & HEVC_NALU_TYPE_MASK
    const nalus = byType.get(type) ?? []
    byType.set(type, nalus)
    offset = readNalus('hevc', record, offset + 1 + NALU_LENGTH_BYTES, record.readUInt16BE(offset + 1), nalus)
  }
  const nalus: Buffer[] = []
  for (let type = HEVC_VPS; type <= HEVC_PPS; type++) nalus.push(...(byType.get(type) ?? []))
  return checked({ lengthBytes: lengthBytes(record, HEVC_LENGTH_SIZE_OFFSET), nalus })
}

/** Returns the index behind the last one; empty ones are left out. */
function readNalus(codec: string, record: Buffer, start: number, count: number, out: Buffer[]): number {
  let offset = start
  for (let index = 0; index < count; index++) {
    need(codec, record, offset + NALU_LENGTH_BYTES)
    const end = offset + NALU_LENGTH_BYTES + record.readUInt16BE(offset)
    need(codec, record, end)
    const nalu = record.subarray(offset + NALU_LENGTH_BYTES, end)
    if (nalu.length > 0) out.push(nalu)
    offset = end
  }
  return offset
}

function lengthBytes(record: Buffer, offset: number): number {
  return (record.readUInt8(offset) & LENGTH_SIZE_MASK) + 1
}

function checked(sets: ParameterSets): ParameterSets {
  const bytes = sets.nalus.reduce((sum, nalu) => sum + nalu.length, 0)
  if (bytes <= MAX_BYTES) return sets
  throw new CodecError('parameter_sets_too_large', `parameter sets may have ${MAX_BYTES} bytes, have ${bytes}`)
}

function need(codec: string, record: Buffer, length: number): void {
  if (record.length >= length) return
  throw new CodecError(`${codec}_short_config`, `${codec} configuration needs ${length} bytes, has ${record.length}`)
}
