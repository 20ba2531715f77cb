/** What a stream is, in words. */
import type { Stream } from './api.ts'
import { commas } from './text.ts'

/** For example `H264 High 3.1, 1280 × 720, 25 fps`. */
export function videoText({ video }: Stream): string {
  if (!video) return '–'
  const { codec, profile, level, width, height, fps } = video
  return commas(
    [codec, profile, level].filter(Boolean).join(' '),
    width > 0 && `${width} × ${height}`,
    fps > 0 && `${Math.round(fps * 10) / 10} fps`,
  )
}

/** For example `AAC LC, 44.1 kHz, stereo`. */
export function audioText({ audio }: Stream): string {
  if (!audio) return '–'
  const { codec, profile, sample_rate, channel } = audio
  const channels = { 0: '', 1: 'mono', 2: 'stereo' }[channel] ?? `${channel} channels`
  return commas([codec, profile].filter(Boolean).join(' '), sample_rate > 0 && `${sample_rate / 1000} kHz`, channels)
}

/** Who publishes it, or the server that it is pulled from. */
export function sourceText({ publish: { active, type = '', ip = '' } }: Stream): string {
  if (!active) return 'nobody yet'
  return [ip, type && `(${type})`].filter(Boolean).join(' ') || 'this server'
}
