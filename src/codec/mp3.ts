import { CodecError } from './errors.ts'
import type { SoundConfig } from './sound.ts'

const HEADER_BYTES = 4
const SYNC_MASK = 0xffe0
const VERSION_SHIFT = 3
const RATE_SHIFT = 2
const MODE_SHIFT = 6
const TWO_BITS = 3
const MODE_MONO = 3

/** Hertz by version bits and rate index: 2.5, reserved, 2, 1 (ISO/IEC 11172-3 2.4.2.3, 13818-3 2.4.2.3). */
const SAMPLE_RATES: readonly (readonly number[])[] = [
  [11_025, 12_000, 8_000],
  [],
  [22_050, 24_000, 16_000],
  [44_100, 48_000, 32_000],
]

/** Reads the header of an MPEG audio frame (ISO/IEC 11172-3 2.4.1.3). Throws CodecError. */
export function parseMp3Frame(bytes: Buffer): SoundConfig {
  // |sync:11|version:2|layer:2|protection:1| |bit rate:4|rate:2|padding:1|private:1| |mode:2|...|
  if (bytes.length < HEADER_BYTES) {
    throw new CodecError('mp3_short_header', `MP3 header needs ${HEADER_BYTES} bytes, has ${bytes.length}`)
  }
  const sync = bytes.readUInt16BE(0) & SYNC_MASK
  if (sync !== SYNC_MASK) throw new CodecError('mp3_no_sync', 'MP3 frame does not begin with 11 set bits')
  const version = (bytes.readUInt8(1) >> VERSION_SHIFT) & TWO_BITS
  const rate = (bytes.readUInt8(2) >> RATE_SHIFT) & TWO_BITS
  const sampleRate = SAMPLE_RATES[version]?.[rate]
  if (sampleRate === undefined) {
    throw new CodecError('mp3_bad_rate', `version ${version} with sample rate index ${rate} is reserved`)
  }
  return { sampleRate, channels: bytes.readUInt8(3) >> MODE_SHIFT === MODE_MONO ? 1 : 2 }
}
