import { parseVideoTag } from '../../format/flv/video.ts'
import { audioTrack, type Mp4Track, videoTrack } from '../../format/mp4/track.ts'
import { tsAudioTrack, tsCarries, type TsTrack, tsVideoTrack } from '../../format/mpegts/track.ts'
import type { HeaderSet } from '../../stream/headers.ts'
import { codecBytes, type Packet } from '../../stream/packet.ts'

/** A picture or a piece of sound, as both containers take it. Times in ms. */
export interface HlsFrame {
  readonly kind: 'video' | 'audio'
  readonly dtsMs: number
  readonly compositionMs: number
  /** Decoding can begin here; always so for sound. */
  readonly isKey: boolean
  readonly body: Buffer
}

/** A track as long as its codec and configuration stay the same; two of them are different tracks. */
export interface HlsTrack {
  readonly codec: string
  /** Its sequence header's own bytes; null for a codec that has none. */
  readonly config: Buffer | null
  /** The first (key) frame: it says what some codecs have no header for. */
  readonly frame: Buffer
}

/** The tracks of a segment. */
export interface HlsTracks {
  readonly video: HlsTrack | null
  readonly audio: HlsTrack | null
}

const FMP4_CODECS: ReadonlySet<string> = new Set([
  'avc1',
  'hvc1',
  'av01',
  'vp09',
  'mp4a',
  'Opus',
  'fLaC',
  '.mp3',
  'ac-3',
  'ec-3',
])
const VIDEO_ID = 1
const AUDIO_ID = 2

/** Whether segments can carry a codec. */
export function carries(codec: string, fmp4: boolean): boolean {
  return fmp4 ? FMP4_CODECS.has(codec) : tsCarries(codec)
}

export function toFrame({ kind, dtsMs, isKey, payload, bodyOffset }: Packet): HlsFrame {
  const body = payload.subarray(bodyOffset)
  if (kind !== 'video') return { kind: 'audio', dtsMs, compositionMs: 0, isKey: true, body }
  return { kind, dtsMs, compositionMs: parseVideoTag(payload).compositionMs, isKey, body }
}

/** @throws CodecError when the track's header is damaged */
export function tsTrack(kind: 'video' | 'audio', { codec, config, frame }: HlsTrack): TsTrack {
  const header = config ?? frame
  return kind === 'video' ? tsVideoTrack(codec, header) : tsAudioTrack(codec, header)
}

/** @throws CodecError when the track's header is damaged */
export function mp4Track(kind: 'video' | 'audio', { codec, config, frame }: HlsTrack): Mp4Track {
  const make = kind === 'video' ? videoTrack : audioTrack
  return make(kind === 'video' ? VIDEO_ID : AUDIO_ID, codec, config, frame)
}

/** @throws CodecError when segments of that form cannot be made of the track */
export function checkTrack(kind: 'video' | 'audio', track: HlsTrack, fmp4: boolean): void {
  if (!fmp4) tsTrack(kind, track)
  // MPEG-TS counts the samples of sound in the same way.
  if (fmp4 || kind === 'audio') mp4Track(kind, track)
}

/** Tells which track frames of one kind belong to. A header that says the same again makes no new track. */
export class TrackWatch {
  readonly #kind: 'video' | 'audio'
  #header: Packet | null = null
  #track: HlsTrack | null = null

  constructor(kind: 'video' | 'audio') {
    this.#kind = kind
  }

  /** @returns null for a frame that cannot be decoded: behind a new header, or at the start, a key frame comes first */
  trackOf(packet: Packet, headers: HeaderSet): HlsTrack | null {
    const header = headers.header(this.#kind, 0)
    const track = this.#track
    if (track && header === this.#header && packet.codec === track.codec) return track
    // One that is left from another codec says nothing of this frame.
    const config = header?.codec === packet.codec ? codecBytes(header) : null
    const isSame = track?.codec === packet.codec && sameBytes(track.config, config)
    if (!isSame) {
      if (this.#kind === 'video' && !packet.isKey) return null
      this.#track = { codec: packet.codec, config, frame: codecBytes(packet) }
    }
    this.#header = header
    return this.#track
  }

  /** The track that the headers of now announce, when there is one already: its first frame may still be to come. */
  announced(headers: HeaderSet): HlsTrack | null {
    const header = headers.header(this.#kind, 0)
    const track = this.#track
    if (!track || !header || header === this.#header) return track
    const config = codecBytes(header)
    if (header.codec !== track.codec || !sameBytes(track.config, config)) {
      this.#track = { codec: header.codec, config, frame: config }
    }
    this.#header = header
    return this.#track
  }
}

function sameBytes(one: Buffer | null, other: Buffer | null): boolean {
  return one && other ? one.equals(other) : one === other
}
