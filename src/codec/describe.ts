import { parseAacConfig } from './aac.ts'
import { parseAc3Frame } from './ac3.ts'
import { parseAv1Config, parseAv1Size } from './av1.ts'
import { parseAvcConfig } from './avc.ts'
import { CodecError } from './errors.ts'
import { parseFlacConfig } from './flac.ts'
import { parseHevcConfig } from './hevc.ts'
import { parseMp3Frame } from './mp3.ts'
import { parseOpusHead } from './opus.ts'
import type { PictureConfig } from './picture.ts'
import type { SoundConfig } from './sound.ts'
import { parseVp8Size, parseVp9Size, parseVpxConfig } from './vpx.ts'

/** A video track in the words of the HTTP API. Texts are '' and sizes 0 where nothing is known. */
export interface VideoDescription {
  /** 'H264', 'HEVC', 'AV1', 'VP9' ...; a codec without a name here keeps its fourCC. */
  codec: string
  profile: string
  level: string
  /** Pixels. */
  width: number
  height: number
}

/** An audio track in the words of the HTTP API. Texts are '' and numbers 0 where nothing is known. */
export interface AudioDescription {
  /** 'AAC', 'MP3', 'OPUS', 'FLAC', 'AC3' ...; a codec without a name here keeps its fourCC. */
  codec: string
  /** Hertz. */
  sampleRate: number
  channels: number
  profile: string
}

interface VideoCodec {
  name: string
  parseConfig?: (header: Buffer) => PictureConfig
  parseSize?: (keyFrame: Buffer) => { width: number; height: number } | null
}

interface AudioCodec {
  name: string
  parse?: (bytes: Buffer) => SoundConfig & { profile?: string }
}

const VIDEO_CODECS: ReadonlyMap<string, VideoCodec> = new Map<string, VideoCodec>([
  ['avc1', { name: 'H264', parseConfig: parseAvcConfig }],
  ['hvc1', { name: 'HEVC', parseConfig: parseHevcConfig }],
  ['av01', { name: 'AV1', parseConfig: parseAv1Config, parseSize: parseAv1Size }],
  ['vp09', { name: 'VP9', parseConfig: parseVpxConfig, parseSize: parseVp9Size }],
  ['vp08', { name: 'VP8', parseConfig: parseVpxConfig, parseSize: parseVp8Size }],
  ['vvc1', { name: 'VVC' }],
  ['h263', { name: 'H263' }],
  ['screen', { name: 'SCREEN' }],
  ['screen2', { name: 'SCREEN2' }],
  ['vp6', { name: 'VP6' }],
  ['vp6a', { name: 'VP6A' }],
])

const AUDIO_CODECS: ReadonlyMap<string, AudioCodec> = new Map<string, AudioCodec>([
  ['mp4a', { name: 'AAC', parse: parseAacConfig }],
  ['.mp3', { name: 'MP3', parse: parseMp3Frame }],
  ['Opus', { name: 'OPUS', parse: parseOpusHead }],
  ['fLaC', { name: 'FLAC', parse: parseFlacConfig }],
  ['ac-3', { name: 'AC3', parse: parseAc3Frame }],
  ['ec-3', { name: 'EAC3', parse: parseAc3Frame }],
  ['pcm', { name: 'PCM' }],
  ['adpcm', { name: 'ADPCM' }],
  ['nelly', { name: 'NELLYMOSER' }],
  ['g711a', { name: 'G711A' }],
  ['g711u', { name: 'G711U' }],
  ['speex', { name: 'SPEEX' }],
])

/**
 * Describes a video track by its codec header (null when there is none). `keyFrame`, the body of a key frame, gives
 * the size of codecs whose header has none (VP8, VP9, AV1). Never throws: a stream is passed on even if its header
 * cannot be read.
 */
export function describeVideo(codec: string, header: Buffer | null, keyFrame: Buffer | null = null): VideoDescription {
  const known = VIDEO_CODECS.get(codec)
  const config = known?.parseConfig && header ? readOrNull(known.parseConfig, header) : null
  const { profile = '', level = '', width = 0, height = 0 } = config ?? {}
  const name = known?.name ?? codec
  if (width > 0 || !known?.parseSize || !keyFrame) return { codec: name, profile, level, width, height }
  const size = readOrNull(known.parseSize, keyFrame)
  return { codec: name, profile, level, width: size?.width ?? 0, height: size?.height ?? 0 }
}

/**
 * Describes an audio track by its codec header, or by its first frame for a codec without one (MP3, AC-3).
 * `container` is what the tag itself says, used where the codec's bytes do not tell. Never throws.
 */
export function describeAudio(
  codec: string,
  bytes: Buffer | null,
  container: { sampleRate: number; channels: number } = { sampleRate: 0, channels: 0 },
): AudioDescription {
  const known = AUDIO_CODECS.get(codec)
  const config = known?.parse && bytes ? readOrNull(known.parse, bytes) : null
  return {
    codec: known?.name ?? codec,
    sampleRate: config?.sampleRate || container.sampleRate,
    channels: config?.channels || container.channels,
    profile: config?.profile ?? '',
  }
}

/** Bytes that do not follow their format are nothing we know; any other error is a fault of ours and stays one. */
function readOrNull<T>(parse: (bytes: Buffer) => T, bytes: Buffer): T | null {
  try {
    return parse(bytes)
  } catch (error) {
    if (error instanceof CodecError) return null
    throw error
  }
}
