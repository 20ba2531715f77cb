import type { SeededRandom } from './random.ts'

/** What the way between two machines is like. */
export interface Path {
  /** One way, ms. */
  readonly latencyMs: number
  /** More than that by up to so much, for each piece. */
  readonly jitterMs: number
  /** Bytes in a millisecond. */
  readonly bytesPerMs: number
  /** What each kernel keeps for a connection in one direction, bytes. */
  readonly bufferBytes: number
  /** How often a piece is cut somewhere, 0..1. */
  readonly splits: number
}

/** Most bytes that one piece has. */
const MAX_PIECE_BYTES = 64 * 1024
const MAX_SPLIT_BYTES = 1_460

/** How many of `count` bytes go together. */
export function pieceBytes(count: number, path: Path, random: SeededRandom): number {
  const most = random.chance(path.splits) ? 1 + random.below(MAX_SPLIT_BYTES) : MAX_PIECE_BYTES
  return Math.min(count, most)
}
