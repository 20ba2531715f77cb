import { closeSync, constants, mkdirSync, openSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'

/** As much is kept for a reader that does not read. */
const MAX_WAITING_BYTES = 1024 * 1024
/** How often it is looked whether it reads again. */
const RETRY_MS = 50
/** When the process ends, a reader has so long to take the last lines. */
const LAST_MS = 1_000
const LAST_RETRY_MS = 10
const STANDARD_ERROR = 2

/** Who is told of lines that could not be written. */
export interface LineLosses {
  /** So many more. */
  lost(lines: number): void
  /** Lines are taken again; so many are missing before this one. */
  over(lines: number): void
}

/**
 * Lines for a file, or for who reads standard output. A line is written before `write` returns, if it is taken at once.
 * Nothing here throws or waits: a reader that is slow or gone, or a full disk, must not hold or end the process. What
 * cannot be kept is left out and counted.
 */
export class LineOutput {
  readonly #file: string | null
  readonly #losses: LineLosses
  #descriptor: number
  /** What a slow reader has not taken; of the first line perhaps only the end. */
  readonly #waiting: Buffer[] = []
  #waitingBytes = 0
  #retry: NodeJS.Timeout | null = null
  #lost = 0
  #isFailing = false
  /** The last thing that was taken was no whole line. */
  #isWithinLine = false

  /**
   * @param file null: standard output
   * @throws the system's error when the file cannot be opened
   */
  constructor(file: string | null, losses: LineLosses) {
    this.#file = file
    this.#losses = losses
    this.#descriptor = file === null ? standardOutput() : open(file)
    process.once('exit', () => this.#finish())
  }

  /** @param line with its end */
  write(line: string): void {
    const bytes = Buffer.from(this.#isWithinLine && this.#waiting.length === 0 ? `\n${line}` : line)
    if (this.#waiting.length > 0 && this.#waitingBytes + bytes.length > MAX_WAITING_BYTES) {
      this.#lose(1)
      return
    }
    this.#waiting.push(bytes)
    this.#waitingBytes += bytes.length
    // A reader that is waited for is not asked with every line.
    if (this.#retry === null) this.#flush()
  }

  /** Opens the file under its name, which may be another one by now. When that fails, all stays as it is. */
  reopen(): void {
    if (this.#file === null) return
    try {
      const descriptor = open(this.#file)
      closeSync(this.#descriptor)
      this.#descriptor = descriptor
      this.#isWithinLine = false
    } catch (error) {
      complain(error)
    }
  }

  #flush(): void {
    try {
      for (let first = this.#waiting[0]; first; first = this.#waiting[0]) {
        this.#took(first, writeSync(this.#descriptor, first))
      }
    } catch (error) {
      if (isBusy(error)) this.#retryLater()
      else this.#fail(error)
      return
    }
    if (this.#lost > 0 && !this.#isFailing) this.#tellLost()
  }

  #took(first: Buffer, count: number): void {
    this.#isFailing = false
    this.#waitingBytes -= count
    this.#isWithinLine = count < first.length
    if (this.#isWithinLine) this.#waiting[0] = first.subarray(count)
    else this.#waiting.shift()
  }

  #retryLater(): void {
    this.#retry ??= setTimeout(() => {
      this.#retry = null
      this.#flush()
    }, RETRY_MS).unref()
  }

  /** The disk is full, or nobody will ever read: the next line is tried all the same. */
  #fail(error: unknown): void {
    this.#lose(this.#waiting.length)
    this.#waiting.length = 0
    this.#waitingBytes = 0
    if (!this.#isFailing) complain(error)
    this.#isFailing = true
  }

  #lose(lines: number): void {
    this.#lost += lines
    this.#losses.lost(lines)
  }

  #tellLost(): void {
    const lost = this.#lost
    this.#lost = 0
    this.#losses.over(lost)
    if (this.#isFailing) this.#lost += lost
  }

  /** The process ends. */
  #finish(): void {
    const untilMs = performance.now() + LAST_MS
    for (this.#flush(); this.#waiting.length > 0 && performance.now() < untilMs; this.#flush()) {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LAST_RETRY_MS)
    }
  }
}

/** Node makes a pipe non-blocking with its stream: a reader that does not read would hold the process in `write`. */
function standardOutput(): number {
  return process.stdout.fd
}

/** What is no file may be a pipe, whose reader must not hold the process either. */
function open(file: string): number {
  mkdirSync(dirname(file), { recursive: true })
  return openSync(file, constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK, 0o666)
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EAGAIN'
}

/** Somebody may see it there; or nobody. */
function complain(error: unknown): void {
  try {
    writeSync(STANDARD_ERROR, `sluice: log: ${error instanceof Error ? error.message : String(error)}\n`)
  } catch {
    // There is nobody left to be told.
  }
}
