import type { Player } from './support.ts'
import { readRecords, type WireRecord, word } from './record-format.ts'

/** What was published, in order, from the first frame on. */
export interface Entry {
  readonly kind: 'audio' | 'video' | 'data'
  readonly isFrame: boolean
  readonly isKey: boolean
  readonly payload: Buffer
  /** Codec headers and the title of the metadata before it. */
  readonly headers: readonly string[]
  readonly title: string
}

/** The log of one publish as the reference sees it: a plain list that nobody cuts or drops. */
export interface PublishLog {
  readonly hasVideo: boolean
  /** A player may fall behind by more than any burst brings. */
  readonly isPatient: boolean
  /** The newest key frame and all after it are always there. */
  readonly keepsGop: boolean
  /** Sound came before the first picture: headers are then held back, and announced when it comes. */
  readonly hasLead: boolean
  readonly entries: Entry[]
}

const titleOf = (payload: Buffer): string => (JSON.parse(payload.toString()) as { title: string }).title

function isSame(entry: Entry | undefined, record: WireRecord): boolean {
  if (entry?.kind !== record.kind) return false
  return record.kind === 'data'
    ? titleOf(entry.payload) === titleOf(record.payload)
    : entry.payload.equals(record.payload)
}

/** The first of all records that say the same: what a player is told as it begins may be announced just then. */
function withoutRepeats(records: readonly WireRecord[]): WireRecord[] {
  const name = (record: WireRecord): string => (record.kind === 'data' ? titleOf(record.payload) : word(record))
  return records.filter((record, index) => records.findIndex((other) => name(other) === name(record)) === index)
}

/**
 * Follows what a player got of one publish through the log. A player begins with metadata and codec headers, at a key
 * frame if there is a picture; then it gets every entry, or goes on at a later key frame with headers before it.
 */
export class ReferencePlayer {
  readonly #log: PublishLog
  readonly #times: MonotonicCheck
  /** Headers and metadata since the last frame. */
  #run: WireRecord[] = []
  #position = -1
  #title = ''
  dropped = 0

  constructor(log: PublishLog, times: MonotonicCheck) {
    this.#log = log
    this.#times = times
  }

  /** Index of the last entry that the player got; -1 when it got none. */
  get position(): number {
    return this.#position
  }

  /** @throws Error when the player got what it should not */
  take(record: WireRecord): void {
    this.#run.push(record)
    if (record.kind === 'data' || /^(asc|sps)/.test(word(record))) return
    if (!this.#goesOn()) this.#begins(record)
    this.#run = []
  }

  /** No frame follows. @throws Error when what came after the last one is not the end of the log */
  end(): void {
    if (this.#position >= 0 && this.#run.length > 0 && !this.#goesOn())
      throw new Error('the end is not the end of the log')
  }

  /** True when the run is what comes next in the log. */
  #goesOn(): boolean {
    const position = this.#position < 0 ? null : this.#follow(this.#run)
    if (position === null) return false
    this.#position = position
    for (const record of this.#run) this.#times.take(record)
    return true
  }

  /** The position after records that continue the log; null when they do not. */
  #follow(records: readonly WireRecord[]): number | null {
    let position = this.#position
    for (const record of records) {
      if (isSame(this.#log.entries[position + 1], record)) position++
      else if (!this.#isAnnounced(record, position + 1)) return null
      if (record.kind === 'data') this.#title = titleOf(record.payload)
    }
    return position
  }

  /** Metadata and headers in force come again when the picture begins. */
  #isAnnounced(record: WireRecord, at: number): boolean {
    if (record.kind === 'data') return titleOf(record.payload) === this.#title
    const { entries, hasLead } = this.#log
    return hasLead && entries[at]?.headers.includes(word(record)) === true
  }

  /** True before the first picture of the stream: who begins there lacks nothing. */
  #isLead(at: number): boolean {
    return !this.#log.entries.slice(0, at).some((entry) => entry.kind === 'video' && entry.isFrame)
  }

  /** A begin or a jump: the rest of what went before, then metadata and headers, then the log goes on at a frame. */
  #begins(frame: WireRecord): void {
    const { entries } = this.#log
    const index = entries.findIndex((entry, at) => at > this.#position && isSame(entry, frame))
    const where = `${word(frame)} after entry ${this.#position}`
    if (index < 0) throw new Error(`${where} is not in the rest of the log`)
    if (this.#log.hasLead && this.#position < 0) this.#run = withoutRepeats(this.#run)
    const needsKey = this.#log.hasVideo && !this.#isLead(index)
    if (needsKey && !entries[index]?.isKey) throw new Error(`${where}: entry ${index} is no key frame`)
    // Without a picture a player may also begin at metadata that stand before the frame.
    for (let at = index; at > this.#position; at--) {
      if (this.#beginsAt(at, index)) return
      if (needsKey || entries[at - 1]?.isFrame !== false) break
    }
    throw new Error(`${where}: ${this.#run.map(word).join()} instead of ${entries[index]?.headers.join()}`)
  }

  /** True when the run is a begin at entry `at` that goes to entry `index`; the player is then there. */
  #beginsAt(at: number, index: number): boolean {
    const begin = this.#log.entries[at] as Entry
    const expected = begin.headers.filter((name) => this.#run.some((record) => word(record) === name))
    const isHeldBack = expected.length < begin.headers.length
    if (isHeldBack && !(this.#log.hasLead && this.#isLead(at))) return false
    const logAt = this.#run.length - (index - at + 1)
    const preludeAt = logAt - expected.length - 1
    const [metadata, ...headers] = this.#run.slice(preludeAt, logAt)
    if (preludeAt < 0 || metadata?.kind !== 'data' || titleOf(metadata.payload) !== begin.title) return false
    if (headers.map(word).join() !== expected.join()) return false
    const follows = this.#run.slice(logAt).every((record, offset) => isSame(this.#log.entries[at + offset], record))
    const position = this.#follow(this.#run.slice(0, preludeAt))
    if (!follows || position === null) return false
    if (this.#position >= 0) this.dropped += at - position - 1
    this.#position = index
    this.#title = this.#log.entries[index]?.title ?? ''
    for (const record of this.#run.slice(logAt)) this.#times.take(record)
    return true
  }
}

/** Checks that no track goes back, over all publishes; preludes carry the time of the frame after them. */
export class MonotonicCheck {
  readonly #lastMs = new Map<string, number>()

  take({ kind, dtsMs }: WireRecord): void {
    const lastMs = this.#lastMs.get(kind) ?? 0
    if (!Number.isInteger(dtsMs) || dtsMs < lastMs) throw new Error(`${kind} goes from ${lastMs} to ${dtsMs}`)
    this.#lastMs.set(kind, dtsMs)
  }
}

/** Checks all that a player got against the publishes that it joined. */
export function checkPlayer(player: Player, logs: readonly PublishLog[]): ReferencePlayer[] {
  const times = new MonotonicCheck()
  return player.takes.map((pieces, index) => {
    const log = logs[index]
    if (!log) throw new Error(`take ${index} belongs to no publish`)
    const reference = new ReferencePlayer(log, times)
    for (const record of readRecords(pieces)) reference.take(record)
    reference.end()
    return reference
  })
}
