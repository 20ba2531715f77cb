import { CodecError } from './errors.ts'
import type { SoundConfig } from './sound.ts'

const MAGIC = 'OpusHead'
const MIN_HEAD_BYTES = 19
const CHANNELS_OFFSET = 9
const FAMILY_OFFSET = 18
/** By channels less one: streams, coupled streams and mapping of Vorbis order (RFC 7845 5.1.1.2), in hex. */
const USUAL_STREAMS: readonly string[] = [
  '010000',
  '01010001',
  '0201000201',
  '020200010203',
  '03020004010203',
  '0402000401020305',
  '040300040102030506',
  '05030006010203040507',
]
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

/**
 * The channels as a channel_config_code, 1 to 8 (Opus in MPEG-TS, ETSI TS draft 0.1.3, 5.2.1): stereo or mono, or
 * Vorbis order with the usual streams.
 * @throws CodecError 'opus_channels' for any other arrangement, and those of parseOpusHead
 */
export function opusChannelConfig(head: Buffer): number {
  // OpusHead, 11 bytes |mapping family:8| (|streams:8|coupled:8|mapping:8 of each channel|)
  const { channels } = parseOpusHead(head)
  const family = head.readUInt8(FAMILY_OFFSET)
  if (family === 0 && (channels === 1 || channels === 2)) return channels
  const usual = family === 1 ? USUAL_STREAMS[channels - 1] : undefined
  if (usual !== undefined && head.toString('hex', MIN_HEAD_BYTES, MIN_HEAD_BYTES + 2 + channels) === usual) {
    return channels
  }
  throw new CodecError('opus_channels', `${channels} channels of mapping family ${family} have no code`)
}
