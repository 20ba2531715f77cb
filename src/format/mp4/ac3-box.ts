import { parseAc3Frame } from '../../codec/ac3.ts'
import { BitReader } from '../../codec/bit-reader.ts'
import { CodecError } from '../../codec/errors.ts'
import type { SoundConfig } from '../../codec/sound.ts'
import { uint16 } from './box.ts'
import { eac3Samples } from './frame-length.ts'

const SYNC_AND_CRC_BITS = 32
const SYNC_BITS = 16
const BSID_EAC3 = 16
const BSID_AC3_MAX = 10
const ACMOD_STEREO = 2
const MAX_RATE_KBPS = 0x1fff

/** Bytes of dac3 or dec3, and the sound that comes out. */
export interface Ac3Box {
  readonly sound: SoundConfig
  readonly config: Buffer
}

interface Eac3Frame {
  bytes: number
  rateCode: number
  samples: number
  acmod: number
  lfe: number
  bsid: number
}

/** dac3 from the first frame (ETSI TS 102 366 F.4). Throws CodecError, 'mp4_bad_config' for a frame of E-AC-3. */
export function parseAc3Box(frame: Buffer): Ac3Box {
  // |sync:16|crc:16|fscod:2|frame size code:6|bsid:5|bsmod:3|acmod:3|(mix levels)|lfeon:1|
  const sound = parseAc3Frame(frame)
  const reader = new BitReader(frame)
  reader.skip(SYNC_AND_CRC_BITS)
  const rateCode = reader.bits(2)
  const bitRateCode = reader.bits(6) >> 1
  const bsid = reader.bits(5)
  if (bsid > BSID_AC3_MAX) throw new CodecError('mp4_bad_config', `AC-3 has a bsid of at most 10, found ${bsid}`)
  const bsmod = reader.bits(3)
  const acmod = reader.bits(3)
  if ((acmod & 1) !== 0 && acmod !== 1) reader.skip(2) // cmixlev
  if ((acmod & 4) !== 0) reader.skip(2) // surmixlev
  if (acmod === ACMOD_STEREO) reader.skip(2) // dsurmod
  const lfe = reader.bits(1)
  // |fscod:2|bsid:5|bsmod:3|acmod:3|lfeon:1|bit rate code:5|0:5|
  const high = (rateCode << 14) | (bsid << 9) | (bsmod << 6) | (acmod << 3) | (lfe << 2) | (bitRateCode >> 3)
  return { sound, config: Buffer.concat([uint16(high), Buffer.of((bitRateCode & 7) << 5)]) }
}

/**
 * dec3 from the first frame (ETSI TS 102 366 F.6): one independent substream; what depends on it is left to the
 * decoder to find. Throws CodecError.
 */
export function parseEac3Box(frame: Buffer): Ac3Box {
  const sound = parseAc3Frame(frame)
  const { bytes, rateCode, samples, acmod, lfe, bsid } = readEac3(frame)
  const kbps = Math.round((bytes * 8 * sound.sampleRate) / samples / 1000)
  // |data rate:13|substreams - 1:3| |fscod:2|bsid:5|0:1|asvc:1|bsmod:3|acmod:3|lfeon:1| |0:3|dependent:4|0:1|
  const rate = Math.min(kbps, MAX_RATE_KBPS) << 3
  const substream = (rateCode << 14) | (bsid << 9) | (acmod << 1) | lfe
  return { sound, config: Buffer.concat([uint16(rate, substream), Buffer.of(0)]) }
}

function readEac3(frame: Buffer): Eac3Frame {
  // |sync:16|strmtyp:2|substream:3|frame size:11|fscod:2|fscod2 or numblkscod:2|acmod:3|lfeon:1|bsid:5|
  const reader = new BitReader(frame)
  reader.skip(SYNC_BITS + 5)
  const bytes = (reader.bits(11) + 1) * 2
  const rateCode = reader.bits(2)
  reader.skip(2)
  const acmod = reader.bits(3)
  const lfe = reader.bits(1)
  const bsid = reader.bits(5)
  if (bsid <= BSID_AC3_MAX || bsid > BSID_EAC3) {
    throw new CodecError('mp4_bad_config', `E-AC-3 has a bsid of 11 to ${BSID_EAC3}, found ${bsid}`)
  }
  return { bytes, rateCode, samples: eac3Samples(frame), acmod, lfe, bsid }
}
