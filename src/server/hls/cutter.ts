import { targetDurationSeconds } from '../../format/m3u8/media-playlist.ts'
import type { HlsOptions } from './options.ts'
import type { HlsFrame } from './tracks.ts'

/** Sound may be ahead of the pictures by so much; when they are further behind they pause. */
const SOUND_AHEAD_MS = 1_000
/** A duration counts rounded to whole seconds (RFC 8216 4.3.3.1): so much over the target duration is still it. */
const ROUNDED_DOWN_MS = 400
/** A shorter segment is none: SRS. */
const SHORTEST_MS = 100
const DEFAULT_STEP_MS = { video: 40, audio: 23 } as const
/** From so many groups of pictures one knows how long the next one may be. */
const GOPS = 8
/** How strongly the length is pulled towards the clock with `hls_ts_floor`: SRS. */
const FLOOR_PULL = 0.3

/**
 * What becomes of the open segment before a frame: it goes on; it ends there and the next one follows; or nothing
 * follows it, because the frame is further away than a segment may be long.
 */
export type Verdict = 'on' | 'cut' | 'gap'

/** Decides where segments end: at key frames, and before they are longer than what was announced. */
export class Cutter {
  #options: HlsOptions
  /** EXT-X-TARGETDURATION, once it was announced: it must hold for all that follow. */
  #targetMs: number | null = null
  #startMs = 0
  #hasVideo = false
  /** Decode time of the newest frame of a kind, and how long it lasts, as far as one knows. */
  readonly #newestMs = { video: 0, audio: 0 }
  readonly #stepMs: { video: number; audio: number } = { ...DEFAULT_STEP_MS }
  #keyMs: number | null = null
  /** The newest times between two key frames. */
  #gopsMs: number[] = []

  constructor(options: HlsOptions) {
    this.#options = options
  }

  /** What a segment should last at least, ms. */
  get aimedMs(): number {
    return this.#options.hlsFragmentMs * this.#options.hlsTdRatio
  }

  /** Null before a segment was finished. */
  get targetSeconds(): number | null {
    return this.#targetMs === null ? null : this.#targetMs / 1000
  }

  /** Options that changed, and the target duration that a playlist has already. Both count from here on. */
  follow(options: HlsOptions, targetSeconds: number | null): void {
    this.#options = options
    if (targetSeconds !== null) this.#targetMs = Math.max(this.#targetMs ?? 0, targetSeconds * 1000)
    if (this.#targetMs !== null) this.#targetMs = Math.max(this.#targetMs, targetDurationSeconds(this.aimedMs) * 1000)
  }

  /** A segment begins with this frame; `startMs` is where the one before ended, or null when it follows none. */
  begin(frame: HlsFrame, startMs: number | null, hasVideo: boolean): void {
    this.#hasVideo = hasVideo
    this.#startMs = startMs ?? this.#position(frame)
    if (startMs === null) {
      this.#newestMs.video = frame.dtsMs
      this.#newestMs.audio = frame.dtsMs
      this.#keyMs = null
      this.#gopsMs = []
    }
  }

  /**
   * @param driftMs with `hls_ts_floor`: how far segment numbers are ahead of the clock, ms
   */
  decide(frame: HlsFrame, driftMs: number): Verdict {
    const lengthMs = this.#position(frame) - this.#startMs
    if (lengthMs > this.#limitMs) return this.#isHole(frame) ? 'gap' : 'cut'
    const isVideo = frame.kind === 'video'
    if (lengthMs < SHORTEST_MS) return 'on'
    if (lengthMs + this.#stepMs[frame.kind] > this.#limitMs) return 'cut'
    if (isVideo !== this.#hasVideo) return 'on'
    const canCut = !isVideo || frame.isKey || !this.#options.hlsWaitKeyframe
    const enoughMs = this.aimedMs + FLOOR_PULL * driftMs - this.#stepMs[frame.kind]
    if (canCut && lengthMs >= enoughMs) return 'cut'
    return isVideo && frame.isKey && this.#isNextTooLong(lengthMs) ? 'cut' : 'on'
  }

  /** The frame has been taken. */
  took({ kind, dtsMs, isKey }: HlsFrame): void {
    const stepMs = dtsMs - this.#newestMs[kind]
    if (stepMs > 0 && stepMs <= SOUND_AHEAD_MS) this.#stepMs[kind] = stepMs
    this.#newestMs[kind] = dtsMs
    if (kind !== 'video' || !isKey) return
    if (this.#keyMs !== null) this.#gopsMs = [...this.#gopsMs, dtsMs - this.#keyMs].slice(-GOPS)
    this.#keyMs = dtsMs
  }

  /** Where the segment ends when `frame` begins the next one, and when nothing follows. */
  endAt(frame: HlsFrame): number {
    const atMs = this.#position(frame)
    // What is missing is in the next one.
    return atMs - this.#startMs > this.#limitMs ? this.endMs() : Math.max(this.#startMs, atMs)
  }

  endMs(): number {
    const ends = this.#hasVideo
      ? [this.#newestMs.video + this.#stepMs.video]
      : [this.#newestMs.audio + this.#stepMs.audio]
    return Math.max(this.#startMs, ...ends)
  }

  /** A segment has ended at `endMs`. @returns its length, ms; the first one settles the target duration */
  ended(endMs: number): number {
    const lengthMs = endMs - this.#startMs
    this.#targetMs ??=
      1000 * Math.max(targetDurationSeconds(this.aimedMs), targetDurationSeconds(lengthMs - ROUNDED_DOWN_MS))
    return lengthMs
  }

  /** More is missing than the next segment has room for. */
  #isHole(frame: HlsFrame): boolean {
    return this.#position(frame) - this.endMs() > this.#limitMs / 2
  }

  /** The group of pictures that begins here would not fit in any more, but alone it does. */
  #isNextTooLong(lengthMs: number): boolean {
    const longestMs = Math.max(0, ...this.#gopsMs)
    return this.#targetMs !== null && longestMs <= this.#limitMs && lengthMs + longestMs > this.#limitMs
  }

  /** Beside pictures, sound counts only when they pause. */
  #position({ kind, dtsMs }: HlsFrame): number {
    return kind === 'audio' && this.#hasVideo ? dtsMs - SOUND_AHEAD_MS : dtsMs
  }

  get #limitMs(): number {
    const { hlsFragmentMs, hlsAofRatio } = this.#options
    return this.#targetMs === null
      ? Math.max(this.aimedMs, hlsFragmentMs * hlsAofRatio)
      : this.#targetMs + ROUNDED_DOWN_MS
  }
}
