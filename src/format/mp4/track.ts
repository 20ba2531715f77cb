import { CodecError } from '../../codec/errors.ts'
import { audioEntry } from './audio-entry.ts'
import { byteLength } from './box.ts'
import { frameLength } from './frame-length.ts'
import { videoEntry } from './video-entry.ts'

/**
 * Ticks of a second in a video track. A millisecond is 90 of them, so that FLV's times are kept exactly, and MPEG-TS
 * counts in the same. 1000 would be exact too, but players that work out a frame rate from ticks (QuickTime, iOS) take
 * so coarse a scale for a variable one.
 */
const VIDEO_TIMESCALE = 90_000

const MAX_CONFIG_BYTES = 65_536
/** A tick of sound is at most 1 ms long, so that a time in ms survives; the highest rate is what FLAC can write. */
const MIN_SAMPLE_RATE = 1_000
const MAX_SAMPLE_RATE = 1_048_575
/** There must be a next one. */
export const MAX_TRACK_ID = 0xff_ff_ff_fe

/** What the boxes of a file say of one track. */
export interface Mp4Track {
  /** 1 to 2^32 - 2. */
  readonly id: number
  readonly kind: 'video' | 'audio'
  /**
   * Ticks of a second: 90,000 for a picture, the sample rate for sound, so that a frame of AAC lasts exactly 1024 and a
   * million of them do not drift; a time in ms, rounded to such a tick, is the same time when rounded back.
   */
  readonly timescale: number
  /** Pixels, 0 for sound. */
  readonly width: number
  readonly height: number
  /** The sample entry, a whole box: codec and configuration. */
  readonly entry: Buffer
  /** What a frame of sound lasts by its own bytes, ticks, 0 when they do not tell; null for a picture. */
  readonly frameTicks: ((frame: Buffer) => number) | null
}

/**
 * A track of pictures in avc1, hvc1, av01 or vp09. `config` is the configuration record (the codec's own bytes of a
 * sequence header), `keyFrame` a key frame's: VP9, and AV1 without a sequence header in its record, have their size
 * there.
 * @throws CodecError 'mp4_codec_unsupported', 'mp4_config_missing', 'mp4_config_too_big', 'mp4_size_unknown', 'mp4_size_too_big',
 *   'mp4_bad_config', and those of the codec's parser
 */
export function videoTrack(id: number, codec: string, config: Buffer | null, keyFrame: Buffer | null): Mp4Track {
  checkId(id)
  checkConfig(config)
  const { width, height, entry } = videoEntry(codec, config, keyFrame)
  return { id, kind: 'video', timescale: VIDEO_TIMESCALE, width, height, entry: join(entry), frameTicks: null }
}

/**
 * A track of sound in mp4a (AAC), Opus, fLaC, .mp3, ac-3 or ec-3. `config` is the codec's header, `frame` its first
 * frame: MP3, AC-3 and E-AC-3 have no header and are described by that.
 * @throws CodecError 'mp4_codec_unsupported', 'mp4_config_missing', 'mp4_config_too_big', 'mp4_sample_rate_invalid',
 *   'mp4_bad_config', and those of the codec's parser
 */
export function audioTrack(id: number, codec: string, config: Buffer | null, frame: Buffer | null): Mp4Track {
  checkId(id)
  checkConfig(config)
  const { sampleRate, entry } = audioEntry(codec, config, frame)
  if (sampleRate < MIN_SAMPLE_RATE || sampleRate > MAX_SAMPLE_RATE) {
    const bounds = `${MIN_SAMPLE_RATE} to ${MAX_SAMPLE_RATE}`
    throw new CodecError('mp4_sample_rate_invalid', `a sample rate is ${bounds} Hz, found ${sampleRate}`)
  }
  const frameTicks = frameLength(codec, config)
  return { id, kind: 'audio', timescale: sampleRate, width: 0, height: 0, entry: join(entry), frameTicks }
}

function checkId(id: number): void {
  if (Number.isInteger(id) && id >= 1 && id <= MAX_TRACK_ID) return
  throw new RangeError(`a track's id is 1 to ${MAX_TRACK_ID}, not ${id}`)
}

function checkConfig(config: Buffer | null): void {
  if (config === null || config.length <= MAX_CONFIG_BYTES) return
  throw new CodecError('mp4_config_too_big', `a configuration has ${MAX_CONFIG_BYTES} bytes, this ${config.length}`)
}

function join(pieces: readonly Buffer[]): Buffer {
  return Buffer.concat(pieces, byteLength(pieces))
}
