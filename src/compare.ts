/** `sluice compare`: whether two servers give out the same segments. */
import { createHash } from 'node:crypto'
import { firstVariant, readPlaylist, type ReadSegment, uriOf } from './format/m3u8/read-playlist.ts'
import { HttpCallError, HttpPool } from './http/pool.ts'
import type { Thread } from './st/thread.ts'
import type { World } from './st/world.ts'

const ANSWER_MS = 5_000
/** Between two looks at a playlist. */
const LOOK_MS = 500
const MAX_BODY_BYTES = 256 * 1024 * 1024
/** Of a hash, as it is shown. */
const SHOWN = 12

/** What a server said of a segment, and what it gave out for it. */
interface Seen {
  /** Of the segment and of what it needs before it. */
  readonly hash: string
  readonly bytes: number
  /** What its playlist says of it. */
  readonly facts: string
}

/** Two playlists, and for how long they are looked at. */
export interface Comparing {
  readonly urls: readonly [URL, URL]
  readonly lastsMs: number
}

/** What came of it. */
interface Compared {
  readonly text: string
  /** Segments that both have. */
  readonly shared: number
  readonly differences: readonly string[]
}

/** One server. */
class Side {
  readonly seen = new Map<number, Seen>()
  readonly changes: string[] = []
  /** Requests that were not answered with 200. */
  failures = 0
  readonly #pool: HttpPool
  readonly #hashes = new Map<string, string>()
  #url: URL

  constructor(pool: HttpPool, url: URL) {
    this.#pool = pool
    this.#url = url
  }

  /** Looks at the playlist and fetches what is new in it. @throws InterruptedError */
  async look(thread: Thread): Promise<void> {
    const body = await this.#get(thread, this.#url)
    if (!body) return
    const variant = firstVariant(body.toString())
    // A session's id is in it: it is gone on with.
    if (variant !== null) this.#url = new URL(variant, this.#url)
    const playlist = variant === null ? readPlaylist(body.toString()) : null
    for (const segment of playlist?.segments ?? []) await this.#see(thread, segment, playlist?.targetSeconds ?? 0)
  }

  async #see(thread: Thread, segment: ReadSegment, targetSeconds: number): Promise<void> {
    const facts = factsOf(segment, targetSeconds, this.#url)
    const known = this.seen.get(segment.number)
    if (known) {
      if (known.facts !== facts) this.changes.push(`segment ${segment.number}: ${known.facts} became ${facts}`)
      return
    }
    const init = uriOf(segment.map)
    const initHash = init === null ? '' : await this.#hashOf(thread, init)
    const bytes = await this.#get(thread, new URL(segment.uri, this.#url))
    if (!bytes || initHash === null) return
    this.seen.set(segment.number, { hash: hash(bytes, initHash), bytes: bytes.length, facts })
  }

  async #hashOf(thread: Thread, uri: string): Promise<string | null> {
    const known = this.#hashes.get(uri)
    if (known !== undefined) return known
    const bytes = await this.#get(thread, new URL(uri, this.#url))
    if (!bytes) return null
    this.#hashes.set(uri, hash(bytes, ''))
    return hash(bytes, '')
  }

  /** Null, and counted, when there is no such answer: a server may be down for a while. */
  async #get(thread: Thread, url: URL): Promise<Buffer | null> {
    try {
      const request = { method: 'GET', url, headers: {}, body: '', maxBodyBytes: MAX_BODY_BYTES } as const
      const { status, body } = await this.#pool.request(thread, request, ANSWER_MS)
      if (status === 200) return body
    } catch (error) {
      if (!(error instanceof HttpCallError)) throw error
    }
    this.failures++
    return null
  }
}

/** Looks at two media playlists for a while and fetches each segment once from each. @throws InterruptedError */
async function compare(thread: Thread, { urls, lastsMs }: Comparing): Promise<Compared> {
  const pool = new HttpPool(thread.world)
  const one = new Side(pool, urls[0])
  const other = new Side(pool, urls[1])
  const { clock } = thread.world
  const untilMs = clock.nowMs() + lastsMs
  try {
    do {
      await one.look(thread)
      await other.look(thread)
      await thread.sleep(LOOK_MS)
    } while (clock.nowMs() < untilMs)
  } finally {
    await pool.stop(thread)
  }
  return outcome(one, other)
}

/** Runs it as a program. @returns the exit code: 0 when there is something to compare, and no difference */
export function runCompare(world: World, comparing: Comparing, print: (text: string) => void): Promise<number> {
  return new Promise((resolve) => {
    world.spawn('compare', async (thread) => {
      let code = 1
      try {
        const { text, shared, differences } = await compare(thread, comparing)
        print(text)
        if (shared > 0 && differences.length === 0) code = 0
      } finally {
        resolve(code)
      }
    })
  })
}

function outcome(one: Side, other: Side): Compared {
  const numbers = [...new Set([...one.seen.keys(), ...other.seen.keys()])].toSorted((a, b) => a - b)
  const differences = [...one.changes.map((text) => `A ${text}`), ...other.changes.map((text) => `B ${text}`)]
  const lines = ['segment        A                        B                        ']
  let shared = 0
  for (const number of numbers) {
    const [a, b] = [one.seen.get(number), other.seen.get(number)]
    const verdict = verdictOf(a, b)
    lines.push(`${String(number).padEnd(15)}${shown(a)}${shown(b)}${verdict}`)
    if (!a || !b) continue
    shared++
    if (verdict !== 'same') differences.push(`segment ${number} ${verdict}: A ${a.facts} B ${b.facts}`)
  }
  const alone = `${one.seen.size - shared} on A alone, ${other.seen.size - shared} on B alone`
  const failed = `${one.failures} requests to A and ${other.failures} to B were not answered`
  lines.push(...differences, `${shared} segments on both, ${differences.length} differences; ${alone}; ${failed}`)
  return { text: `${lines.join('\n')}\n`, shared, differences }
}

function verdictOf(a: Seen | undefined, b: Seen | undefined): string {
  if (!a) return 'on B alone'
  if (!b) return 'on A alone'
  if (a.hash !== b.hash) return 'has other bytes'
  return a.facts === b.facts ? 'same' : 'is told of otherwise'
}

function shown(seen: Seen | undefined): string {
  return (seen ? `${seen.hash.slice(0, SHOWN)} ${seen.bytes}` : '-').padEnd(25)
}

/** All but what may differ: the server's own address, and the session in queries. */
function factsOf(segment: ReadSegment, targetSeconds: number, playlist: URL): string {
  const { uri, durationMs, tags, map, key, discontinuitySequence } = segment
  const bare = (text: string): string => text.replace(/URI="([^"]*)"/, (_all, own: string) => pathOf(own, playlist))
  const all = { target: targetSeconds, durationMs, discontinuitySequence, tags, map: bare(map), key: bare(key) }
  return `${pathOf(uri, playlist)} ${JSON.stringify(all)}`
}

function pathOf(uri: string, playlist: URL): string {
  return new URL(uri, playlist).pathname
}

function hash(bytes: Buffer, before: string): string {
  return createHash('sha256').update(before).update(bytes).digest('hex')
}
