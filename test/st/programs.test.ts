import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { FOREVER } from '../../src/st/clock.ts'
import type { Program, ProgramStart } from '../../src/st/programs.ts'
import type { Thread } from '../../src/st/thread.ts'
import { until } from '../support/until.ts'
import { makeWorld, runThread } from '../support/world.ts'

const LIMIT_MS = 20_000

function shell(script: string, files: Partial<ProgramStart> = {}): ProgramStart {
  return { program: 'sh', args: ['-c', script], stdout: null, stderr: null, ...files }
}

/** Runs a body with a program, which is gone then. */
async function withProgram<T>(what: ProgramStart, body: (thread: Thread, program: Program) => Promise<T>): Promise<T> {
  const { world } = makeWorld()
  return runThread(world, async (thread) => {
    const program = await world.programs.start(thread, what, LIMIT_MS)
    try {
      return await body(thread, program)
    } finally {
      await program.stop(thread, 0)
    }
  })
}

async function allOutput(thread: Thread, program: Program): Promise<string> {
  let text = ''
  for (let bytes = await program.output(thread, LIMIT_MS); bytes; bytes = await program.output(thread, LIMIT_MS)) {
    text += bytes.toString()
  }
  return text
}

async function firstOutput(thread: Thread, program: Program): Promise<string> {
  return String(await program.output(thread, LIMIT_MS)).trim()
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    // A zombie is gone.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

describe('a program', () => {
  test('gives what it prints and how it ended', async () => {
    await withProgram(shell('echo out; echo err >&2; exit 3'), async (thread, program) => {
      const text = await allOutput(thread, program)
      expect(text.split('\n').toSorted()).toEqual(['', 'err', 'out'])
      expect(program.end).toEqual({ code: 3, signal: null })
      await program.stop(thread, 0)
    })
  })

  test('gets its arguments as they are, and nothing on its standard input', async () => {
    const args = ['-c', 'cat; printf "%s|" "$@"', 'sh', '$HOME', '; rm x', '"']
    await withProgram({ program: 'sh', args, stdout: null, stderr: null }, async (thread, program) => {
      expect(await allOutput(thread, program)).toBe('$HOME|; rm x|"|')
    })
  })

  test('appends to files', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'sluice-programs-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const stdout = join(folder, 'both.log')
    for (const word of ['one', 'two']) {
      await withProgram(shell(`echo ${word}; echo ${word}! >&2`, { stdout, stderr: stdout }), allOutput)
    }
    expect(readFileSync(stdout, 'utf8')).toBe('one\none!\ntwo\ntwo!\n')
  })

  test('is ended with all that it has started, also when it does not want to', async () => {
    const stubborn = "trap '' TERM; (trap '' TERM; echo $$; exec sleep 600) & echo $!; wait"
    await withProgram(shell(stubborn), async (thread, program) => {
      const child = Number((await firstOutput(thread, program)).split('\n')[0])
      expect(isAlive(child)).toBe(true)
      await program.stop(thread, 50)
      expect(program.end).toEqual({ code: null, signal: 'SIGKILL' })
      await until('the child to be gone', () => !isAlive(child) && !isAlive(program.pid))
    })
  })

  test('takes with it what it leaves behind', async () => {
    await withProgram(shell('sleep 600 & echo $!'), async (thread, program) => {
      const child = Number(await firstOutput(thread, program))
      expect(await program.output(thread, LIMIT_MS)).toBeNull()
      await until('the child to be gone', () => !isAlive(child))
    })
  })

  test('that may end by itself does', async () => {
    await withProgram(
      shell("trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done"),
      async (thread, program) => {
        await firstOutput(thread, program)
        await program.stop(thread, LIMIT_MS)
        expect(await firstOutput(thread, program)).toContain('bye')
        expect(program.end).toEqual({ code: 0, signal: null })
      },
    )
  })

  test('that nobody reads does not wait, and costs no memory', async () => {
    await withProgram(shell('head -c 20000000 /dev/zero; echo done >&2'), async (thread, program) => {
      await until('its end', () => !isAlive(program.pid))
      let bytes = 0
      for (let part = await program.output(thread, LIMIT_MS); part; part = await program.output(thread, LIMIT_MS)) {
        bytes += part.length
      }
      expect(bytes).toBeLessThan(300_000)
    })
  })

  test('is killed when its thread is interrupted while it is being stopped', async () => {
    const { world } = makeWorld()
    const stopping = runThread(world, async (thread) => {
      const program = await world.programs.start(thread, shell("trap '' TERM; echo up; sleep 600"), LIMIT_MS)
      await firstOutput(thread, program)
      thread.spawn('other', async () => thread.interrupt('now'))
      try {
        await program.stop(thread, FOREVER)
      } catch (error) {
        return { pid: program.pid, error }
      }
      return null
    })
    const stopped = await stopping
    expect(stopped?.error).toMatchObject({ code: 'st_interrupted' })
    await until('it to be gone', () => !isAlive(stopped?.pid ?? 0))
  })

  test.each([
    ['a name that is nowhere', 'no-such-program-anywhere', 'st_program_missing'],
    ['a path that is not there', './no/such', 'st_program_missing'],
    ['a folder', '/tmp', 'st_program_missing'],
  ])('%s cannot be started', async (_what, program, code) => {
    const { world } = makeWorld()
    const start = { program, args: [], stdout: null, stderr: null }
    await expect(runThread(world, (thread) => world.programs.start(thread, start, LIMIT_MS))).rejects.toMatchObject({
      code,
    })
  })

  test('cannot be started when its output has no place', async () => {
    await expect(withProgram(shell('echo', { stdout: '/no/such/folder/x' }), allOutput)).rejects.toMatchObject({
      code: 'st_program',
    })
  })
})
