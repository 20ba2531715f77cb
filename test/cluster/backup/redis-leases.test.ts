import { expect, test } from 'vitest'
import { RedisLeases } from '../../../src/cluster/backup/redis-leases.ts'
import type { Thread } from '../../../src/st/thread.ts'
import { MemoryRedis } from '../../support/memory-redis.ts'
import { RecordingLog } from '../../support/world.ts'
import { SimStage } from '../sim-stage.ts'

const LEASE_MS = 2_000
const EAST = { token: 'east' }
const WEST = { token: 'west' }

/** Two servers and a Redis; runs a thread to its end. */
async function run<T>(body: (thread: Thread, redis: MemoryRedis, open: () => RedisLeases) => Promise<T>): Promise<T> {
  const stage = new SimStage(1)
  const redis = new MemoryRedis(stage.machine('redis').boot(new RecordingLog()))
  await redis.start(6379, '')
  const world = stage.machine('a').boot(new RecordingLog())
  const options = {
    server: [{ host: 'redis', port: null }],
    username: '',
    password: '',
    database: 0,
    tls: false,
    prefix: 'test:',
    timeoutMs: 500,
  }
  const outcome = new Promise<T>((resolve, reject) => {
    world.spawn('test', (thread) => body(thread, redis, () => new RedisLeases(options)).then(resolve, reject))
  })
  await stage.run(30_000)
  return outcome
}

test('one has the lease of a stream; its numbers grow also when it was given back', async () => {
  await run(async (thread, _redis, open) => {
    const [east, west] = [open(), open()]
    expect(await east.claim(thread, 's', EAST, LEASE_MS, false)).toBe(1)
    expect(await west.claim(thread, 's', WEST, LEASE_MS, false)).toBeNull()
    expect(await west.holder(thread, 's')).toEqual(EAST)
    await east.drop(thread, 's', EAST)
    expect(await west.holder(thread, 's')).toBeNull()
    expect(await west.claim(thread, 's', WEST, LEASE_MS, false)).toBe(2)
    expect(await east.renew(thread, 's', EAST, LEASE_MS)).toBe(false)
    await east.drop(thread, 's', EAST)
    expect(await east.holder(thread, 's')).toEqual(WEST)
  })
})

test('a lease that is not renewed ends, and one can be taken by force', async () => {
  await run(async (thread, _redis, open) => {
    const [east, west] = [open(), open()]
    await east.claim(thread, 's', EAST, LEASE_MS, false)
    await thread.sleep(LEASE_MS / 2)
    expect(await east.renew(thread, 's', EAST, LEASE_MS)).toBe(true)
    await thread.sleep(LEASE_MS * 0.75)
    expect(await west.holder(thread, 's')).toEqual(EAST)
    await thread.sleep(LEASE_MS)
    expect(await west.holder(thread, 's')).toBeNull()
    expect(await west.claim(thread, 's', WEST, LEASE_MS, false)).toBe(2)
    expect(await east.claim(thread, 's', EAST, LEASE_MS, true)).toBe(3)
  })
})

test('while Redis is away nothing is said of a lease, and nobody loses one', async () => {
  await run(async (thread, redis, open) => {
    const east = open()
    await east.claim(thread, 's', EAST, LEASE_MS, false)
    expect(east.isUp).toBe(true)
    redis.isHanging = true
    expect(await east.holder(thread, 's')).toBe('away')
    expect(await east.renew(thread, 's', EAST, LEASE_MS)).toBe(true)
    expect(await east.claim(thread, 's', EAST, LEASE_MS, false)).toBe('away')
    expect(east.isUp).toBe(false)
    redis.wake()
    await thread.sleep(2_000)
    expect(await east.holder(thread, 's')).toBeNull()
    expect(east.isUp).toBe(true)
  })
})

test('what somebody else has written there is no lease', async () => {
  await run(async (thread, redis, open) => {
    redis.values.set('test:hls-lease:s', { text: '{"x"', untilMs: Infinity })
    expect(await open().holder(thread, 's')).toBeNull()
    expect(await open().claim(thread, 's', EAST, LEASE_MS, false)).toBe(1)
  })
})
