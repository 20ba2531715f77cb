import { expect, test } from 'vitest'
import { TsMuxer } from '../../../../src/format/mpegts/muxer.ts'
import { FrameOrder } from '../../../../src/server/hls/atc/order.ts'
import { type Place, Slots } from '../../../../src/server/hls/atc/slots.ts'
import { differences, twoServers } from './support.ts'

type Method = (this: object, ...args: unknown[]) => unknown

/** Found within so many seeds. */
const SEEDS = 6

/** Replaces a method by one that is made from it. @returns puts it back */
function patch(type: { readonly prototype: object }, name: string, make: (original: Method) => Method): () => void {
  const prototype = type.prototype as Record<string, Method>
  const original = prototype[name]
  if (!original) throw new Error(`there is no ${name}`)
  prototype[name] = make(original)
  return () => {
    prototype[name] = original
  }
}

const PLANTED: readonly (readonly [string, () => (() => void)[]])[] = [
  [
    'numbers that are counted',
    () => {
      const first = new WeakMap<object, number>()
      const counted = patch(
        Slots,
        'place',
        (original) =>
          function (timeMs) {
            const { slot, ...rest } = original.call(this, timeMs) as Place
            if (!first.has(this)) first.set(this, slot)
            return { slot: 1_000 + slot - (first.get(this) ?? 0), ...rest }
          },
      )
      return [counted]
    },
  ],
  [
    'continuity counters that go on from segment to segment',
    () => {
      let written = 0
      const counting = patch(
        TsMuxer,
        'tables',
        (original) =>
          function (restarts) {
            return original.call(this, restarts, written++)
          },
      )
      return [counting]
    },
  ],
  [
    'frames in the order in which they came',
    () => {
      const queues = new WeakMap<object, unknown[]>()
      const pushed = patch(
        FrameOrder,
        'push',
        () =>
          function (one) {
            queues.set(this, [...(queues.get(this) ?? []), one])
          },
      )
      const taken = patch(
        FrameOrder,
        'next',
        () =>
          function () {
            return queues.get(this)?.shift() ?? null
          },
      )
      return [pushed, taken]
    },
  ],
]

test.each(PLANTED)('%s are found', async (_name, plant) => {
  const undo = plant()
  try {
    let found = 0
    for (let seed = 1; seed <= SEEDS && found === 0; seed++) found = differences(...(await twoServers(seed))).length
    expect(found).toBeGreaterThan(0)
  } finally {
    for (const putBack of undo) putBack()
  }
})
