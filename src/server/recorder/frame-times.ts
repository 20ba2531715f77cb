/** A frame whose end is not known. */
const DEFAULT_STEP_MS = 40
const MAX_STEP_MS = 1_000

/** How long a recording is: to the end of its last frame, which lasts as long as the one before it. */
export class FrameTimes {
  readonly #tracks = new Map<string, { lastMs: number; stepMs: number }>()
  #firstMs: number | null = null

  /** Frames of a track come in order. */
  note(track: string, timeMs: number): void {
    this.#firstMs ??= timeMs
    const last = this.#tracks.get(track)
    if (!last) {
      this.#tracks.set(track, { lastMs: timeMs, stepMs: DEFAULT_STEP_MS })
      return
    }
    if (timeMs > last.lastMs) last.stepMs = Math.min(timeMs - last.lastMs, MAX_STEP_MS)
    last.lastMs = timeMs
  }

  has(track: string): boolean {
    return this.#tracks.has(track)
  }

  get durationMs(): number {
    let endMs = 0
    for (const { lastMs, stepMs } of this.#tracks.values()) endMs = Math.max(endMs, lastMs + stepMs)
    return Math.max(0, endMs - (this.#firstMs ?? 0))
  }
}
