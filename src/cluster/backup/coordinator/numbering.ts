/** Makes the next entry of a stream's log out of a segment. */
import { goesOn } from './joint.ts'
import type { Parts } from './parts.ts'
import type { Entry, Served } from './served-log.ts'
import { shortHash } from './shelf.ts'
import type { Copy } from './side.ts'

/** One of two logs that is ahead by so little waits for the other. */
const SMALL_LEAD = 2

export class Numbering {
  readonly #parts: Parts
  readonly #key: string
  readonly #stream: string
  /** Those of the link in which something was told. */
  #turns: number

  constructor(parts: Parts, key: string, stream: string) {
    this.#parts = parts
    this.#key = key
    this.#stream = stream
    this.#turns = parts.link.turns
  }

  /** @param last what was told last */
  entryOf(copy: Copy, last: Served | null): Entry {
    const { side, session, seqNo, durationMs, facts, file, initFile } = copy
    const number = this.#next(last)
    const discontinuity = last !== null && (number !== last.entry.number + 1 || !goesOn(last.placed, copy))
    const { beginnings, world } = this.#parts
    const before = last?.entry.discontinuities ?? beginnings.firstDiscontinuity(world.clock.wallMs())
    return {
      number,
      side,
      session,
      seqNo,
      before: last && last.entry.name,
      durationMs,
      facts,
      name: `${this.#stream}-${number}-${shortHash(file.hash)}.${file.ending}`,
      hash: file.hash,
      initName: initFile && `${this.#stream}-${shortHash(initFile.hash)}.${initFile.ending}`,
      initHash: initFile?.hash ?? null,
      discontinuity,
      discontinuities: before + Number(discontinuity),
    }
  }

  /** The log goes on: with numbers that players have seen, or that are beyond those. */
  told(): void {
    this.#turns = this.#parts.link.turns
  }

  /** Goes on from the last one; from the other coordinator's, when that has gone further by itself. */
  #next(last: Served | null): number {
    const { link, world, beginnings } = this.#parts
    const after = (last?.entry.number ?? -1) + 1
    // Numbers by the clock are beyond whatever the other one has told players meanwhile.
    const isBlank = this.#isBlank(last)
    const next = isBlank ? Math.max(after, beginnings.firstSequence(world.clock.wallMs())) : after
    const others = link.peer?.last[this.#key] ?? -1
    const isFar = others >= next + (isBlank ? 0 : SMALL_LEAD)
    return isFar ? others + 1 : next
  }

  /** Whether the other one may have told players more than this log has, before this one began to lead. */
  #isBlank(last: Served | null): boolean {
    const { turns, before } = this.#parts.link
    return !last || (this.#turns !== turns && (before?.[this.#key] ?? (before ? -1 : Infinity)) > last.entry.number)
  }
}

export function servedOf(entry: Entry, copy: Copy, sinceMs: number): Served {
  return { entry, placed: copy, sinceMs, file: copy.file, initFile: copy.initFile }
}
