import { isIndependent, type Run, writeFragment } from '../../format/mp4/fragment.ts'
import { initSegment } from '../../format/mp4/init.ts'
import type { Sample } from '../../format/mp4/sample.ts'
import { TrackSampler } from '../../format/mp4/sampler.ts'
import type { Mp4Track } from '../../format/mp4/track.ts'
import { NO_PIECE, type Packager, type Piece } from './packager.ts'
import { type HlsFrame, type HlsTracks, mp4Track } from './tracks.ts'

/** Without parts a fragment is written when it has so many bytes. */
const PIECE_BYTES = 1024 * 1024
/** A track's time may stand still for so long within a segment: segments are shorter. */
const MAX_GAP_MS = 12 * 3_600_000

/** How parts are cut. */
export interface PartLengths {
  /** A part is over when it is as long as this, ms. */
  readonly enoughMs: number
  /** And ends before it gets longer than this, ms. */
  readonly mostMs: number
}

/** One track, its sampler (one frame behind) and the samples for the next piece. */
class Lane {
  readonly track: Mp4Track
  readonly #sampler: TrackSampler
  samples: Sample[] = []
  ticks = 0

  constructor(track: Mp4Track) {
    this.track = track
    this.#sampler = new TrackSampler(track, { maxGapMs: MAX_GAP_MS })
  }

  /** Takes a frame and gives the one before, whose length is known now. */
  push({ dtsMs, compositionMs, isKey, body }: HlsFrame, byTime: boolean): Sample | null {
    return this.#sampler.push({ dtsMs, compositionMs, isKey, bytes: body }, byTime)
  }

  flush(): Sample | null {
    return this.#sampler.flush()
  }

  keep(sample: Sample): void {
    this.samples.push(sample)
    this.ticks += sample.duration
  }

  clear(): void {
    this.samples = []
    this.ticks = 0
  }

  get lengthMs(): number {
    return this.toMs(this.ticks)
  }

  toMs(ticks: number): number {
    return (ticks * 1000) / this.track.timescale
  }
}

/** Segments of fragmented MP4 (CMAF), in parts if wanted. */
export class Mp4Packager implements Packager {
  readonly init: Buffer
  readonly #video: Lane | null
  readonly #audio: Lane | null
  readonly #parts: PartLengths | null
  /** Wall clock minus decode time, ms. */
  readonly #wallOffsetMs: () => number
  #sequence = 0
  #bytes = 0
  #isSegmentStart = true
  /** A frame that has been taken as the end of the one before. */
  #taken: HlsFrame | null = null
  /** The next sound is the first of its segment. */
  #soundByTime = true

  constructor(tracks: HlsTracks, parts: PartLengths | null, wallOffsetMs: () => number) {
    this.#video = tracks.video && new Lane(mp4Track('video', tracks.video))
    this.#audio = tracks.audio && new Lane(mp4Track('audio', tracks.audio))
    this.#parts = parts
    this.#wallOffsetMs = wallOffsetMs
    this.init = initSegment(this.#lanes.map(({ track }) => track))
  }

  add(frame: HlsFrame): readonly Piece[] {
    if (frame === this.#taken) return NO_PIECE
    const lane = this.#lane(frame)
    const sample = lane && this.#push(lane, frame)
    return lane && sample ? this.#keep(lane, sample) : NO_PIECE
  }

  end(next: HlsFrame | null): readonly Piece[] {
    if (!next) return this.#flush()
    this.#soundByTime = true
    this.#taken = next
    const lane = this.#lane(next)
    // Its length is known now that the first frame of the next segment is there.
    const last = lane && this.#push(lane, next)
    return this.#endSegment(lane && last ? this.#keep(lane, last) : NO_PIECE)
  }

  #flush(): readonly Piece[] {
    const pieces: Piece[] = []
    // Sound first: it goes into the part of the last picture, and not into one of its own.
    for (const lane of this.#lanes.toReversed()) {
      const last = lane.flush()
      if (last) pieces.push(...this.#keep(lane, last))
    }
    return this.#endSegment(pieces)
  }

  #endSegment(pieces: readonly Piece[]): readonly Piece[] {
    const all = [...pieces, ...this.#take()]
    this.#isSegmentStart = true
    return all
  }

  get #lanes(): Lane[] {
    return [this.#video, this.#audio].filter((lane) => lane !== null)
  }

  #lane({ kind }: HlsFrame): Lane | null {
    return kind === 'video' ? this.#video : this.#audio
  }

  #push(lane: Lane, frame: HlsFrame): Sample | null {
    if (lane !== this.#audio) return lane.push(frame, false)
    const byTime = this.#soundByTime
    this.#soundByTime = false
    return lane.push(frame, byTime)
  }

  #keep(lane: Lane, sample: Sample): readonly Piece[] {
    const isLeading = lane === (this.#video ?? this.#audio)
    const isFull = isLeading && this.#parts !== null && lane.lengthMs + lane.toMs(sample.duration) > this.#parts.mostMs
    const full = isFull ? this.#take() : NO_PIECE
    lane.keep(sample)
    this.#bytes += sample.bytes.length
    return this.#isEnough(lane, isLeading) ? [...full, ...this.#take()] : full
  }

  #isEnough(lane: Lane, isLeading: boolean): boolean {
    if (!this.#parts) return this.#bytes >= PIECE_BYTES
    return isLeading && lane.lengthMs >= this.#parts.enoughMs
  }

  #take(): readonly Piece[] {
    const runs: Run[] = this.#lanes.map(({ track, samples }) => ({ track, samples }))
    const lead = this.#lanes.find(({ samples }) => samples.length > 0)
    const sample = lead?.samples[0]
    if (!lead || !sample) return NO_PIECE
    const producerTimeMs = Math.max(0, lead.toMs(sample.dts) + this.#wallOffsetMs())
    try {
      const bytes = writeFragment(++this.#sequence, runs, { isSegmentStart: this.#isSegmentStart, producerTimeMs })
      return [{ bytes, durationMs: lead.lengthMs, isIndependent: isIndependent(runs) }]
    } finally {
      this.#isSegmentStart = false
      this.#bytes = 0
      for (const lane of this.#lanes) lane.clear()
    }
  }
}
