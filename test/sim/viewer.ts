import { CodecError } from '../../src/codec/errors.ts'
import { HttpCallError, HttpPool } from '../../src/http/pool.ts'
import { InterruptedError, StError } from '../../src/st/errors.ts'
import type { SeededRandom } from '../../src/st/sim/random.ts'
import type { Thread } from '../../src/st/thread.ts'
import type { HlsCheck, ListedSegment, ReadPlaylist } from './hls-check.ts'
import type { PlayAction } from './plan.ts'
import { readPlaylist, variantOf } from './read-playlist.ts'
import { Violation } from './violation.ts'

const ANSWER_MS = 15_000
const MAX_BODY_BYTES = 64 * 1024 * 1024
/** As players do: so far behind the end they begin. */
const FIRST_SEGMENTS = 3
const OK = 200
/** A pause that would begin later is left out: the time after the faults is for all to play again. */
const MOST_LATE_MS = 5_000

/** What viewers do, seen from outside. */
export interface ViewerView {
  readonly check: HlsCheck
  readonly isCalm: boolean
  /** A segment with so many frames came. */
  readonly received: (frames: number) => void
}

/** Watches by HLS until `untilMs`; begins anew when something fails. */
export async function runViewer(
  thread: Thread,
  action: PlayAction,
  untilMs: number,
  view: ViewerView,
  random: SeededRandom,
): Promise<void> {
  const { clock } = thread.world
  const viewer = new Viewer(thread, action, view)
  try {
    while (clock.nowMs() < untilMs) {
      try {
        const leaveMs = action.stayMs > 0 ? clock.nowMs() + action.stayMs : Infinity
        await viewer.watch(Math.min(untilMs, leaveMs))
      } catch (error) {
        if (error instanceof InterruptedError) throw error
        if (!(error instanceof StError) && !(error instanceof CodecError)) throw error
      }
      await thread.sleep(random.between(200, 3_000))
    }
  } finally {
    await viewer.stop()
  }
}

class Viewer {
  readonly #thread: Thread
  readonly #pool: HttpPool
  readonly #action: PlayAction
  readonly #view: ViewerView
  /** Over all times that it begins anew. */
  #mediaSequence = -1
  #last = -1
  #untilMs = 0
  #pauseAtMs: number
  readonly #parts = new Set<string>()

  constructor(thread: Thread, action: PlayAction, view: ViewerView) {
    this.#thread = thread
    this.#pool = new HttpPool(thread.world)
    this.#action = action
    this.#pauseAtMs = action.pauseMs > 0 ? thread.world.clock.nowMs() + action.pauseAfterMs : Infinity
    this.#view = view
  }

  stop(): Promise<void> {
    return this.#pool.stop(this.#thread)
  }

  /** From the first playlist until one is not there. */
  async watch(untilMs: number): Promise<void> {
    this.#untilMs = untilMs
    const { clock } = this.#thread.world
    const start = `/live/${this.#action.stream}.m3u8`
    const first = await this.#get(start)
    if (!first) return
    const variant = variantOf(first.toString())
    const target = variant === null ? start : `/live/${variant}`
    for (let query = ''; clock.nowMs() < untilMs; ) {
      const text = await this.#get(target + query)
      if (!text) return
      const playlist = readPlaylist(text.toString(), start)
      await this.#take(playlist)
      if (clock.nowMs() >= this.#pauseAtMs) {
        const isLate = clock.nowMs() > this.#pauseAtMs + MOST_LATE_MS
        this.#pauseAtMs = Infinity
        if (!isLate) await this.#thread.sleep(this.#action.pauseMs)
      }
      query = this.#next(playlist, target.includes('?') ? '&' : '?')
      if (query === '') await this.#thread.sleep(Math.max(500, playlist.targetSeconds * 500))
    }
  }

  /** What is asked for next in low latency: the next part. */
  #next({ isLowLatency, segments, openParts }: ReadPlaylist, separator: string): string {
    const last = segments.at(-1)?.sequence
    if (!isLowLatency || this.#action.protocol !== 'll-hls' || last === undefined) return ''
    return `${separator}_HLS_msn=${last + 1}&_HLS_part=${openParts.length}`
  }

  async #take(playlist: ReadPlaylist): Promise<void> {
    const { mediaSequence, segments, openParts } = playlist
    if (mediaSequence < this.#mediaSequence) {
      const what = `it goes back from ${this.#mediaSequence} to ${mediaSequence}`
      throw new Violation('hls sequence', `${this.#action.host} (${this.#action.stream}): ${what}`)
    }
    this.#mediaSequence = mediaSequence
    this.#view.check.playlist(playlist)
    const from = this.#last < 0 ? segments.slice(-FIRST_SEGMENTS) : segments.filter((one) => one.sequence > this.#last)
    for (const segment of from) {
      if (this.#thread.world.clock.nowMs() >= this.#untilMs) return
      await this.#fetch(segment)
      this.#last = segment.sequence
    }
    if (this.#action.protocol !== 'll-hls') return
    for (const part of openParts) await this.#fetchPart(part)
  }

  async #fetch(segment: ListedSegment): Promise<void> {
    const { check, isCalm, received } = this.#view
    if (segment.map !== null) {
      const init = await this.#get(segment.map)
      if (init) check.body(segment.map, init)
    }
    const bytes = await this.#get(segment.path)
    if (bytes) received(check.segment(segment, bytes))
    else if (isCalm) throw new Violation('hls missing', `${segment.path} is listed and not there`)
  }

  async #fetchPart(path: string): Promise<void> {
    if (this.#parts.has(path)) return
    this.#parts.add(path)
    const bytes = await this.#get(path)
    if (bytes) this.#view.check.part(path, bytes)
  }

  /** Null: it is not there. */
  async #get(target: string): Promise<Buffer | null> {
    const url = new URL(target, 'http://server:8080/')
    const request = { method: 'GET', url, headers: {}, body: '', maxBodyBytes: MAX_BODY_BYTES } as const
    const response = await this.#pool.request(this.#thread, request, ANSWER_MS)
    if (response.status === OK) return response.body
    if (response.status >= 500) throw new HttpCallError('http_closed', `status ${response.status}`)
    return null
  }
}
