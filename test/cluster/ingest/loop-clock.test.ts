import { expect, test } from 'vitest'
import { LoopClock } from '../../../src/cluster/ingest/loop-clock.ts'

const VIDEO = 9
const AUDIO = 8

test('a file that begins anywhere begins at 0, and goes on one step behind its last packet', () => {
  const clock = new LoopClock()
  const pass = (): number[] => [
    clock.place(VIDEO, 5000),
    clock.place(AUDIO, 5010),
    clock.place(VIDEO, 5040),
    clock.place(AUDIO, 5033),
  ]
  expect(pass()).toEqual([0, 10, 40, 33])
  clock.again()
  expect(pass()).toEqual([80, 90, 120, 113])
  clock.again()
  expect(clock.place(VIDEO, 5000)).toBe(160)
})

test('the longer of the tracks says when the file begins again', () => {
  const clock = new LoopClock()
  clock.place(VIDEO, 0)
  clock.place(AUDIO, 0)
  clock.place(AUDIO, 900)
  clock.again()
  expect(clock.place(VIDEO, 0)).toBe(1800)
})

test('a gap within a file is no step, and what comes before the first packet is held', () => {
  const clock = new LoopClock()
  clock.place(VIDEO, 100)
  expect(clock.place(AUDIO, 60)).toBe(0)
  clock.place(VIDEO, 140)
  clock.place(VIDEO, 60_000)
  clock.again()
  expect(clock.place(VIDEO, 100)).toBe(59_900 + 40)
})
