/** What players are given of a stream: segments of either side under numbers that only go up. */
import { type MediaPlaylist, targetDurationSeconds } from '../../../format/m3u8/media-playlist.ts'
import { escapeName } from '../../../format/m3u8/text.ts'
import type { SegmentFacts } from '../../../format/segment-facts.ts'
import { beginsAfter, goesOn, type Placed } from './joint.ts'
import type { KeptFile } from './shelf.ts'

/** A segment in the log, as both coordinators have it. */
export interface Entry {
  /** Media sequence number. */
  readonly number: number
  readonly side: string
  readonly session: string
  readonly seqNo: number
  /** The name of the one before it, at whoever has this; null: it is the first. */
  readonly before: string | null
  readonly durationMs: number
  readonly facts: SegmentFacts
  /** The name of the file in the playlist, which no other bytes ever have; and that of what it needs before. */
  readonly name: string
  readonly hash: string
  readonly initName: string | null
  readonly initHash: string | null
  readonly discontinuity: boolean
  /** How many there have been, this one included. */
  readonly discontinuities: number
}

/** An entry as one coordinator has it. */
export interface Served {
  readonly entry: Entry
  readonly placed: Placed
  /** By the local clock. */
  readonly sinceMs: number
  /** Null: the other coordinator has the bytes, or had. */
  readonly file: KeptFile | null
  readonly initFile: KeptFile | null
}

/**
 * An entry of the other coordinator as it goes on from the last one that was told here: as it is, when that is what it came
 * after there. When the two have not seen each other it may be another one, and then it is looked at anew. Null: players
 * have seen it.
 */
export function following(last: Served | null, { entry, placed }: Served): Entry | null {
  if (!last) return entry
  const told = last.entry
  const isNext = entry.before === told.name
  if (!isNext && !beginsAfter(last.placed, placed)) return null
  const isOneOn = entry.number === told.number + 1
  const discontinuity = isNext ? entry.discontinuity : !isOneOn || !goesOn(last.placed, placed)
  const own = told.discontinuities + Number(discontinuity)
  const discontinuities = isOneOn ? own : Math.max(own, entry.discontinuities)
  return { ...entry, before: told.name, discontinuity, discontinuities }
}

export function filesOf(all: readonly Pick<Served, 'file' | 'initFile'>[]): (KeptFile | null)[] {
  return all.flatMap(({ file, initFile }) => [file, initFile])
}

/** What has left the playlist stays fetchable for so many times its length: RFC 8216 6.2.2. */
const KEPT_WINDOWS = 3

/** The log of one stream at one coordinator: what has been told to players is never taken back. */
export class ServedLog {
  readonly #window: number
  readonly #served: Served[] = []
  #firstNumber = 0
  #targetSeconds = 1

  constructor(window: number) {
    this.#window = window
  }

  /** Goes on from what another life has told. @param firstNumber where the playlist begins */
  restore(served: readonly Served[], firstNumber: number): void {
    for (const one of served) this.push(one)
    this.#firstNumber = Math.max(this.#firstNumber, firstNumber)
  }

  get last(): Served | null {
    return this.#served.at(-1) ?? null
  }

  /** Those whose files can be fetched, the oldest first. */
  get kept(): readonly Served[] {
    return this.#served
  }

  /**
   * Adds what comes next. Behind a hole the playlist begins anew.
   * @returns what is not kept any more
   * @throws RangeError for a number that has been there
   */
  push(served: Served): readonly Served[] {
    const { number, durationMs } = served.entry
    const last = this.last?.entry.number
    if (last !== undefined && number <= last) throw new RangeError(`number ${number} comes after ${last}`)
    if (number !== (last ?? -1) + 1) this.#firstNumber = number
    this.#served.push(served)
    this.#targetSeconds = Math.max(this.#targetSeconds, targetDurationSeconds(Math.round(durationMs / 1000) * 1000))
    return this.#served.splice(0, Math.max(0, this.#served.length - KEPT_WINDOWS * this.#window))
  }

  /** Null before the first segment. */
  playlist(): MediaPlaylist | null {
    const listed = this.#served.slice(-this.#window).filter(({ entry }) => entry.number >= this.#firstNumber)
    const first = listed[0]?.entry
    if (!first) return null
    return {
      targetDurationSeconds: this.#targetSeconds,
      mediaSequence: first.number,
      discontinuitySequence: first.discontinuities - Number(first.discontinuity),
      independentSegments: false,
      segments: listed.map(({ entry: { name, initName, durationMs, discontinuity } }) => ({
        uri: escapeName(name),
        durationMs,
        discontinuity,
        programDateTimeMs: null,
        key: null,
        map: initName === null ? null : escapeName(initName),
        parts: [],
      })),
      lowLatency: null,
      ended: false,
    }
  }
}
