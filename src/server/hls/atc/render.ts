import { createHash } from 'node:crypto'
import { CodecError } from '../../../codec/errors.ts'
import { type Run, writeFragment } from '../../../format/mp4/fragment.ts'
import { initSegment } from '../../../format/mp4/init.ts'
import type { Sample } from '../../../format/mp4/sample.ts'
import { TrackSampler } from '../../../format/mp4/sampler.ts'
import type { Mp4Track } from '../../../format/mp4/track.ts'
import { type HlsFrame, type HlsTrack, type HlsTracks, mp4Track } from '../tracks.ts'
import type { Piece } from '../packager.ts'
import { TsPackager } from '../ts-packager.ts'

const KINDS = ['video', 'audio'] as const
/** A segment is shorter. */
const MAX_GAP_MS = 12 * 3_600_000

/** All of a segment before it has a form. Times are the encoder's, ms. */
export interface SegmentContent {
  readonly number: number
  readonly tracks: HlsTracks
  /** In the order of their times, at least one. */
  readonly frames: readonly HlsFrame[]
  /** The one that begins the next segment. */
  readonly next: HlsFrame
  /** Times are those of day. */
  readonly isTimeOfDay: boolean
}

/**
 * The bytes of a segment. They follow from what is given and nothing else: each segment is written as if it were the
 * first one of all. Only the counters of PAT and PMT and of fragments go on from one to the next, by its number.
 * @param left is told of each damaged frame, which is left out
 * @throws CodecError when the sound at the end is damaged
 */
export function renderTs({ number, tracks, frames }: SegmentContent, dtsDirectly: boolean, left: () => void): Buffer {
  const packager = new TsPackager(tracks, dtsDirectly, number)
  const pieces: Piece[] = []
  for (const frame of frames) {
    try {
      pieces.push(...packager.add(frame))
    } catch (error) {
      if (!(error instanceof CodecError)) throw error
      left()
    }
  }
  pieces.push(...packager.end())
  return Buffer.concat(pieces.map(({ bytes }) => bytes))
}

/** As `renderTs`, as one fragment. @throws CodecError for a damaged frame */
export function renderMp4({ number, tracks, frames, next, isTimeOfDay }: SegmentContent): Buffer {
  const runs: Run[] = []
  for (const kind of KINDS) {
    const track = tracks[kind]
    const own = frames.filter((frame) => frame.kind === kind)
    if (track) runs.push(runOf(mp4Track(kind, track), own, next.kind === kind ? next : null))
  }
  const first = runs.find(({ samples }) => samples.length > 0)
  const dts = first?.samples[0]?.dts ?? 0
  const producer = first && isTimeOfDay ? { producerTimeMs: (dts * 1000) / first.track.timescale } : {}
  return writeFragment(number, runs, { isSegmentStart: true, ...producer })
}

/** What fMP4 segments of these tracks need before them. @throws CodecError */
export function renderInit(tracks: HlsTracks): Buffer {
  return initSegment(KINDS.flatMap((kind) => (tracks[kind] ? [mp4Track(kind, tracks[kind])] : [])))
}

/** A name for the form of segments: those with the same one can be played behind each other. */
export function formOf(fmp4: boolean, tracks: HlsTracks): string {
  const hash = createHash('sha256').update(fmp4 ? 'fmp4' : 'ts')
  for (const kind of KINDS) hash.update(`/${kind}/`).update(textOf(tracks[kind]))
  return hash.digest('hex')
}

/** Whether decoding can begin with a segment's first picture. */
export function beginsWithKey(frames: readonly HlsFrame[], hasVideo: boolean): boolean {
  return !hasVideo || (frames.find(({ kind }) => kind === 'video')?.isKey ?? false)
}

function runOf(track: Mp4Track, frames: readonly HlsFrame[], next: HlsFrame | null): Run {
  const sampler = new TrackSampler(track, { maxGapMs: MAX_GAP_MS })
  const samples: Sample[] = []
  for (const [index, frame] of [...frames, ...(next ? [next] : [])].entries()) {
    const { dtsMs, compositionMs, isKey, body } = frame
    const before = sampler.push({ dtsMs, compositionMs, isKey, bytes: body }, index === 0)
    if (before) samples.push(before)
  }
  // Of the next segment's frame only its begin is needed.
  const last = next ? null : sampler.flush()
  if (last) samples.push(last)
  return { track, samples }
}

function textOf(track: HlsTrack | null): string {
  return track ? `${track.codec}:${track.config?.toString('hex') ?? ''}` : ''
}
