import { type Arbitrary, array, asyncProperty, assert, constantFrom, integer, record } from 'fast-check'
import { describe, expect, test } from 'vitest'
import { FOREVER } from '../../src/st/clock.ts'
import { Condition } from '../../src/st/condition.ts'
import { StError } from '../../src/st/errors.ts'
import { Thread } from '../../src/st/thread.ts'
import { microtasks } from './support/clock.ts'
import { makeTestWorld } from './support/world.ts'

const THREADS = 5
const CONDITIONS = 2

type End = 'ok' | 'st_timeout' | 'st_interrupted'

/** What one thread does, as plainly as it can be said. */
interface ModelThread {
  state: 'idle' | 'waiting' | 'woken'
  condition: number
  deadlineMs: number
  end: End
  isInterruptDue: boolean
}

/** The semantics of State Threads in arrays: who waits where in which order, and what ended each wait. */
class Model {
  nowMs = 0
  readonly threads: ModelThread[] = Array.from({ length: THREADS }, () => ({
    state: 'idle',
    condition: 0,
    deadlineMs: 0,
    end: 'ok',
    isInterruptDue: false,
  }))
  readonly queues: number[][] = Array.from({ length: CONDITIONS }, () => [])
  /** The ends that the threads have seen, as `thread end`. */
  readonly ends: string[] = []

  at(index: number): ModelThread {
    return this.threads[index] as ModelThread
  }

  wait(index: number, condition: number, timeoutMs: number): void {
    const thread = this.at(index)
    if (thread.isInterruptDue) {
      thread.isInterruptDue = false
      this.ends.push(`${index} st_interrupted`)
      return
    }
    Object.assign(thread, { state: 'waiting', condition, deadlineMs: this.nowMs + timeoutMs })
    this.queues[condition]?.push(index)
  }

  signal(condition: number): void {
    const first = this.queues[condition]?.[0]
    if (first !== undefined) this.#wake(first, 'ok')
  }

  broadcast(condition: number): void {
    for (const index of (this.queues[condition] ?? []).slice()) this.#wake(index, 'ok')
  }

  interrupt(index: number): void {
    const thread = this.at(index)
    if (thread.state === 'waiting') this.#wake(index, 'st_interrupted')
    else if (thread.end !== 'st_interrupted' || thread.state === 'idle') thread.isInterruptDue = true
  }

  elapse(durationMs: number): void {
    this.nowMs += durationMs
    for (const [index, thread] of this.threads.entries()) {
      if (thread.state === 'waiting' && thread.deadlineMs <= this.nowMs) this.#wake(index, 'st_timeout')
    }
  }

  turn(): void {
    for (const [index, thread] of this.threads.entries()) {
      if (thread.state !== 'woken') continue
      thread.state = 'idle'
      this.ends.push(`${index} ${thread.end}`)
    }
  }

  #wake(index: number, end: End): void {
    const thread = this.at(index)
    thread.state = 'woken'
    thread.end = end
    const queue = this.queues[thread.condition] as number[]
    queue.splice(queue.indexOf(index), 1)
  }
}

interface Step {
  readonly kind: 'wait' | 'signal' | 'broadcast' | 'interrupt' | 'elapse' | 'turn'
  readonly thread: number
  readonly condition: number
  readonly timeoutMs: number
  readonly durationMs: number
}

const step: Arbitrary<Step> = record({
  kind: constantFrom('wait', 'wait', 'wait', 'signal', 'broadcast', 'interrupt', 'interrupt', 'elapse', 'turn', 'turn'),
  thread: integer({ min: 0, max: THREADS - 1 }),
  condition: integer({ min: 0, max: CONDITIONS - 1 }),
  timeoutMs: constantFrom(1, 5, 5, 10, 10, 25, FOREVER),
  durationMs: integer({ min: 0, max: 12 }),
})

/** The model and the runtime side by side. */
class Run {
  readonly model = new Model()
  readonly ends: string[] = []
  readonly #test = makeTestWorld()
  readonly #conditions = Array.from({ length: CONDITIONS }, (_, i) => new Condition(`condition ${i}`))
  // Not spawned: the test is what runs in these threads.
  readonly #threads = Array.from({ length: THREADS }, (_, i) => new Thread(this.#test.world, 'id', `thread ${i}`))

  async step({ kind, thread, condition, timeoutMs, durationMs }: Step): Promise<void> {
    if (kind === 'wait') await this.#wait(thread, condition, timeoutMs)
    else if (kind === 'signal') {
      this.#condition(condition).signal()
      this.model.signal(condition)
    } else if (kind === 'broadcast') this.#broadcast(condition)
    else if (kind === 'interrupt') {
      this.#thread(thread).interrupt('random')
      this.model.interrupt(thread)
    } else if (kind === 'elapse') this.#elapse(durationMs)
    else await this.#turn()
    this.#compare()
  }

  /** Lets every wait end that can. */
  async finish(): Promise<void> {
    for (let condition = 0; condition < CONDITIONS; condition++) this.#broadcast(condition)
    await this.#turn()
    this.#compare()
    expect(this.model.threads.map((thread) => thread.state)).toEqual(new Array(THREADS).fill('idle'))
    expect(this.#threads.map((thread) => thread.waiter)).toEqual(new Array(THREADS).fill(null))
    expect(this.#test.clock.pendingTimers).toBe(0)
    expect(this.#test.world.scheduler.readyCount).toBe(0)
    this.#elapse(1_000)
    await this.#turn()
    this.#compare()
  }

  #condition(index: number): Condition {
    return this.#conditions[index] as Condition
  }

  #thread(index: number): Thread {
    return this.#threads[index] as Thread
  }

  /** A thread waits in one place at a time, so only an idle one can begin. */
  async #wait(index: number, condition: number, timeoutMs: number): Promise<void> {
    if (this.model.at(index).state !== 'idle') return
    this.model.wait(index, condition, timeoutMs)
    void this.#condition(condition)
      .wait(this.#thread(index), timeoutMs)
      .then(
        () => this.ends.push(`${index} ok`),
        (error: unknown) => this.ends.push(`${index} ${error instanceof StError ? error.code : String(error)}`),
      )
    await microtasks()
  }

  #broadcast(condition: number): void {
    this.#condition(condition).broadcast()
    this.model.broadcast(condition)
  }

  #elapse(durationMs: number): void {
    this.#test.clock.elapse(durationMs)
    this.model.elapse(durationMs)
  }

  async #turn(): Promise<void> {
    await this.#test.clock.turn()
    this.model.turn()
  }

  /** Within a turn the order of the ends is the order of the wake-ups, which other tests look at. */
  #compare(): void {
    expect(this.ends.toSorted()).toEqual(this.model.ends.toSorted())
    const woken = this.model.threads.filter((thread) => thread.state === 'woken').length
    expect(this.#test.world.scheduler.readyCount).toBe(woken)
    const isTimed = this.model.threads.some((thread) => thread.state === 'waiting' && thread.deadlineMs < Infinity)
    expect(this.#test.clock.pendingTimers > 0).toBe(isTimed)
  }
}

describe('random schedules of waits, signals, interrupts and timeouts', () => {
  test('end every wait exactly once, as the model says', async () => {
    await assert(
      asyncProperty(array(step, { maxLength: 80, size: 'max' }), async (steps) => {
        const run = new Run()
        for (const one of steps) await run.step(one)
        await run.finish()
      }),
      { seed: 2, numRuns: 300 },
    )
  })
})
