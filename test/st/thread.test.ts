import { beforeEach, describe, expect, test } from 'vitest'
import { FOREVER } from '../../src/st/clock.ts'
import { Condition } from '../../src/st/condition.ts'
import { InterruptedError } from '../../src/st/errors.ts'
import type { Thread } from '../../src/st/thread.ts'
import { makeTestWorld, noting, outcome, type TestWorld } from './support/world.ts'

let { world, clock, log }: TestWorld = makeTestWorld()
let notes: string[] = []

beforeEach(() => {
  ;({ world, clock, log } = makeTestWorld())
  notes = []
})

/** A thread that waits until it is interrupted. */
function idle(): Thread {
  const never = new Condition('never')
  return world.spawn('idle', (thread) => never.wait(thread, FOREVER))
}

/** A thread that ends with `error` when `condition` is signalled. */
function failing(error: unknown, condition: Condition): Thread {
  return world.spawn('failing', async (thread) => {
    await condition.wait(thread, FOREVER)
    throw error
  })
}

describe('life', () => {
  test('a spawned thread does not run before the next turn', async () => {
    const thread = noting(world, notes, 'a', (self) => self.yield())
    expect(world.threads.has(thread)).toBe(true)
    expect(notes).toEqual([])
    await clock.settle()
    expect(notes).toEqual(['a ok'])
    expect(thread.ended).toBe(true)
    expect(world.threads.size).toBe(0)
  })

  test('a thread has an id of eight characters, its children have the same', async () => {
    let child: Thread | null = null
    const parent = world.spawn('parent', async (thread) => {
      child = thread.spawn('child', (self) => self.yield())
      await child.join(thread, FOREVER)
    })
    const stranger = idle()
    await clock.settle()
    expect(parent.id).toMatch(/^[0-9a-z]{8}$/)
    expect(child).toMatchObject({ id: parent.id, name: 'child' })
    expect(stranger.id).not.toBe(parent.id)
  })

  test('every line of its log carries the id', async () => {
    const thread = world.spawn('talker', async (self) => {
      self.log.debug({ n: 1 }, 'one')
      self.log.info({ n: 2 }, 'two')
      self.log.warn({ n: 3 }, 'three')
      self.log.error({ n: 4 }, 'four')
    })
    await clock.settle()
    expect(log.lines).toEqual(
      ['debug', 'info', 'warn', 'error'].map((level, i) => ({
        level,
        fields: { cid: thread.id, n: i + 1 },
        text: ['one', 'two', 'three', 'four'][i],
      })),
    )
  })
})

describe('join', () => {
  test('waits for the end, however many threads join', async () => {
    const go = new Condition('go')
    const thread = world.spawn('worker', (self) => go.wait(self, FOREVER))
    noting(world, notes, 'a', (self) => thread.join(self, FOREVER))
    noting(world, notes, 'b', (self) => thread.join(self, FOREVER))
    await clock.settle()
    expect(notes).toEqual([])
    go.signal()
    await clock.settle()
    expect(notes).toEqual(['a ok', 'b ok'])
  })

  test('after the end returns at once', async () => {
    const thread = world.spawn('quick', async () => {})
    await clock.settle()
    noting(world, notes, 'a', (self) => thread.join(self, FOREVER))
    await clock.settle()
    expect(notes).toEqual(['a ok'])
  })

  test('of a failed thread throws what it ended with, to every joiner, also after the end', async () => {
    const error = new RangeError('bad')
    const go = new Condition('go')
    const thread = failing(error, go)
    const caught: unknown[] = []
    const joins = async (self: Thread): Promise<void> => {
      await thread.join(self, FOREVER).catch((thrown: unknown) => caught.push(thrown))
    }
    world.spawn('a', joins)
    world.spawn('b', joins)
    await clock.settle()
    go.signal()
    await clock.settle()
    world.spawn('after the end', joins)
    await clock.settle()
    expect(caught.map((thrown) => thrown === error)).toEqual([true, true, true])
    expect(log.lines).toEqual([])
    expect(world.failures).toBe(0)
  })

  const circular: { self?: object } = {}
  circular.self = circular
  test.each(['a string', undefined, null, 0, 1n, circular])(
    'of a thread that throws something else than an error throws an error: %s',
    async (something) => {
      const go = new Condition('go')
      const thread = failing(something, go)
      noting(world, notes, 'a', async (self) => {
        await expect(thread.join(self, FOREVER)).rejects.toThrow(/^thrown: /)
      })
      await clock.settle()
      go.signal()
      await clock.settle()
      expect(notes).toEqual(['a ok'])
    },
  )

  test('of itself is an error', async () => {
    noting(world, notes, 'a', (self) => self.join(self, FOREVER))
    await clock.settle()
    expect(notes).toEqual(['a st_deadlock'])
  })

  test('times out, and is interrupted, like every wait', async () => {
    const thread = idle()
    noting(world, notes, 'a', (self) => thread.join(self, 50))
    const second = noting(world, notes, 'b', (self) => thread.join(self, 50))
    await clock.settle()
    second.interrupt('now')
    await clock.pass(50)
    expect(notes).toEqual(['b st_interrupted', 'a st_timeout'])
    expect(thread.ended).toBe(false)
  })
})

describe('failure', () => {
  test('that nobody joins is logged with the identity of the thread, and counted', async () => {
    const error = new RangeError('bad')
    const thread = world.spawn('doomed', async () => {
      throw error
    })
    await clock.settle()
    expect(log.lines).toEqual([
      { level: 'error', fields: { cid: thread.id, err: error, thread: 'doomed' }, text: 'thread failed' },
    ])
    expect(world.failures).toBe(1)
    expect(world.threads.size).toBe(0)
  })

  test('before the first wait is a failure like others', async () => {
    const thread = world.spawn('doomed', () => {
      throw new RangeError('thrown, not rejected')
    })
    noting(world, notes, 'a', async (self) => {
      await expect(thread.join(self, FOREVER)).rejects.toThrow('thrown, not rejected')
    })
    await clock.settle()
    expect(notes).toEqual(['a ok'])
  })

  test('whose joiners have all given up is logged', async () => {
    const go = new Condition('go')
    const thread = failing(new RangeError('bad'), go)
    noting(world, notes, 'a', (self) => thread.join(self, 50))
    const second = noting(world, notes, 'b', (self) => thread.join(self, FOREVER))
    await clock.settle()
    // Both are still on their way out when the thread ends.
    go.signal()
    clock.elapse(50)
    second.interrupt('now')
    await clock.settle()
    expect(notes).toEqual(['a st_timeout', 'b st_interrupted'])
    expect(log.lines.map((line) => line.text)).toEqual(['thread failed'])
    expect(world.failures).toBe(1)
  })

  test('an interrupt that ends the thread is not one', async () => {
    const thread = idle()
    noting(world, notes, 'a', (self) => thread.join(self, FOREVER))
    const alone = idle()
    await clock.settle()
    thread.interrupt('enough')
    alone.interrupt('enough')
    await clock.settle()
    expect(notes).toEqual(['a ok'])
    expect(alone.ended).toBe(true)
    expect(log.lines).toEqual([])
    expect(world.failures).toBe(0)
  })
})

describe('interrupt', () => {
  test('carries its reason', async () => {
    let caught: unknown = null
    const thread = world.spawn('a', async (self) => {
      await self.sleep(1_000).catch((error: unknown) => {
        caught = error
      })
    })
    await clock.settle()
    thread.interrupt('kicked')
    await clock.settle()
    expect(caught).toBeInstanceOf(InterruptedError)
    expect(caught).toMatchObject({ code: 'st_interrupted', reason: 'kicked', message: 'interrupted: kicked' })
  })

  test('is delivered once: clean-up can wait again', async () => {
    const thread = noting(world, notes, 'a', async (self) => {
      try {
        await self.sleep(1_000)
      } finally {
        notes.push(`clean-up ${await outcome(self.sleep(10))}`)
      }
    })
    await clock.settle()
    thread.interrupt('now')
    await clock.pass(10)
    expect(notes).toEqual(['clean-up ok', 'a st_interrupted'])
  })

  test('before the first turn is delivered at the first wait', async () => {
    const thread = noting(world, notes, 'a', async (self) => {
      notes.push('a runs')
      await self.sleep(1_000)
    })
    thread.interrupt('early')
    await clock.settle()
    expect(notes).toEqual(['a runs', 'a st_interrupted'])
  })

  test('a second one in the same turn changes nothing', async () => {
    const thread = noting(world, notes, 'a', async (self) => {
      try {
        await self.sleep(1_000)
      } finally {
        notes.push(`clean-up ${await outcome(self.sleep(10))}`)
      }
    })
    await clock.settle()
    thread.interrupt('first')
    thread.interrupt('second')
    await clock.pass(10)
    expect(notes).toEqual(['clean-up ok', 'a st_interrupted'])
  })

  test('a second one while the first is due changes nothing', async () => {
    const go = new Condition('go')
    const reasons: string[] = []
    const thread = world.spawn('a', async (self) => {
      await go.wait(self, FOREVER)
      for (let i = 0; i < 2; i++) {
        await self.sleep(10).catch((error: unknown) => {
          if (error instanceof InterruptedError) reasons.push(error.reason)
        })
      }
    })
    await clock.settle()
    go.signal()
    thread.interrupt('first')
    thread.interrupt('second')
    await clock.pass(10)
    expect(reasons).toEqual(['first'])
    expect(thread.ended).toBe(true)
  })

  test('of an ended thread does nothing', async () => {
    const thread = world.spawn('quick', async () => {})
    await clock.settle()
    thread.interrupt('late')
    expect(thread.takeInterrupt()).toBeNull()
    expect(world.scheduler.readyCount).toBe(0)
  })
})

describe('stop', () => {
  /** A thread whose clean-up takes 50 ms. */
  function slowEnder(): Thread {
    const never = new Condition('never')
    return world.spawn('slow', async (self) => {
      try {
        await never.wait(self, FOREVER)
      } finally {
        await self.sleep(50)
        notes.push('slow ended')
      }
    })
  }

  test('returns only when the thread has ended', async () => {
    const slow = slowEnder()
    noting(world, notes, 'a', (self) => slow.stop(self, 'stop'))
    await clock.pass(49)
    expect(notes).toEqual([])
    await clock.pass(1)
    expect(notes).toEqual(['slow ended', 'a ok'])
  })

  test('also when the stopping thread is interrupted meanwhile, which is delivered later, with the first reason', async () => {
    const slow = slowEnder()
    const reasons: string[] = []
    const stopper = noting(world, notes, 'a', async (self) => {
      await slow.stop(self, 'stop')
      notes.push('a stopped it')
      for (let i = 0; i < 2; i++) {
        await self.sleep(10).catch((error: unknown) => {
          if (error instanceof InterruptedError) reasons.push(error.reason)
        })
      }
    })
    for (const reason of ['first', 'second', 'third']) {
      await clock.pass(10)
      stopper.interrupt(reason)
    }
    await clock.pass(100)
    expect(notes).toEqual(['slow ended', 'a stopped it', 'a ok'])
    expect(reasons).toEqual(['first'])
  })

  test('also when an interrupt was due before', async () => {
    const slow = slowEnder()
    noting(world, notes, 'a', async (self) => {
      self.interrupt('early')
      await slow.stop(self, 'stop')
      notes.push(`a ${await outcome(self.sleep(10))}`)
    })
    await clock.pass(100)
    expect(notes).toEqual(['slow ended', 'a st_interrupted', 'a ok'])
  })

  test('of an ended thread returns at once', async () => {
    const thread = world.spawn('quick', async () => {})
    await clock.settle()
    noting(world, notes, 'a', (self) => thread.stop(self, 'stop'))
    await clock.settle()
    expect(notes).toEqual(['a ok'])
  })

  test('of a thread that has not run yet lets it run to its first wait', async () => {
    const thread = noting(world, notes, 'young', (self) => self.sleep(1_000))
    noting(world, notes, 'a', (self) => thread.stop(self, 'stop'))
    await clock.settle()
    expect(notes).toEqual(['young st_interrupted', 'a ok'])
  })

  test('does not throw what the thread fails with, but logs it', async () => {
    const error = new RangeError('in clean-up')
    const thread = world.spawn('failing', async (self) => {
      try {
        await self.sleep(1_000)
      } finally {
        await Promise.reject(error)
      }
    })
    noting(world, notes, 'a', (self) => thread.stop(self, 'stop'))
    await clock.settle()
    expect(notes).toEqual(['a ok'])
    expect(log.lines).toMatchObject([{ fields: { cid: thread.id, err: error, thread: 'failing' } }])
  })

  test('by two threads in one turn: both return after the end, the clean-up is not disturbed', async () => {
    const slow = slowEnder()
    noting(world, notes, 'a', (self) => slow.stop(self, 'stop'))
    noting(world, notes, 'b', (self) => slow.stop(self, 'stop'))
    await clock.pass(50)
    expect(notes).toEqual(['slow ended', 'a ok', 'b ok'])
  })

  test('of itself is an error and leaves no interrupt behind', async () => {
    noting(world, notes, 'a', async (self) => {
      notes.push(await outcome(self.stop(self, 'stop')))
      await self.sleep(10)
    })
    await clock.pass(10)
    expect(notes).toEqual(['st_deadlock', 'a ok'])
  })
})

describe('sleep', () => {
  test('lasts as long as asked', async () => {
    noting(world, notes, 'long', (self) => self.sleep(30))
    noting(world, notes, 'short', (self) => self.sleep(20))
    await clock.pass(19)
    expect(notes).toEqual([])
    await clock.pass(1)
    expect(notes).toEqual(['short ok'])
    await clock.pass(10)
    expect(notes).toEqual(['short ok', 'long ok'])
  })

  test('is ended by an interrupt and leaves no timer', async () => {
    const thread = noting(world, notes, 'a', (self) => self.sleep(30))
    await clock.settle()
    thread.interrupt('now')
    await clock.settle()
    expect(notes).toEqual(['a st_interrupted'])
    expect(clock.pendingTimers).toBe(0)
  })

  test('of a month works although a timer cannot last so long', async () => {
    const monthMs = 30 * 24 * 3_600_000
    noting(world, notes, 'a', (self) => self.sleep(monthMs))
    await clock.pass(monthMs - 1)
    expect(notes).toEqual([])
    await clock.pass(1)
    expect(notes).toEqual(['a ok'])
  })
})
