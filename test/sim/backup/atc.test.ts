import { expect, test } from 'vitest'
import { type Place, Slots } from '../../../src/server/hls/atc/slots.ts'
import { runAtc } from './atc-run.ts'

const SEEDS = 4
/** A planted fault is found within so many. */
const FOUND_WITHIN = 4

test('two servers that cut by time keep all rules through crashes, partitions, resets and stalls', async () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const { violation, counts } = await runAtc(seed)
    if (violation) throw new Error(`seed ${seed}: ${violation.message}`, { cause: violation })
    expect(counts['on both']).toBeGreaterThan(0)
  }
})

test('numbers that are counted from the start of a server are found', async () => {
  const place = Object.getOwnPropertyDescriptor(Slots.prototype, 'place')
  const original = place?.value as (this: Slots, timeMs: number) => Place
  const first = new WeakMap<Slots, number>()
  Object.defineProperty(Slots.prototype, 'place', {
    ...place,
    value(this: Slots, timeMs: number): Place {
      const { slot, ...rest } = original.call(this, timeMs)
      if (!first.has(this)) first.set(this, slot)
      return { slot: 1_000 + slot - (first.get(this) ?? 0), ...rest }
    },
  })
  try {
    let isFound = false
    for (let seed = 1; seed <= FOUND_WITHIN && !isFound; seed++) isFound = (await runAtc(seed)).violation !== null
    expect(isFound).toBe(true)
  } finally {
    Object.defineProperty(Slots.prototype, 'place', place ?? {})
  }
})
