import { type AdtsConfig, parseAdtsConfig } from '../codec/aac.ts'
import { CodecError } from '../codec/errors.ts'

const HEADER_BYTES = 7
const MAX_FRAME_BYTES = 0x1f_ff
const RATE_SHIFT = 2
const PROFILE_SHIFT = 6
const CHANNEL_HIGH_SHIFT = 2
const CHANNEL_LOW_SHIFT = 6
const CHANNEL_LOW_MASK = 0x03
const LENGTH_HIGH_SHIFT = 11
const LENGTH_MIDDLE_SHIFT = 3
const LENGTH_LOW_SHIFT = 5

/** Raw AAC frames as ADTS (ISO/IEC 14496-3 1.A.2.2), for `.aac` streams and MPEG-TS. */
export class AdtsWriter {
  readonly #config: AdtsConfig

  /** @throws CodecError when the AudioSpecificConfig cannot be read, or ADTS cannot say it (see parseAdtsConfig) */
  constructor(audioSpecificConfig: Buffer) {
    this.#config = parseAdtsConfig(audioSpecificConfig)
  }

  /** Bytes that `write` will write. @throws CodecError 'adts_frame_empty', 'adts_frame_too_large' (over 8,191) */
  size(frame: Buffer): number {
    if (frame.length === 0) throw new CodecError('adts_frame_empty', 'an AAC frame has no byte')
    const bytes = HEADER_BYTES + this.#config.program.length + frame.length
    if (bytes <= MAX_FRAME_BYTES) return bytes
    throw new CodecError('adts_frame_too_large', `an ADTS frame may have ${MAX_FRAME_BYTES} bytes, has ${bytes}`)
  }

  /** Writes one frame at `offset`. @returns the offset behind it */
  write(out: Buffer, offset: number, frame: Buffer): number {
    // |sync:12|MPEG-4, 0:1|layer:2|no CRC:1|profile:2|rate:4|private:1|channels:3|4 bits|length:13|fullness:11|0:2|
    const { profile, rateIndex, channelConfig, program } = this.#config
    const length = this.size(frame)
    out[offset] = 0xff
    out[offset + 1] = 0xf1
    out[offset + 2] = (profile << PROFILE_SHIFT) | (rateIndex << RATE_SHIFT) | (channelConfig >> CHANNEL_HIGH_SHIFT)
    out[offset + 3] = ((channelConfig & CHANNEL_LOW_MASK) << CHANNEL_LOW_SHIFT) | (length >> LENGTH_HIGH_SHIFT)
    out[offset + 4] = length >> LENGTH_MIDDLE_SHIFT
    // A buffer fullness of all ones: variable bit rate.
    out[offset + 5] = (length << LENGTH_LOW_SHIFT) | 0x1f
    out[offset + 6] = 0xfc
    program.copy(out, offset + HEADER_BYTES)
    frame.copy(out, offset + HEADER_BYTES + program.length)
    return offset + length
  }
}
