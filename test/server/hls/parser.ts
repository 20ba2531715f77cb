import * as HLS from 'hls-parser'

// What it would only complain of is an error.
HLS.setOptions({ strictMode: true })

/** What a playlist says, by a parser that is not ours. */
export interface ReadMedia {
  readonly numbers: readonly number[]
  readonly uris: readonly string[]
  readonly durations: readonly number[]
  /** Numbers of the segments with a discontinuity in front. */
  readonly discontinuities: readonly number[]
  readonly discontinuitySequence: number
  readonly target: number
  readonly maps: readonly string[]
  readonly playlist: HLS.types.MediaPlaylist
}

/** Reads a media playlist. @throws Error for what is not allowed in one */
export function readMedia(text: string): ReadMedia {
  const playlist = HLS.parse(text)
  if (playlist.isMasterPlaylist) throw new Error('a master playlist')
  const media: HLS.types.MediaPlaylist = playlist
  const whole = media.segments.filter(({ uri }) => uri !== '')
  return {
    numbers: whole.map(({ mediaSequenceNumber }) => mediaSequenceNumber),
    uris: whole.map(({ uri }) => uri),
    durations: whole.map(({ duration }) => duration),
    discontinuities: whole
      .filter(({ discontinuity }) => discontinuity)
      .map(({ mediaSequenceNumber }) => mediaSequenceNumber),
    discontinuitySequence: media.discontinuitySequenceBase ?? 0,
    target: media.targetDuration,
    maps: [...new Set(whole.flatMap(({ map }) => (map ? [map.uri] : [])))],
    playlist: media,
  }
}

/** Reads a master playlist. */
export function readMaster(text: string): HLS.types.MasterPlaylist {
  const playlist = HLS.parse(text)
  if (!playlist.isMasterPlaylist) throw new Error('a media playlist')
  return playlist
}
