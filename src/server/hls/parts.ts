import type { PartLengths } from './mp4-packager.ts'

/**
 * All parts but the last one of a segment must have 85 % of the longest allowed length (RFC 8216bis 4.4.4.9), and none
 * may be longer: with a frame's time of play, whole frames fit in between.
 */
const ENOUGH = 0.98
const MOST = 1.15

/** The lengths of parts around the aimed one. The longest is what the playlist announces. */
export function partLengths(aimedMs: number): PartLengths {
  return { enoughMs: aimedMs * ENOUGH, mostMs: aimedMs * MOST }
}
