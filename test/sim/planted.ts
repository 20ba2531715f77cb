import { HookCaller } from '../../src/control/hooks/caller.ts'
import { NoticeQueue } from '../../src/control/hooks/notices.ts'
import { HlsFiles } from '../../src/server/hls/files.ts'
import { HlsFolder } from '../../src/server/hls/folder.ts'
import { WHOLE } from '../../src/server/hls/recover.ts'
import { SegmentWindow } from '../../src/server/hls/window.ts'
import { HlsStream } from '../../src/server/hls/stream.ts'
import { Condition } from '../../src/st/condition.ts'
import type { DiskFile } from '../../src/st/disk.ts'
import { Scheduler } from '../../src/st/scheduler.ts'
import { ProcessDisk } from '../../src/st/sim/disk.ts'
import { Socket } from '../../src/st/socket.ts'
import { Thread } from '../../src/st/thread.ts'
import { Cursor } from '../../src/stream/cursor.ts'
import { Feed } from '../../src/stream/feed.ts'
import { Hub } from '../../src/stream/hub.ts'
import type { Source } from '../../src/stream/source.ts'
import { Timeline } from '../../src/stream/timeline.ts'

// Bugs that are put into the product while a test runs, to see that the simulation finds them.

/** Nearly all are found within so many seeds: chosen after a look at eight of them. */
export const MOST_SEEDS = 60

/** A bug to plant. */
export interface PlantedBug {
  readonly name: string
  /** It takes more than a dozen seeds to find: too many for each run of the tests. */
  readonly isRare?: true
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
  { name: 'a broadcast that wakes nobody, once in 40', plant: () => dropping(Condition, 'broadcast', 40) },
  { name: 'a signal that wakes nobody, once in 100', plant: () => dropping(Condition, 'signal', 100) },
  { name: 'a source that is not released, once in 20', plant: () => dropping(Hub, 'release', 20) },
  {
    name: 'a notice to the back end that is lost, once in 20',

    plant: () => dropping(NoticeQueue, 'push', 20),
  },
  { name: 'an interrupt that is lost, once in 5', plant: () => dropping(Thread, 'interrupt', 5) },
  { name: 'a timeout that never fires, once in 50', plant: () => dropping(Scheduler, 'expire', 50) },
  { name: 'a drain that is not told, once in 2', isRare: true, plant: () => dropping(Socket, 'onDrain', 2) },
  {
    name: 'a callback that is sent twice, once in 20',

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
  {
    name: 'an await between the test of a condition and the wait for it, once in 20',

    plant: () => {
      const isLate = each(20)
      return patch(
        Condition,
        'wait',
        (original) =>
          async function (thread, timeoutMs) {
            if (isLate()) await (thread as Thread).yield()
            return original.call(this, thread, timeoutMs)
          },
      )
    },
  },
  {
    name: 'an await between look-up and take: a source is taken that was released meanwhile',

    plant: () => {
      const looked = new Map<string, Source>()
      return patch(
        Hub,
        'acquire',
        (original) =>
          function (key) {
            const before = looked.get(key as string)
            if (before && before.holders === 0) {
              before.holders++
              return before
            }
            const source = original.call(this, key) as Source
            looked.set(key as string, source)
            return source
          },
      )
    },
  },
  {
    name: 'a batch that is not cut at a key frame',
    isRare: true,

    plant: () =>
      patch(
        Feed,
        'append',
        (original) =>
          function (this: unknown, ...args) {
            const feed = this as { cut?: () => void }
            feed.cut = () => {}
            try {
              return original.apply(this, args)
            } finally {
              delete feed.cut
            }
          },
      ),
  },
  {
    name: 'an off-by-one in the number of a segment, once in 10',
    isRare: true,

    plant: () => {
      const isOff = each(10)
      return patch(
        SegmentWindow,
        'add',
        (original) =>
          function (segment) {
            const { sequence } = segment as { sequence: number }
            return original.call(this, isOff() ? { ...(segment as object), sequence: sequence + 1 } : segment)
          },
      )
    },
  },
  {
    name: 'an off-by-one in the number of the first segment after a restart',
    isRare: true,

    plant: () =>
      patch(
        HlsStream,
        'resume',
        (original) =>
          function (past) {
            const { nextSequence } = past as { nextSequence: number }
            return original.call(this, { ...(past as object), nextSequence: nextSequence - 1 })
          },
      ),
  },
  {
    name: 'a segment that is left out of the playlist, once in 20',

    plant: () => dropping(SegmentWindow, 'add', 20),
  },
  {
    name: 'a discontinuity that is not said',

    plant: () =>
      patch(
        HlsStream,
        'open',
        (original) =>
          function (opening) {
            return original.call(this, { ...(opening as object), startsAnew: false })
          },
      ),
  },
  {
    name: 'a file that is not closed, once in 10',

    plant: () => {
      const isLeft = each(10)
      return openedFiles((file) => (isLeft() ? { ...file, close: () => Promise.resolve() } : file))
    },
  },
  {
    name: 'numbers of segments that are used again after a crash',
    isRare: true,
    plant: () =>
      patch(
        HlsFolder,
        'read',
        (original) =>
          async function (thread, name) {
            const bytes = (await original.call(this, thread, name)) as Buffer | null
            const isPlaylist = (name as string).endsWith('.m3u8')
            return bytes && isPlaylist ? Buffer.concat([bytes, Buffer.from(`${WHOLE}\n`)]) : bytes
          },
      ),
  },
  {
    name: 'initialization segments that have one name',
    isRare: true,
    plant: () =>
      patch(
        HlsFiles,
        'add',
        (original) =>
          function (vhost, file, sequence) {
            const { name } = file as { name: string }
            return original.call(this, vhost, { ...(file as object), name: name.replace(/init-\d+/, 'init') }, sequence)
          },
      ),
  },
  {
    name: 'a broadcast that wakes nobody, once in 1000',
    isRare: true,
    plant: () => dropping(Condition, 'broadcast', 1_000),
  },
  {
    name: 'a recording that is not on the disk when it is finished',
    isRare: true,

    plant: () => openedFiles((file) => ({ ...file, sync: () => Promise.resolve() })),
  },
]

/** Changes what is done with files. */
function openedFiles(change: (file: DiskFile) => DiskFile): () => void {
  return patch(
    ProcessDisk,
    'open',
    (original) =>
      async function (...args) {
        const file = (await original.apply(this, args)) as DiskFile
        return change({
          write: (...more) => file.write(...more),
          read: (...more) => file.read(...more),
          truncate: (...more) => file.truncate(...more),
          sync: (...more) => file.sync(...more),
          close: (...more) => file.close(...more),
        })
      },
  )
}
