import { array, asyncProperty, assert, constantFrom, integer, record } from 'fast-check'
import { beforeEach, describe, expect, test } from 'vitest'
import { FOREVER } from '../../src/st/clock.ts'
import { Condition } from '../../src/st/condition.ts'
import { StError } from '../../src/st/errors.ts'
import { Mutex } from '../../src/st/mutex.ts'
import type { Thread } from '../../src/st/thread.ts'
import { makeTestWorld, noting, outcome, type TestWorld } from './support/world.ts'

let { world, clock }: TestWorld = makeTestWorld()
let mutex = new Mutex()
let notes: string[] = []
let release = new Condition('release')

beforeEach(() => {
  ;({ world, clock } = makeTestWorld())
  mutex = new Mutex()
  notes = []
  release = new Condition('release')
})

/** Locks, waits for `release`, unlocks. */
async function hold(thread: Thread, timeoutMs = FOREVER): Promise<void> {
  await mutex.lock(thread, timeoutMs)
  notes.push(`${thread.name} has it`)
  try {
    await release.wait(thread, FOREVER)
  } finally {
    mutex.unlock(thread)
  }
}

const holder = (name: string, timeoutMs = FOREVER): Thread =>
  noting(world, notes, name, (thread) => hold(thread, timeoutMs))

describe('Mutex', () => {
  test('a free one is taken without a wait', async () => {
    holder('a')
    await clock.turn()
    expect(notes).toEqual(['a has it'])
  })

  test('is handed over in the order of asking', async () => {
    for (const name of ['a', 'b', 'c']) holder(name)
    await clock.settle()
    for (let i = 0; i < 3; i++) {
      release.signal()
      await clock.settle()
    }
    expect(notes).toEqual(['a has it', 'a ok', 'b has it', 'b ok', 'c has it', 'c ok'])
  })

  test('cannot be taken by a third between unlock and the turn of the next owner', async () => {
    holder('a')
    holder('b')
    await clock.settle()
    // The thief runs in the same slice as the unlock, before the new owner does.
    world.spawn('thief', async (thread) => {
      release.signal()
      await thread.yield()
      notes.push(`thief ${await outcome(mutex.lock(thread, 10))}`)
    })
    await clock.pass(10)
    expect(notes).toEqual(['a has it', 'a ok', 'b has it', 'thief st_timeout'])
  })

  test('taking it twice is an error, not a deadlock', async () => {
    noting(world, notes, 'a', async (thread) => {
      await mutex.lock(thread, FOREVER)
      await mutex.lock(thread, FOREVER)
    })
    await clock.settle()
    expect(notes).toEqual(['a st_deadlock'])
  })

  test('only the owner may free it', async () => {
    holder('a')
    noting(world, notes, 'b', async (thread) => mutex.unlock(thread))
    await clock.settle()
    expect(notes).toEqual(['a has it', 'b st_not_owner'])
    const [owner] = world.threads
    mutex.unlock(owner as Thread)
    expect(() => mutex.unlock(owner as Thread)).toThrow(StError)
  })

  test('who gives up waiting is skipped', async () => {
    holder('a')
    holder('b', 10)
    const interrupted = holder('c')
    holder('d')
    await clock.pass(10)
    interrupted.interrupt('now')
    await clock.settle()
    release.signal()
    await clock.settle()
    expect(notes).toEqual(['a has it', 'b st_timeout', 'c st_interrupted', 'a ok', 'd has it'])
  })

  test('an interrupt or a timeout after the hand-over does not undo it', async () => {
    const results: string[] = []
    noting(world, notes, 'a', async (thread) => {
      await mutex.lock(thread, FOREVER)
      await release.wait(thread, FOREVER)
      mutex.unlock(thread)
      next.interrupt('late')
      clock.elapse(100)
    })
    const next = world.spawn('b', async (thread) => {
      results.push(await outcome(mutex.lock(thread, 100)), await outcome(thread.sleep(10)))
      mutex.unlock(thread)
      results.push('unlocked')
    })
    await clock.settle()
    release.signal()
    await clock.settle()
    expect(results).toEqual(['ok', 'st_interrupted', 'unlocked'])
  })

  test('under random timeouts and interrupts: one owner at a time, free at the end', async () => {
    const step = record({
      kind: constantFrom('start', 'start', 'release', 'interrupt', 'pass'),
      number: integer({ min: 1, max: 30 }),
    })
    await assert(
      asyncProperty(array(step, { maxLength: 60 }), async (steps) => {
        const tested = makeTestWorld()
        const lock = new Mutex()
        const free = new Condition('free')
        let owners = 0
        const body = async (thread: Thread, timeoutMs: number): Promise<void> => {
          await lock.lock(thread, timeoutMs)
          expect(++owners).toBe(1)
          try {
            await free.wait(thread, 15)
          } finally {
            owners--
            lock.unlock(thread)
          }
        }
        const threads: Thread[] = []
        for (const { kind, number } of steps) {
          if (kind === 'start') threads.push(noting(tested.world, [], 'x', (thread) => body(thread, number)))
          else if (kind === 'release') free.signal()
          else if (kind === 'interrupt') threads[number % Math.max(1, threads.length)]?.interrupt('random')
          else tested.clock.elapse(number)
          if (number % 3 > 0) await tested.clock.turn()
        }
        await tested.clock.pass(1_000)
        expect(tested.world.threads.size).toBe(0)
        expect(tested.world.failures).toBe(0)
        expect(tested.clock.pendingTimers).toBe(0)
        const after: string[] = []
        noting(tested.world, after, 'last', (thread) => lock.lock(thread, FOREVER))
        await tested.clock.settle()
        expect(after).toEqual(['last ok'])
      }),
      { seed: 3, numRuns: 100 },
    )
  })
})
