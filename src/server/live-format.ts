import { flvHeader } from '../format/flv/tag.ts'
import { tsCarries } from '../format/mpegts/track.ts'
import type { Publication } from '../stream/publication.ts'
import type { WireFormat } from '../stream/wire-format.ts'
import type { BatchFrame } from './batch-frame.ts'
import { FlvFormat, type MediaKinds } from './flv-format.ts'
import { AdtsUnits, adtsWriter, Mp3Units } from './sound-units.ts'
import { TsUnits } from './ts-units.ts'
import { UnitFormat } from './unit-format.ts'

const NOTHING = Buffer.alloc(0)

/** A form in which live streams are given out over HTTP. */
export interface LiveFormat {
  /** What the log says. */
  readonly protocol: string
  /** What API and callbacks say. */
  readonly clientType: string
  readonly contentType: string
  /**
   * The packets of a publish that is settled.
   * @param kinds those that the vhost gives out
   * @param originMs what counts as 0 on the wire, for forms whose players look at it
   * @returns null when it carries nothing of what the stream has
   */
  wire(publication: Publication, frame: BatchFrame, kinds: MediaKinds, originMs: number): WireFormat | null
  /** What stands in front of all. */
  header(publication: Publication, kinds: MediaKinds): Buffer
}

const FLV: LiveFormat = {
  protocol: 'http-flv',
  clientType: 'flv-play',
  contentType: 'video/x-flv',
  wire: (_publication, frame, kinds, originMs) => new FlvFormat(frame, kinds, originMs),
  header: ({ headers }, kinds) => flvHeader(headers.hasAudio && kinds.audio, headers.hasVideo && kinds.video),
}

const TS: LiveFormat = {
  protocol: 'http-ts',
  clientType: 'ts-play',
  contentType: 'video/mp2t',
  wire({ headers, lastAudio, lastVideo }, frame, kinds) {
    // What may still come is given a chance.
    const carried = {
      audio: kinds.audio && (lastAudio === null || tsCarries(lastAudio.codec)),
      video: kinds.video && (lastVideo === null || tsCarries(lastVideo.codec)),
    }
    if (!(carried.audio && lastAudio) && !(carried.video && lastVideo)) return null
    const key = `ts${carried.audio ? '' : '/no-audio'}${carried.video ? '' : '/no-video'}`
    return new UnitFormat(key, carried.video, frame, () => new TsUnits(carried, { headers, lastAudio }))
  },
  header: () => NOTHING,
}

const AAC: LiveFormat = {
  protocol: 'http-aac',
  clientType: 'aac-play',
  contentType: 'audio/aac',
  wire({ headers, lastAudio }, frame) {
    const header = headers.header('audio', 0)
    if (lastAudio?.codec !== 'mp4a' || !header || !adtsWriter(header)) return null
    return new UnitFormat('aac', false, frame, () => new AdtsUnits())
  },
  header: () => NOTHING,
}

const MP3: LiveFormat = {
  protocol: 'http-mp3',
  clientType: 'mp3-play',
  contentType: 'audio/mpeg',
  wire({ lastAudio }, frame) {
    return lastAudio?.codec === '.mp3' ? new UnitFormat('mp3', false, frame, () => new Mp3Units()) : null
  },
  header: () => NOTHING,
}

/** By the ending of a path. */
export const LIVE_FORMATS = { '.flv': FLV, '.ts': TS, '.aac': AAC, '.mp3': MP3 } as const

/** The ending of a path that a live stream can have. */
export type LiveEnding = keyof typeof LIVE_FORMATS
