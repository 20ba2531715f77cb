import { describe, expect, test } from 'vitest'
import { keepRunning, type ProgramTask } from '../../../src/cluster/programs/keep-running.ts'
import { makeTestWorld, noting } from '../../st/support/world.ts'
import { TestDisk } from '../../st/support/disk.ts'
import { FakePrograms } from '../../support/fake-programs.ts'

const TASK: ProgramTask = {
  program: 'ffmpeg',
  args: ['-i', 'rtmp://h/live/a?token=abc', 'x.flv'],
  stdout: null,
  stderr: null,
  logFile: 'logs/a.log',
}

function setUp(task: ProgramTask = TASK) {
  const disk = new TestDisk()
  const programs = new FakePrograms()
  const { world, clock, log } = makeTestWorld(disk, programs)
  const notes: string[] = []
  const thread = noting(world, notes, 'keeper', (own) => keepRunning(own, task))
  return { disk, programs, clock, log, notes, thread }
}

describe('a program that is kept running', () => {
  test('is started again when it has ended, later and later while it does not run for long', async () => {
    const { programs, clock, thread, notes } = setUp()
    await clock.settle()
    const pauses: number[] = []
    for (let round = 0; round < 6; round++) {
      programs.last.exit(1)
      const before = clock.nowMs()
      const count = programs.started.length
      while (programs.started.length === count) await clock.pass(500)
      pauses.push(Math.round((clock.nowMs() - before) / 1000))
    }
    expect(pauses).toEqual([3, 6, 12, 24, 48, 60])
    await clock.pass(70_000)
    programs.last.exit(0)
    const count = programs.started.length
    await clock.pass(3_100)
    expect(programs.started.length).toBe(count + 1)
    thread.interrupt('end of the stream')
    await clock.settle()
    expect([programs.last.isStopped, notes]).toEqual([true, ['keeper st_interrupted']])
  })

  test('has its words in its log, and the last ones in the log of the server', async () => {
    const { programs, clock, disk, log, thread } = setUp()
    await clock.settle()
    programs.last.print('frame=1\r')
    programs.last.print('Unknown encoder\n')
    await clock.settle()
    programs.last.exit(8)
    await clock.settle()
    const text = disk.files.get('logs/a.log')?.toString() ?? ''
    expect(text).toMatch(/process 1: ffmpeg -i rtmp:\/\/h\/live\/a\?token=\*\*\* x\.flv\nframe=1\rUnknown encoder\n$/)
    const ended = log.lines.find((line) => line.text === 'program ended')
    expect(ended?.fields).toMatchObject({ child: 1, code: 8, said: 'frame=1 Unknown encoder' })
    thread.interrupt('over')
    await clock.settle()
  })

  test('has a log that does not grow for ever', async () => {
    const { programs, clock, disk, thread } = setUp()
    await clock.settle()
    for (let count = 0; count < 22; count++) {
      programs.last.print('x'.repeat(1024 * 1024))
      await clock.settle()
    }
    const sizes = [...disk.files].map(([name, bytes]) => [name, bytes.length >> 20])
    expect(sizes).toEqual([
      ['logs/a.log.1', 10],
      ['logs/a.log', 2],
    ])
    thread.interrupt('over')
    await clock.settle()
  })

  test('runs on when its log cannot be written, which is told once', async () => {
    const { programs, clock, disk, log, thread } = setUp()
    disk.errno = 'ENOSPC'
    await clock.settle()
    programs.last.print('a')
    await clock.settle()
    programs.last.print('b')
    await clock.settle()
    expect(log.lines.filter(({ level }) => level === 'warn').map(({ text }) => text)).toEqual([
      'a program cannot be logged',
    ])
    expect(programs.last.isStopped).toBe(false)
    disk.errno = null
    thread.interrupt('over')
    await clock.settle()
  })

  test('that is not there is looked for again', async () => {
    const { programs, clock, log, thread } = setUp()
    programs.missing.add('ffmpeg')
    await clock.settle()
    expect(log.lines.at(-1)).toMatchObject({
      text: 'program cannot be started',
      fields: { code: 'st_program_missing' },
    })
    programs.missing.clear()
    await clock.pass(3_100)
    expect(programs.started.length).toBe(1)
    thread.interrupt('over')
    await clock.settle()
  })

  test("is the system's ffmpeg where SRS's own is not", async () => {
    const { programs, clock, thread } = setUp({ ...TASK, program: './objs/ffmpeg/bin/ffmpeg', logFile: null })
    programs.missing.add('./objs/ffmpeg/bin/ffmpeg')
    await clock.settle()
    expect(programs.last.what.program).toBe('ffmpeg')
    thread.interrupt('over')
    await clock.settle()
  })
})

test('in a world without programs it is told that there are none', async () => {
  const { world, clock, log } = makeTestWorld(new TestDisk())
  const thread = noting(world, [], 'keeper', (own) => keepRunning(own, TASK))
  await clock.settle()
  expect(log.lines.at(-1)?.fields).toMatchObject({ code: 'st_program' })
  thread.interrupt('over')
  await clock.settle()
})
