import { createHash } from 'node:crypto'
import { readPlaylist, type ReadSegment, uriOf } from '../../../src/format/m3u8/read-playlist.ts'
import { HttpCallError, HttpPool } from '../../../src/http/pool.ts'
import type { SeededRandom } from '../../../src/st/sim/random.ts'
import type { Thread } from '../../../src/st/thread.ts'
import { identifyAll } from '../media.ts'
import { readTsSegment } from '../ts-segment.ts'
import { Violation } from '../violation.ts'
import type { Film } from './atc-encoder.ts'

const ANSWER_MS = 3_000
const LOOK_MS = 500
const MAX_BODY_BYTES = 16 * 1024 * 1024
/** Of a target duration: a player is so many behind the end. */
const BEHIND_SEGMENTS = 3

/** What is known of a number, from whichever server. */
interface Known {
  readonly hash: string
  readonly facts: string
  /** Numbers of the first and last picture and sound in it. */
  readonly ends: { readonly video: readonly [number, number] | null; readonly audio: readonly [number, number] | null }
}

/** What both servers say and give out must be the same, and nothing may be missing between two segments. */
export class AtcCheck {
  readonly #known = new Map<number, Known>()
  readonly #byPlace = new Map<number, { readonly track: 'video' | 'audio'; readonly frame: number }>()
  /** By server, as its auditor knows. */
  readonly newest = new Map<string, number>()
  /** Of segments that came from both. */
  readonly #sides = new Map<number, Set<string>>()
  skips = 0
  played = 0

  constructor(film: Film) {
    for (const [place, { kind, track, trackFrame }] of film.sent.messages.entries()) {
      if (!kind.endsWith('header')) this.#byPlace.set(place, { track, frame: trackFrame })
    }
  }

  get segments(): number {
    return this.#known.size
  }

  get shared(): number {
    return [...this.#sides.values()].filter(({ size }) => size > 1).length
  }

  /** Looks at one server, and fetches all that is new there, until `untilMs`. @throws Violation */
  async audit(thread: Thread, server: string, untilMs: number): Promise<void> {
    const pool = new HttpPool(thread.world)
    const seen = new Set<number>()
    while (thread.world.clock.nowMs() < untilMs) {
      const playlist = (await this.#playlist(thread, pool, server)) ?? []
      this.#noteNewest(server, playlist.at(-1)?.number ?? null)
      for (const segment of playlist) {
        if (seen.has(segment.number)) continue
        if (await this.#fetch(thread, pool, server, segment)) seen.add(segment.number)
      }
      await thread.sleep(LOOK_MS)
    }
    await pool.stop(thread)
  }

  /** A player behind a front that picks a server at random for each request, and the other one when that has no answer. */
  async play(thread: Thread, servers: readonly string[], random: SeededRandom, untilMs: number): Promise<void> {
    const pool = new HttpPool(thread.world)
    let position: number | null = null
    while (thread.world.clock.nowMs() < untilMs) {
      const order = random.chance(0.5) ? servers : servers.toReversed()
      let segments: readonly ReadSegment[] = []
      for (const server of order)
        if (segments.length === 0) segments = (await this.#playlist(thread, pool, server)) ?? []
      const numbers = segments.map(({ number }) => number)
      position ??= numbers.at(-BEHIND_SEGMENTS) ?? null
      for (const segment of segments) {
        if (position === null || segment.number < position) continue
        if (segment.number > position) this.skips += segment.number - position
        const from = random.chance(0.5) ? servers : servers.toReversed()
        for (const server of from) if (await this.#fetch(thread, pool, server, segment)) break
        this.played++
        position = segment.number + 1
      }
      await thread.sleep(LOOK_MS)
    }
    await pool.stop(thread)
  }

  #noteNewest(server: string, number: number | null): void {
    if (number === null) return
    const before = this.newest.get(server) ?? -1
    if (number < before) throw new Violation('sequence', `${server} went from ${before} back to ${number}`)
    this.newest.set(server, number)
  }

  async #playlist(thread: Thread, pool: HttpPool, server: string): Promise<readonly ReadSegment[] | null> {
    const body = await get(thread, pool, `http://${server}:8080/live/cam.m3u8`)
    const playlist = body && readPlaylist(body.toString())
    return playlist?.segments ?? null
  }

  async #fetch(thread: Thread, pool: HttpPool, server: string, segment: ReadSegment): Promise<boolean> {
    const { number, uri, durationMs, tags, map, discontinuitySequence } = segment
    const init = uriOf(map)
    const before = init === null ? Buffer.alloc(0) : await get(thread, pool, `http://${server}:8080/live/${init}`)
    const bytes = await get(thread, pool, `http://${server}:8080/live/${uri}`)
    if (!bytes || !before) return false
    const hash = createHash('sha256').update(before).update(bytes).digest('hex')
    const facts = JSON.stringify({ uri, durationMs, tags, map, discontinuitySequence })
    this.#note(number, { hash, facts, ends: this.#endsOf(bytes, init === null) }, server)
    return true
  }

  #note(number: number, found: Known, server: string): void {
    const known = this.#known.get(number)
    if (known && known.hash !== found.hash) throw new Violation('same', `${server} has other bytes of ${number}`)
    if (known && known.facts !== found.facts) {
      throw new Violation('same', `${server} says of ${number} ${found.facts}, and it was ${known.facts}`)
    }
    this.#known.set(number, found)
    this.#sides.set(number, (this.#sides.get(number) ?? new Set()).add(server))
    checkBorder(number - 1, this.#known.get(number - 1), found)
    const next = this.#known.get(number + 1)
    if (next) checkBorder(number, found, next)
  }

  /** @throws Violation when a frame within is missing or twice */
  #endsOf(bytes: Buffer, isTs: boolean): Known['ends'] {
    const ids = isTs ? readTsSegment(bytes).flatMap(({ payload }) => identifyAll(payload)) : identifyAll(bytes)
    const ends: { video: [number, number] | null; audio: [number, number] | null } = { video: null, audio: null }
    for (const { place } of ids) {
      const found = this.#byPlace.get(place)
      // Headers are in it too.
      if (!found) continue
      const { track, frame } = found
      const own = ends[track]
      if (own && frame !== own[1] + 1) throw new Violation('whole', `${track} ${frame} follows ${own[1]}`)
      ends[track] = [own?.[0] ?? frame, frame]
    }
    return ends
  }
}

function checkBorder(number: number, one: Known | undefined, next: Known): void {
  if (!one) return
  for (const track of ['video', 'audio'] as const) {
    const [before, after] = [one.ends[track]?.[1], next.ends[track]?.[0]]
    if (before === undefined || after === undefined || after === before + 1) continue
    throw new Violation('whole', `${track} ${before} ends segment ${number}, and ${after} begins the next one`)
  }
}

/** Null: there is no good answer. */
async function get(thread: Thread, pool: HttpPool, url: string): Promise<Buffer | null> {
  try {
    const request = { method: 'GET', url: new URL(url), headers: {}, body: '', maxBodyBytes: MAX_BODY_BYTES } as const
    const { status, body } = await pool.request(thread, request, ANSWER_MS)
    return status === 200 ? body : null
  } catch (error) {
    if (!(error instanceof HttpCallError)) throw error
    return null
  }
}
