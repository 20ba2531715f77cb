import { expect, test } from 'vitest'
import { parseRange } from '../../src/http/range.ts'

test.each([
  [undefined, null],
  ['bytes=0-', { start: 0, end: 1000 }],
  ['bytes=0-0', { start: 0, end: 1 }],
  ['bytes=200-499', { start: 200, end: 500 }],
  ['Bytes=900-5000', { start: 900, end: 1000 }],
  ['bytes=-100', { start: 900, end: 1000 }],
  ['bytes=-5000', { start: 0, end: 1000 }],
  ['bytes=1000-', 'outside'],
  ['bytes=-0', 'outside'],
  ['bytes=500-200', null],
  ['bytes=-', null],
  ['bytes=0-1,5-6', null],
  ['bytes=a-b', null],
  ['pieces=0-1', null],
  ['', null],
])('Range: %s of 1000 bytes', (header, range) => {
  expect(parseRange(header, 1000)).toEqual(range)
})

test('of nothing there is no part', () => {
  expect(parseRange('bytes=0-', 0)).toBe('outside')
  expect(parseRange('bytes=-1', 0)).toBe('outside')
})
