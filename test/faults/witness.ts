import { createHash } from 'node:crypto'

/** What a playlist said at a moment. */
interface Extent {
  readonly first: number
  readonly end: number
}

/** Something that must not be. */
export interface Violation {
  readonly atMs: number
  readonly what: string
}

/**
 * Looks at every answer that players get: the media sequence does not go back, a number has one name, and a URL one body.
 * Views are those whose playlists are compared: all answers of a front, or those of one server.
 */
export class Witness {
  readonly violations: Violation[] = []
  /** Names of segments with a discontinuity before them. */
  readonly discontinuities = new Set<string>()
  readonly #extents = new Map<string, Extent>()
  readonly #names = new Map<string, string>()
  readonly #bodies = new Map<string, string>()

  /** To be called before a playlist is asked for: what is answered to several at once has no order. */
  before(view: string): Extent {
    return this.#extents.get(view) ?? { first: -1, end: -1 }
  }

  playlist(view: string, before: Extent, text: string): void {
    const lines = text.split('\n')
    const first = Number(lines.find((line) => line.startsWith('#EXT-X-MEDIA-SEQUENCE:'))?.slice(22) ?? NaN)
    if (Number.isNaN(first)) return this.#accuse(`${view}: no media sequence`)
    let number = first
    let isBreak = false
    for (const line of lines) {
      if (line === '#EXT-X-DISCONTINUITY') isBreak = true
      if (line === '' || line.startsWith('#')) continue
      const name = line.split('?')[0] ?? ''
      if (isBreak) this.discontinuities.add(name)
      isBreak = false
      this.#name(view, number++, name)
    }
    if (first < before.first) this.#accuse(`${view}: media sequence ${before.first} -> ${first}`)
    if (number < before.end) this.#accuse(`${view}: newest segment ${before.end - 1} -> ${number - 1}`)
    const now = this.before(view)
    this.#extents.set(view, { first: Math.max(first, now.first), end: Math.max(number, now.end) })
  }

  body(path: string, bytes: Buffer): void {
    const hash = createHash('sha256').update(bytes).digest('hex')
    const known = this.#bodies.get(path)
    if (known !== undefined && known !== hash) this.#accuse(`${path} has two bodies`)
    this.#bodies.set(path, hash)
  }

  /** How many segments were compared at least once. */
  get bodies(): number {
    return this.#bodies.size
  }

  #name(view: string, number: number, name: string): void {
    const key = `${view} ${number}`
    const known = this.#names.get(key)
    if (known !== undefined && known !== name) this.#accuse(`${view}: segment ${number} was ${known} and is ${name}`)
    this.#names.set(key, name)
  }

  #accuse(what: string): void {
    this.violations.push({ atMs: Date.now(), what })
  }
}
