import type { OpenSegment, PlaylistPart, PlaylistSegment } from '../../format/m3u8/media-playlist.ts'
import type { HlsFile } from './files.ts'
import type { HlsKey } from './keys.ts'
import type { HlsTracks } from './tracks.ts'

/** A piece of a segment that players can have before the segment is there. */
export interface HlsPart extends PlaylistPart {
  readonly file: HlsFile
}

/** A finished segment. */
export interface HlsSegment extends PlaylistSegment {
  readonly sequence: number
  readonly file: HlsFile
  readonly bytes: number
  readonly initFile: HlsFile | null
  readonly key: HlsKey | null
  readonly parts: readonly HlsPart[]
  readonly isIndependent: boolean
  /** Pictures in it. */
  readonly frames: number
}

/** The segment that is being made. */
export interface Making extends OpenSegment {
  readonly sequence: number
  readonly timestamp: number
  readonly wallMs: number
  readonly isIndependent: boolean
  readonly initFile: HlsFile | null
  readonly key: HlsKey | null
  readonly parts: HlsPart[]
  readonly pieces: Buffer[]
  bytes: number
  frames: number
  /** Null when its name needs its duration. */
  readonly file: HlsFile | null
  /** In low latency: the part that comes next. */
  hint: HlsFile | null
  hintUri: string
}

/** What a segment's own time says of it. */
export interface SegmentPlace {
  readonly sequence: number
  /** The encoder's time at its begin, ms. */
  readonly timeMs: number
  /** The time never comes back, so that neither do names. */
  readonly isUnique: boolean
}

/** What the first frame of a segment brings with it. */
export interface Opening {
  /** Other tracks or another time than in the segment before. */
  readonly startsAnew: boolean
  readonly isIndependent: boolean
  /** Wall clock of its first frame, ms since 1970; null: nobody knows. */
  readonly wallMs: number | null
  /** Null: it is the next one. */
  readonly place: SegmentPlace | null
  readonly tracks: HlsTracks
  /** What the tracks need before them (fMP4). */
  readonly init: Buffer | null
}

/** What was there of a stream before the server was started. */
export interface Past {
  readonly nextSequence: number
  readonly discontinuitySequence: number
  readonly targetSeconds: number
  readonly segments: readonly HlsSegment[]
  /** What comes next follows the last of them without a break. */
  readonly goesOn?: boolean
}
