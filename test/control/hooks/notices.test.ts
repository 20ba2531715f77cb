import { describe, expect, test } from 'vitest'
import { NoticeQueue } from '../../../src/control/hooks/notices.ts'
import type { Thread } from '../../../src/st/thread.ts'
import { makeTestWorld, noting } from '../../st/support/world.ts'

describe('notices', () => {
  test('of one lane are told in their order, lanes beside each other; then no thread is left', async () => {
    const { world, clock } = makeTestWorld()
    const queue = new NoticeQueue(world)
    const told: string[] = []
    for (const [lane, tookMs] of [
      ['slow', 100],
      ['quick', 10],
    ] as const) {
      for (let count = 0; count < 3; count++) {
        queue.push(lane, async (thread) => {
          await thread.sleep(tookMs)
          told.push(`${lane} ${count}`)
        })
      }
    }
    expect(queue.size).toBe(6)
    await clock.pass(50)
    expect(told).toEqual(['quick 0', 'quick 1', 'quick 2'])
    await clock.pass(300)
    expect(told.slice(3)).toEqual(['slow 0', 'slow 1', 'slow 2'])
    expect([queue.size, world.threads.size]).toEqual([0, 0])
  })

  test('of many lanes are told by 64 at a time, each lane in its turn', async () => {
    const { world, clock } = makeTestWorld()
    const queue = new NoticeQueue(world)
    let told = 0
    const tell = async (thread: Thread): Promise<void> => {
      await thread.sleep(100)
      told++
    }
    for (let lane = 0; lane < 160; lane++) queue.push(String(lane), tell)
    await clock.pass(50)
    expect(world.threads.size).toBe(64)
    await clock.pass(60)
    expect(told).toBe(64)
    await clock.pass(200)
    expect([told, world.threads.size]).toEqual([160, 0])
  })

  test('beyond their limit are dropped, which is told now and then', () => {
    const { world, log } = makeTestWorld()
    const queue = new NoticeQueue(world)
    const nothing = async (): Promise<void> => {}
    let kept = 0
    for (let count = 0; count < 100_150; count++) if (queue.push(String(count), nothing)) kept++
    expect([kept, queue.size]).toEqual([100_000, 100_000])
    expect(log.lines.map(({ level, fields }) => [level, fields['dropped']])).toEqual([
      ['error', 1],
      ['error', 10],
      ['error', 100],
    ])
  })

  test('behind one that failed are told all the same', async () => {
    const { world, clock, log } = makeTestWorld()
    const queue = new NoticeQueue(world)
    let isTold = false
    queue.push('lane', () => Promise.reject(new TypeError('a fault of ours')))
    queue.push('lane', async () => {
      isTold = true
    })
    await clock.settle()
    expect([isTold, world.failures, queue.size]).toEqual([true, 1, 0])
    expect(log.lines).toMatchObject([{ level: 'error', text: 'callback failed' }])
  })

  test('are waited for at the stop', async () => {
    const { world, clock } = makeTestWorld()
    const queue = new NoticeQueue(world)
    const notes: string[] = []
    queue.push('lane', (thread) => thread.sleep(500))
    queue.push('lane', (thread) => thread.sleep(400))
    noting(world, notes, 'stop', (thread) => queue.stop(thread, 1_000))
    await clock.pass(890)
    expect(notes).toEqual([])
    await clock.pass(20)
    expect([notes, world.threads.size]).toEqual([['stop ok'], 0])
  })

  test('are given up at the limit of the stop', async () => {
    const { world, clock, log } = makeTestWorld()
    const queue = new NoticeQueue(world)
    const notes: string[] = []
    for (let lane = 0; lane < 100; lane++) queue.push(String(lane), (thread) => thread.sleep(5_000))
    noting(world, notes, 'stop', (thread) => queue.stop(thread, 1_000))
    await clock.pass(1_010)
    expect([notes, world.threads.size]).toEqual([['stop ok'], 0])
    expect(log.lines).toMatchObject([{ level: 'warn', fields: { waiting: 100 } }])
  })
})
