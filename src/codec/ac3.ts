import { BitReader } from './bit-reader.ts'
import { CodecError } from './errors.ts'
import type { SoundConfig } from './sound.ts'

const SYNC_WORD = 0x0b77
const SAMPLE_RATES: readonly number[] = [48_000, 44_100, 32_000]
/** fscod that says: E-AC-3 at half the rate of fscod2. */
const HALF_RATE = 3
/** Full channels by acmod (ATSC A/52 table 5.8). */
const CHANNELS: readonly number[] = [2, 1, 2, 3, 3, 4, 4, 5]
const BSID_OFFSET = 5
const BSID_SHIFT = 3
const BSID_AC3_MAX = 10
const BSID_AC3_FULL_RATE = 8
const ACMOD_STEREO = 2

/** Reads the header of an AC-3 or E-AC-3 frame (ATSC A/52 5.3, E.2.2); which one it is, its bsid tells. Throws CodecError. */
export function parseAc3Frame(bytes: Buffer): SoundConfig {
  const reader = new BitReader(bytes)
  const sync = reader.bits(16)
  if (sync !== SYNC_WORD)
    throw new CodecError('ac3_no_sync', `AC-3 frame begins with 0x0b77, found 0x${sync.toString(16)}`)
  if (bytes.length <= BSID_OFFSET) {
    throw new CodecError('ac3_short_header', `AC-3 header needs ${BSID_OFFSET + 1} bytes, has ${bytes.length}`)
  }
  const bsid = bytes.readUInt8(BSID_OFFSET) >> BSID_SHIFT
  return bsid > BSID_AC3_MAX ? readEac3(reader) : readAc3(reader, bsid)
}

function readAc3(reader: BitReader, bsid: number): SoundConfig {
  // |crc:16|fscod:2|frame size:6|bsid:5|bsmod:3|acmod:3|(mix levels)|lfeon:1|
  reader.skip(16)
  const rate = sampleRateOf(reader.bits(2))
  reader.skip(14)
  const acmod = reader.bits(3)
  if ((acmod & 1) !== 0 && acmod !== 1) reader.skip(2) // cmixlev
  if ((acmod & 4) !== 0) reader.skip(2) // surmixlev
  if (acmod === ACMOD_STEREO) reader.skip(2) // dsurmod
  // bsid 9 and 10 are the half and quarter rate variants.
  const halvings = Math.max(0, bsid - BSID_AC3_FULL_RATE)
  return { sampleRate: rate >> halvings, channels: channelsOf(acmod) + reader.bits(1) }
}

function readEac3(reader: BitReader): SoundConfig {
  // |strmtyp:2|substream:3|frame size:11|fscod:2|fscod2 or blocks:2|acmod:3|lfeon:1|
  reader.skip(16)
  const code = reader.bits(2)
  const second = reader.bits(2)
  const sampleRate = code === HALF_RATE ? sampleRateOf(second) / 2 : sampleRateOf(code)
  const acmod = reader.bits(3)
  return { sampleRate, channels: channelsOf(acmod) + reader.bits(1) }
}

function sampleRateOf(code: number): number {
  const rate = SAMPLE_RATES[code]
  if (rate === undefined) throw new CodecError('ac3_bad_rate', `sample rate code ${code} is reserved`)
  return rate
}

function channelsOf(acmod: number): number {
  return CHANNELS[acmod] ?? 0
}
