import { BitReader } from './bit-reader.ts'
import { CodecError } from './errors.ts'
import type { SoundConfig } from './sound.ts'

const MARKER = 'fLaC'
const BLOCK_HEADER_BYTES = 4
const STREAMINFO_BYTES = 34
const STREAMINFO_TYPE = 0
const BLOCK_TYPE_MASK = 0x7f
const SIZES_BITS = 80

/**
 * Reads STREAMINFO (RFC 9639 8.2). The 'fLaC' marker and the block header before it may be missing: enhanced RTMP asks
 * for both, ffmpeg sends the bare 34 bytes. Throws CodecError.
 */
export function parseFlacConfig(bytes: Buffer): SoundConfig {
  // |block sizes:32|frame sizes:48|rate:20|channels - 1:3|bits - 1:5|samples:36|MD5:128|
  const streamInfo = bytes.subarray(streamInfoOffset(bytes))
  if (streamInfo.length < STREAMINFO_BYTES) {
    throw new CodecError('flac_short_info', `STREAMINFO needs ${STREAMINFO_BYTES} bytes, has ${streamInfo.length}`)
  }
  const reader = new BitReader(streamInfo)
  reader.skip(SIZES_BITS)
  return { sampleRate: reader.bits(20), channels: reader.bits(3) + 1 }
}

function streamInfoOffset(bytes: Buffer): number {
  if (bytes.toString('latin1', 0, MARKER.length) !== MARKER) return 0
  const offset = MARKER.length + BLOCK_HEADER_BYTES
  if (bytes.length < offset) throw new CodecError('flac_short_info', `FLAC needs ${offset} bytes, has ${bytes.length}`)
  const type = bytes.readUInt8(MARKER.length) & BLOCK_TYPE_MASK
  if (type !== STREAMINFO_TYPE) throw new CodecError('flac_bad_info', `first FLAC block is of type ${type}, not 0`)
  return offset
}
