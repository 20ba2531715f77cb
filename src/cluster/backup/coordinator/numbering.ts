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
  /** Those of the link that the log knows of. */
  #blanks: number

  constructor(parts: Parts, key: string, stream: string) {
    this.#parts = parts
    this.#key = key
    this.#stream = stream
    this.#blanks = parts.link.blanks
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
    this.#blanks = this.#parts.link.blanks
  }

  /** Goes on from the last one; from the other coordinator's, when that has gone further by itself. */
  #next(last: Served | null): number {
    const { link, world, beginnings } = this.#parts
    const after = (last?.entry.number ?? -1) + 1
    // Numbers by the clock are beyond whatever the other one has told players meanwhile.
    const isBlank = !last || this.#blanks !== link.blanks
    const next = isBlank ? Math.max(after, beginnings.firstSequence(world.clock.wallMs())) : after
    const others = link.peer?.last[this.#key] ?? -1
    const isFar = others >= next + (last ? SMALL_LEAD : 0)
    return isFar ? others + 1 : next
  }
}
