import { describe, expect, test } from 'vitest'
import { Hub } from '../../src/stream/hub.ts'
import { Source, StreamBusyError } from '../../src/stream/source.ts'
import type { Thread } from '../../src/st/thread.ts'
import { makeTestWorld, noting } from '../st/support/world.ts'
import { aacFrame, avcHeader, avcInter, avcKey } from './media.ts'
import { readRecords } from './record-format.ts'
import { OPTIONS, Stage } from './support.ts'

describe('a place that is claimed', () => {
  /** Threads that claim the place, one after the other, and note how it went. */
  function claimants(stage: Stage, ...names: string[]): { notes: string[]; threads: Thread[] } {
    const notes: string[] = []
    const threads = names.map((name) =>
      noting(stage.world, notes, name, async (thread) => {
        await stage.source.claim(thread, 2_000, 10_000)
        notes.push(`${name} has it`)
        try {
          await thread.sleep(1_000)
        } finally {
          stage.source.unclaim(thread)
        }
      }),
    )
    return { notes, threads }
  }

  test('is given to one after the other, in the order of asking', async () => {
    const stage = new Stage()
    const { notes } = claimants(stage, 'a', 'b', 'c')
    await stage.clock.pass(999)
    expect(notes).toEqual(['a has it'])
    await stage.clock.pass(3_000)
    expect(notes).toEqual(['a has it', 'a ok', 'b has it', 'b ok', 'c has it', 'c ok'])
  })

  test('is no longer waited for when somebody publishes', async () => {
    const stage = new Stage()
    const { notes, threads } = claimants(stage, 'a', 'b', 'c')
    await stage.clock.pass(500)
    const [first, second] = threads as [Thread, Thread, Thread]
    expect(() => stage.source.publish(second, OPTIONS)).toThrow(StreamBusyError)
    const publication = stage.source.publish(first, OPTIONS)
    await stage.clock.pass(1)
    expect(notes).toEqual(['a has it', 'b stream_busy', 'c stream_busy'])
    // What has become a publish is not ended by the claim's end.
    await stage.clock.pass(1_000)
    expect([notes.at(-1), stage.source.publication]).toEqual(['a ok', publication])
  })

  test('is waited for no longer than allowed, and left by whoever is interrupted', async () => {
    const stage = new Stage()
    const holder = noting(stage.world, [], 'holder', async (thread) => {
      await stage.source.claim(thread, 2_000, 10_000)
      await thread.sleep(60_000)
    })
    const { notes, threads } = claimants(stage, 'a', 'b')
    await stage.clock.pass(100)
    threads[0]?.interrupt('gone')
    await stage.clock.pass(9_899)
    expect(notes).toEqual(['a st_interrupted'])
    await stage.clock.pass(1)
    expect(notes).toEqual(['a st_interrupted', 'b stream_busy'])
    stage.source.unclaim(holder)
    const again = claimants(stage, 'c')
    await stage.clock.pass(1)
    expect(again.notes).toEqual(['c has it'])
  })

  test('is none when a publisher is alive; a silent one keeps its place until it is taken', async () => {
    const stage = new Stage()
    const first = stage.publish()
    const early = claimants(stage, 'early')
    await stage.clock.pass(2_000)
    expect(early.notes).toEqual(['early stream_busy'])
    const late = claimants(stage, 'late')
    await stage.clock.pass(100)
    expect([late.notes, first.ended]).toEqual([['late has it'], false])
  })
})

describe('a second publisher', () => {
  test('is refused while the first is alive', async () => {
    const stage = new Stage()
    const first = stage.publish()
    await stage.clock.pass(1_500)
    first.publish('audio', 0, aacFrame(0))
    await stage.clock.pass(1_999)
    expect(() => stage.publish()).toThrow(StreamBusyError)
    expect(() => stage.publish()).toThrow(
      expect.objectContaining({ code: 'stream_busy', message: expect.stringContaining('1999 ms') as unknown }),
    )
    expect(stage.source.publication).toBe(first)
  })

  test('takes over when the first was silent for takeover_after: it never meets its own ghost', async () => {
    const stage = new Stage()
    const player = stage.play()
    const ghost = stage.publish()
    ghost.publish('video', 0, avcKey(0))
    ghost.publish('audio', 0, aacFrame(0))
    await stage.clock.pass(2_000)
    const second = stage.publish()
    expect([ghost.ended, second.ended, stage.source.publication]).toEqual([true, false, second])
    await stage.clock.pass(0)
    expect(ghost.publisher.ended).toBe(true)
    second.publish('video', 0, avcKey(1))
    second.publish('audio', 0, aacFrame(1))
    await stage.clock.pass(400)
    expect(player.words).toEqual(['key1', 'aac1'])
  })

  test('takes over at once when takeover_after is 0', () => {
    const stage = new Stage()
    stage.publish()
    expect(() => stage.publish({ takeoverAfterMs: 0 })).not.toThrow()
  })

  test('any message keeps the first alive, also metadata and data that are not understood', async () => {
    const stage = new Stage()
    const first = stage.publish()
    for (const message of [
      () => first.setMetadata({}),
      () => first.publishData(0, Buffer.alloc(0)),
      () => first.publish('video', 0, Buffer.of(0x27, 9, 0, 0, 0)),
    ]) {
      await stage.clock.pass(1_999)
      message()
    }
    await stage.clock.pass(1_999)
    expect(() => stage.publish()).toThrow(StreamBusyError)
  })

  test('is not ended by the late end of the one it replaced', async () => {
    const stage = new Stage()
    const ghost = stage.publish()
    await stage.clock.pass(2_000)
    const second = stage.publish()
    stage.source.unpublish(ghost)
    stage.source.unpublish(ghost)
    expect([second.ended, stage.source.publication]).toEqual([false, second])
    stage.source.unpublish(second)
    expect(stage.source.publication).toBeNull()
  })

  test('goes on in time where the first stopped, on every track', async () => {
    const stage = new Stage()
    const player = stage.play()
    const times: { kind: string; dtsMs: number }[] = []
    for (const [round, startMs] of [50_000, 0, 3_000_000_000, 200].entries()) {
      const publication = stage.publish()
      publication.publish('video', startMs, avcHeader())
      for (let ms = 0; ms <= 1_000; ms += 40) {
        publication.publish('video', startMs + ms, ms === 0 ? avcKey(round) : avcInter(ms))
        publication.publish('audio', startMs + ms + (round % 2 === 0 ? 150 : 0), aacFrame(ms))
      }
      await stage.clock.pass(1_000)
      stage.source.unpublish(publication)
      await stage.clock.pass(200)
      times.push(...readRecords(player.pieces))
    }
    expect(player.takes).toHaveLength(4)
    for (const kind of ['video', 'audio']) {
      const track = times.filter((record) => record.kind === kind).map((record) => record.dtsMs)
      expect(track).toEqual(track.toSorted((a, b) => a - b))
      expect(track.at(-1)).toBeLessThan(50_000 + 4 * 1_300)
    }
  })
})

describe('a player that waits for a publisher', () => {
  test('gets the publication when it comes', async () => {
    const { world, clock } = makeTestWorld()
    const source = new Source('v/a/s', new Set())
    const notes: string[] = []
    for (const name of ['one', 'two']) noting(world, notes, name, (thread) => source.published(thread, 5_000))
    await clock.pass(4_999)
    const publisher = world.spawn('publisher', (thread) => thread.sleep(60_000))
    source.publish(publisher, OPTIONS)
    await clock.settle()
    expect(notes).toEqual(['one ok', 'two ok'])
  })

  test('gives up after its time, or when it is interrupted', async () => {
    const { world, clock } = makeTestWorld()
    const source = new Source('v/a/s', new Set())
    const notes: string[] = []
    noting(world, notes, 'patient', (thread) => source.published(thread, 5_000))
    const gone = noting(world, notes, 'gone', (thread) => source.published(thread, 5_000))
    await clock.pass(1_000)
    gone.interrupt('peer closed')
    await clock.pass(4_000)
    expect(notes).toEqual(['gone st_interrupted', 'patient st_timeout'])
    expect([clock.pendingTimers, world.threads.size]).toEqual([0, 0])
  })

  test('waits on when the publisher is gone before its turn comes', async () => {
    const { world, clock } = makeTestWorld()
    const source = new Source('v/a/s', new Set())
    const notes: string[] = []
    noting(world, notes, 'player', (thread) => source.published(thread, 5_000))
    const publisher = world.spawn('publisher', (thread) => thread.sleep(60_000))
    await clock.settle()
    source.unpublish(source.publish(publisher, OPTIONS))
    await clock.settle()
    expect(notes).toEqual([])
    source.publish(publisher, OPTIONS)
    await clock.settle()
    expect(notes).toEqual(['player ok'])
  })
})

describe('the hub', () => {
  test('gives everybody the same source while somebody holds it', () => {
    const hub = new Hub()
    const source = hub.acquire('v/a/s')
    expect(hub.acquire('v/a/s')).toBe(source)
    hub.release(source)
    expect(hub.acquire('v/a/s')).toBe(source)
    hub.release(source)
    hub.release(source)
    expect(hub.size).toBe(0)
    expect(hub.acquire('v/a/s')).not.toBe(source)
  })

  test('is empty after 100,000 random names (ossrs/srs#413)', () => {
    const hub = new Hub()
    const held = Array.from({ length: 100_000 }, (_, index) => hub.acquire(`v/a/${(index * 7_919) % 99_991}`))
    expect(hub.size).toBe(99_991)
    for (const source of held) hub.release(source)
    expect([hub.size, [...hub.sources]]).toEqual([0, []])
  })

  test('is empty after 1,000 publishes and plays that waited for nobody', async () => {
    const { world, clock } = makeTestWorld()
    const hub = new Hub()
    for (let index = 0; index < 1_000; index++) {
      world.spawn('visitor', async (thread) => {
        const source = hub.acquire(`v/a/${index}`)
        try {
          if (index % 2 === 0) await source.published(thread, 1_000)
          else source.unpublish(source.publish(thread, OPTIONS))
        } finally {
          hub.release(source)
        }
      })
    }
    await clock.settle()
    expect(hub.size).toBe(500)
    await clock.pass(1_000)
    expect([hub.size, world.threads.size, clock.pendingTimers]).toEqual([0, 0, 0])
  })
})
