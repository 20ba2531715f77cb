import { expect, test } from 'vitest'
import { LogRing } from '../../src/control/log-ring.ts'

function line(msg: string, cid = 'aaaaaaaa'): string {
  return `${JSON.stringify({ level: 40, time: 7, cid, msg })}\n`
}

const ALL = { id: null, after: 0, count: 10_000 }

test('the last 2,000 lines are kept, whatever is said', () => {
  const ring = new LogRing()
  for (let number = 1; number <= 5_000; number++) ring.add(line(`line ${number}`))
  const found = ring.find(ALL)
  expect([found.length, found[0]?.number, found[0]?.text, ring.number]).toEqual([2_000, 3_001, 'line 3001', 5_000])
  expect(found.at(-1)).toEqual({
    number: 5_000,
    timeMs: 7,
    level: 'warn',
    id: 'aaaaaaaa',
    text: 'line 5000',
    fields: {},
  })
})

test('no more than a megabyte is kept, and nothing of a line that is longer than a stack can be', () => {
  const ring = new LogRing()
  for (let number = 0; number < 200; number++) ring.add(line('x'.repeat(15_000)))
  expect(ring.find(ALL).length).toBeLessThan(70)
  ring.add(line('x'.repeat(100_000)))
  expect(ring.find({ ...ALL, after: 200 })).toEqual([])
  expect(ring.number).toBe(201)
})

test('a connection is found by its id, not by what others say of it', () => {
  const ring = new LogRing()
  ring.add(line('mine', 'bbbbbbbb'))
  ring.add(line('"cid":"bbbbbbbb"', 'cccccccc'))
  expect(ring.find({ ...ALL, id: 'bbbbbbbb' }).map(({ text }) => text)).toEqual(['mine'])
  expect(ring.find({ ...ALL, id: '"' })).toEqual([])
})
