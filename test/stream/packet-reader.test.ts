import { describe, expect, test } from 'vitest'
import { FOREVER } from '../../src/st/clock.ts'
import { Hub } from '../../src/stream/hub.ts'
import { HeaderSet } from '../../src/stream/headers.ts'
import type { Packet } from '../../src/stream/packet.ts'
import { PacketReader } from '../../src/stream/packet-reader.ts'
import { makeTestWorld, noting } from '../st/support/world.ts'
import { OPTIONS } from './support.ts'

const MEGABYTE = 1024 * 1024
const PICTURE = HeaderSet.EMPTY.withKind('video')

function picture(dtsMs: number, isKey: boolean, bytes = 10): Packet {
  const payload = Buffer.alloc(bytes)
  return { kind: 'video', type: 'frame', dtsMs, isKey, codec: 'avc1', trackId: 0, payload, bodyOffset: 5 }
}

describe('a packet reader', () => {
  test('gives the packets in order, waits for the next, and ends with the publish', async () => {
    const { world, clock } = makeTestWorld()
    const reader = new PacketReader()
    const notes: string[] = []
    const got: (number | null)[] = []
    reader.push(picture(0, true), PICTURE)
    noting(world, notes, 'reader', async (thread) => {
      for (;;) {
        const read = await reader.next(thread, FOREVER)
        got.push(read && read.packet.dtsMs)
        if (!read) return
      }
    })
    await clock.settle()
    expect(got).toEqual([0])
    reader.push(picture(40, false), PICTURE)
    reader.push(picture(80, false), PICTURE)
    reader.end()
    await clock.settle()
    expect([got, notes]).toEqual([[0, 40, 80, null], ['reader ok']])
  })

  test('lets a thread take in steps, which wakes it only when it has to do something else', async () => {
    const { world, clock } = makeTestWorld()
    const reader = new PacketReader()
    const notes: string[] = []
    const got: (number | string)[] = []
    const takeAll = (): boolean => {
      for (let read = reader.take(); read; read = reader.take()) {
        got.push(read.packet.dtsMs)
        if (read.packet.isKey) return false
      }
      return !reader.ended
    }
    noting(world, notes, 'reader', async (thread) => {
      while (!reader.isAtEnd) {
        await reader.follow(thread, { step: takeAll }, FOREVER)
        got.push('awake')
      }
    })
    const push = async (...packets: Packet[]): Promise<void> => {
      for (const packet of packets) reader.push(packet, PICTURE)
      await clock.settle()
    }
    await push(picture(0, false))
    await push(picture(40, false))
    expect(got).toEqual([0, 40])
    await push(picture(80, true), picture(120, false))
    expect(got).toEqual([0, 40, 80, 'awake', 120])
    await push(picture(160, false))
    reader.end()
    await clock.settle()
    expect([got.slice(5), notes]).toEqual([[160, 'awake'], ['reader ok']])
  })

  test('that is too slow loses what is queued and goes on at a key frame', () => {
    const reader = new PacketReader()
    for (let i = 0; i < 65; i++) reader.push(picture(i, i === 0, MEGABYTE), PICTURE)
    expect(reader.take()).toBeNull()
    reader.push(picture(100, false), PICTURE)
    reader.push(picture(140, true), PICTURE)
    reader.push(picture(180, false), PICTURE)
    expect([reader.take()?.packet.dtsMs, reader.take()?.packet.dtsMs, reader.take()]).toEqual([140, 180, null])
    expect(reader.droppedPackets).toBe(66)
  })
})

describe('a packet reader that is bounded in time', () => {
  const times = (reader: PacketReader): (number | undefined)[] => {
    const found: (number | undefined)[] = []
    for (let read = reader.take(); read; read = reader.take()) found.push(read.packet.dtsMs)
    return found
  }

  test('drops what is before the newest key frame', () => {
    const reader = new PacketReader(() => 1000)
    for (let dtsMs = 0; dtsMs <= 1200; dtsMs += 100) reader.push(picture(dtsMs, dtsMs % 400 === 0), PICTURE)
    expect(times(reader)).toEqual([800, 900, 1000, 1100, 1200])
    expect(reader.droppedPackets).toBe(8)
    expect(times(reader)).toEqual([])
  })

  test('waits for a key frame when there is none', () => {
    const reader = new PacketReader(() => 1000)
    for (let dtsMs = 0; dtsMs <= 1500; dtsMs += 100) reader.push(picture(dtsMs, dtsMs === 0), PICTURE)
    expect(times(reader)).toEqual([])
    for (const dtsMs of [1600, 1700]) reader.push(picture(dtsMs, dtsMs === 1600), PICTURE)
    expect(times(reader)).toEqual([1600, 1700])
  })

  test('loses nothing while it keeps up, however long', () => {
    const reader = new PacketReader(() => 1000)
    for (let dtsMs = 0; dtsMs < 20_000; dtsMs += 900) {
      reader.push(picture(dtsMs, dtsMs === 0), PICTURE)
      expect(reader.take()?.packet.dtsMs).toBe(dtsMs)
    }
    expect(reader.droppedPackets).toBe(0)
  })
})

test('the watchers of a hub are told of each publish as it begins', async () => {
  const { world, clock } = makeTestWorld()
  const hub = new Hub()
  const told: string[] = []
  hub.watchers.add((source, publication) => {
    told.push(`${source.key} ${publication === source.publication} ${publication.counters.videoFrames}`)
  })
  world.spawn('publisher', async (thread) => {
    hub.acquire('v/a/s').publish(thread, { ...OPTIONS, takeoverAfterMs: 0 })
    hub.acquire('v/a/s').publish(thread, { ...OPTIONS, takeoverAfterMs: 0 })
  })
  await clock.settle()
  expect(told).toEqual(['v/a/s true 0', 'v/a/s true 0'])
})
