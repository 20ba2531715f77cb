import type { LiveStream } from './streams.ts'

/** Where this page came from is where its server is reached. */
export function rtmpBase(rtmpPort: number): string {
  return `rtmp://${location.hostname}${rtmpPort === 1935 ? '' : `:${rtmpPort}`}`
}

/** For example `H264 High 3.1, 1280 × 720`. */
export function videoText(video: LiveStream['video']): string {
  if (!video) return 'none'
  const size = video.width > 0 ? `${video.width} × ${video.height}` : ''
  return commas(words(video.codec, video.profile, video.level), size)
}

/** For example `AAC LC, 44.1 kHz, stereo`. */
export function audioText(audio: LiveStream['audio']): string {
  if (!audio) return 'none'
  const rate = audio.sampleRate > 0 ? `${audio.sampleRate / 1000} kHz` : ''
  return commas(words(audio.codec, audio.profile), rate, channelsText(audio.channels))
}

/** For example `2.4 Mb/s`. */
export function rateText(bitsPerSecond: number): string {
  if (bitsPerSecond >= 1e6) return `${(bitsPerSecond / 1e6).toFixed(1)} Mb/s`
  return `${Math.round(bitsPerSecond / 1e3)} kb/s`
}

/** For example `1:02:03` or `0:07`. */
export function timeText(seconds: number): string {
  const hours = Math.floor(seconds / 3600)
  const minutes = Math.floor(seconds / 60) % 60
  const rest = twoDigits(seconds % 60)
  return hours > 0 ? `${hours}:${twoDigits(minutes)}:${rest}` : `${minutes}:${rest}`
}

function channelsText(channels: number): string {
  if (channels === 0) return ''
  if (channels === 1) return 'mono'
  return channels === 2 ? 'stereo' : `${channels} channels`
}

function twoDigits(value: number): string {
  return String(value).padStart(2, '0')
}

function words(...parts: string[]): string {
  return parts.filter((part) => part !== '').join(' ')
}

function commas(...parts: string[]): string {
  return parts.filter((part) => part !== '').join(', ')
}
