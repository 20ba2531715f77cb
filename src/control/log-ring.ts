/** The last lines of the log, for people who look at a connection while it runs. */

/** How many, and of how many characters together. */
const MAX_LINES = 2_000
const MAX_CHARACTERS = 1024 * 1024
/** A longer line is not kept: a stack at most is that long. */
const MAX_LINE = 16 * 1024

const LEVELS: Readonly<Record<number, string>> = {
  10: 'trace',
  20: 'debug',
  30: 'info',
  40: 'warn',
  50: 'error',
  60: 'fatal',
}

/** One line of the log, taken apart. */
export interface LogEntry {
  /** Counts all lines since the start. */
  readonly number: number
  /** ms since 1970. */
  readonly timeMs: number
  readonly level: string
  /** Of the connection or service that said it; '' for the server as a whole. */
  readonly id: string
  readonly text: string
  readonly fields: Readonly<Record<string, unknown>>
}

/** What is asked of the ring. */
export interface LogQuery {
  /** Only of this connection; null: all. */
  readonly id: string | null
  /** Only lines behind this one. */
  readonly after: number
  /** At most so many: the newest. */
  readonly count: number
}

/** Keeps lines as they were written; they are taken apart when somebody asks. */
export class LogRing {
  readonly #lines: string[] = []
  #characters = 0
  /** Lines since the start; that of the newest. */
  #number = 0
  /** Of those, how many could not be written where they should be. */
  lost = 0

  get number(): number {
    return this.#number
  }

  /** @param line JSON of pino */
  add(line: string): void {
    this.#number++
    const kept = line.length > MAX_LINE ? '' : line
    this.#lines.push(kept)
    this.#characters += kept.length
    while (this.#lines.length > MAX_LINES || this.#characters > MAX_CHARACTERS) {
      this.#characters -= this.#lines.shift()?.length ?? 0
    }
  }

  /** The lines that were asked for, the oldest first. */
  find({ id, after, count }: LogQuery): LogEntry[] {
    const mark = id === null ? '' : `"cid":${JSON.stringify(id)}`
    const first = this.#number - this.#lines.length + 1
    const found: LogEntry[] = []
    for (let at = this.#lines.length - 1; at >= 0 && first + at > after && found.length < count; at--) {
      const line = this.#lines[at] ?? ''
      if (line === '' || !line.includes(mark)) continue
      const entry = parse(line, first + at)
      if (id === null || entry.id === id) found.push(entry)
    }
    return found.toReversed()
  }
}

function parse(line: string, number: number): LogEntry {
  const { level, time, msg, cid, ...rest } = JSON.parse(line) as Readonly<Record<string, unknown>>
  const fields = Object.fromEntries(Object.entries(rest).filter(([name]) => name !== 'pid' && name !== 'hostname'))
  return {
    number,
    timeMs: Number(time),
    level: LEVELS[Number(level)] ?? String(level),
    id: typeof cid === 'string' ? cid : '',
    text: typeof msg === 'string' ? msg : '',
    fields,
  }
}
