import { array, assert, boolean, integer, oneof, property } from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Ring } from '../../src/st/ring.ts'

describe('Ring', () => {
  test('an empty ring gives nothing', () => {
    const ring = new Ring<number>()
    expect(ring.shift()).toBeUndefined()
    expect(ring.size).toBe(0)
  })

  test('gives in the order of the pushes, across growth', () => {
    const ring = new Ring<number>()
    for (let i = 0; i < 1_000; i++) ring.push(i)
    expect(ring.size).toBe(1_000)
    expect(Array.from({ length: 1_000 }, () => ring.shift())).toEqual(Array.from({ length: 1_000 }, (_, i) => i))
    expect(ring.size).toBe(0)
  })

  test('keeps the order when it grows while its content is wrapped around', () => {
    const ring = new Ring<number>()
    for (let i = 0; i < 64; i++) ring.push(i)
    for (let i = 0; i < 40; i++) expect(ring.shift()).toBe(i)
    for (let i = 64; i < 300; i++) ring.push(i)
    for (let i = 40; i < 300; i++) expect(ring.shift()).toBe(i)
    expect(ring.shift()).toBeUndefined()
  })

  test('behaves as an array under random pushes and shifts', () => {
    const burst = oneof(integer({ min: 1, max: 90 }), integer({ min: 1, max: 3 }))
    assert(
      property(
        array(burst, { maxLength: 40 }),
        array(boolean(), { minLength: 40, maxLength: 40 }),
        (bursts, pushes) => {
          const ring = new Ring<number>()
          const model: number[] = []
          let next = 0
          for (const [i, size] of bursts.entries()) {
            for (let j = 0; j < size; j++) {
              if (pushes[i]) {
                ring.push(next)
                model.push(next++)
              } else expect(ring.shift()).toBe(model.shift())
            }
            expect(ring.size).toBe(model.length)
          }
          while (model.length > 0) expect(ring.shift()).toBe(model.shift())
        },
      ),
      { seed: 1, numRuns: 200 },
    )
  })
})
