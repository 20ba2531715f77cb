import { HttpPool } from '../../../src/http/pool.ts'
import { StError } from '../../../src/st/errors.ts'
import type { SeededRandom } from '../../../src/st/sim/random.ts'
import type { Thread } from '../../../src/st/thread.ts'
import { type FrameRun, FrameRuns } from '../frame-runs.ts'
import type { HlsCheck } from '../hls-check.ts'
import type { SentPublish } from '../media.ts'
import { readPlaylist } from '../read-playlist.ts'
import { readTsSegment } from '../ts-segment.ts'
import { Violation } from '../violation.ts'

/** A front that knows servers as slow as that as dead. */
export const ANSWER_MS = 1_000
const POLL_MS = 400
const MAX_BODY_BYTES = 16 * 1024 * 1024
const FIRST_SEGMENTS = 3
const OK = 200

/** What a viewer has got. */
export interface Viewed {
  /** When the newest segment came. */
  newestMs: number
  /** The longest time without a new segment. */
  longestMs: number
  segments: number
  frames: number
  /** Pictures that the encoder made between two that were got, where it was not restarted. */
  lostPictures: number
  discontinuities: number
}

/**
 * Watches a stream through a front that sends each request to any of the servers, and to another one when that does
 * not answer.
 */
export class FrontViewer {
  readonly viewed: Viewed = { newestMs: 0, longestMs: 0, segments: 0, frames: 0, lostPictures: 0, discontinuities: 0 }
  readonly #thread: Thread
  readonly #pool: HttpPool
  readonly #hosts: readonly string[]
  readonly #path = '/live/s.m3u8'
  readonly #check: HlsCheck
  readonly #publishes: readonly SentPublish[]
  #picture: FrameRun | null = null
  readonly #random: SeededRandom
  #mediaSequence = -1
  #end = -1
  #last = -1

  constructor(
    thread: Thread,
    hosts: readonly string[],
    seen: { readonly check: HlsCheck; readonly publishes: readonly SentPublish[] },
    random: SeededRandom,
  ) {
    this.#thread = thread
    this.#pool = new HttpPool(thread.world)
    this.#hosts = hosts
    this.#check = seen.check
    this.#publishes = seen.publishes
    this.#random = random
  }

  async watch(untilMs: number): Promise<void> {
    const { clock } = this.#thread.world
    try {
      while (clock.nowMs() < untilMs) {
        const text = await this.#get(this.#path)
        if (text) await this.#take(text.toString())
        await this.#thread.sleep(POLL_MS)
      }
    } finally {
      await this.#pool.stop(this.#thread)
    }
  }

  async #take(text: string): Promise<void> {
    const playlist = readPlaylist(text, this.#path)
    const { mediaSequence, segments } = playlist
    const end = segments.at(-1)?.sequence ?? mediaSequence
    if (mediaSequence < this.#mediaSequence || end < this.#end) {
      const what = `from ${this.#mediaSequence}..${this.#end} to ${mediaSequence}..${end}`
      throw new Violation('sequence', `the playlist goes back ${what}`)
    }
    this.#mediaSequence = mediaSequence
    this.#end = end
    this.#check.playlist(playlist)
    const from = this.#last < 0 ? segments.slice(-FIRST_SEGMENTS) : segments.filter((one) => one.sequence > this.#last)
    for (const segment of from) {
      const bytes = await this.#get(segment.path)
      if (!bytes) return
      const frames = this.#check.segment(segment, bytes)
      this.#last = segment.sequence
      const nowMs = this.#thread.world.clock.nowMs()
      if (this.viewed.newestMs > 0)
        this.viewed.longestMs = Math.max(this.viewed.longestMs, nowMs - this.viewed.newestMs)
      this.viewed.newestMs = nowMs
      this.viewed.segments++
      this.viewed.frames += frames
      if (segment.discontinuity) this.viewed.discontinuities++
      this.#follow(bytes, segment.path)
    }
  }

  /** What one encoder has made comes once, and in order; what is left out is counted. */
  #follow(bytes: Buffer, path: string): void {
    const runs = new FrameRuns(path, 's', this.#publishes)
    for (const { payload, dtsMs } of readTsSegment(bytes)) runs.take(payload, dtsMs)
    const { video } = runs.runs
    const last = this.#picture
    this.#picture = video ?? last
    if (!video || video.publish !== last?.publish) return
    if (video.first <= last.last) throw new Violation('repeated', `${path}: ${video.first} comes after ${last.last}`)
    this.viewed.lostPictures += video.first - last.last - 1
  }

  /** Null: none of the servers has it now. */
  async #get(target: string): Promise<Buffer | null> {
    const first = this.#random.below(this.#hosts.length)
    for (let index = 0; index < this.#hosts.length; index++) {
      const host = this.#hosts[(first + index) % this.#hosts.length] ?? ''
      const url = new URL(target, `http://${host}:8080/`)
      const request = { method: 'GET', url, headers: {}, body: '', maxBodyBytes: MAX_BODY_BYTES } as const
      try {
        const { status, body } = await this.#pool.request(this.#thread, request, ANSWER_MS)
        if (status === OK) return body
      } catch (error) {
        if (!(error instanceof StError)) throw error
      }
    }
    return null
  }
}
