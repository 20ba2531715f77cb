import { posix } from 'node:path'
import type { ListedSegment, ReadPlaylist } from './hls-check.ts'

/** What a master playlist leads to; null: it is none. */
export function variantOf(text: string): string | null {
  const lines = text.split('\n')
  const at = lines.findIndex((line) => line.startsWith('#EXT-X-STREAM-INF'))
  return at < 0 ? null : (lines[at + 1] ?? null)
}

/** Reads a media playlist; paths are absolute and without a query. */
export function readPlaylist(text: string, path: string): ReadPlaylist {
  const lines = text.split('\n')
  if (lines[0] !== '#EXTM3U') throw new Error(`no playlist: ${text.slice(0, 40)}`)
  const number = (tag: string): number => {
    const line = lines.find((one) => one.startsWith(`#EXT-X-${tag}:`))
    return Number(line?.slice(line.indexOf(':') + 1) ?? 0)
  }
  const reader = new Lines(path, number('MEDIA-SEQUENCE'), number('DISCONTINUITY-SEQUENCE'))
  for (const line of lines) reader.take(line)
  return {
    mediaSequence: number('MEDIA-SEQUENCE'),
    targetSeconds: number('TARGETDURATION'),
    isIndependent: lines.includes('#EXT-X-INDEPENDENT-SEGMENTS'),
    isLowLatency: lines.some((line) => line.startsWith('#EXT-X-PART-INF')),
    segments: reader.segments,
    openParts: reader.parts,
  }
}

class Lines {
  readonly segments: ListedSegment[] = []
  readonly #folder: string
  #sequence: number
  #discontinuityNumber: number
  #discontinuity = false
  #durationMs = 0
  #map: string | null = null
  parts: string[] = []

  constructor(path: string, sequence: number, discontinuityNumber: number) {
    this.#folder = posix.dirname(path)
    this.#sequence = sequence
    this.#discontinuityNumber = discontinuityNumber
  }

  take(line: string): void {
    const uri = /URI="([^"]*)"/.exec(line)?.[1] ?? ''
    if (line === '#EXT-X-DISCONTINUITY') {
      this.#discontinuity = true
      this.#discontinuityNumber++
    } else if (line.startsWith('#EXTINF:')) this.#durationMs = Number.parseFloat(line.slice(8)) * 1000
    else if (line.startsWith('#EXT-X-MAP:')) this.#map = this.#path(uri)
    else if (line.startsWith('#EXT-X-PART:')) this.parts.push(this.#path(uri))
    else if (line !== '' && !line.startsWith('#')) this.#segment(line)
  }

  #segment(uri: string): void {
    this.segments.push({
      sequence: this.#sequence++,
      path: this.#path(uri),
      discontinuity: this.#discontinuity,
      discontinuityNumber: this.#discontinuityNumber,
      durationMs: this.#durationMs,
      map: this.#map,
      parts: this.parts,
    })
    this.#discontinuity = false
    this.parts = []
  }

  #path(uri: string): string {
    return posix.join(this.#folder, uri.split('?', 1)[0] ?? '')
  }
}
