import { beforeEach, describe, expect, test } from 'vitest'
import { FOREVER } from '../../src/st/clock.ts'
import { Condition } from '../../src/st/condition.ts'
import { ClosedError, TimeoutError } from '../../src/st/errors.ts'
import { makeTestWorld, noting, outcome, type TestWorld } from './support/world.ts'

let { world, clock }: TestWorld = makeTestWorld()
let condition = new Condition('something')
let notes: string[] = []

beforeEach(() => {
  ;({ world, clock } = makeTestWorld())
  condition = new Condition('something')
  notes = []
})

function waits(name: string, timeoutMs = FOREVER): ReturnType<typeof noting> {
  return noting(world, notes, name, (thread) => condition.wait(thread, timeoutMs))
}

describe('signal and broadcast', () => {
  test('signal wakes the thread that has waited longest', async () => {
    for (const name of ['a', 'b', 'c']) waits(name)
    await clock.settle()
    condition.signal()
    await clock.settle()
    expect(notes).toEqual(['a ok'])
    condition.signal()
    condition.signal()
    await clock.settle()
    expect(notes).toEqual(['a ok', 'b ok', 'c ok'])
  })

  test('signal has no memory', async () => {
    condition.signal()
    condition.broadcast()
    waits('a')
    await clock.settle()
    expect(notes).toEqual([])
    condition.signal()
    await clock.settle()
    expect(notes).toEqual(['a ok'])
  })

  test('two signals in one turn wake two threads', async () => {
    for (const name of ['a', 'b', 'c']) waits(name)
    await clock.settle()
    condition.signal()
    condition.signal()
    await clock.settle()
    expect(notes).toEqual(['a ok', 'b ok'])
  })

  test('broadcast wakes all, in the order of waiting', async () => {
    const names = Array.from({ length: 300 }, (_, i) => `t${i}`)
    for (const name of names) waits(name)
    await clock.settle()
    condition.broadcast()
    await clock.settle()
    expect(notes).toEqual(names.map((name) => `${name} ok`))
  })

  test('a wake-up runs nobody on the spot', async () => {
    waits('a')
    await clock.settle()
    condition.broadcast()
    expect(notes).toEqual([])
    expect(world.scheduler.readyCount).toBe(1)
  })

  test('who waits again while a broadcast is drained is not woken twice', async () => {
    const wakes = new Array<number>(300).fill(0)
    for (const index of wakes.keys()) {
      world.spawn('loop', async (thread) => {
        for (;;) {
          await condition.wait(thread, FOREVER)
          wakes[index] = (wakes[index] ?? 0) + 1
        }
      })
    }
    await clock.settle()
    condition.broadcast()
    await clock.settle()
    expect(new Set(wakes)).toEqual(new Set([1]))
    condition.broadcast()
    await clock.settle()
    expect(new Set(wakes)).toEqual(new Set([2]))
  })

  test('a broadcast during a broadcast wakes only those who wait again already', async () => {
    const wakes = new Array<number>(300).fill(0)
    for (const index of wakes.keys()) {
      world.spawn('loop', async (thread) => {
        for (;;) {
          await condition.wait(thread, FOREVER)
          wakes[index] = (wakes[index] ?? 0) + 1
          // The 200th runs in the second slice: the 128 of the first one wait again, the others do not yet.
          if (index === 200 && wakes[index] === 1) condition.broadcast()
        }
      })
    }
    await clock.settle()
    condition.broadcast()
    await clock.settle()
    // Of the second slice, numbers 128 to 199 ran before the 200th and wait again too.
    expect(wakes.map((count, index) => count - (index < 200 ? 2 : 1))).toEqual(new Array(300).fill(0))
  })

  test('a thread that waits again after a signal goes to the end', async () => {
    const order: string[] = []
    for (const name of ['a', 'b']) {
      world.spawn(name, async (thread) => {
        for (;;) {
          await condition.wait(thread, FOREVER)
          order.push(name)
        }
      })
    }
    await clock.settle()
    for (let i = 0; i < 4; i++) {
      condition.signal()
      await clock.settle()
    }
    expect(order).toEqual(['a', 'b', 'a', 'b'])
  })
})

describe('timeout', () => {
  test('says what was waited for and how long', async () => {
    let caught: unknown = null
    world.spawn('a', async (thread) => {
      await condition.wait(thread, 250).catch((error: unknown) => {
        caught = error
      })
    })
    await clock.pass(249)
    expect(caught).toBeNull()
    await clock.pass(1)
    expect(caught).toBeInstanceOf(TimeoutError)
    expect(caught).toMatchObject({ code: 'st_timeout', message: 'something: timed out after 250 ms' })
  })

  test('a signal before the timeout wins, although the time is over before the thread runs', async () => {
    waits('a', 100)
    await clock.settle()
    condition.signal()
    clock.elapse(1_000)
    await clock.settle()
    expect(notes).toEqual(['a ok'])
    expect(clock.pendingTimers).toBe(0)
  })

  test('a timeout before the signal wins, and the signal goes to the next waiter', async () => {
    waits('a', 100)
    waits('b', FOREVER)
    await clock.settle()
    clock.elapse(100)
    condition.signal()
    await clock.settle()
    expect(notes).toEqual(['a st_timeout', 'b ok'])
  })

  test('a wait without limit runs no timer', async () => {
    waits('a', FOREVER)
    await clock.settle()
    expect(clock.pendingTimers).toBe(0)
  })

  test('one in the middle times out, the order of the others stays', async () => {
    waits('a')
    waits('b', 10)
    waits('c')
    await clock.pass(10)
    condition.signal()
    condition.signal()
    await clock.settle()
    expect(notes).toEqual(['b st_timeout', 'a ok', 'c ok'])
  })
})

describe('interrupt', () => {
  test('before the wait: it is kept and ends the next wait at once', async () => {
    const go = new Condition('go')
    const thread = world.spawn('a', async (self) => {
      // Interrupts itself between two waits: nothing to wake, so it must stay.
      self.interrupt('early')
      notes.push(await outcome(condition.wait(self, 100)), await outcome(go.wait(self, FOREVER)))
    })
    await clock.settle()
    expect(notes).toEqual([])
    expect(clock.pendingTimers).toBe(0)
    go.signal()
    await clock.settle()
    expect(notes).toEqual(['st_interrupted', 'ok'])
    expect(thread.ended).toBe(true)
  })

  test('during the wait: the wait ends, the timer is gone', async () => {
    const thread = waits('a', 100)
    await clock.settle()
    expect(clock.pendingTimers).toBe(1)
    thread.interrupt('now')
    expect(clock.pendingTimers).toBe(0)
    await clock.settle()
    expect(notes).toEqual(['a st_interrupted'])
  })

  test('after the wake-up was queued: that wait ends well, the next one is interrupted', async () => {
    const thread = world.spawn('a', async (self) => {
      notes.push(await outcome(condition.wait(self, 100)), await outcome(condition.wait(self, 100)))
    })
    await clock.settle()
    condition.signal()
    thread.interrupt('late')
    await clock.settle()
    expect(notes).toEqual(['ok', 'st_interrupted'])
  })

  test('after the timeout was queued: that wait times out, the next one is interrupted', async () => {
    const thread = world.spawn('a', async (self) => {
      notes.push(await outcome(condition.wait(self, 100)), await outcome(condition.wait(self, 100)))
    })
    await clock.settle()
    clock.elapse(100)
    thread.interrupt('late')
    await clock.settle()
    expect(notes).toEqual(['st_timeout', 'st_interrupted'])
  })

  test('a signal after it goes to the next waiter, not to the interrupted one', async () => {
    const thread = waits('a')
    waits('b')
    await clock.settle()
    thread.interrupt('now')
    condition.signal()
    await clock.settle()
    expect(notes).toEqual(['a st_interrupted', 'b ok'])
  })

  test('of one in the middle keeps the order of the others', async () => {
    waits('a')
    const thread = waits('b')
    waits('c')
    await clock.settle()
    thread.interrupt('now')
    condition.signal()
    condition.signal()
    await clock.settle()
    expect(notes).toEqual(['b st_interrupted', 'a ok', 'c ok'])
  })
})

describe('follow', () => {
  test('does the step at once and at each broadcast, without running the thread, until it says no', async () => {
    let steps = 0
    noting(world, notes, 't', (thread) => condition.follow(thread, { step: () => ++steps < 4 }, FOREVER))
    await clock.settle()
    expect([steps, notes]).toEqual([1, []])
    for (const expected of [2, 3]) {
      condition.broadcast()
      await clock.settle()
      expect([steps, notes]).toEqual([expected, []])
    }
    condition.broadcast()
    await clock.settle()
    expect([steps, notes]).toEqual([4, ['t ok']])
    condition.broadcast()
    await clock.settle()
    expect(steps).toBe(4)
  })

  test('does not wait when the first step says no', async () => {
    noting(world, notes, 't', (thread) => new Condition('go').follow(thread, { step: () => false }, FOREVER))
    await clock.settle()
    expect(notes).toEqual(['t ok'])
  })

  test('ends with what the step throws', async () => {
    let isBroken = false
    const step = (): boolean => {
      if (isBroken) throw new ClosedError('gone')
      return true
    }
    noting(world, notes, 't', (thread) => condition.follow(thread, { step }, FOREVER))
    await clock.settle()
    isBroken = true
    condition.broadcast()
    await clock.settle()
    expect(notes).toEqual(['t st_closed'])
  })

  test('is ended by an interrupt: while it waits, before its step, and from within the step', async () => {
    const step = (): boolean => true
    const waiting = noting(world, notes, 'waiting', (thread) => condition.follow(thread, { step }, FOREVER))
    const queued = noting(world, notes, 'queued', (thread) => condition.follow(thread, { step }, FOREVER))
    let steps = 0
    const suicidal = noting(world, notes, 'within', (thread) =>
      condition.follow(
        thread,
        {
          step: () => {
            if (++steps === 2) suicidal.interrupt('by itself')
            return steps < 2
          },
        },
        FOREVER,
      ),
    )
    await clock.settle()
    waiting.interrupt('kicked')
    condition.broadcast()
    queued.interrupt('kicked')
    await clock.settle()
    expect(notes.toSorted()).toEqual(['queued st_interrupted', 'waiting st_interrupted', 'within st_interrupted'])
    expect(world.threads.size).toBe(0)
  })

  /** Followers that count their steps. @param last the step of number i at which it goes */
  function counted(count: number, last: (i: number) => number): number[] {
    const steps = Array.from({ length: count }, () => 0)
    for (let i = 0; i < count; i++) {
      const step = (): boolean => {
        steps[i] = (steps[i] ?? 0) + 1
        return (steps[i] ?? 0) < last(i)
      }
      world.spawn('t', (thread) => condition.follow(thread, { step }, FOREVER))
    }
    return steps
  }

  test('reaches everybody, also when others leave at the same broadcast', async () => {
    const steps = counted(1_000, (i) => (i % 3 === 0 ? 2 : 100))
    await clock.settle()
    condition.broadcast()
    await clock.settle()
    // Who took the place of one that left may get a step for nothing.
    expect(steps.every((count) => count >= 2 && count <= 3)).toBe(true)
    condition.broadcast()
    await clock.settle()
    expect(steps.filter((_, i) => i % 3 === 0).every((count) => count === 2)).toBe(true)
    expect(steps.filter((_, i) => i % 3 !== 0).every((count) => count >= 3)).toBe(true)
    expect(world.threads.size).toBe(666)
  })

  test('reaches everybody again when a broadcast comes while another is under way', async () => {
    const steps = counted(1_000, () => 100)
    await clock.settle()
    condition.broadcast()
    await clock.turn()
    const before = [...steps]
    condition.broadcast()
    await clock.settle()
    expect(before.some((count) => count === 1)).toBe(true)
    expect(steps.every((count, i) => count > (before[i] ?? 0))).toBe(true)
  })

  test('of two broadcasts the larger does not hold up the smaller', async () => {
    const other = new Condition('other stream')
    const many = counted(10_000, () => 100)
    let few = 0
    world.spawn('t', (thread) => other.follow(thread, { step: () => ++few < 100 }, FOREVER))
    await clock.settle()
    condition.broadcast()
    other.broadcast()
    await clock.turn()
    expect(few).toBe(2)
    expect(many.filter((count) => count === 2).length).toBeLessThan(600)
  })

  test('times out when it was not active for so long, a quarter of a second late at most', async () => {
    const follower = { activeMs: clock.nowMs(), step: () => true }
    noting(world, notes, 't', (thread) => condition.follow(thread, follower, 5_000))
    await clock.pass(4_000)
    follower.activeMs = clock.nowMs()
    await clock.pass(4_999)
    expect(notes).toEqual([])
    await clock.pass(251)
    expect(notes).toEqual(['t st_timeout'])
    expect(clock.pendingTimers).toBe(0)
  })

  test('is reached by a signal when nobody waits otherwise', async () => {
    let steps = 0
    noting(world, notes, 't', (thread) => condition.follow(thread, { step: () => ++steps < 3 }, FOREVER))
    await clock.settle()
    condition.signal()
    await clock.settle()
    expect(steps).toBe(2)
    condition.signal()
    await clock.settle()
    expect(notes).toEqual(['t ok'])
  })

  test('is reached at once by what arrives, while others wait for a turn only when it is prompt', async () => {
    const steps = { prompt: 0, patient: 0 }
    const arrivals = { prompt: new Condition('prompt'), patient: new Condition('patient') }
    for (const name of ['prompt', 'patient'] as const) {
      const follower = { isPrompt: name === 'prompt', step: () => ++steps[name] < 100 }
      world.spawn('t', (thread) => arrivals[name].follow(thread, follower, FOREVER))
    }
    waits('other')
    await clock.settle()
    condition.signal()
    arrivals.prompt.arrive()
    arrivals.patient.arrive()
    expect(steps).toEqual({ prompt: 2, patient: 1 })
    await clock.settle()
    expect(steps).toEqual({ prompt: 2, patient: 2 })
  })
})
