import { ascii, box, fullBox, uint32 } from './box.ts'
import { media, movieHeader, trackHeader } from './movie-boxes.ts'
import type { Mp4Track } from './track.ts'

const FIRST_DESCRIPTION = 1
const NO_ENTRIES = uint32(0)

/**
 * An initialization segment of at least one track: ftyp and a moov without samples, for fragments to follow (ISO/IEC 14496-12 8.8; the
 * `EXT-X-MAP` of HLS and the first bytes of a recording that grows).
 *
 * There is no edit list: fragments stand at their own times. FLV tells nothing of an encoder's priming (the silence
 * that AAC begins with), its times already are those at which frames are to be heard, so there is nothing to cut.
 */
export function initSegment(tracks: readonly Mp4Track[]): Buffer {
  const nextTrackId = Math.max(...tracks.map(({ id }) => id)) + 1
  const fileType = box('ftyp', ascii('iso6'), uint32(0), ascii('iso6mp41'))
  const movie = box(
    'moov',
    movieHeader(0, nextTrackId),
    ...tracks.map((track) => box('trak', trackHeader(track, 0), media(track, 0, emptyTables()))),
    box('mvex', ...tracks.map(({ id }) => fullBox('trex', 0, 0, uint32(id, FIRST_DESCRIPTION, 0, 0, 0)))),
  )
  return Buffer.concat([...fileType, ...movie])
}

function emptyTables(): Buffer[] {
  return [
    ...fullBox('stts', 0, 0, NO_ENTRIES),
    ...fullBox('stsc', 0, 0, NO_ENTRIES),
    ...fullBox('stsz', 0, 0, uint32(0), NO_ENTRIES),
    ...fullBox('stco', 0, 0, NO_ENTRIES),
  ]
}
