import { type ChildProcess, spawn } from 'node:child_process'
import { constants } from 'node:fs'
import { access, type FileHandle, open, stat } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import type { Readable } from 'node:stream'
import { Condition } from '../condition.ts'
import { asError, StError, TimeoutError } from '../errors.ts'
import { type Program, type ProgramEnd, ProgramError, type Programs, type ProgramStart } from '../programs.ts'
import type { Thread } from '../thread.ts'
import { untilSettled } from './settled.ts'

/** What a program has printed and nobody has read. */
const OUTPUT_LIMIT_BYTES = 64 * 1024
/** For a killed program to be gone: one that the kernel does not let go takes longer. */
const KILL_LIMIT_MS = 5_000
const LOG_MODE = 0o644
/** Not blocked by a named pipe that nobody reads. */
const APPEND = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK
/** A program of util-linux that makes the kernel kill another one when its parent has died, however that died. */
const SETPRIV = 'setpriv'
const DIE_WITH_PARENT = ['--pdeathsig', 'KILL']

/**
 * The programs of the machine. Each has a process group of its own, so that what it starts ends with it, and a signal from
 * the terminal does not reach it. When the server's process ends in whatever way, they are killed: by the process as it
 * exits, else, on Linux with util-linux, by the kernel.
 */
export class RealPrograms implements Programs {
  readonly #running = new Set<RealProgram>()
  #guard: Promise<readonly string[]> | null = null

  async start(thread: Thread, what: ProgramStart, timeoutMs: number): Promise<Program> {
    const starting = this.#start(what)
    try {
      return await untilSettled(thread, `start of ${what.program}`, starting, timeoutMs)
    } catch (caught) {
      // Nobody waits for it any more, and it may still be started.
      void killWhenStarted(starting)
      const error = asError(caught)
      if (error instanceof StError) throw error
      throw new ProgramError('st_program', `cannot start ${what.program}: ${error.message}`, { cause: error })
    }
  }

  async #start({ program, args, stdout, stderr }: ProgramStart): Promise<RealProgram> {
    const path = await findProgram(program)
    const [file = path, ...before] = await this.#guarded(path)
    const files: (FileHandle | null)[] = []
    try {
      files.push(await openForAppend(stdout), stderr === stdout ? null : await openForAppend(stderr))
      const out = files[0]?.fd ?? 'pipe'
      const error = stderr !== null && stderr === stdout ? out : (files[1]?.fd ?? 'pipe')
      const child = spawn(file, [...before, ...args], { detached: true, stdio: ['ignore', out, error] })
      await started(child)
      return new RealProgram(child, this.#running)
    } finally {
      for (const opened of files) await opened?.close()
    }
  }

  /** The program's path, behind what guards it. */
  async #guarded(path: string): Promise<readonly string[]> {
    if (!this.#guard) {
      process.on('exit', () => {
        for (const program of this.#running) program.kill('SIGKILL')
      })
      this.#guard = findGuard()
    }
    return [...(await this.#guard), path]
  }
}

class RealProgram implements Program {
  readonly pid: number
  readonly #child: ChildProcess
  readonly #running: Set<RealProgram>
  readonly #changed = new Condition('program')
  #pieces: Buffer[] = []
  #bytes = 0
  #end: ProgramEnd | null = null

  constructor(child: ChildProcess, running: Set<RealProgram>) {
    this.pid = child.pid ?? 0
    this.#child = child
    this.#running = running
    running.add(this)
    for (const output of [child.stdout, child.stderr]) this.#follow(output)
    // What it has started and left behind would keep its output open, and itself alive.
    child.once('exit', () => this.kill('SIGKILL'))
    child.once('close', (code, signal) => this.#ended({ code, signal }))
  }

  get end(): ProgramEnd | null {
    return this.#end
  }

  async output(thread: Thread, timeoutMs: number): Promise<Buffer | null> {
    while (this.#pieces.length === 0) {
      if (this.#end) return null
      await this.#changed.wait(thread, timeoutMs)
    }
    const output = Buffer.concat(this.#pieces)
    this.#pieces = []
    this.#bytes = 0
    return output
  }

  async stop(thread: Thread, graceMs: number): Promise<void> {
    if (this.#end) return
    this.kill('SIGTERM')
    try {
      await this.#untilEnd(thread, graceMs)
      return
    } catch (error) {
      this.kill('SIGKILL')
      if (!(error instanceof TimeoutError)) throw error
    }
    await this.#untilEnd(thread, KILL_LIMIT_MS)
  }

  /** Sends a signal to it and all that it has started. */
  kill(signal: 'SIGTERM' | 'SIGKILL'): void {
    try {
      process.kill(-this.pid, signal)
    } catch (error) {
      // ESRCH: nobody of the group is left. EPERM: it has become somebody else's.
      if (!(error instanceof Error && 'code' in error)) throw error
    }
  }

  async #untilEnd(thread: Thread, timeoutMs: number): Promise<void> {
    const { clock } = thread.world
    const deadlineMs = clock.nowMs() + timeoutMs
    while (!this.#end) {
      const leftMs = Math.ceil(deadlineMs - clock.nowMs())
      if (leftMs <= 0) throw new TimeoutError(`end of process ${this.pid}`, timeoutMs)
      await this.#changed.wait(thread, leftMs)
    }
  }

  #follow(output: Readable | null): void {
    output?.on('data', (bytes: Buffer) => {
      if (this.#bytes >= OUTPUT_LIMIT_BYTES) return
      this.#pieces.push(bytes)
      this.#bytes += bytes.length
      this.#changed.broadcast()
    })
    // An output that breaks ends with the program.
    output?.on('error', () => output.destroy())
  }

  #ended(end: ProgramEnd): void {
    this.#child.removeAllListeners()
    this.#running.delete(this)
    this.#end = end
    this.#changed.broadcast()
  }
}

function started(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once('spawn', resolve)
    child.once('error', reject)
  })
}

async function killWhenStarted(starting: Promise<RealProgram>): Promise<void> {
  const program = await starting.catch(() => null)
  program?.kill('SIGKILL')
}

/** @throws ProgramError 'st_program_missing' */
async function findProgram(program: string): Promise<string> {
  const folders = program.includes('/') ? [''] : (process.env['PATH'] ?? '').split(delimiter)
  for (const folder of folders) {
    const path = join(folder, program)
    if (await isExecutable(path)) return path.includes('/') ? path : `./${path}`
  }
  throw new ProgramError('st_program_missing', `there is no program ${program}`)
}

async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK)
    return (await stat(path)).isFile()
  } catch (error) {
    if (error instanceof Error && 'code' in error) return false
    throw error
  }
}

function openForAppend(path: string | null): Promise<FileHandle> | null {
  return path === null ? null : open(path, APPEND, LOG_MODE)
}

/** The command that is put in front of others; empty where there is none. */
async function findGuard(): Promise<readonly string[]> {
  if (process.platform !== 'linux') return []
  try {
    const path = await findProgram(SETPRIV)
    const trial = spawn(path, [...DIE_WITH_PARENT, 'true'], { stdio: 'ignore' })
    const code = await new Promise((resolve, reject) => {
      trial.once('exit', resolve)
      trial.once('error', reject)
    })
    return code === 0 ? [path, ...DIE_WITH_PARENT] : []
  } catch (error) {
    if (error instanceof ProgramError || (error instanceof Error && 'code' in error)) return []
    throw error
  }
}
