import { maskedQuery } from '../../rtmp/url.ts'
import { FOREVER } from '../../st/clock.ts'
import { TimeoutError } from '../../st/errors.ts'
import { type Program, ProgramError, type ProgramStart } from '../../st/programs.ts'
import type { Thread } from '../../st/thread.ts'
import { ProgramLog } from './program-log.ts'

const START_TIMEOUT_MS = 10_000
/** Before a program that has ended is started again: SRS's 3 s, doubled while it does not run for long. */
const FIRST_PAUSE_MS = 3_000
const LONGEST_PAUSE_MS = 60_000
const STEADY_MS = 60_000
/** How long a program may take to end by itself when its stream has ended. */
const GRACE_MS = 1_000
/** Where SRS's builds have an ffmpeg of their own, and its configurations look for it. */
const FFMPEG_OF_SRS = './objs/ffmpeg/bin/ffmpeg'
/** Of the last words of a program, in the server's log. */
const TAIL_CHARACTERS = 300

/** A program that is to run, and the file of what it prints. */
export interface ProgramTask extends ProgramStart {
  /** Null: nowhere. */
  readonly logFile: string | null
}

/**
 * Runs a program, again whenever it has ended, until the thread is interrupted; it is gone then.
 * @param firstPauseMs before it is started again; doubled while it does not run for long
 * @throws InterruptedError
 */
export async function keepRunning(thread: Thread, task: ProgramTask, firstPauseMs = FIRST_PAUSE_MS): Promise<void> {
  const { clock } = thread.world
  const log = task.logFile === null ? null : new ProgramLog(task.logFile)
  try {
    for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
      const startedMs = clock.nowMs()
      await runOnce(thread, task, log)
      if (clock.nowMs() - startedMs >= STEADY_MS) pauseMs = firstPauseMs
      await thread.sleep(pauseMs)
    }
  } finally {
    await log?.close(thread)
  }
}

async function runOnce(thread: Thread, task: ProgramTask, log: ProgramLog | null): Promise<void> {
  const program = await start(thread, task)
  if (!program) return
  const { pid } = program
  const command = [task.program, ...task.args].map(maskedQuery).join(' ')
  thread.log.info({ child: pid, command }, 'program started')
  let tail = ''
  try {
    await log?.write(thread, Buffer.from(`\n${at(thread)} process ${pid}: ${command}\n`))
    for (let text = await program.output(thread, FOREVER); text; text = await program.output(thread, FOREVER)) {
      tail = (tail + text.toString('latin1')).slice(-TAIL_CHARACTERS)
      await log?.write(thread, text)
    }
    thread.log.warn({ child: pid, ...program.end, said: printable(tail) }, 'program ended')
  } finally {
    await stop(thread, program)
  }
}

/** Null when it cannot be started now; that is told. */
async function start(thread: Thread, task: ProgramTask): Promise<Program | null> {
  const { programs } = thread.world
  try {
    return await programs.start(thread, task, START_TIMEOUT_MS)
  } catch (error) {
    if (!(error instanceof ProgramError)) throw error
    const isOfSrs = task.program === FFMPEG_OF_SRS && error.code === 'st_program_missing'
    if (isOfSrs) return start(thread, { ...task, program: 'ffmpeg' })
    thread.log.warn({ program: task.program, reason: error.message, code: error.code }, 'program cannot be started')
    return null
  }
}

async function stop(thread: Thread, program: Program): Promise<void> {
  if (program.end) return
  thread.log.info({ child: program.pid }, 'program is ended')
  try {
    await program.stop(thread, GRACE_MS)
  } catch (error) {
    if (!(error instanceof TimeoutError)) throw error
    thread.log.error({ child: program.pid }, 'a program is killed and does not go')
  }
}

function at(thread: Thread): string {
  return new Date(thread.world.clock.wallMs()).toISOString()
}

/** One line, without what would confuse a terminal. */
function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]+/g, ' ').trim()
}
