import type { HlsFrame, HlsTrack } from '../tracks.ts'

/** For so long of stream time a frame waits for the other kind. */
const HOLD_MS = 2_000
/** Nor do more wait: time may stand still. */
const HOLD_FRAMES = 4_096

/** A frame and the track that it is of. */
export interface TrackFrame {
  readonly frame: HlsFrame
  readonly track: HlsTrack
}

/**
 * Brings pictures and sound into the order of their times, a picture first where they are the same. Connections of one
 * encoder to two servers may mix the kinds differently; the order in a segment must not follow from that.
 */
export class FrameOrder {
  readonly #queues: Readonly<Record<HlsFrame['kind'], TrackFrame[]>> = { video: [], audio: [] }
  /** Kinds that the publish has. */
  readonly kinds = new Set<HlsFrame['kind']>()

  push(one: TrackFrame): void {
    this.kinds.add(one.frame.kind)
    this.#queues[one.frame.kind].push(one)
  }

  /** The next frame; null: it may still come. */
  next(): TrackFrame | null {
    const { video, audio } = this.#queues
    const [picture, sound] = [video[0], audio[0]]
    if (picture && sound) return (picture.frame.dtsMs <= sound.frame.dtsMs ? video.shift() : audio.shift()) ?? null
    const queue = picture ? video : audio
    const other = picture ? 'audio' : 'video'
    const [first] = queue
    if (!first || (this.kinds.has(other) && this.#mayWait(queue, first))) return null
    return queue.shift() ?? null
  }

  /** Forgets those that wait. */
  clear(): void {
    this.#queues.video.length = 0
    this.#queues.audio.length = 0
  }

  #mayWait(queue: readonly TrackFrame[], { frame }: TrackFrame): boolean {
    return queue.length <= HOLD_FRAMES && (queue.at(-1)?.frame.dtsMs ?? 0) - frame.dtsMs <= HOLD_MS
  }
}
