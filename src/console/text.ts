/** Numbers as people read them. */

/** For example `2.4 Mb/s`. */
export function rateText(kbps: number): string {
  if (kbps >= 1e6) return `${(kbps / 1e6).toFixed(2)} Gb/s`
  return kbps >= 1000 ? `${(kbps / 1000).toFixed(1)} Mb/s` : `${Math.round(kbps)} kb/s`
}

/** For example `12.4 MB`. */
export function bytesText(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`
  const units = ['kB', 'MB', 'GB', 'TB']
  let value = bytes / 1000
  let at = 0
  for (; value >= 1000 && at < units.length - 1; at++) value /= 1000
  return `${value.toFixed(value < 100 ? 1 : 0)} ${units[at]}`
}

/** For example `2 d 3:04:05`, `1:02:03` or `0:07`. */
export function timeText(seconds: number): string {
  const whole = Math.floor(seconds)
  const days = Math.floor(whole / 86_400)
  const hours = Math.floor(whole / 3600) % 24
  const minutes = Math.floor(whole / 60) % 60
  const rest = twoDigits(whole % 60)
  if (days > 0) return `${days} d ${hours}:${twoDigits(minutes)}:${rest}`
  return hours > 0 ? `${hours}:${twoDigits(minutes)}:${rest}` : `${minutes}:${rest}`
}

/** A time of the day. */
export function clockText(ms: number): string {
  return new Date(ms).toLocaleTimeString([], { hour12: false })
}

/** A day and a time. */
export function dateText(ms: number): string {
  return new Date(ms).toLocaleString([], { dateStyle: 'medium', timeStyle: 'short', hour12: false })
}

/** For example `1 stream` or `2 streams`. */
export function countText(count: number, name: string): string {
  return `${count} ${name}${count === 1 ? '' : 's'}`
}

/** For example `3 rtmp, 1 flv`; `0` when there are none. */
export function countsText(counts: Readonly<Record<string, number>>): string {
  const parts = Object.entries(counts).map(([name, count]) => `${count} ${name}`)
  return parts.length === 0 ? '0' : parts.join(', ')
}

/** What is there of the parts, with commas. */
export function commas(...parts: readonly (string | null | false)[]): string {
  return parts.filter((part) => part !== null && part !== false && part !== '').join(', ')
}

function twoDigits(value: number): string {
  return String(value).padStart(2, '0')
}
