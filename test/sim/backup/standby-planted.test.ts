import { posix } from 'node:path'
import { expect, test } from 'vitest'
import { Fence, FencedError } from '../../../src/cluster/backup/fence.ts'
import { HeldPackets, type Start } from '../../../src/server/hls/shared/held.ts'
import { StorageMirror } from '../../../src/server/hls/shared/mirror.ts'
import type { Past } from '../../../src/server/hls/segment.ts'
import { HlsStream } from '../../../src/server/hls/stream.ts'
import type { Thread } from '../../../src/st/thread.ts'
import { type Fault, runStandby } from './standby-run.ts'

type Method = (this: unknown, ...args: unknown[]) => unknown

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

/** A writer that does not know that its turn is over, and a storage that lets it. */
function withoutFencing(): () => void {
  const write = patch(
    Fence,
    'write',
    (original) =>
      async function (...args) {
        const [thread, name, bytes] = args as [Thread, string, Buffer]
        try {
          await original.apply(this, args)
        } catch (error) {
          if (!(error instanceof FencedError)) throw error
          const { disk } = thread.world
          const aside = posix.join('shared', `${name}.${thread.world.newId()}`)
          const file = await disk.open(thread, aside, 'create', 1_000)
          await file.write(thread, bytes, 0, 1_000)
          await file.close(thread, 1_000)
          await disk.rename(thread, aside, posix.join('shared', name), 1_000)
        }
      },
  )
  const say = patch(
    Fence,
    'renew',
    (original) =>
      async function (...args) {
        await (original.apply(this, args) as Promise<void>).catch(ignoreFence)
      },
  )
  const intend = patch(
    Fence,
    'intend',
    (original) =>
      async function (...args) {
        await (original.apply(this, args) as Promise<void>).catch(ignoreFence)
      },
  )
  return () => {
    write()
    say()
    intend()
  }
}

function ignoreFence(error: unknown): void {
  if (!(error instanceof FencedError)) throw error
}

const PLANTED: readonly (readonly [string, Fault['what'], () => () => void])[] = [
  ['a writer that is not fenced', 'stop', withoutFencing],
  [
    'numbers that begin anew',
    'kill',
    () =>
      patch(
        HlsStream,
        'resume',
        (original) =>
          function (past) {
            const { goesOn } = past as Past
            return original.call(this, goesOn === undefined ? past : { ...(past as Past), nextSequence: 1 })
          },
      ),
  ],
  [
    'a discontinuity that is not marked',
    'encoder restart',
    () =>
      patch(
        HeldPackets,
        'startAfter',
        (original) =>
          function (...args) {
            const start = original.apply(this, args) as Start | 'wait' | null
            return start === null || start === 'wait' ? start : { ...start, goesOn: true }
          },
      ),
  ],
  [
    'a server without storage that shows what it knew',
    'disk away',
    () => patch(StorageMirror, 'refresh', () => () => Promise.resolve(true)),
  ],
  [
    'a standby that holds nothing',
    'kill',
    () =>
      patch(
        HeldPackets,
        'push',
        (original) =>
          function (...args) {
            ;(this as HeldPackets).dropBefore((this as HeldPackets).end - 3)
            return original.apply(this, args)
          },
      ),
  ],
]

test.each(PLANTED)(
  'the rules find %s',
  async (_name, what, plant) => {
    const takeOut = plant()
    try {
      let found: string | null = null
      for (let seed = 1; seed <= 6 && found === null; seed++) found = await problemOf(what, seed)
      expect(found).not.toBeNull()
    } finally {
      takeOut()
    }
  },
  60_000,
)

async function problemOf(what: Fault['what'], seed: number): Promise<string | null> {
  const faults = [{ what, atMs: 12_000 + 300 * seed, forMs: 6_000, side: 'writer' }] as const
  const { violation, lostPictures } = await runStandby({
    seed,
    hasRedis: false,
    leaseMs: 2_000,
    busyMs: 22_000,
    faults,
  })
  return violation?.message ?? (lostPictures > 0 ? `${lostPictures} pictures are lost` : null)
}
