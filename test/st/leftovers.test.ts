import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, test } from 'vitest'
import { FOREVER, type Clock, type Timer } from '../../src/st/clock.ts'
import { Condition } from '../../src/st/condition.ts'
import { Listener } from '../../src/st/listener.ts'
import { Mutex } from '../../src/st/mutex.ts'
import { RealClock } from '../../src/st/real/clock.ts'
import { RealNetwork } from '../../src/st/real/network.ts'
import { connect, type Socket } from '../../src/st/socket.ts'
import type { Thread } from '../../src/st/thread.ts'
import { World } from '../../src/st/world.ts'
import { RecordingLog, runThread } from '../support/world.ts'
import { microtasks } from './support/clock.ts'
import { tcpHandles } from './support/peer.ts'
import { makeTestWorld, noting, until } from './support/world.ts'

const THREADS = 10_000
const CONNECTIONS = 200

/** Collects all garbage now. */
async function collect(): Promise<void> {
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as () => void
  // What a WeakRef was asked for lives until the end of the turn.
  await microtasks()
  gc()
}

/** Starts the threads; in a function of its own, as a suspended test keeps its last thread in a register (Node 22). */
function startAll(world: World, condition: Condition): WeakRef<object>[] {
  const held: WeakRef<object>[] = []
  for (let i = 0; i < THREADS; i++) {
    const thread = world.spawn('t', async (self) => {
      const buffer = Buffer.alloc(100)
      held.push(new WeakRef(buffer))
      await condition.wait(self, i % 2 ? 1_000 : FOREVER).catch(() => {})
      buffer.fill(1)
    })
    held.push(new WeakRef(thread))
    if (i % 3 === 0) thread.interrupt('early')
  }
  return held
}

/** The real clock, counting the timers that run. */
class CountingClock extends RealClock implements Clock {
  pendingTimers = 0

  override after(delayMs: number, fire: () => void): Timer {
    let isPending = true
    const done = (): void => {
      if (isPending) this.pendingTimers--
      isPending = false
    }
    this.pendingTimers++
    const timer = super.after(delayMs, () => {
      done()
      fire()
    })
    return {
      cancel: () => {
        done()
        timer.cancel()
      },
    }
  }
}

/** Whether and how a thread's one wait ends: four ways, evenly spread. */
async function live(thread: Thread, kind: number, condition: Condition, mutex: Mutex): Promise<void> {
  if (kind === 0) await condition.wait(thread, 1_000)
  else if (kind === 1) await thread.sleep(20 + (kind % 7))
  else if (kind === 2) await condition.wait(thread, FOREVER)
  else {
    await mutex.lock(thread, FOREVER)
    const child = thread.spawn('child', (self) => self.sleep(1_000_000))
    await child.stop(thread, 'enough')
    mutex.unlock(thread)
  }
}

describe('after 10,000 threads came and went', () => {
  test('no thread, timer or turn is left, however their waits ended', async () => {
    const { world, clock, log } = makeTestWorld()
    const condition = new Condition('next batch')
    const mutex = new Mutex()
    const notes: string[] = []
    const threads: Thread[] = []
    for (let i = 0; i < THREADS; i++) {
      threads.push(noting(world, notes, `${i}`, (thread) => live(thread, i % 4, condition, mutex)))
    }
    await clock.pass(10)
    for (let i = 0; i < THREADS; i += 8) threads[i]?.interrupt('kicked')
    for (let i = 0; i < THREADS / 8; i++) condition.signal()
    await clock.pass(100)
    condition.broadcast()
    await clock.pass(1_000)
    expect(notes).toHaveLength(THREADS)
    expect(world.threads.size).toBe(0)
    expect(world.scheduler.readyCount).toBe(0)
    expect(clock.pendingTimers).toBe(0)
    expect(clock.pendingTurns).toBe(0)
    expect(log.lines).toEqual([])
  })

  test('none of them, and nothing they held, stays in memory', async () => {
    const { world, clock } = makeTestWorld()
    const condition = new Condition('next batch')
    const held = startAll(world, condition)
    await clock.pass(1_000)
    condition.broadcast()
    await clock.settle()
    await collect()
    expect(held).toHaveLength(2 * THREADS)
    expect(held.filter((ref) => ref.deref()).length).toBe(0)
    // The condition and the world have outlived them, and still work.
    condition.signal()
    expect(world.threads.size).toBe(0)
  })

  test('of which each had a connection: no handle, timer or socket is left', async () => {
    const clock = new CountingClock()
    const log = new RecordingLog()
    const world = new World(clock, new RealNetwork(), log)
    const sockets: WeakRef<Socket>[] = []
    const keep = (socket: Socket): Socket => {
      sockets.push(new WeakRef(socket))
      return socket
    }
    await runThread(world, async (thread) => {
      const listener = await Listener.open(world, '127.0.0.1', 0)
      const where = listener.local
      const acceptor = thread.spawn('acceptor', async (self) => {
        for (;;) {
          const socket = keep(await listener.accept(self))
          self.spawn('server', async (server) => {
            try {
              await socket.writeFully(server, await socket.readFully(server, 10_000, 60_000), 60_000)
            } finally {
              await socket.closeGently(server, 60_000)
            }
          })
        }
      })
      for (let i = 0; i < CONNECTIONS; i++) {
        thread.spawn('client', async (client) => {
          const socket = keep(await connect(client, where, 60_000))
          try {
            await socket.writeFully(client, Buffer.alloc(10_000, i), 60_000)
            // Every other one goes without hearing the answer.
            if (i % 2) await socket.readFully(client, 10_000, 60_000)
          } finally {
            socket.close()
          }
        })
      }
      await until(thread, () => world.threads.size === 2 && sockets.length === 2 * CONNECTIONS)
      await acceptor.stop(thread, 'enough')
      listener.close()
      await until(thread, () => tcpHandles() === 0)
    })
    expect(log.lines.filter((line) => !/closed/.test(String(line.fields.err)))).toEqual([])
    expect(clock.pendingTimers).toBe(0)
    expect(world.threads.size).toBe(0)
    await collect()
    expect(sockets.filter((ref) => ref.deref()).length).toBe(0)
  })
})
