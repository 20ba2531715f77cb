import { describe, expect, test } from 'vitest'
import { Waiter } from '../../src/st/scheduler.ts'
import { Thread } from '../../src/st/thread.ts'
import { WaitList } from '../../src/st/wait-list.ts'
import { makeTestWorld } from './support/world.ts'

function waiters(count: number): Waiter[] {
  const { world } = makeTestWorld()
  const nothing = (): void => {}
  return Array.from({ length: count }, (_, i) => {
    const thread = new Thread(world, 'id', `thread ${i}`)
    return new Waiter(thread, 'wait', nothing, nothing)
  })
}

function listOf(items: readonly Waiter[]): WaitList {
  const list = new WaitList()
  for (const waiter of items) list.push(waiter)
  return list
}

/** Takes all out from the front. */
function drain(list: WaitList): Waiter[] {
  const out: Waiter[] = []
  for (let waiter = list.first; waiter; waiter = list.first) {
    out.push(waiter)
    list.remove(waiter)
  }
  return out
}

describe('WaitList', () => {
  test('an empty list has no first', () => {
    expect(new WaitList().first).toBeNull()
  })

  test('keeps the order in which the waiters came', () => {
    const all = waiters(5)
    expect(drain(listOf(all))).toEqual(all)
  })

  test.each([0, 1, 2, 3, 4])('removing number %i of five leaves the others in order', (index) => {
    const all = waiters(5)
    const list = listOf(all)
    const removed = all[index] as Waiter
    list.remove(removed)
    expect([removed.list, removed.prev, removed.next]).toEqual([null, null, null])
    expect(drain(list)).toEqual(all.filter((waiter) => waiter !== removed))
  })

  test('a waiter that was removed can be pushed again, at the end', () => {
    const [first, second, third] = waiters(3) as [Waiter, Waiter, Waiter]
    const list = listOf([first, second, third])
    list.remove(second)
    list.push(second)
    expect(drain(list)).toEqual([first, third, second])
  })

  test('is usable again after it was empty', () => {
    const [first, second] = waiters(2) as [Waiter, Waiter]
    const list = listOf([first])
    list.remove(first)
    expect(list.first).toBeNull()
    list.push(second)
    expect(drain(list)).toEqual([second])
  })
})
