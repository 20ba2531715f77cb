import { parseAacConfig } from '../../codec/aac.ts'
import { parseFlacConfig } from '../../codec/flac.ts'
import { flacStreamInfo } from './flac-info.ts'

const AC3_SAMPLES = 1536
const EAC3_BLOCK_SAMPLES = 256
const EAC3_HALF_RATE = 3
/** By numblkscod. */
const EAC3_BLOCKS: readonly number[] = [1, 2, 3, 6]
const EAC3_HALF_RATE_BLOCKS = 6

const MP3_VERSION_1 = 3
const MP3_LAYER_3 = 1
const MP3_LAYER_1 = 3
const MP3_SAMPLES = 1152
const MP3_LAYER_1_SAMPLES = 384

const OPUS_CONFIG_SHIFT = 3
const OPUS_COUNT_MASK = 0x03
const OPUS_MANY_MASK = 0x3f
/** Samples at 48 kHz by the last two bits of a configuration (RFC 6716 3.1, table 2). */
const OPUS_SILK: readonly number[] = [480, 960, 1920, 2880]
const OPUS_HYBRID: readonly number[] = [480, 960, 480, 960]
const OPUS_CELT: readonly number[] = [120, 240, 480, 960]
const OPUS_HYBRID_FROM = 12
const OPUS_CELT_FROM = 16
const OPUS_MAX_SAMPLES = 5760

/**
 * How long frames of a codec last, in samples of its rate; 0 where a frame's bytes do not tell. `config` is the codec's
 * header. Throws CodecError for a header that cannot be read, never for a frame.
 */
export function frameLength(codec: string, config: Buffer | null): (frame: Buffer) => number {
  switch (codec) {
    case 'mp4a':
      return always(config ? parseAacConfig(config).frameSamples : 0)
    case 'fLaC':
      return always(config ? flacBlockSamples(config) : 0)
    case 'Opus':
      return opusSamples
    case '.mp3':
      return mp3Samples
    case 'ac-3':
      return always(AC3_SAMPLES)
    case 'ec-3':
      return eac3Samples
    default:
      return always(0)
  }
}

function always(samples: number): () => number {
  return () => samples
}

/** STREAMINFO's smallest and largest block (RFC 9639 8.2), when they are the same. */
function flacBlockSamples(header: Buffer): number {
  parseFlacConfig(header)
  const streamInfo = flacStreamInfo(header)
  const samples = streamInfo.readUInt16BE(0)
  return samples === streamInfo.readUInt16BE(2) ? samples : 0
}

/** ISO/IEC 11172-3 2.4.2.3: |sync:11|version:2|layer:2|protection:1|. Half the samples below MPEG-1, in layer 3 only. */
function mp3Samples(frame: Buffer): number {
  if (frame.length < 2) return 0
  const header = frame.readUInt8(1)
  const version = (header >> 3) & 3
  const layer = (header >> 1) & 3
  if (layer === MP3_LAYER_1) return MP3_LAYER_1_SAMPLES
  return layer === MP3_LAYER_3 && version !== MP3_VERSION_1 ? MP3_SAMPLES / 2 : MP3_SAMPLES
}

/** Samples that a frame of E-AC-3 lasts (ETSI TS 102 366 E.1.2.2): its fifth byte is |fscod:2|numblkscod:2|...|. */
export function eac3Samples(frame: Buffer): number {
  if (frame.length < 5) return 0
  const codes = frame.readUInt8(4)
  const isHalfRate = codes >> 6 === EAC3_HALF_RATE
  const blocks = isHalfRate ? EAC3_HALF_RATE_BLOCKS : (EAC3_BLOCKS[(codes >> 4) & 3] ?? 0)
  return blocks * EAC3_BLOCK_SAMPLES
}

/** RFC 6716 3.1: |configuration:5|stereo:1|frame count code:2|, and for code 3 |variable:1|padding:1|count:6|. */
function opusSamples(frame: Buffer): number {
  if (frame.length === 0) return 0
  const header = frame.readUInt8(0)
  const configuration = header >> OPUS_CONFIG_SHIFT
  const samples = opusLengths(configuration)[configuration & 3] ?? 0
  return Math.min(samples * opusCount(frame, header & OPUS_COUNT_MASK), OPUS_MAX_SAMPLES)
}

function opusLengths(configuration: number): readonly number[] {
  if (configuration < OPUS_HYBRID_FROM) return OPUS_SILK
  return configuration < OPUS_CELT_FROM ? OPUS_HYBRID : OPUS_CELT
}

function opusCount(frame: Buffer, code: number): number {
  if (code < OPUS_COUNT_MASK) return code === 0 ? 1 : 2
  return frame.length < 2 ? 0 : frame.readUInt8(1) & OPUS_MANY_MASK
}
