/** A playlist of ours or of SRS's is shorter. */
const MAX_LINES = 100_000

/** A segment as a media playlist names it. */
export interface ReadSegment {
  /** By its place behind EXT-X-MEDIA-SEQUENCE. */
  readonly number: number
  readonly uri: string
  readonly durationMs: number
  /** What is said of it, as it is written: EXT-X-DISCONTINUITY, EXT-X-PROGRAM-DATE-TIME, EXT-X-GAP, ... */
  readonly tags: readonly string[]
  /** EXT-X-MAP and EXT-X-KEY in force, as they are written; '': there is none. */
  readonly map: string
  readonly key: string
  /** Discontinuities before it, counted as RFC 8216 6.2.1 does. */
  readonly discontinuitySequence: number
}

/** What a media playlist says. */
export interface ReadPlaylist {
  readonly targetSeconds: number
  readonly mediaSequence: number
  readonly segments: readonly ReadSegment[]
}

/** Of these, each is in force for all that follow. */
const MAP = '#EXT-X-MAP:'
const KEY = '#EXT-X-KEY:'
const DISCONTINUITY = '#EXT-X-DISCONTINUITY'
const OF_SEGMENT = [DISCONTINUITY, '#EXT-X-PROGRAM-DATE-TIME:', '#EXT-X-GAP', '#EXT-X-BYTERANGE:']

/** Reads a media playlist, leniently: what is not known is left out. @returns null when it is none */
export function readPlaylist(text: string): ReadPlaylist | null {
  const lines = text.split('\n', MAX_LINES).map((line) => line.trim())
  if (lines[0] !== '#EXTM3U' || lines.some((line) => line.startsWith('#EXT-X-STREAM-INF:'))) return null
  const mediaSequence = numberOf(lines, '#EXT-X-MEDIA-SEQUENCE:')
  return {
    targetSeconds: numberOf(lines, '#EXT-X-TARGETDURATION:'),
    mediaSequence,
    segments: readSegments(lines, mediaSequence, numberOf(lines, '#EXT-X-DISCONTINUITY-SEQUENCE:')),
  }
}

/** The first variant of a master playlist; null when it is none. */
export function firstVariant(text: string): string | null {
  const lines = text.split('\n', MAX_LINES).map((line) => line.trim())
  const at = lines.findIndex((line) => line.startsWith('#EXT-X-STREAM-INF:'))
  return at < 0 ? null : (lines.slice(at + 1).find((line) => line !== '' && !line.startsWith('#')) ?? null)
}

/** The URI in the attributes of a tag; null: it has none. */
export function uriOf(tag: string): string | null {
  return /[:,]URI="([^"]*)"/.exec(tag)?.[1] ?? null
}

function readSegments(lines: readonly string[], first: number, discontinuities: number): ReadSegment[] {
  const segments: ReadSegment[] = []
  const inForce = { map: '', key: '', discontinuitySequence: discontinuities }
  let tags: string[] = []
  let durationMs = 0
  for (const line of lines) {
    if (line.startsWith('#EXTINF:')) durationMs = Math.round(Number.parseFloat(line.slice(8)) * 1000) || 0
    else if (line.startsWith(MAP)) inForce.map = line
    else if (line.startsWith(KEY)) inForce.key = line.includes('METHOD=NONE') ? '' : line
    else if (OF_SEGMENT.some((tag) => line === tag || (tag.endsWith(':') && line.startsWith(tag)))) tags.push(line)
    if (line === DISCONTINUITY) inForce.discontinuitySequence++
    if (line === '' || line.startsWith('#')) continue
    segments.push({ number: first + segments.length, uri: line, durationMs, tags, ...inForce })
    tags = []
  }
  return segments
}

function numberOf(lines: readonly string[], tag: string): number {
  const value = Number(lines.find((line) => line.startsWith(tag))?.slice(tag.length) ?? 0)
  return Number.isSafeInteger(value) && value >= 0 ? value : 0
}
