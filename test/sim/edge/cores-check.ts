import type { SimFamily, SimMember } from '../../cluster/cores/family.ts'
import { Violation } from '../violation.ts'

/** What happened so shortly before the origin was killed may be told twice, or not at all: it has taken it along. */
const DOUBT_MS = 1_000
/** Until the edges see that the origin has gone. */
const NOTICED_MS = 100
const STEPS: Readonly<Record<string, readonly [pair: string, step: number]>> = {
  on_connect: ['connect', 1],
  on_close: ['connect', -1],
  on_publish: ['publish', 1],
  on_unpublish: ['publish', -1],
  on_play: ['play', 1],
  on_stop: ['play', -1],
}

interface ClientRow {
  readonly id: string
  readonly publish: boolean
}

/** What a back end heard of one thing that a client did. */
interface Pair {
  readonly id: string
  readonly pair: string
  readonly begins: number[]
  readonly ends: number[]
}

interface Books {
  readonly clients: readonly ClientRow[]
  readonly streams: readonly { readonly name: string; readonly clients: number }[]
}

/** The rules of a server of several processes, looked at from outside: its API and the callbacks that a back end heard. */
export class CoresCheck {
  readonly #family: SimFamily
  /** Times at which the origin was killed. */
  readonly #kills: number[] = []
  #books: Books = { clients: [], streams: [] }

  constructor(family: SimFamily) {
    this.#family = family
  }

  /** A process is about to be killed. */
  dies(member: SimMember): void {
    if (member === this.#family.origin) this.#kills.push(this.#family.stage.simulation.nowMs)
  }

  /** Each edge pulls each stream at most once. */
  pulls(streams: number): void {
    for (const { host, world } of this.#family.edges) {
      const pulls = [...world.threads].filter(({ name }) => name === 'edge-pull').length
      if (pulls > streams) throw new Violation('once', `${pulls} pulls of ${streams} streams at ${host.name}`)
    }
  }

  /** What the API says of the whole is the sum of what the processes have. */
  async totals(): Promise<void> {
    const clients = JSON.parse((await this.#family.api('/api/v1/clients?count=1000')).text) as Pick<Books, 'clients'>
    const streams = JSON.parse((await this.#family.api('/api/v1/streams?count=1000')).text) as Pick<Books, 'streams'>
    const metrics = (await this.#family.api('/metrics')).text
    this.#books = { ...clients, ...streams }
    const listed = this.#books.clients.length
    const counted = this.#books.streams.reduce((sum, stream) => sum + stream.clients, 0)
    const measured = Number(/^srs_clients (\d+)$/m.exec(metrics)?.[1])
    const connected = this.#family.edges.reduce((sum, { house }) => sum + house.connections, 0)
    if (new Set([listed, counted, measured, connected]).size > 1) {
      const text = `${listed} clients in the list, ${counted} of streams, ${measured} in the metrics`
      throw new Violation('totals', `${text}, ${connected} at the edges`)
    }
  }

  /** Every begin has its end, once, except of clients that are there. After `totals`. */
  callbacks(): void {
    const rows = new Map(this.#books.clients.map((row) => [row.id, row]))
    for (const { id, pair, begins, ends } of this.#pairs()) {
      const row = rows.get(id)
      const isIn = row !== undefined && (pair === 'connect' || (pair === 'publish') === row.publish)
      const open = begins.length - ends.length
      if (open === (isIn ? 1 : 0)) continue
      // The question was out, or the end on its way, when the origin was killed.
      const departures = this.#family.departures(id)
      const wasAsked = (begins.length > 1 || departures.length === 0) && this.#isDoubtful(begins)
      if (wasAsked || this.#isDoubtful(departures)) continue
      const when = `told ${times(begins)} and ${times(ends)}, left ${times(departures)}`
      throw new Violation('callbacks', `${pair} of ${id}: ${open} open, and ${isIn ? 'is' : 'is not'} there; ${when}`)
    }
  }

  #pairs(): Iterable<Pair> {
    const pairs = new Map<string, Pair>()
    for (const { action, clientId: id, atMs } of this.#family.backEnd.calls) {
      const [pair, step] = STEPS[action] ?? ['', 0]
      const known = pairs.get(`${id} ${pair}`) ?? { id, pair, begins: [], ends: [] }
      pairs.set(`${id} ${pair}`, known)
      if (step > 0) known.begins.push(atMs)
      else known.ends.push(atMs)
    }
    return pairs.values()
  }

  failures(): void {
    const { failures, origin, edges } = this.#family
    if (failures === 0) return
    const lines = [origin, ...edges].flatMap(({ log }) => log.lines.filter(({ level }) => level === 'error'))
    throw new Violation(
      'failure',
      JSON.stringify(lines, (_key, value: unknown) => (value instanceof Error ? value.stack : value)),
    )
  }

  #isDoubtful(moments: readonly number[]): boolean {
    return this.#kills.some((killedMs) =>
      moments.some((atMs) => atMs > killedMs - DOUBT_MS && atMs < killedMs + NOTICED_MS),
    )
  }
}

function times(all: readonly number[]): string {
  return all.length === 0 ? 'never' : all.map((atMs) => Math.round(atMs)).join(' ')
}
