import { ascii, box, fullBox, type Pieces, uint16, uint32, uint64 } from './box.ts'
import type { Mp4Track } from './track.ts'

/** Ticks of a second in the movie header and in edit lists: FLV's. */
export const MOVIE_TIMESCALE = 1000

const MAX_UINT32 = 0xff_ff_ff_ff
const ONE_16_16 = 0x1_00_00
const ONE_2_30 = 0x40_00_00_00
const FULL_VOLUME = 0x01_00
const LANGUAGE_UND = 0x55_c4
const TRACK_ENABLED_IN_MOVIE = 3
const DATA_IN_THIS_FILE = 1
const ONE_ENTRY = 1
/** Shown as it is: no turn, no scale. */
const UNITY_MATRIX = uint32(ONE_16_16, 0, 0, 0, ONE_16_16, 0, 0, 0, ONE_2_30)

/** Movie header (ISO/IEC 14496-12 8.2.2). Nothing of it is the time of day, so that equal input gives equal bytes. */
export function movieHeader(durationMs: number, nextTrackId: number): Buffer[] {
  // |version|created|modified|timescale:32|duration|rate:16.16|volume:8.8|0:80|matrix:288|0:192|next track id:32|
  const version = versionFor(durationMs)
  return fullBox(
    'mvhd',
    version,
    0,
    times(version),
    uint32(MOVIE_TIMESCALE),
    duration(version, durationMs),
    uint32(ONE_16_16),
    uint16(FULL_VOLUME, 0),
    Buffer.alloc(8),
    UNITY_MATRIX,
    Buffer.alloc(24),
    uint32(nextTrackId),
  )
}

/** Track header (8.3.2). */
export function trackHeader({ id, kind, width, height }: Mp4Track, durationMs: number): Buffer[] {
  // |version|created|modified|track id:32|0:32|duration|0:64|layer:16|group:16|volume:8.8|0:16|matrix|width|height|
  const version = versionFor(durationMs)
  return fullBox(
    'tkhd',
    version,
    TRACK_ENABLED_IN_MOVIE,
    times(version),
    uint32(id, 0),
    duration(version, durationMs),
    Buffer.alloc(8),
    uint16(0, 0, kind === 'audio' ? FULL_VOLUME : 0, 0),
    UNITY_MATRIX,
    uint16(width, 0, height, 0),
  )
}

/** Media (8.4): `tables` are the boxes of the sample table behind the sample descriptions; `ticks` the duration. */
export function media({ kind, timescale, entry }: Mp4Track, ticks: number, tables: Pieces): Buffer[] {
  const version = versionFor(ticks)
  const mediaHeader = fullBox(
    'mdhd',
    version,
    0,
    times(version),
    uint32(timescale),
    duration(version, ticks),
    uint16(LANGUAGE_UND, 0),
  )
  const handler = fullBox(
    'hdlr',
    0,
    0,
    uint32(0),
    ascii(kind === 'video' ? 'vide' : 'soun'),
    Buffer.alloc(12),
    ascii('\0'),
  )
  const kindHeader = kind === 'video' ? fullBox('vmhd', 0, 1, uint16(0, 0, 0, 0)) : fullBox('smhd', 0, 0, uint16(0, 0))
  const dataInformation = box('dinf', fullBox('dref', 0, 0, uint32(ONE_ENTRY), fullBox('url ', 0, DATA_IN_THIS_FILE)))
  const descriptions = fullBox('stsd', 0, 0, uint32(ONE_ENTRY), entry)
  const information = box('minf', kindHeader, dataInformation, box('stbl', descriptions, tables))
  return box('mdia', mediaHeader, handler, information)
}

/** Version 1 has times of 64 bits. */
export function versionFor(ticks: number): 0 | 1 {
  return ticks > MAX_UINT32 ? 1 : 0
}

/** A duration as the version has it. */
export function duration(version: 0 | 1, ticks: number): Buffer {
  return version === 0 ? uint32(ticks) : uint64(ticks)
}

function times(version: 0 | 1): Buffer {
  return Buffer.alloc(version === 0 ? 8 : 16)
}
