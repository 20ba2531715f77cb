import { readFileSync } from 'node:fs'
import type { AudioDescription, VideoDescription } from '../../src/codec/describe.ts'

/** A codec header as an encoder wrote it, with what ffprobe says of it. */
export interface Sample<T> {
  /** The ffmpeg options that made it. */
  encoder: string
  codec: string
  /** Hex. For codecs without a header the beginning of the first frame. */
  header: string
  /** Hex: the beginning of the first key frame. */
  keyFrame?: string
  expected: T
}

export const videoSamples = load<VideoDescription>('video.json')
export const audioSamples = load<AudioDescription>('audio.json')

function load<T>(name: string): Sample<T>[] {
  const text = readFileSync(new URL(`../fixtures/codec/${name}`, import.meta.url), 'utf8')
  return JSON.parse(text) as Sample<T>[]
}
