import { beforeEach, describe, expect, test } from 'vitest'
import { FOREVER } from '../../src/st/clock.ts'
import { Condition } from '../../src/st/condition.ts'
import { makeWorld } from '../support/world.ts'
import { PingPong } from './support/peer.ts'
import { makeTestWorld, noting, type TestWorld } from './support/world.ts'

const THREADS_PER_TURN = 128

let { world, clock }: TestWorld = makeTestWorld()
let notes: string[] = []

beforeEach(() => {
  ;({ world, clock } = makeTestWorld())
  notes = []
})

describe('turns', () => {
  test('run 128 threads each, in order, until nobody is ready', async () => {
    const order: number[] = []
    for (let i = 0; i < 300; i++) {
      world.spawn('t', async () => {
        order.push(i)
      })
    }
    const counts: number[] = []
    while (clock.pendingTurns > 0) {
      await clock.turn()
      counts.push(order.length)
    }
    expect(counts).toEqual([THREADS_PER_TURN, 2 * THREADS_PER_TURN, 300])
    expect(order).toEqual(Array.from({ length: 300 }, (_, i) => i))
    expect(world.scheduler.readyCount).toBe(0)
  })

  test('are asked for once, however many threads are woken', async () => {
    const condition = new Condition('go')
    for (let i = 0; i < 300; i++) noting(world, notes, 't', (thread) => condition.wait(thread, FOREVER))
    expect(clock.pendingTurns).toBe(1)
    await clock.settle()
    expect(clock.pendingTurns).toBe(0)
    condition.broadcast()
    expect(clock.pendingTurns).toBe(1)
    await clock.turn()
    expect(clock.pendingTurns).toBe(1)
  })

  test('tell for how long somebody has always been waiting for one', async () => {
    expect(world.scheduler.backlogMs).toBe(0)
    for (let i = 0; i < 300; i++) noting(world, notes, 't', (thread) => thread.yield())
    clock.elapse(20)
    await clock.turn()
    clock.elapse(30)
    expect(world.scheduler.backlogMs).toBe(50)
    await clock.settle()
    expect(world.scheduler.backlogMs).toBe(0)
  })

  test('a thread that is woken while a turn runs has its turn later', async () => {
    let laps = 0
    world.spawn('looper', async (thread) => {
      for (; laps < 10; laps++) await thread.yield()
    })
    await clock.turn()
    for (let turn = 1; turn <= 10; turn++) {
      await clock.turn()
      expect(laps).toBe(turn)
    }
  })

  test('of a broadcast leave every second place to threads that waited for input', async () => {
    const batch = new Condition('next batch')
    const input = new Condition('read', true)
    const order: string[] = []
    const waitFor = (condition: Condition, name: string) => {
      world.spawn(name, async (thread) => {
        await condition.wait(thread, FOREVER)
        order.push(name)
      })
    }
    for (let i = 0; i < 1_000; i++) waitFor(batch, 'player')
    for (let i = 0; i < 200; i++) waitFor(input, 'publisher')
    await clock.settle()
    batch.broadcast()
    input.broadcast()
    await clock.turn()
    expect(order.filter((name) => name === 'publisher')).toHaveLength(THREADS_PER_TURN / 2)
    expect(order.filter((name) => name === 'player')).toHaveLength(THREADS_PER_TURN / 2)
    await clock.settle()
    expect(order).toHaveLength(1_200)
  })

  test('yield lets all others that are ready run first', async () => {
    for (const name of ['a', 'b', 'c']) {
      noting(world, notes, name, async (thread) => {
        for (let lap = 0; lap < 2; lap++) {
          notes.push(`${name}${lap}`)
          await thread.yield()
        }
      })
    }
    await clock.settle()
    expect(notes).toEqual(['a0', 'b0', 'c0', 'a1', 'b1', 'c1', 'a ok', 'b ok', 'c ok'])
  })

  test('a thread that yields for ever starves nobody', async () => {
    const selfish = noting(world, notes, 'selfish', async (thread) => {
      for (;;) await thread.yield()
    })
    noting(world, notes, 'sleeper', (thread) => thread.sleep(5))
    for (let i = 0; i < 10; i++) {
      clock.elapse(1)
      await clock.turn()
    }
    expect(notes).toEqual(['sleeper ok'])
    selfish.interrupt('enough')
    await clock.settle()
    expect(notes).toEqual(['sleeper ok', 'selfish st_interrupted'])
  })
})

describe('timeouts', () => {
  const sleeper = (name: string, durationMs: number): unknown =>
    noting(world, notes, name, (thread) => thread.sleep(durationMs))

  test('of equal length share one timer, each with its own full time', async () => {
    sleeper('a', 100)
    await clock.pass(30)
    sleeper('b', 100)
    await clock.pass(30)
    sleeper('c', 100)
    await clock.pass(39)
    expect(clock.pendingTimers).toBe(1)
    expect(notes).toEqual([])
    await clock.pass(1)
    expect(notes).toEqual(['a ok'])
    await clock.pass(30)
    expect(notes).toEqual(['a ok', 'b ok'])
    await clock.pass(30)
    expect(notes).toEqual(['a ok', 'b ok', 'c ok'])
    expect(clock.pendingTimers).toBe(0)
  })

  test('of different length expire in the order of their ends', async () => {
    for (const [name, durationMs] of [
      ['a', 300],
      ['b', 100],
      ['c', 200],
      ['d', 100],
    ] as const)
      sleeper(name, durationMs)
    await clock.pass(300)
    expect(notes).toEqual(['b ok', 'd ok', 'c ok', 'a ok'])
  })

  test('that end together wake in the order in which they began', async () => {
    for (let i = 0; i < 300; i++) sleeper(`${i}`, 100)
    await clock.settle()
    clock.elapse(100)
    expect(world.scheduler.readyCount).toBe(300)
    await clock.settle()
    expect(notes).toEqual(Array.from({ length: 300 }, (_, i) => `${i} ok`))
  })

  test('are not cut short by a timer that fires early', async () => {
    sleeper('a', 100)
    await clock.settle()
    clock.elapse(99.5)
    clock.fireEarly()
    await clock.settle()
    expect(notes).toEqual([])
    expect(clock.pendingTimers).toBe(1)
    await clock.pass(1)
    expect(notes).toEqual(['a ok'])
  })

  test('whose first waiter has left do not expire the others too early', async () => {
    const first = noting(world, notes, 'a', (thread) => thread.sleep(100))
    await clock.pass(50)
    sleeper('b', 100)
    await clock.settle()
    first.interrupt('leave')
    await clock.pass(99)
    expect(notes).toEqual(['a st_interrupted'])
    await clock.pass(1)
    expect(notes).toEqual(['a st_interrupted', 'b ok'])
  })

  test('start anew after all waits of that length have ended', async () => {
    for (const name of ['a', 'b']) {
      sleeper(name, 100)
      await clock.pass(100)
      expect(clock.pendingTimers).toBe(0)
    }
    expect(notes).toEqual(['a ok', 'b ok'])
  })

  test('of a thread that starts the next equal wait when it is woken are not lost', async () => {
    noting(world, notes, 'a', async (thread) => {
      for (let lap = 1; lap <= 3; lap++) {
        await thread.sleep(100)
        notes.push(`lap ${lap} at ${clock.nowMs()}`)
      }
    })
    await clock.pass(300)
    expect(notes).toEqual(['lap 1 at 1100', 'lap 2 at 1200', 'lap 3 at 1300', 'a ok'])
  })
})

/** Counts the turns of the real event loop, and how many threads ran in the fullest one. */
class TurnCounter {
  turns = 0
  most = 0
  #inThisTurn = 0
  #isOver = false

  start(): void {
    setImmediate(() => {
      this.turns++
      this.#inThisTurn = 0
      if (!this.#isOver) this.start()
    })
  }

  ran(): void {
    this.most = Math.max(this.most, ++this.#inThisTurn)
  }

  stop(): void {
    this.#isOver = true
  }
}

describe('a broadcast to 10,000 threads on the real event loop', () => {
  test('leaves room for input and output: at most 128 threads run between two turns', async () => {
    const { world: real } = makeWorld()
    const game = await PingPong.start()
    const condition = new Condition('go')
    const counter = new TurnCounter()
    let left = 10_000
    let roundsAtFirst = -1
    const done = new Promise<number>((resolve) => {
      for (let i = 0; i < 10_000; i++) {
        real.spawn('waiter', async (thread) => {
          await condition.wait(thread, FOREVER)
          counter.ran()
          if (roundsAtFirst < 0) roundsAtFirst = game.rounds
          if (--left === 0) resolve(game.rounds - roundsAtFirst)
        })
      }
      real.spawn('broadcaster', async () => {
        counter.start()
        condition.broadcast()
      })
    })
    const rounds = await done
    counter.stop()
    await game.stop()
    expect(counter.most).toBeLessThanOrEqual(THREADS_PER_TURN)
    expect(counter.turns).toBeGreaterThanOrEqual(Math.floor(10_000 / THREADS_PER_TURN))
    // A byte needs two turns for its way to and fro; half of what is possible is asked for.
    expect(rounds).toBeGreaterThanOrEqual(Math.floor(10_000 / THREADS_PER_TURN / 4))
    expect(real.threads.size).toBe(0)
  })
})
