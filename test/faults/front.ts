import { readFileSync } from 'node:fs'
import * as http from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { SeededRandom } from '../../src/st/sim/random.ts'
import type { Witness } from './witness.ts'

const HERE = 'test/faults'
/** Behind the last one there is nobody to ask: so much longer is it waited for. */
const LAST_WAITS = 5
const require = createRequire(import.meta.url)

/** A request that nobody behind the front had a good answer for. */
export interface Refusal {
  readonly atMs: number
  readonly what: string
}

interface Answer {
  readonly status: number
  readonly type: string
  readonly bytes: Buffer
}

/**
 * Asks one of the servers behind it, whichever, for each request, and the other one when the first is not there, has not
 * answered in time, or answers 404 or 5xx. It remembers nothing. It has the player's page, too.
 */
export class Front {
  readonly refusals: Refusal[] = []
  /** Good answers of each. */
  readonly answers: number[]
  readonly #ports: readonly number[]
  readonly #witness: Witness
  readonly #random: SeededRandom
  readonly #waitMs: number
  /** Whether all behind it are one, and their playlists are compared as those of one. */
  readonly #isOne: boolean
  readonly #files = new Map([
    ['/player.html', { type: 'text/html', bytes: readFileSync(join(HERE, 'player.html')) }],
    ['/player.js', { type: 'text/javascript', bytes: readFileSync(join(HERE, 'player.js')) }],
    ['/hls.js', { type: 'text/javascript', bytes: readFileSync(require.resolve('hls.js')) }],
  ])
  readonly #server = http.createServer((request, response) => void this.#serve(request.url ?? '/', response))

  constructor(ports: readonly number[], witness: Witness, random: SeededRandom, waitMs: number, isOne: boolean) {
    this.#ports = ports
    this.#witness = witness
    this.#random = random
    this.#waitMs = waitMs
    this.#isOne = isOne
    this.answers = ports.map(() => 0)
  }

  async open(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
  }

  url(path: string): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}${path}`
  }

  close(): void {
    this.#server.closeAllConnections()
    this.#server.close()
  }

  async #serve(url: string, response: http.ServerResponse): Promise<void> {
    const file = this.#files.get(url)
    const { status, type, bytes } = file ? { status: 200, ...file } : await this.#ask(url)
    response.writeHead(status, { 'Content-Type': type, 'Content-Length': bytes.length }).end(bytes)
  }

  async #ask(url: string): Promise<Answer> {
    const first = this.#random.below(this.#ports.length)
    const failures: string[] = []
    for (let tried = 0; tried < this.#ports.length; tried++) {
      const side = (first + tried) % this.#ports.length
      const view = this.#isOne ? 'front' : `front to ${side + 1}`
      const before = this.#witness.before(view)
      const isLast = tried === this.#ports.length - 1
      const waitMs = this.#waitMs * (isLast ? LAST_WAITS : 1)
      const answer = await ask(`http://127.0.0.1:${this.#ports[side]}${url}`, waitMs)
      if (typeof answer === 'string' || answer.status === 404 || answer.status >= 500) {
        failures.push(`${side + 1}: ${typeof answer === 'string' ? answer : answer.status}`)
        continue
      }
      this.answers[side] = (this.answers[side] ?? 0) + 1
      if (answer.status === 200) testify(this.#witness, view, before, url, answer.bytes)
      return answer
    }
    this.refusals.push({ atMs: Date.now(), what: `${url} ${failures.join(', ')}` })
    const isAbsent = failures.every((failure) => failure.endsWith('404'))
    return { status: isAbsent ? 404 : 502, type: 'text/plain', bytes: Buffer.alloc(0) }
  }
}

/** Looks at each server's own answers too, all the time: each playlist, and each segment that is new in it. */
export async function probe(
  ports: readonly number[],
  path: string,
  witness: Witness,
  signal: AbortSignal,
): Promise<void> {
  const known = ports.map(() => new Set<string>())
  while (!signal.aborted) {
    await Promise.all(
      ports.map(async (port, side) => {
        const view = `server ${side + 1}`
        const before = witness.before(view)
        const base = `http://127.0.0.1:${port}`
        const answer = await ask(`${base}${path}`, 1_000)
        if (typeof answer === 'string' || answer.status !== 200) return
        testify(witness, view, before, path, answer.bytes)
        const names = answer.bytes
          .toString()
          .split('\n')
          .filter((line) => line !== '' && !line.startsWith('#'))
        for (const name of names.filter((one) => !known[side]?.has(one))) {
          const { pathname } = new URL(name, `${base}${path}`)
          const segment = await ask(`${base}${pathname}`, 1_000)
          if (typeof segment === 'string' || segment.status !== 200) continue
          known[side]?.add(name)
          testify(witness, view, before, pathname, segment.bytes)
        }
      }),
    )
    await new Promise((resolve) => setTimeout(resolve, 250))
  }
}

function testify(
  witness: Witness,
  view: string,
  before: ReturnType<Witness['before']>,
  url: string,
  bytes: Buffer,
): void {
  const path = url.split('?')[0] ?? ''
  if (path.endsWith('.m3u8')) witness.playlist(view, before, bytes.toString())
  else witness.body(path, bytes)
}

/** @returns a whole answer, or why there is none */
async function ask(url: string, waitMs: number): Promise<Answer | string> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(waitMs) })
    const type = response.headers.get('content-type') ?? ''
    return { status: response.status, type, bytes: Buffer.from(await response.arrayBuffer()) }
  } catch (error) {
    if (error instanceof Error && error.name === 'TimeoutError') return `no answer for ${waitMs} ms`
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
    return cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause)
  }
}
