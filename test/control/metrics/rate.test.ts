import { describe, expect, test } from 'vitest'
import { Rate, Traffic } from '../../../src/control/metrics/rate.ts'

const WINDOW_MS = 30_000

describe('a rate', () => {
  test('of a steady counter is its slope, from the first second on', () => {
    const rate = new Rate(1_000)
    rate.sample(1_500, 50, WINDOW_MS)
    expect(rate.perSecond).toBe(0)
    for (let atMs = 2_000; atMs < 100_000; atMs += 3_000) {
      rate.sample(atMs, (atMs - 1_000) / 10, WINDOW_MS)
      expect(rate.perSecond).toBeCloseTo(100)
    }
  })

  test('forgets what was longer ago than the window', () => {
    const rate = new Rate(0)
    for (let atMs = 0; atMs <= 60_000; atMs += 3_000) rate.sample(atMs, Math.min(atMs, 30_000), WINDOW_MS)
    expect(rate.perSecond).toBe(0)
  })

  test('never looks back over more than the window and one step', () => {
    const rate = new Rate(0)
    for (let atMs = 0; atMs <= 33_000; atMs += 3_000) rate.sample(atMs, atMs === 0 ? 0 : 3_000, WINDOW_MS)
    expect(rate.perSecond).toBe(0)
  })

  test('does not care how often it is looked at', () => {
    const often = new Rate(0)
    const seldom = new Rate(0)
    for (let atMs = 0; atMs <= 45_000; atMs += 100) often.sample(atMs, atMs * 2, WINDOW_MS)
    for (let atMs = 0; atMs <= 45_000; atMs += 15_000) seldom.sample(atMs, atMs * 2, WINDOW_MS)
    expect([often.perSecond, seldom.perSecond]).toEqual([2_000, 2_000])
  })
})

test('traffic is told in kilobits, as whole numbers', () => {
  const traffic = new Traffic(0)
  traffic.receivedBytes = 1_000_000
  traffic.sentBytes = 333
  traffic.sample(10_000)
  expect(traffic.kbps).toEqual({ recv_30s: 800, send_30s: 0 })
})
