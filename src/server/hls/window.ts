import type { HlsFile } from './files.ts'
import type { HlsSegment } from './segment.ts'

/** What a stream's segments take at most, whatever `hls_window` asks for. */
const LIMIT_BYTES = 512 * 1024 * 1024
/** A playlist of less is not played by everybody. */
const FEWEST_SEGMENTS = 3
/** Segments that have left the playlist are still there for so many target durations: players have read it before. */
const KEPT_TARGETS = 2

/** The finished segments of a stream: those in its playlist, and those that have just left it. */
export class SegmentWindow {
  readonly #drop: (file: HlsFile) => void
  #segments: HlsSegment[] = []
  #expired: { readonly segment: HlsSegment; readonly untilMs: number }[] = []
  #bytes = 0
  discontinuitySequence: number

  /** @param drop is told of each file that nothing needs any more */
  constructor(discontinuitySequence: number, drop: (file: HlsFile) => void) {
    this.discontinuitySequence = discontinuitySequence
    this.#drop = drop
  }

  get segments(): readonly HlsSegment[] {
    return this.#segments
  }

  /** Of all that is kept. */
  get bytes(): number {
    return this.#bytes
  }

  add(segment: HlsSegment): void {
    this.#segments.push(segment)
    this.#bytes += segment.bytes
  }

  /** Shows what a playlist has that was written elsewhere: what left it expires, what is new in it is added. */
  show(segments: readonly HlsSegment[], nowMs: number, targetSeconds: number): void {
    const first = segments[0]?.sequence ?? Infinity
    const untilMs = nowMs + KEPT_TARGETS * 1000 * targetSeconds
    while ((this.#segments[0]?.sequence ?? Infinity) < first) this.#expireFirst(untilMs)
    const last = this.#segments.at(-1)?.sequence ?? -1
    for (const segment of segments) if (segment.sequence > last) this.add(segment)
    while (this.#isOver(nowMs)) this.#dropOldest(nowMs)
  }

  /** SRS: as many of the newest as fit into the window stay, and the one that crosses its border. */
  trim(nowMs: number, windowMs: number, targetSeconds: number): void {
    let sumMs = 0
    let kept = 0
    for (const { durationMs } of this.#segments.toReversed()) {
      if (kept >= FEWEST_SEGMENTS && sumMs > windowMs) break
      sumMs += durationMs
      kept++
    }
    const untilMs = nowMs + KEPT_TARGETS * 1000 * targetSeconds
    for (let count = this.#segments.length - kept; count > 0; count--) this.#expireFirst(untilMs)
    while (this.#isOver(nowMs)) this.#dropOldest(nowMs)
  }

  /** All leave the playlist. */
  expireAll(nowMs: number, targetSeconds: number): void {
    const untilMs = nowMs + KEPT_TARGETS * 1000 * targetSeconds
    while (this.#segments.length > 0) this.#expireFirst(untilMs)
  }

  /** Forgets them all. */
  clear(): void {
    while (this.#segments.length > 0) this.#expireFirst(0)
    for (let one = this.#expired.shift(); one; one = this.#expired.shift()) this.#forget(one.segment)
  }

  #isOver(nowMs: number): boolean {
    const [oldest] = this.#expired
    if (oldest && oldest.untilMs <= nowMs) return true
    return this.#bytes > LIMIT_BYTES && this.#segments.length + this.#expired.length > 1
  }

  #dropOldest(nowMs: number): void {
    const one = this.#expired.shift()
    if (one) this.#forget(one.segment)
    else this.#expireFirst(nowMs)
  }

  #expireFirst(untilMs: number): void {
    const segment = this.#segments.shift()
    if (!segment) return
    if (segment.discontinuity) this.discontinuitySequence++
    this.#expired.push({ segment, untilMs })
  }

  /** With it goes what only it needed: a key, what its tracks need before them. */
  #forget(segment: HlsSegment): void {
    const { initFile, key, file, parts, bytes } = segment
    this.#bytes -= bytes
    this.#drop(file)
    for (const part of parts) this.#drop(part.file)
    const next = this.#expired[0]?.segment ?? this.#segments[0]
    // They follow each other: what the next one does not need, none does.
    if (initFile && next?.initFile !== initFile) this.#drop(initFile)
    if (key && next?.key !== key) this.#drop(key.file)
  }
}
