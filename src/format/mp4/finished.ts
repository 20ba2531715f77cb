import { CodecError } from '../../codec/errors.ts'
import { ascii, BOX_HEADER_BYTES, box, byteLength, fullBox, type Pieces, uint32, uint64 } from './box.ts'
import { duration, MOVIE_TIMESCALE, media, movieHeader, trackHeader, versionFor } from './movie-boxes.ts'
import type { ByteRange, SampleIndex, TrackIndex } from './sample-index.ts'
import type { Mp4Track } from './track.ts'

const MAX_UINT32 = 0xff_ff_ff_ff
const RATE_1 = 0x00_01_00_00
const EMPTY_EDIT = 0xff_ff_ff_ff
const LARGE_SIZE = 1
const OFFSET_BYTES = 4
const LARGE_OFFSET_BYTES = 8

/** A plain MP4 with its index in front, as a recipe. */
export interface FinishedMovie {
  /** The first bytes of the file: ftyp, moov, and the header of mdat. */
  readonly head: readonly Buffer[]
  /** What follows: these parts of the recording, one behind the other. */
  readonly ranges: readonly ByteRange[]
  /** Bytes of the whole file. */
  readonly bytes: number
}

interface IndexedTrack {
  track: Mp4Track
  index: TrackIndex
  /** When its first sample is shown, ms on the recording's timeline. */
  startMs: number
}

/**
 * Turns a fragmented recording into a plain MP4: moov first, so that it plays while it is downloaded. Tracks without
 * samples are left out.
 *
 * The movie begins where its earliest track does; a later one waits in an empty edit, so that picture and sound keep
 * their distance. An edit also begins at the first picture's composition time: with B-frames its decode time is earlier
 * than anything to be seen, and players would begin with a gap.
 * @throws CodecError 'mp4_no_samples'
 */
export function finishedMovie(tracks: readonly Mp4Track[], index: SampleIndex): FinishedMovie {
  const indexed = tracks.flatMap((track) => indexedTrack(track, index.track(track.id)))
  if (indexed.length === 0) throw new CodecError('mp4_no_samples', 'a recording has at least one sample')
  const startMs = Math.min(...indexed.map((track) => track.startMs))
  const write = (base: number, isLarge: boolean): Buffer[] => [
    ...box('ftyp', ascii('isom'), uint32(0), ascii('isomiso4mp41')),
    ...movieBox(indexed, startMs, (track) => chunkOffsets(track, base, isLarge)),
    ...mediaHeader(index.mediaBytes),
  ]
  // The size does not depend on where the media begins, only on how wide the offsets are.
  const isLarge = byteLength(write(0, true)) + index.mediaBytes > MAX_UINT32
  const headBytes = byteLength(write(0, isLarge))
  return { head: write(headBytes, isLarge), ranges: index.ranges, bytes: headBytes + index.mediaBytes }
}

function indexedTrack(track: Mp4Track, index: TrackIndex | null): IndexedTrack[] {
  if (!index) return []
  const startTicks = index.firstDts + Math.max(0, index.firstComposition)
  return [{ track, index, startMs: toMovieTime(startTicks, track) }]
}

function toMovieTime(ticks: number, { timescale }: Mp4Track): number {
  return Math.round((ticks * MOVIE_TIMESCALE) / timescale)
}

function movieBox(tracks: readonly IndexedTrack[], startMs: number, offsets: (index: TrackIndex) => Pieces): Buffer[] {
  const boxes = tracks.map(({ track, index, startMs: trackStartMs }) => {
    const waitMs = trackStartMs - startMs
    const skippedTicks = Math.max(0, index.firstComposition)
    const shownMs = toMovieTime(index.duration, track)
    return {
      durationMs: waitMs + shownMs,
      trak: box(
        'trak',
        trackHeader(track, waitMs + shownMs),
        editList(waitMs, shownMs, skippedTicks),
        media(track, index.duration, sampleTables(index, offsets(index))),
      ),
    }
  })
  const nextTrackId = Math.max(...tracks.map(({ track }) => track.id)) + 1
  const durationMs = Math.max(...boxes.map((one) => one.durationMs))
  return box('moov', movieHeader(durationMs, nextTrackId), ...boxes.map(({ trak }) => trak))
}

/** ISO/IEC 14496-12 8.6.6: |entries:32| (|duration|media time, -1 for nothing|rate:32|)*; none that would say nothing. */
function editList(waitMs: number, shownMs: number, skippedTicks: number): Buffer[] {
  if (waitMs === 0 && skippedTicks === 0) return []
  const version = versionFor(Math.max(waitMs, shownMs))
  const nothing = version === 0 ? uint32(EMPTY_EDIT) : uint32(EMPTY_EDIT, EMPTY_EDIT)
  const wait = waitMs > 0 ? [duration(version, waitMs), nothing, uint32(RATE_1)] : []
  const shown = [duration(version, shownMs), duration(version, skippedTicks), uint32(RATE_1)]
  return box('edts', fullBox('elst', version, 0, uint32(waitMs > 0 ? 2 : 1), wait, shown))
}

function sampleTables(index: TrackIndex, offsets: Pieces): Buffer[] {
  const durations = index.durations()
  const { compositions, keys, sizes, chunks } = index
  return [
    ...fullBox('stts', 0, 0, uint32(durations.entries), durations.pieces),
    ...(index.hasComposition ? fullBox('ctts', 1, 0, uint32(compositions.entries), compositions.pieces()) : []),
    // Without a table every sample is a key frame.
    ...(index.hasOnlyKeys ? [] : fullBox('stss', 0, 0, uint32(keys.length), keys.pieces())),
    ...fullBox('stsc', 0, 0, uint32(chunks.length / 3), chunks.pieces()),
    ...fullBox('stsz', 0, 0, uint32(0, sizes.length), sizes.pieces()),
    ...offsets,
  ]
}

function chunkOffsets(index: TrackIndex, base: number, isLarge: boolean): Buffer[] {
  const table = Buffer.alloc(index.chunkCount * (isLarge ? LARGE_OFFSET_BYTES : OFFSET_BYTES))
  let offset = 0
  for (let chunk = 0; chunk < index.chunkCount; chunk++) {
    const place = base + index.place(chunk)
    offset = isLarge ? table.writeBigUInt64BE(BigInt(place), offset) : table.writeUInt32BE(place, offset)
  }
  return fullBox(isLarge ? 'co64' : 'stco', 0, 0, uint32(index.chunkCount), table)
}

function mediaHeader(mediaBytes: number): Buffer[] {
  const size = BOX_HEADER_BYTES + mediaBytes
  if (size <= MAX_UINT32) return [uint32(size), ascii('mdat')]
  return [uint32(LARGE_SIZE), ascii('mdat'), uint64(size + 8)]
}
