import { describe, expect, test } from 'vitest'
import { type Fence, FencedError, type LeaseFacts } from '../../../src/cluster/backup/fence.ts'
import { SharedRoot } from '../../../src/cluster/backup/shared-root.ts'
import { StreamStorage } from '../../../src/cluster/backup/stream-storage.ts'
import { FENCED } from '../../../src/server/hls/shared/share.ts'
import { ProcessDisk, SimDisk } from '../../../src/st/sim/disk.ts'
import type { Life } from '../../../src/st/sim/life.ts'
import { SimNetwork } from '../../../src/st/sim/network.ts'
import { Simulation } from '../../../src/st/sim/simulation.ts'
import type { Thread } from '../../../src/st/thread.ts'
import { RecordingLog } from '../../support/world.ts'

const PLAYLIST = 'live/cam.m3u8'
const PATH = { latencyMs: 1, jitterMs: 0, bytesPerMs: 1_000, bufferBytes: 8_192, splits: 0 }

/** Servers that share a disk. */
class Servers {
  readonly simulation: Simulation
  readonly disk: SimDisk
  readonly lives = new Map<string, Life>()
  readonly #network: SimNetwork

  constructor(seed = 1) {
    this.simulation = new Simulation(seed)
    this.#network = new SimNetwork(this.simulation, () => PATH)
    this.disk = new SimDisk(this.simulation.random.fork('disk'))
  }

  /** Starts a thread on a machine of this name. */
  start<T>(name: string, body: (thread: Thread, storage: StreamStorage) => Promise<T>): Promise<T> {
    const host = this.#network.add(name, `10.0.0.${this.lives.size + 1}`)
    const world = host.boot(new RecordingLog(), (life) => {
      this.lives.set(name, life)
      return new ProcessDisk(this.disk, life)
    })
    return new Promise((resolve, reject) => {
      world.spawn(name, (thread) =>
        body(thread, new StreamStorage(world.disk, new SharedRoot(world.disk, 'shared'), PLAYLIST)).then(
          resolve,
          reject,
        ),
      )
    })
  }

  /** As `start`, to its end. */
  async run<T>(name: string, body: (thread: Thread, storage: StreamStorage) => Promise<T>): Promise<T> {
    const outcome = this.start(name, body)
    await this.simulation.run(20_000)
    return outcome
  }

  text(path: string): string | null {
    const file = this.disk.files.file(path)
    return file && file.read(0, file.length).toString()
  }

  get paths(): string[] {
    return this.disk.files.paths
  }
}

function facts(name: string): LeaseFacts {
  return { name, token: name, isWriting: true, sinceMs: 1, intent: [] }
}

async function take(thread: Thread, storage: StreamStorage, least = 1): Promise<Fence> {
  const fence = await storage.take(thread, facts(thread.name), least)
  if (!fence) throw new Error('somebody was faster')
  return fence
}

async function failureOf(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => null,
    (error: unknown) => error,
  )
}

describe('a turn at writing', () => {
  test('ends when the next one begins: nothing of it reaches its place any more', async () => {
    const servers = new Servers()
    const old = await servers.run('a', async (thread, storage) => {
      const fence = await take(thread, storage)
      await fence.write(thread, PLAYLIST, Buffer.from('of a'))
      return { thread, fence }
    })
    const next = await servers.run('b', async (thread, storage) => {
      const fence = await take(thread, storage)
      await fence.write(thread, PLAYLIST, Buffer.from('of b'))
      return fence.number
    })
    expect(next).toBe(old.fence.number + 1)
    const { thread, fence } = old
    const failures = (async () => [
      await failureOf(fence.write(thread, PLAYLIST, Buffer.from('late'))),
      await failureOf(fence.renew(thread)),
      await failureOf(fence.intend(thread, ['x'])),
      await failureOf(fence.remove(thread, PLAYLIST)),
    ])()
    await servers.simulation.run(20_000)
    const [write, renew, intend, remove] = await failures
    for (const failure of [write, renew, intend]) {
      expect(failure).toBeInstanceOf(FencedError)
      expect(failure).toMatchObject({ code: FENCED })
    }
    expect(remove).toBeNull()
    expect(servers.text(`shared/${PLAYLIST}`)).toBe('of b')
  })

  test('ends for a server that is stopped in the middle of a write, whenever that is', async () => {
    for (let seed = 1; seed <= 60; seed++) {
      const servers = new Servers(seed)
      let number = 0
      const writing = servers.start('a', async (thread, storage) => {
        const fence = await take(thread, storage)
        number = fence.number
        for (let count = 0; count < 50; count++) await fence.write(thread, PLAYLIST, Buffer.from(`a${count}`))
      })
      const failure = failureOf(writing)
      await servers.simulation.run(5 + servers.simulation.random.between(0, 150))
      servers.lives.get('a')?.stall(5_000)
      const taken = servers.start('b', async (thread, storage) => {
        const fence = await take(thread, storage)
        const seen = servers.text(`shared/${PLAYLIST}`)
        await thread.sleep(10_000)
        // One that had not begun its turn yet may do so later.
        if (number < fence.number) expect(servers.text(`shared/${PLAYLIST}`)).toBe(seen)
        return fence.number
      })
      await servers.simulation.run(30_000)
      expect(await taken).toBeGreaterThan(0)
      const ended = await failure
      if (ended instanceof Error) expect(ended.message).toMatch(/another server has begun one|somebody was faster/)
    }
  })

  test('is won by one of several that begin at the same time, and the others cannot write', async () => {
    for (let seed = 1; seed <= 60; seed++) {
      const servers = new Servers(seed)
      const names = ['a', 'b', 'c', 'd']
      const attempts = names.map((name) =>
        servers.start(name, async (thread, storage) => {
          const fence = await storage.take(thread, facts(name), 1)
          await thread.sleep(5_000)
          return fence && (await failureOf(fence.write(thread, PLAYLIST, Buffer.from(name)))) === null ? name : null
        }),
      )
      await servers.simulation.run(60_000)
      const writers = (await Promise.all(attempts)).filter((name) => name !== null)
      expect(writers.length).toBeLessThanOrEqual(1)
      expect(servers.text(`shared/${PLAYLIST}`)).toBe(writers[0] ?? null)
    }
  })

  test('tells the next one what it was about to publish', async () => {
    const servers = new Servers()
    await servers.run('a', async (thread, storage) => (await take(thread, storage)).intend(thread, ['live/cam-7.ts']))
    const leftovers = await servers.run('b', async (thread, storage) => (await take(thread, storage)).leftovers)
    expect(leftovers).toEqual(['live/cam-7.ts'])
  })

  test('has a number that is no less than it was told, and greater than all before', async () => {
    const servers = new Servers()
    const numbers = await servers.run('a', async (thread, storage) => {
      const first = (await take(thread, storage)).number
      const far = (await take(thread, storage, first + 1_000)).number
      return [first, far, (await take(thread, storage, 5)).number]
    })
    const [first = 0] = numbers
    expect(numbers).toEqual([first, first + 1_000, first + 1_001])
  })

  test('leaves nothing when the stream is over', async () => {
    const servers = new Servers()
    await servers.run('a', async (thread, storage) => {
      await storage.standBy(thread, 'a', { lagMs: 1, heldMs: 2 })
      const fence = await take(thread, storage)
      await storage.leave(thread, 'a')
      await fence.write(thread, PLAYLIST, Buffer.from('x'))
      await fence.remove(thread, PLAYLIST)
      await storage.forget(thread, fence)
    })
    expect(servers.paths).toEqual(['shared/.standby-storage'])
  })
})

test('a folder where the storage is not mounted any more is not taken for it', async () => {
  const servers = new Servers()
  const seen = await servers.run('a', async (thread, storage) => {
    const { files } = servers.disk
    const before = await storage.read(thread, PLAYLIST)
    const fence = await take(thread, storage)
    await fence.write(thread, PLAYLIST, Buffer.from('x'))
    for (const path of servers.paths) files.remove(path, 0)
    const failures = [
      await failureOf(storage.read(thread, PLAYLIST)),
      await failureOf(storage.look(thread)),
      await failureOf(storage.take(thread, facts('a'), 1)),
    ]
    return { before, failures, left: servers.paths }
  })
  expect(seen.before).toBeNull()
  for (const failure of seen.failures) expect(failure).toMatchObject({ name: 'DiskError', errno: 'ESTALE' })
  expect(seen.left).toEqual([])
})

test('servers that stand by are seen, with what they hold and how long ago they said so', async () => {
  const servers = new Servers()
  const sides = await servers.run('a', async (thread, storage) => {
    await storage.standBy(thread, 'west', { lagMs: 40, heldMs: 2_500 })
    await thread.sleep(3_000)
    await storage.standBy(thread, 'east', { lagMs: 0, heldMs: 0 })
    return storage.sides(thread)
  })
  expect(sides).toMatchObject([
    { name: 'east', lagMs: 0, heldMs: 0, ageMs: 0 },
    { name: 'west', lagMs: 40, heldMs: 2_500 },
  ])
  expect(sides[1]?.ageMs).toBeGreaterThan(2_500)
})

test('a switch that somebody asks for is heard once', async () => {
  const servers = new Servers()
  const heard = await servers.run('a', async (thread, storage) => {
    await take(thread, storage)
    await storage.askSwitch(thread)
    await storage.askSwitch(thread)
    return [await storage.takeSwitch(thread), await storage.takeSwitch(thread)]
  })
  expect(heard).toEqual([true, false])
})
