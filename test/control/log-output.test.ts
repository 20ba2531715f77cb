import { execFileSync } from 'node:child_process'
import {
  closeSync,
  constants,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  symlinkSync,
  unlinkSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { makeLog, type ProcessLog } from '../../src/control/log.ts'
import { parseLines } from '../support/program.ts'
import { until } from '../support/until.ts'

const LINES = 100_000
const LOST = 'lines of the log were lost'

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'sluice-log-'))
  onTestFinished(() => rmSync(made, { recursive: true }))
  return made
}

function logTo(file: string): ProcessLog {
  return makeLog({ level: 'info', file, pretty: false, utc: true })
}

/** The reading end of a named pipe. */
class PipeReader {
  readonly path: string
  #descriptor: number
  text = ''

  constructor() {
    this.path = join(folder(), 'pipe')
    execFileSync('mkfifo', [this.path])
    this.#descriptor = this.#open()
    onTestFinished(() => this.close())
  }

  /** Somebody reads again. */
  openAnew(): void {
    this.#descriptor = this.#open()
  }

  close(): void {
    if (this.#descriptor >= 0) closeSync(this.#descriptor)
    this.#descriptor = -1
  }

  /** Reads what is there. */
  read(): string {
    const bytes = Buffer.alloc(64 * 1024)
    for (;;) {
      try {
        const count = readSync(this.#descriptor, bytes)
        if (count === 0) return this.text
        this.text += bytes.toString('utf8', 0, count)
      } catch (error) {
        if (error instanceof Error && 'code' in error && error.code === 'EAGAIN') return this.text
        throw error
      }
    }
  }

  #open(): number {
    return openSync(this.path, constants.O_RDONLY | constants.O_NONBLOCK)
  }
}

/** Numbers of the lines that a test wrote, and how many the log says were lost. */
function outcome(text: string): { readonly numbers: number[]; readonly lost: number } {
  const lines = parseLines(text)
  const lost = lines.filter(({ msg }) => msg === LOST).map((line) => Number(line['lines']))
  const numbers = lines.filter(({ msg }) => msg === 'numbered').map((line) => Number(line['number']))
  return { numbers, lost: lost.reduce((sum, count) => sum + count, 0) }
}

describe('a log that is read through a pipe', () => {
  test('has a line before the call for it returns', () => {
    const reader = new PipeReader()
    const { log } = logTo(reader.path)
    log.info({ number: 1 }, 'numbered')
    expect(outcome(reader.read()).numbers).toEqual([1])
  })

  test('whose reader does not read holds nobody: 100,000 lines are kept or counted, the first of them whole', async () => {
    const reader = new PipeReader()
    const { log } = logTo(reader.path)
    for (let number = 0; number < LINES; number++) log.info({ number }, 'numbered')
    const { numbers, lost } = await until('the lost to be told', () => {
      const found = outcome(reader.read())
      return found.lost > 0 && found
    })
    expect(numbers.length + lost).toBe(LINES)
    expect(numbers).toEqual(Array.from(numbers, (_, at) => at))
    // A pipe of 64 KB, and what is kept beside it.
    expect(reader.text.length).toBeGreaterThan(1024 * 1024)
    expect(reader.text.length).toBeLessThan(1.2 * 1024 * 1024)
    log.info({ number: LINES }, 'numbered')
    expect(outcome(reader.read()).numbers.at(-1)).toBe(LINES)
  })

  test('whose reader has gone goes on without it; who reads next is told how much is missing', () => {
    const reader = new PipeReader()
    const { log, ring } = logTo(reader.path)
    log.info({ number: 0 }, 'numbered')
    reader.read()
    reader.close()
    for (let number = 1; number <= 3; number++) log.info({ number }, 'numbered')
    expect(ring.lost).toBe(3)
    reader.openAnew()
    log.info({ number: 4 }, 'numbered')
    expect(outcome(reader.read())).toEqual({ numbers: [0, 4], lost: 3 })
  })
})

test('a full disk ends nothing, and when there is room again the log says what is missing', () => {
  const path = folder()
  const file = join(path, 'a.log')
  symlinkSync('/dev/full', file)
  const { log, reopen } = logTo(file)
  for (let number = 0; number < 5; number++) log.info({ number }, 'numbered')
  unlinkSync(file)
  symlinkSync(join(path, 'b.log'), file)
  reopen()
  log.info({ number: 5 }, 'numbered')
  expect(outcome(readFileSync(file, 'utf8'))).toEqual({ numbers: [5], lost: 5 })
})

test('a log that cannot be opened anew goes on where it is', () => {
  const path = folder()
  const file = join(path, 'a.log')
  const { log, reopen } = logTo(file)
  const before = openSync(file, 'r')
  onTestFinished(() => closeSync(before))
  unlinkSync(file)
  symlinkSync(path, file)
  reopen()
  log.info({ number: 1 }, 'numbered')
  expect(outcome(readFileSync(before, 'utf8')).numbers).toEqual([1])
})
