/** Which origin is asked next. */
import { createHash } from 'node:crypto'
import { formatEndpoint } from '../../st/network.ts'
import type { Thread } from '../../st/thread.ts'
import type { OriginFinder } from '../origin/origin.ts'
import type { EdgeOptions, OriginAddress } from './options.ts'

/** Between two rounds over all origins of which none had the stream; doubled each time up to the limit, which is SRS's. */
const FIRST_PAUSE_MS = 500
const MAX_PAUSE_MS = 3_000
/** Who served for so long was no failure. */
const HEALTHY_MS = 5_000

/** The origins of one stream, in turn and without end: one round after the other, with pauses that grow. */
export class OriginTurns {
  readonly #key: string
  /** Where round robin begins. */
  readonly #start: number
  readonly #optionsOf: () => EdgeOptions
  readonly #finder: OriginFinder
  #left: OriginAddress[] = []
  #emptyRounds = 0
  #isFirst = true
  /** The one that was lost last is asked last. */
  #lost: OriginAddress | null = null

  constructor(key: string, start: number, optionsOf: () => EdgeOptions, finder: OriginFinder) {
    this.#key = key
    this.#start = start
    this.#optionsOf = optionsOf
    this.#finder = finder
  }

  /** The next one, after a pause when none of the last round had the stream; null: there is none. @throws InterruptedError */
  async next(thread: Thread): Promise<OriginAddress | null> {
    if (this.#left.length === 0) {
      if (!this.#isFirst) await this.#pause(thread)
      this.#isFirst = false
      this.#left = await this.#round(thread)
    }
    return this.#left.shift() ?? null
  }

  /** How long the one that was given out last served, ms; 0: not at all. */
  report(origin: OriginAddress, servedMs: number): void {
    if (servedMs < HEALTHY_MS) return
    this.#emptyRounds = 0
    this.#lost = origin
    this.reset()
  }

  /** Begins a new round at once, by the settings of now. */
  reset(): void {
    this.#isFirst = true
    this.#left = []
  }

  async #pause(thread: Thread): Promise<void> {
    const pauseMs = Math.min(FIRST_PAUSE_MS * 2 ** this.#emptyRounds, MAX_PAUSE_MS)
    this.#emptyRounds = Math.min(this.#emptyRounds + 1, 16)
    await thread.sleep(pauseMs)
  }

  async #round(thread: Thread): Promise<OriginAddress[]> {
    const options = this.#optionsOf()
    const found = await this.#finder.find(thread, this.#key, options.originTimeoutMs)
    const origins: readonly OriginAddress[] = found.length > 0 ? found : inOrder(options, this.#key, this.#start)
    const lost = this.#lost && nameOf(this.#lost)
    this.#lost = null
    const others = origins.filter((origin) => nameOf(origin) !== lost)
    return [...others, ...origins.filter((one) => nameOf(one) === lost)]
  }
}

/** As it is written. */
export function nameOf({ host, port }: OriginAddress): string {
  return port === null ? host : formatEndpoint({ host, port })
}

/** All configured origins, from the one whose turn it is. */
export function inOrder({ origin, balance }: EdgeOptions, key: string, start: number): OriginAddress[] {
  if (balance === 'hash') return byHash(origin, key)
  const first = origin.length > 0 ? start % origin.length : 0
  return [...origin.slice(first), ...origin.slice(0, first)]
}

/**
 * Rendezvous hashing: every edge puts the origins of a stream in the same order, and one more origin moves only the streams
 * that it takes.
 */
function byHash(origins: readonly OriginAddress[], key: string): OriginAddress[] {
  const weight = (origin: OriginAddress): number =>
    createHash('sha256')
      .update(`${nameOf(origin)} ${key}`)
      .digest()
      .readUInt32BE()
  return origins
    .map((origin) => ({ origin, weight: weight(origin) }))
    .toSorted((one, other) => other.weight - one.weight)
    .map(({ origin }) => origin)
}
