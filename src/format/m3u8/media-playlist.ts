import { attributes, escapeUri, quoted, seconds } from './text.ts'

const VERSION_DECIMALS = 3
const VERSION_MAP = 6
const VERSION_SKIP = 9
/** What RFC 8216bis recommends or demands, in target durations and part targets (4.4.3.8, 6.2.2). */
const HOLD_BACK_TARGETS = 3
const PART_HOLD_BACK_TARGETS = 3
const SKIP_TARGETS = 6
const PARTS_TARGETS = 3

/** AES-128 encryption of whole segments. */
export interface SegmentKey {
  readonly uri: string
  /** 16 bytes. */
  readonly iv: Buffer
}

/** A piece of a segment (Low-Latency HLS). */
export interface PlaylistPart {
  readonly uri: string
  readonly durationMs: number
  /** It begins with a key frame. */
  readonly isIndependent: boolean
}

/** A segment as far as it is known from its begin on. */
export interface OpenSegment {
  /** Codecs, tracks or times do not go on from the segment before. */
  readonly discontinuity: boolean
  /** Wall-clock time of its first frame, ms since 1970; null: not said. */
  readonly programDateTimeMs: number | null
  readonly key: SegmentKey | null
  /** URI of the initialization segment that it needs (fMP4); null for MPEG-TS. */
  readonly map: string | null
  /** In a low-latency playlist; else empty. Those of old segments may stay here: they are not written. */
  readonly parts: readonly PlaylistPart[]
}

export interface PlaylistSegment extends OpenSegment {
  /** Relative to the playlist, or absolute. */
  readonly uri: string
  readonly durationMs: number
}

/** What makes a playlist one of Low-Latency HLS. */
export interface LowLatency {
  /** No part is longer. */
  readonly partTargetMs: number
  /** The segment that is being made; null before its first part. */
  readonly open: OpenSegment | null
  /** URI of the part that comes next; null when nothing comes. */
  readonly preloadHint: string | null
  /** The newest segment and part of the same stream's other playlists. */
  readonly renditionReports: readonly RenditionReport[]
}

export interface RenditionReport {
  readonly uri: string
  readonly lastSequence: number
  readonly lastPart: number
}

export interface MediaPlaylist {
  /**
   * What was announced before: it must not shrink while the playlist lives. Grows here when a segment, its duration
   * rounded to whole seconds, is longer.
   */
  readonly targetDurationSeconds: number
  /** Number of the first segment. */
  readonly mediaSequence: number
  /** Discontinuities that have slid out. */
  readonly discontinuitySequence: number
  /** Each segment begins with a key frame, or is sound alone. */
  readonly independentSegments: boolean
  readonly segments: readonly PlaylistSegment[]
  readonly lowLatency: LowLatency | null
  /** Nothing will be added. */
  readonly ended: boolean
}

/** The target duration that segments of up to `longestMs` need, whole seconds, rounded up (RFC 8216 4.3.3.1). */
export function targetDurationSeconds(longestMs: number): number {
  return Math.max(1, Math.ceil(longestMs / 1000))
}

/**
 * The text of a media playlist (RFC 8216, 8216bis). Without EXT-X-ENDLIST unless it has ended.
 * @param delta leave out segments that a client with an older copy knows (`_HLS_skip=YES`); only in low latency
 */
export function writeMediaPlaylist(playlist: MediaPlaylist, delta = false): string {
  const { segments, lowLatency, ended } = playlist
  const target = targetOf(playlist)
  const skipped = delta && lowLatency ? firstWithin(segments, SKIP_TARGETS * target * 1000) : 0
  const partsFrom = lowLatency ? firstWithPart(segments, lowLatency, target) : segments.length
  const lines = head(playlist, target)
  if (skipped > 0) lines.push(`#EXT-X-SKIP:SKIPPED-SEGMENTS=${skipped}`)
  for (const [index, segment] of segments.entries()) {
    if (index < skipped) continue
    lines.push(...beginLines(segment, segments[index - 1], index === skipped))
    if (index >= partsFrom) lines.push(...segment.parts.map(partLine))
    lines.push(`#EXTINF:${seconds(segment.durationMs)},`, escapeUri(segment.uri))
  }
  if (lowLatency && !ended) lines.push(...tail(lowLatency, segments.at(-1)))
  if (ended) lines.push('#EXT-X-ENDLIST')
  return `${lines.join('\n')}\n`
}

function targetOf({ targetDurationSeconds: announced, segments }: MediaPlaylist): number {
  return segments.reduce(
    (most, { durationMs }) => Math.max(most, Math.round(durationMs / 1000)),
    Math.max(1, announced),
  )
}

function head(playlist: MediaPlaylist, target: number): string[] {
  const { segments, lowLatency, mediaSequence, discontinuitySequence, independentSegments } = playlist
  const hasMap = segments.some(({ map }) => map !== null)
  const version = lowLatency ? VERSION_SKIP : hasMap ? VERSION_MAP : VERSION_DECIMALS
  const lines = ['#EXTM3U', `#EXT-X-VERSION:${version}`, `#EXT-X-TARGETDURATION:${target}`]
  if (lowLatency) lines.push(serverControl(lowLatency, target), partInformation(lowLatency))
  lines.push(`#EXT-X-MEDIA-SEQUENCE:${mediaSequence}`)
  if (independentSegments) lines.push('#EXT-X-INDEPENDENT-SEGMENTS')
  if (discontinuitySequence > 0) lines.push(`#EXT-X-DISCONTINUITY-SEQUENCE:${discontinuitySequence}`)
  return lines
}

function serverControl({ partTargetMs }: LowLatency, target: number): string {
  const values = {
    'CAN-BLOCK-RELOAD': 'YES',
    'CAN-SKIP-UNTIL': seconds(SKIP_TARGETS * target * 1000),
    'HOLD-BACK': seconds(HOLD_BACK_TARGETS * target * 1000),
    'PART-HOLD-BACK': seconds(PART_HOLD_BACK_TARGETS * partTargetMs),
  }
  return `#EXT-X-SERVER-CONTROL:${attributes(values)}`
}

function partInformation({ partTargetMs }: LowLatency): string {
  return `#EXT-X-PART-INF:PART-TARGET=${seconds(partTargetMs)}`
}

/** What stands before a segment's parts. The first one that is written says all that is in force. */
function beginLines(segment: OpenSegment, previous: OpenSegment | undefined, isFirst: boolean): string[] {
  const { discontinuity, programDateTimeMs, key, map } = segment
  const lines: string[] = []
  if (discontinuity) lines.push('#EXT-X-DISCONTINUITY')
  const keyText = keyLine(key)
  if (keyText !== keyLine(previous?.key ?? null) || (isFirst && key)) lines.push(keyText)
  if (map !== null && (isFirst || map !== previous?.map)) lines.push(`#EXT-X-MAP:URI=${quoted(escapeUri(map))}`)
  if (programDateTimeMs !== null) {
    lines.push(`#EXT-X-PROGRAM-DATE-TIME:${new Date(programDateTimeMs).toISOString()}`)
  }
  return lines
}

function keyLine(key: SegmentKey | null): string {
  if (!key) return '#EXT-X-KEY:METHOD=NONE'
  const iv = `0x${key.iv.toString('hex').toUpperCase()}`
  return `#EXT-X-KEY:${attributes({ METHOD: 'AES-128', URI: quoted(escapeUri(key.uri)), IV: iv })}`
}

function partLine({ uri, durationMs, isIndependent }: PlaylistPart): string {
  const values = {
    DURATION: seconds(durationMs),
    URI: quoted(escapeUri(uri)),
    INDEPENDENT: isIndependent ? 'YES' : null,
  }
  return `#EXT-X-PART:${attributes(values)}`
}

function tail({ open, preloadHint, renditionReports }: LowLatency, last: PlaylistSegment | undefined): string[] {
  const lines = open ? [...beginLines(open, last, last === undefined), ...open.parts.map(partLine)] : []
  if (preloadHint !== null) lines.push(`#EXT-X-PRELOAD-HINT:TYPE=PART,URI=${quoted(escapeUri(preloadHint))}`)
  for (const { uri, lastSequence, lastPart } of renditionReports) {
    const values = { URI: quoted(escapeUri(uri)), 'LAST-MSN': lastSequence, 'LAST-PART': lastPart }
    lines.push(`#EXT-X-RENDITION-REPORT:${attributes(values)}`)
  }
  // When nothing at all stands behind the last segment, hls.js takes that for one which is still being made.
  return lines.length > 0 ? lines : ['# Nothing is being made.']
}

/** Index of the first segment of which no part is too far from the end: those of older ones are left out. */
function firstWithPart(segments: readonly PlaylistSegment[], { open }: LowLatency, target: number): number {
  let leftMs = PARTS_TARGETS * target * 1000
  for (const { durationMs } of open?.parts ?? []) leftMs -= durationMs
  let index = segments.length
  for (; index > 0; index--) {
    leftMs -= segments[index - 1]?.durationMs ?? 0
    if (leftMs < 0) break
  }
  return index
}

/** Index of the first segment of which something is within `ms` of the end. */
function firstWithin(segments: readonly PlaylistSegment[], ms: number): number {
  let index = segments.length
  for (let left = ms; index > 0 && left > 0; index--) left -= segments[index - 1]?.durationMs ?? 0
  return index
}
