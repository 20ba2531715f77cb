import { beforeEach, describe, expect, test } from 'vitest'
import { FOREVER } from '../../src/st/clock.ts'
import { Condition } from '../../src/st/condition.ts'
import { logThreads, threadGroups, threadState } from '../../src/st/thread-list.ts'
import { makeTestWorld, type TestWorld } from './support/world.ts'

let { world, clock, log }: TestWorld = makeTestWorld()

beforeEach(() => {
  ;({ world, clock, log } = makeTestWorld())
})

describe('what a thread waits for', () => {
  test('is told with its time and its timeout', async () => {
    const condition = new Condition('input')
    const reader = world.spawn('reader', (thread) => condition.wait(thread, 5_000).catch(() => {}))
    const watcher = world.spawn('watcher', (thread) => condition.wait(thread, FOREVER))
    const { id } = reader
    expect(threadState(reader)).toEqual({ id, name: 'reader', waitsFor: '', waitingMs: 0, timeoutMs: null })
    await clock.settle()
    clock.elapse(1_500)
    expect(threadState(reader)).toEqual({ id, name: 'reader', waitsFor: 'input', waitingMs: 1_500, timeoutMs: 5_000 })
    expect(threadState(watcher)).toMatchObject({ waitsFor: 'input', timeoutMs: null })
  })

  test('of one that follows, counts from what it did last', async () => {
    const condition = new Condition('packets')
    const follower = { step: () => true, activeMs: clock.nowMs(), timeoutMs: 30_000 }
    const player = world.spawn('player', (thread) => condition.follow(thread, follower, FOREVER))
    await clock.settle()
    clock.elapse(4_000)
    follower.activeMs = clock.nowMs()
    clock.elapse(1_000)
    expect(threadState(player)).toMatchObject({ waitsFor: 'packets', waitingMs: 1_000, timeoutMs: 30_000 })
  })

  test('is summed up by name and wait, the most first, and written into the log within bounds', async () => {
    const condition = new Condition('input')
    world.spawn('sampler', (thread) => thread.sleep(60_000))
    await clock.settle()
    clock.elapse(2_000)
    for (let count = 0; count < 300; count++) world.spawn('player', (thread) => condition.wait(thread, FOREVER))
    await clock.settle()
    expect(threadGroups(world.threads)).toEqual([
      { name: 'player', waitsFor: 'input', count: 300, longestMs: 0 },
      { name: 'sampler', waitsFor: 'sleep', count: 1, longestMs: 2_000 },
    ])
    logThreads(world)
    const said = (text: string): number => log.lines.filter((line) => line.text === text).length
    expect([said('group of threads'), said('thread waits')]).toEqual([2, 200])
    expect(log.lines[0]?.fields).toEqual({ threads: 301, groups: 2 })
  })
})

describe('a thread that holds the event loop', () => {
  test('is named, and who ran in the same turn', async () => {
    world.scheduler.holdLimitMs = 200
    const condition = new Condition('go')
    world.spawn('idle', (thread) => condition.wait(thread, FOREVER))
    world.spawn('busy', async (thread) => {
      await condition.wait(thread, FOREVER)
      clock.elapse(250)
      await thread.yield()
      clock.elapse(150)
      await thread.yield()
      clock.elapse(300)
    })
    await clock.settle()
    condition.broadcast()
    await clock.settle()
    const fields = log.lines.map((line) => [line.text, line.fields['thread'], line.fields['heldMs']])
    const held = 'a thread held the event loop'
    expect(fields).toEqual([
      [held, 'busy', 250],
      [held, 'busy', 300],
    ])
    expect(log.lines[0]?.fields['ran']).toEqual(['idle', 'busy'])
    expect(world.holds).toBe(2)
  })

  test('is not one that starts or is woken after an idle time', async () => {
    world.scheduler.holdLimitMs = 200
    clock.elapse(10_000)
    const sleeper = world.spawn('sleeper', (thread) => thread.sleep(60_000))
    await clock.settle()
    await clock.pass(70_000)
    expect([sleeper.ended, world.holds, log.lines]).toEqual([true, 0, []])
  })

  test('is nobody while there is no limit', async () => {
    world.spawn('busy', async (thread) => {
      clock.elapse(60_000)
      await thread.yield()
    })
    await clock.settle()
    expect(world.holds).toBe(0)
  })
})
