import { readFileSync } from 'node:fs'
import { parseAudioTag } from '../../../src/format/flv/audio.ts'
import { FlvReader } from '../../../src/format/flv/reader.ts'
import { FLV_AUDIO, FLV_VIDEO } from '../../../src/format/flv/tag.ts'
import { parseVideoTag } from '../../../src/format/flv/video.ts'
import { TsMuxer, type TsUnit } from '../../../src/format/mpegts/muxer.ts'
import { tsAudioTrack, tsCarries, type TsTrack, tsVideoTrack } from '../../../src/format/mpegts/track.ts'

export interface MediaFrame {
  kind: 'video' | 'audio'
  dtsMs: number
  compositionMs: number
  isKey: boolean
  body: Buffer
}

/** What a publisher sent, ready for a muxer. */
export interface Media {
  picture: TsTrack | null
  sound: TsTrack | null
  frames: MediaFrame[]
}

export const fixture = (name: string): string => new URL(`../../fixtures/media/${name}.flv`, import.meta.url).pathname

/** The codec headers of an FLV file. */
export function loadHeaders(path: string): { codec: string; body: Buffer }[] {
  const reader = new FlvReader()
  reader.push(readFileSync(path))
  const headers: { codec: string; body: Buffer }[] = []
  for (let tag = reader.read(); tag; tag = reader.read()) {
    if (tag.typeId !== FLV_VIDEO && tag.typeId !== FLV_AUDIO) continue
    const { type, codec, bodyOffset } =
      tag.typeId === FLV_VIDEO ? parseVideoTag(tag.payload) : parseAudioTag(tag.payload)
    if (type === 'header') headers.push({ codec, body: tag.payload.subarray(bodyOffset) })
  }
  return headers
}

/** Frames of an FLV file in their order; tracks whose codec MPEG-TS does not carry are left out. */
export function loadFlv(path: string): Media {
  const reader = new FlvReader()
  reader.push(readFileSync(path))
  const media: Media = { picture: null, sound: null, frames: [] }
  for (let tag = reader.read(); tag; tag = reader.read()) {
    const { typeId, timestampMs, payload } = tag
    if (typeId !== FLV_VIDEO && typeId !== FLV_AUDIO) continue
    const isVideo = typeId === FLV_VIDEO
    const parsed = isVideo ? parseVideoTag(payload) : { isKey: true, compositionMs: 0, ...parseAudioTag(payload) }
    if (!tsCarries(parsed.codec)) continue
    const body = payload.subarray(parsed.bodyOffset)
    if (parsed.type === 'header' && isVideo) media.picture = tsVideoTrack(parsed.codec, body)
    if (parsed.type === 'header' && !isVideo) media.sound = tsAudioTrack(parsed.codec, body)
    if (parsed.type !== 'frame') continue
    if (!isVideo) media.sound ??= tsAudioTrack(parsed.codec, body)
    const { isKey, compositionMs } = parsed
    media.frames.push({ kind: isVideo ? 'video' : 'audio', dtsMs: timestampMs, compositionMs, isKey, body })
  }
  return media
}

/** The same with only one of its tracks. */
export function only(kind: 'video' | 'audio', media: Media): Media {
  return {
    picture: kind === 'video' ? media.picture : null,
    sound: kind === 'audio' ? media.sound : null,
    frames: media.frames.filter((frame) => frame.kind === kind),
  }
}

/** The same, `ms` later. */
export function later(ms: number, media: Media): Media {
  return { ...media, frames: media.frames.map((frame) => ({ ...frame, dtsMs: frame.dtsMs + ms })) }
}

/** Tables at the start and before each key frame, then frame by frame. */
export function muxUnits(muxer: TsMuxer, frames: readonly MediaFrame[]): TsUnit[] {
  return frames.flatMap((frame, index) => {
    if (frame.kind === 'audio')
      return [...(index === 0 ? [muxer.tables()] : []), muxer.sound(frame.dtsMs, [frame.body])]
    return [...(index === 0 || frame.isKey ? [muxer.tables()] : []), muxer.picture(frame)]
  })
}

/** Writes units into a buffer of exactly their size, which was full of something else. */
export function writeUnits(muxer: TsMuxer, units: readonly TsUnit[]): Buffer {
  const out = Buffer.alloc(
    units.reduce((sum, { bytes }) => sum + bytes, 0),
    0xaa,
  )
  const end = units.reduce((offset, unit) => muxer.write(out, offset, unit), 0)
  if (end !== out.length) throw new Error(`${end} of ${out.length} bytes were written`)
  return out
}

export function mux({ picture, sound, frames }: Media): Buffer {
  const muxer = new TsMuxer(picture, sound)
  return writeUnits(muxer, muxUnits(muxer, frames))
}

const TICKS = 2 ** 33
const ticks = (ms: number): number => (((ms * 90) % TICKS) + TICKS) % TICKS

/** Times that a demuxer must find, as the brief of the format says: ms x 90 modulo 2^33. */
export function expectedTimes(kind: 'video' | 'audio', { frames }: Media): { pts: number; dts: number }[] {
  return frames
    .filter((frame) => frame.kind === kind)
    .map(({ dtsMs, compositionMs }) => ({ pts: ticks(dtsMs + compositionMs), dts: ticks(dtsMs) }))
}

/** The smallest parameter sets that look like some. */
export const SPS = [0x67, 0x64, 0x00, 0x1f]
export const PPS = [0x68, 0xee]

/** An AVCDecoderConfigurationRecord with one of each, lengths of four bytes. */
export function avcRecord(sps: readonly number[] = SPS, pps: readonly number[] = PPS): Buffer {
  return Buffer.of(1, 0x64, 0, 0x1f, 0xff, 0xe1, 0, sps.length, ...sps, 1, 0, pps.length, ...pps)
}

export const avcTrack = (): TsTrack => tsVideoTrack('avc1', avcRecord())
/** LC, 44,100 Hz, stereo. */
export const aacTrack = (): TsTrack => tsAudioTrack('mp4a', Buffer.of(0x12, 0x10))

/** A NAL unit behind its length. */
export function nalu(...bytes: number[]): Buffer {
  return Buffer.concat([
    Buffer.of(0, bytes.length >> 16, (bytes.length >> 8) & 0xff, bytes.length & 0xff),
    Buffer.from(bytes),
  ])
}
