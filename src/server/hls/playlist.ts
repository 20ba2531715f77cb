import { constants, gzipSync } from 'node:zlib'
import { codecString } from '../../codec/rfc6381.ts'
import { describeVideo } from '../../codec/describe.ts'
import { CodecError } from '../../codec/errors.ts'
import { writeMasterPlaylist } from '../../format/m3u8/master-playlist.ts'
import { type LowLatency, writeMediaPlaylist } from '../../format/m3u8/media-playlist.ts'
import { partLengths } from './parts.ts'
import { type HlsStream, QUERY_MARK } from './stream.ts'
import type { HlsTrack } from './tracks.ts'

/** Their names follow from nothing but the codec. */
const WITHOUT_HEADER: ReadonlySet<string> = new Set(['.mp3', 'ac-3', 'ec-3'])

/** A playlist as it was at one moment, for all who ask for it. */
export class RenderedPlaylist {
  /** Weak: the same for the plain and the compressed form. */
  readonly tag: string
  readonly #pieces: readonly string[]
  #plain: Buffer | null = null
  #gzip: Buffer | null = null

  constructor(text: string, tag: string) {
    this.#pieces = text.split(QUERY_MARK)
    this.tag = tag
  }

  /** @param query what each URI gets, with its '?'; '' for the form that is the same for everybody */
  text(query: string): Buffer {
    if (query !== '') return Buffer.from(this.#pieces.join(query))
    this.#plain ??= Buffer.from(this.#pieces.join(''))
    return this.#plain
  }

  /** The form for everybody, compressed once. */
  gzip(): Buffer {
    this.#gzip ??= gzipSync(this.text(''), { level: constants.Z_BEST_SPEED })
    return this.#gzip
  }
}

/** The playlists of one stream, each made once for each version. */
export class PlaylistCache {
  readonly #stream: HlsStream
  /** Makes tags of two lives of the server differ. */
  readonly #life: string
  #version = -1
  #whole: RenderedPlaylist | null = null
  #delta: RenderedPlaylist | null = null

  constructor(stream: HlsStream, life: string) {
    this.#stream = stream
    this.#life = life
  }

  /** @param isDelta without the segments that the asker knows (`_HLS_skip`) */
  get(isDelta: boolean): RenderedPlaylist {
    if (this.#version !== this.#stream.version) {
      this.#version = this.#stream.version
      this.#whole = null
      this.#delta = null
    }
    if (isDelta) this.#delta ??= this.#render(true)
    else this.#whole ??= this.#render(false)
    return (isDelta ? this.#delta : this.#whole) ?? this.#render(isDelta)
  }

  #render(isDelta: boolean): RenderedPlaylist {
    const tag = `W/"${this.#life}-${this.#version}${isDelta ? '-delta' : ''}"`
    return new RenderedPlaylist(mediaPlaylist(this.#stream, isDelta, lowLatency(this.#stream)), tag)
  }
}

/** The playlist without parts, for the disk. */
export function plainPlaylist(stream: HlsStream): string {
  return mediaPlaylist(stream, false, null).replaceAll(QUERY_MARK, '')
}

function mediaPlaylist(stream: HlsStream, isDelta: boolean, low: LowLatency | null): string {
  const { segments, targetSeconds, discontinuitySequence } = stream
  return writeMediaPlaylist(
    {
      targetDurationSeconds: targetSeconds ?? 1,
      mediaSequence: segments[0]?.sequence ?? stream.newestSequence,
      discontinuitySequence,
      independentSegments: segments.every(({ isIndependent }) => isIndependent),
      segments,
      lowLatency: low,
      ended: false,
    },
    isDelta,
  )
}

function lowLatency({ options, making }: HlsStream): LowLatency | null {
  if (!options.hlsLowLatency) return null
  return {
    partTargetMs: partLengths(options.hlsPartMs).mostMs,
    open: making && making.parts.length > 0 ? making : null,
    preloadHint: making?.hint ? making.hintUri : null,
    renditionReports: [],
  }
}

/**
 * The master playlist: one variant, described by what its segments really hold.
 * @param uri of the media playlist
 */
export function masterPlaylist({ segments, tracks }: HlsStream, uri: string): string {
  const rates = segments.map(({ bytes, durationMs }) => (bytes * 8000) / Math.max(1, durationMs))
  const totalBytes = segments.reduce((sum, { bytes }) => sum + bytes, 0)
  const totalMs = Math.max(
    1,
    segments.reduce((sum, { durationMs }) => sum + durationMs, 0),
  )
  const { video, audio } = tracks
  const variant = {
    uri,
    bandwidth: Math.max(1, ...rates),
    averageBandwidth: (totalBytes * 8000) / totalMs,
    codecs: codecs([video, audio]),
    size: video && size(video),
    frameRate: video && frameRate(segments),
  }
  return writeMasterPlaylist(
    [variant],
    segments.every(({ isIndependent }) => isIndependent),
  )
}

/** Frames a second; null where no frame has been counted: segments from before a restart do not tell. */
function frameRate(segments: HlsStream['segments']): number | null {
  const counted = segments.filter(({ frames }) => frames > 0)
  const frames = counted.reduce((sum, segment) => sum + segment.frames, 0)
  const ms = counted.reduce((sum, { durationMs }) => sum + durationMs, 0)
  return ms > 0 ? (frames * 1000) / ms : null
}

/** All or none: a player that is told of one track only may leave the other one out. */
function codecs(tracks: readonly (HlsTrack | null)[]): string[] {
  const names = tracks.flatMap((track) => (track ? [codecName(track)] : []))
  return names.some((name) => name === null) ? [] : names.filter((name) => name !== null)
}

function codecName({ codec, config, frame }: HlsTrack): string | null {
  if (!config && !WITHOUT_HEADER.has(codec)) return null
  try {
    return codecString(codec, config ?? frame)
  } catch (error) {
    if (error instanceof CodecError) return null
    throw error
  }
}

function size({ codec, config, frame }: HlsTrack): { width: number; height: number } | null {
  const { width, height } = describeVideo(codec, config, frame)
  return width > 0 && height > 0 ? { width, height } : null
}
