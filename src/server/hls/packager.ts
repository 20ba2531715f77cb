import type { HlsFrame } from './tracks.ts'

/** Some bytes of a segment: all of its pieces behind each other are the segment. */
export interface Piece {
  readonly bytes: Buffer
  /** Of what is shown: the pictures if there are any, else the sound; 0 where nobody needs it (MPEG-TS). */
  readonly durationMs: number
  /** Playing can begin here. */
  readonly isIndependent: boolean
}

/**
 * Makes segments of the frames of one set of tracks, whose times go on: after anything else a new one is made. Bytes
 * come in pieces, so that a large segment is not written in one go. All calls throw CodecError for a damaged frame,
 * which is then left out.
 */
export interface Packager {
  /** What each segment needs before it (fMP4). */
  readonly init: Buffer | null
  /** Takes the next frame; the first one begins the first segment. */
  add(frame: HlsFrame): readonly Piece[]
  /** Ends the segment. `next` is the frame that `add` takes next, null when nothing follows. */
  end(next: HlsFrame | null): readonly Piece[]
}

export const NO_PIECE: readonly Piece[] = []
