import * as net from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import type { ToChild } from '../../src/st/real/family.ts'
import { type Borrower, Lender } from '../../src/st/real/lender.ts'

/** A process that takes what it is lent when the test says so. */
class FakeProcess implements Borrower {
  readonly #lender: Lender
  readonly heard: ToChild[] = []
  connections = 0

  constructor(lender: Lender) {
    this.#lender = lender
    lender.add(this)
  }

  send(message: ToChild): void {
    this.heard.push(message)
  }

  get lends(): number {
    return this.heard.filter(({ kind }) => kind === 'lend').length
  }

  get quota(): number {
    const last = this.heard.findLast(({ kind }) => kind === 'lend')
    return last?.kind === 'lend' ? last.quota : 0
  }

  /** Takes so many connections and gives the port back. */
  take(count: number, key = 'a'): void {
    this.connections += count
    this.#lender.heard(this, this.connections, key)
  }
}

function family(count: number): { lender: Lender; processes: FakeProcess[]; clock: { nowMs: number } } {
  const clock = { nowMs: 0 }
  const lender = new Lender(() => clock.nowMs)
  onTestFinished(() => lender.close())
  const processes = Array.from({ length: count }, () => new FakeProcess(lender))
  for (const one of processes) lender.want(one, 'a', '127.0.0.1', 0, 'share')
  return { lender, processes, clock }
}

test('all who share a port have it, and who is ahead of the others does not get it again', () => {
  const { processes } = family(2)
  const [one, other] = processes
  expect([one?.lends, other?.lends]).toEqual([1, 1])
  one?.take(1)
  expect(one?.lends).toBe(1)
  other?.take(1)
  expect([one?.lends, other?.lends]).toEqual([2, 2])
})

test('the more connections there are, the more may be taken at a time', () => {
  const { lender, processes } = family(2)
  for (let round = 0; round < 200; round++) for (const one of processes) if (one.lends > round) one.take(one.quota)
  expect(processes.map(({ quota }) => quota)).toEqual([8, 8])
  const [one] = processes
  const before = one?.lends ?? 0
  if (one) lender.heard(one, one.connections + 8, null)
  one?.take(8)
  expect(one?.lends).toBe(before)
})

test('what a process has just taken counts before it says so', () => {
  const { lender, processes } = family(2)
  const [one] = processes
  if (one) lender.heard(one, 0, 'a')
  expect(one?.lends).toBe(1)
})

test('clients that leave make room again', () => {
  const { lender, processes } = family(2)
  const [one] = processes
  one?.take(1)
  if (one) lender.heard(one, 0, null)
  expect(one?.lends).toBe(2)
})

test('nobody waits for a process that is stuck, or has gone', () => {
  const { lender, processes, clock } = family(3)
  const [one, other, last] = processes
  one?.take(1)
  other?.take(1)
  expect([one?.lends, other?.lends]).toEqual([1, 1])
  clock.nowMs = 2_000
  if (one) lender.heard(one, 1, null)
  expect(one?.lends).toBe(2)
  if (last) lender.remove(last)
  if (other) lender.heard(other, 1, null)
  expect(other?.lends).toBe(2)
})

test('who only wants to know where it is takes no part', () => {
  const { lender, processes } = family(1)
  const origin = new FakeProcess(lender)
  lender.want(origin, 'a', '127.0.0.1', 0, 'name')
  processes[0]?.take(1)
  processes[0]?.take(1)
  expect(origin.heard.map(({ kind }) => kind)).toEqual(['port'])
  expect(processes[0]?.lends).toBe(3)
})

test('a port that is in use is refused, and said so', async () => {
  const taken = net.createServer()
  await new Promise<void>((resolve) => void taken.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void taken.close())
  const lender = new Lender(() => 0)
  const process = new FakeProcess(lender)
  lender.want(process, 'b', '127.0.0.1', (taken.address() as net.AddressInfo).port, 'share')
  expect(process.heard).toMatchObject([{ kind: 'noPort', key: 'b', code: 'EADDRINUSE' }])
})
