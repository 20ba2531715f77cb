import type { HttpPool } from '../../../src/http/pool.ts'
import { StError } from '../../../src/st/errors.ts'
import type { Thread } from '../../../src/st/thread.ts'
import { readPlaylist } from '../read-playlist.ts'
import { Violation } from '../violation.ts'
import { type Shown, shownIn } from './coord-ts.ts'

const REQUEST_MS = 1_500
const POLL_MS = 500
/** Clocks of arrival allow for so much of a segment twice, beside what a frame lasts. */
const TWICE_MS = 700

/** What all viewers have seen, for what must hold across all of them. */
export interface Seen {
  /** By coordinator and number. */
  readonly names: Map<string, string>
  /** By path. */
  readonly bodies: Map<string, string>
}

export interface Listed {
  readonly number: number
  readonly path: string
  readonly atMs: number
}

/** Watches one coordinator from without: each playlist and each segment must fit what was seen before. */
export class Watcher {
  readonly coordinator: string
  readonly #seen: Seen
  readonly listed: Listed[] = []
  readonly shown: (Shown & { readonly number: number; readonly atMs: number })[] = []
  readonly #fail: (violation: Violation) => void
  #firstNumber = 0
  #lastNumber = 0
  #discontinuitySequence = -1
  missing = 0
  missedMs = 0

  constructor(coordinator: string, seen: Seen, fail: (violation: Violation) => void) {
    this.coordinator = coordinator
    this.#seen = seen
    this.#fail = fail
  }

  /** Looks again and again. */
  async run(thread: Thread, pool: HttpPool): Promise<never> {
    for (;;) {
      try {
        await this.#look(thread, pool)
      } catch (error) {
        if (error instanceof Violation) this.#fail(error)
        else if (!(error instanceof StError)) throw error
      }
      await thread.sleep(POLL_MS)
    }
  }

  async #look(thread: Thread, pool: HttpPool): Promise<void> {
    const text = await this.#get(thread, pool, '/live/cam.m3u8')
    if (!text) return
    const { mediaSequence, segments } = readPlaylist(String(text), '/live/cam.m3u8')
    if (mediaSequence < this.#firstNumber) this.#broken('sequence', `${mediaSequence} after ${this.#firstNumber}`)
    const last = segments.at(-1)?.sequence ?? 0
    if (last < this.#lastNumber) this.#broken('sequence', `ends with ${last} after ${this.#lastNumber}`)
    this.#firstNumber = mediaSequence
    const discontinuities = segments[0]?.discontinuityNumber ?? 0
    if (discontinuities < this.#discontinuitySequence) this.#broken('discontinuities', `${discontinuities} is less`)
    this.#discontinuitySequence = discontinuities
    for (const { sequence, path, discontinuity } of segments) {
      this.#checkName(sequence, path)
      if (sequence <= this.#lastNumber) continue
      this.#lastNumber = sequence
      this.listed.push({ number: sequence, path, atMs: thread.world.clock.nowMs() })
      const bytes = await this.#get(thread, pool, path)
      if (!bytes) this.missing++
      else this.#show(sequence, path, bytes, discontinuity, thread.world.clock.nowMs())
    }
  }

  #checkName(number: number, path: string): void {
    const key = `${this.coordinator} ${number}`
    const before = this.#seen.names.get(key) ?? path
    if (before !== path) this.#broken('number', `${number} is ${path}, was ${before}`)
    this.#seen.names.set(key, path)
  }

  #show(number: number, path: string, bytes: Buffer, discontinuity: boolean, atMs: number): void {
    const body = bytes.toString('latin1')
    if ((this.#seen.bodies.get(path) ?? body) !== body) this.#broken('body', `${path} has two bodies`)
    this.#seen.bodies.set(path, body)
    const shown = shownIn(bytes)
    const last = this.shown.at(-1)
    if (last?.number === number - 1) this.#checkJoint(last, shown, discontinuity)
    this.shown.push({ ...shown, number, atMs })
  }

  #checkJoint(last: Shown, next: Shown, discontinuity: boolean): void {
    if (next.beginMs < last.endMs - TWICE_MS) {
      this.#broken('twice', `${JSON.stringify(next)} after ${JSON.stringify(last)}`)
    }
    if (next.side !== last.side && next.encoder === last.encoder) {
      this.missedMs = Math.max(this.missedMs, next.beginMs - last.endMs)
    }
    const isSeamless = next.encoder === last.encoder && next.beginMs === last.endMs
    if (!isSeamless && !discontinuity) this.#broken('seam', `${JSON.stringify(next)} after ${JSON.stringify(last)}`)
    if (isSeamless && discontinuity && next.side === last.side) this.#broken('seam', `${next.startMs} needs none`)
  }

  async #get(thread: Thread, pool: HttpPool, path: string): Promise<Buffer | null> {
    const url = new URL(`http://${this.coordinator}:8090${path}`)
    const { status, body } = await pool.request(thread, { method: 'GET', url, headers: {}, body: '' }, REQUEST_MS)
    return status === 200 ? body : null
  }

  #broken(rule: string, what: string): never {
    throw new Violation(rule, `${this.coordinator}: ${what}`)
  }
}
