import { StError } from './errors.ts'
import type { Thread } from './thread.ts'

/**
 * A program cannot be started. `code`: `st_program_missing` (there is no such program, or it is none that may be run),
 * `st_program` (anything else: no such folder for its output, too many processes ...).
 */
export class ProgramError extends StError {}

/** What is to be started. There is no shell: arguments reach the program as they are. */
export interface ProgramStart {
  /** A path, or a name that is looked for in PATH. */
  readonly program: string
  readonly args: readonly string[]
  /** Files to which the program appends what it prints; null: `Program.output` gives it. */
  readonly stdout: string | null
  readonly stderr: string | null
}

/** How a program has ended: by itself, or by a signal. */
export interface ProgramEnd {
  readonly code: number | null
  readonly signal: string | null
}

/** A running program. Whoever starts it stops it. */
export interface Program {
  readonly pid: number
  /** Null while it runs. What it printed may still be to be read. */
  readonly end: ProgramEnd | null
  /**
   * What it has printed and nobody has read. Of what is not read soon enough only the first 64 KB are kept: a program
   * never waits for its reader.
   * @returns null when it has ended and all has been read
   * @throws TimeoutError, InterruptedError
   */
  output(thread: Thread, timeoutMs: number): Promise<Buffer | null>
  /**
   * Ends it and what it has started: SIGTERM, and SIGKILL when that is not enough, or when the thread is interrupted.
   * @param graceMs how long it may take to end by itself
   * @throws TimeoutError when it is still there 5 s later; InterruptedError
   */
  stop(thread: Thread, graceMs: number): Promise<void>
}

/** What starts programs: the machine, or something else in a test. */
export interface Programs {
  /** Starts one; its standard input is empty. @throws ProgramError, TimeoutError, InterruptedError */
  start(thread: Thread, what: ProgramStart, timeoutMs: number): Promise<Program>
}

/** Of a world in which no program can be started. */
export const NO_PROGRAMS: Programs = {
  start: () => Promise.reject(new ProgramError('st_program', 'this world has no programs')),
}
