import { HookCaller } from '../../src/control/hooks/caller.ts'
import { NoticeQueue } from '../../src/control/hooks/notices.ts'
import { Condition } from '../../src/st/condition.ts'
import { Scheduler } from '../../src/st/scheduler.ts'
import { Socket } from '../../src/st/socket.ts'
import { Thread } from '../../src/st/thread.ts'
import { Cursor } from '../../src/stream/cursor.ts'
import { Feed } from '../../src/stream/feed.ts'
import { Hub } from '../../src/stream/hub.ts'
import { Timeline } from '../../src/stream/timeline.ts'

// Bugs that are put into the product while a test runs, to see that the simulation finds them.

/** A bug to plant. */
export interface PlantedBug {
  readonly name: string
  /** It is found within so many seeds. */
  readonly seeds: number
  /** Plants it. @returns takes it out again */
  plant(): () => void
}

type Method = (this: unknown, ...args: unknown[]) => unknown

/** Replaces a method by one that is made from it. */
function patch(type: { readonly prototype: object }, name: string, make: (original: Method) => Method): () => void {
  const prototype = type.prototype as Record<string, Method>
  const original = prototype[name]
  if (!original) throw new Error(`there is no ${name}`)
  prototype[name] = make(original)
  return () => {
    prototype[name] = original
  }
}

/** True at each `count`-th call. */
function each(count: number): () => boolean {
  let calls = 0
  return () => ++calls % count === 0
}

/** Leaves each `count`-th call out. */
function dropping(type: { readonly prototype: object }, name: string, count: number): () => void {
  const isDropped = each(count)
  return patch(
    type,
    name,
    (original) =>
      function (...args) {
        return isDropped() ? undefined : original.apply(this, args)
      },
  )
}

export const PLANTED: readonly PlantedBug[] = [
  { name: 'a broadcast that wakes nobody, once in 40', seeds: 60, plant: () => dropping(Condition, 'broadcast', 40) },
  { name: 'a signal that wakes nobody, once in 100', seeds: 60, plant: () => dropping(Condition, 'signal', 100) },
  { name: 'a source that is not released, once in 20', seeds: 12, plant: () => dropping(Hub, 'release', 20) },
  {
    name: 'a notice to the back end that is lost, once in 20',
    seeds: 12,
    plant: () => dropping(NoticeQueue, 'push', 20),
  },
  { name: 'an interrupt that is lost, once in 5', seeds: 12, plant: () => dropping(Thread, 'interrupt', 5) },
  { name: 'a timeout that never fires, once in 50', seeds: 12, plant: () => dropping(Scheduler, 'expire', 50) },
  { name: 'a drain that is not told, once in 2', seeds: 20, plant: () => dropping(Socket, 'onDrain', 2) },
  {
    name: 'a callback that is sent twice, once in 20',
    seeds: 12,
    plant: () => {
      const isTwice = each(20)
      return patch(
        HookCaller,
        'post',
        (original) =>
          async function (...args) {
            if (isTwice()) await original.apply(this, args)
            return original.apply(this, args)
          },
      )
    },
  },
  {
    name: 'a cursor that leaves the headers out, once in 20',
    seeds: 12,
    plant: () => {
      const begun = new WeakSet<object>()
      const isLeftOut = each(20)
      return patch(
        Cursor,
        'next',
        (original) =>
          function () {
            const bytes = original.call(this)
            if (bytes === null || begun.has(this as object)) return bytes
            begun.add(this as object)
            return isLeftOut() ? original.call(this) : bytes
          },
      )
    },
  },
  {
    name: 'a cursor that leaves out a batch, once in 1000',
    seeds: 12,
    plant: () => {
      const isLeftOut = each(1_000)
      return patch(
        Cursor,
        'next',
        (original) =>
          function () {
            return isLeftOut() ? (original.call(this), original.call(this)) : original.call(this)
          },
      )
    },
  },
  {
    name: 'a batch that is taken for the start of a GOP',
    seeds: 10,
    plant: () =>
      patch(
        Feed,
        'batch',
        (original) =>
          function (...args) {
            const batch = original.apply(this, args) as object | null
            return batch && { ...batch, startsGop: true }
          },
      ),
  },
  {
    name: 'a packet whose time is 40 ms late, once in 500',
    seeds: 12,
    plant: () => {
      const isLate = each(500)
      return patch(
        Timeline,
        'correct',
        (original) =>
          function (...args) {
            return (original.apply(this, args) as number) + (isLate() ? 40 : 0)
          },
      )
    },
  },
  {
    name: 'a buffer that is used again while it is being sent',
    seeds: 12,
    plant: () => {
      const scratch = Buffer.alloc(1024 * 1024)
      return patch(
        Socket,
        'write',
        (original) =>
          function (bytes) {
            const length = (bytes as Buffer).copy(scratch)
            return original.call(this, scratch.subarray(0, length))
          },
      )
    },
  },
]
