import { Condition } from '../../src/st/condition.ts'
import { type Program, type ProgramEnd, ProgramError, type Programs, type ProgramStart } from '../../src/st/programs.ts'
import type { Thread } from '../../src/st/thread.ts'

/** A program that does what the test says. */
export class FakeProgram implements Program {
  readonly what: ProgramStart
  readonly pid: number
  end: ProgramEnd | null = null
  isStopped = false
  #pieces: Buffer[] = []
  readonly #changed = new Condition('fake program')

  constructor(what: ProgramStart, pid: number) {
    this.what = what
    this.pid = pid
  }

  print(text: string): void {
    this.#pieces.push(Buffer.from(text))
    this.#changed.broadcast()
  }

  exit(code: number): void {
    this.end = { code, signal: null }
    this.#changed.broadcast()
  }

  async output(thread: Thread, timeoutMs: number): Promise<Buffer | null> {
    for (;;) {
      const piece = this.#pieces.shift()
      if (piece) return piece
      if (this.end) return null
      await this.#changed.wait(thread, timeoutMs)
    }
  }

  async stop(): Promise<void> {
    if (this.end) return
    this.isStopped = true
    this.end = { code: null, signal: 'SIGTERM' }
  }
}

/** Programs that are started on paper. */
export class FakePrograms implements Programs {
  readonly started: FakeProgram[] = []
  /** Names of programs that there are not. */
  readonly missing = new Set<string>()

  async start(_thread: Thread, what: ProgramStart): Promise<Program> {
    if (this.missing.has(what.program)) throw new ProgramError('st_program_missing', `no ${what.program}`)
    const program = new FakeProgram(what, this.started.length + 1)
    this.started.push(program)
    return program
  }

  get last(): FakeProgram {
    const program = this.started.at(-1)
    if (!program) throw new Error('nothing was started')
    return program
  }
}
