import { CodecError } from './errors.ts'
import type { SoundConfig } from './sound.ts'

const MAGIC = 'OpusHead'
const MIN_HEAD_BYTES = 19
const CHANNELS_OFFSET = 9
/** Opus decodes at this rate whatever the input had (RFC 7845 5.1). */
const DECODER_RATE = 48_000

/** Reads an identification header (RFC 7845 5.1). Throws CodecError. */
export function parseOpusHead(bytes: Buffer): SoundConfig {
  // |OpusHead|version:8|channels:8|pre-skip:16|input rate:32|gain:16|mapping family:8|
  if (bytes.length < MIN_HEAD_BYTES) {
    throw new CodecError('opus_short_head', `Opus header needs ${MIN_HEAD_BYTES} bytes, has ${bytes.length}`)
  }
  const magic = bytes.toString('latin1', 0, MAGIC.length)
  if (magic !== MAGIC) throw new CodecError('opus_bad_head', 'Opus header does not begin with OpusHead')
  return { sampleRate: DECODER_RATE, channels: bytes.readUInt8(CHANNELS_OFFSET) }
}
