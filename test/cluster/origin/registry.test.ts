import { afterEach, describe, expect, test, vi } from 'vitest'
import { RedisConnection, type RedisReply } from '../../../src/cluster/origin/redis-connection.ts'
import { Registry } from '../../../src/cluster/origin/registry.ts'
import { MemoryRedis } from '../../support/memory-redis.ts'
import { RegistryRun } from './registry-run.ts'
import { ask, publish, SimCluster, type SimOrigin } from './support.ts'

const AWAY = 'registry cannot be reached: running streams go on, others are looked for at the coworkers'
const BACK = 'registry can be reached again'

function said({ log }: SimOrigin, text: string): number {
  return log.lines.filter((line) => line.text === text).length
}

async function cluster(): Promise<{ sim: SimCluster; a: SimOrigin; b: SimOrigin }> {
  const sim = new SimCluster()
  await sim.startRedis()
  const [a, b] = [sim.start('a'), sim.start('b')]
  await sim.run(1_000)
  return { sim, a, b }
}

describe('the registry', () => {
  test('has a stream as long as it is published, and tells the others', async () => {
    const { sim, a, b } = await cluster()
    const cam = publish(a, 'cam')
    await sim.run(100)
    expect([cam.state, sim.announced]).toEqual(['publishes', { cam: 'a' }])
    const [there, here, nowhere] = [ask(b, 'cam'), ask(a, 'cam'), ask(b, 'other')]
    await sim.run(100)
    expect([there.hosts, here.hosts, nowhere.hosts]).toEqual([['a'], [], []])
    await sim.run(60_000)
    expect(sim.announced).toEqual({ cam: 'a' })
    cam.leave()
    await sim.run(100)
    expect(sim.announced).toEqual({})
  })

  test('gives a stream to one of two publishers, and to the other one when it is over', async () => {
    const { sim, a, b } = await cluster()
    const [one, two] = [publish(a, 'cam'), publish(b, 'cam')]
    await sim.run(100)
    const states = [one.state, two.state]
    expect(states.filter((state) => state === 'publishes')).toHaveLength(1)
    expect(states.find((state) => state !== 'publishes')).toMatch(/^stream v\/live\/cam has a publisher at [ab]:1935$/)
    const winner = one.state === 'publishes' ? one : two
    winner.leave()
    await sim.run(100)
    const third = publish(winner === one ? b : a, 'cam')
    await sim.run(100)
    expect(third.state).toBe('publishes')
  })

  test('what an older publish of the same server withdraws is not the newer one', async () => {
    const { sim, a } = await cluster()
    const old = publish(a, 'cam')
    await sim.run(100)
    const next = publish(a, 'cam')
    await sim.run(100)
    old.leave()
    await sim.run(5_000)
    expect([next.state, sim.announced]).toEqual(['publishes', { cam: 'a' }])
    next.leave()
    // In the same moment another one begins.
    const last = publish(a, 'cam')
    await sim.run(30_000)
    expect([last.state, sim.announced, a.registry.leases]).toEqual(['publishes', { cam: 'a' }, 1])
  })

  test.each(['process', 'machine'] as const)('forgets the streams of a dead %s with their lease', async (kind) => {
    const { sim, a, b } = await cluster()
    publish(a, 'cam')
    await sim.run(100)
    a.host.crash(kind)
    const early = publish(b, 'cam')
    await sim.run(5_000)
    expect(early.state).toContain('has a publisher at a:1935')
    await sim.run(6_000)
    expect(sim.announced).toEqual({})
    const late = publish(b, 'cam')
    await sim.run(100)
    expect([late.state, sim.announced]).toEqual(['publishes', { cam: 'b' }])
  })

  test('lets a server that was killed and started again publish at once', async () => {
    const { sim, a } = await cluster()
    publish(a, 'cam')
    await sim.run(100)
    a.host.crash('process')
    const again = sim.start('a')
    await sim.run(500)
    const cam = publish(again, 'cam')
    await sim.run(100)
    expect(cam.state).toBe('publishes')
  })

  test('takes a stream from a server that was not heard for longer than its lease', async () => {
    const { sim, a, b } = await cluster()
    const stopped = publish(a, 'cam')
    await sim.run(100)
    a.host.life?.stall(20_000)
    await sim.run(12_000)
    const next = publish(b, 'cam')
    await sim.run(100)
    expect(next.state).toBe('publishes')
    await sim.run(20_000)
    expect([stopped.state, next.state]).toEqual(['interrupted: published on another origin', 'publishes'])
    expect([sim.announced, a.registry.leases]).toEqual([{ cam: 'b' }, 0])
    expect(said(a, 'stream is published on another origin')).toBe(1)
  })

  test('asks with a password, in a database; a wrong one is told', async () => {
    const sim = new SimCluster()
    const redis = await sim.startRedis()
    redis.password = 'secret word'
    sim.start('a', { password: 'secret word', username: 'me', database: 3 })
    const wrong = sim.start('b', { password: 'guess' })
    await sim.run(500)
    expect(redis.heard.slice(0, 6)).toContainEqual(['AUTH', 'me', 'secret word'])
    expect(redis.heard).toContainEqual(['SELECT', '3'])
    await sim.run(20_000)
    const [line, ...more] = wrong.log.lines.filter(({ text }) => text === AWAY)
    expect([line?.fields['reason'], more]).toEqual(['Redis says: WRONGPASS invalid username-password pair', []])
  })

  test('renews many streams in a few steps', async () => {
    const { sim, a } = await cluster()
    const all = Array.from({ length: 400 }, (_, index) => publish(a, `s${index}`))
    await sim.run(60_000)
    expect(Object.keys(sim.announced)).toHaveLength(400)
    const redis = sim.redis
    redis?.heard.splice(0)
    await sim.run(3_400)
    expect(redis?.heard.filter(([name]) => name === 'EXEC')).toHaveLength(2)
    for (const one of all) one.leave()
    await sim.run(1_000)
    expect([sim.announced, a.registry.leases]).toEqual([{}, 0])
  })

  test('hundreds of publishers that come at once are all asked about, by a Redis that is 10 ms away', async () => {
    const { sim, a, b } = await cluster()
    const all = Array.from({ length: 400 }, (_, index) => publish(a, `s${index}`))
    await sim.run(2_000)
    expect(all.filter(({ state }) => state === 'publishes')).toHaveLength(400)
    const late = publish(b, 's399')
    await sim.run(1_000)
    expect([late.state, said(a, AWAY)]).toEqual(['stream v/live/s399 has a publisher at a:1935', 0])
  })

  test('one publish more costs one stream, not all of them', async () => {
    const { sim, a } = await cluster()
    for (let index = 0; index < 50; index++) publish(a, `s${index}`)
    await sim.run(5_000)
    sim.redis?.heard.splice(0)
    const one = publish(a, 'one')
    await sim.run(30)
    one.leave()
    await sim.run(30)
    expect(sim.redis?.heard.filter(([name]) => name === 'SET' || name === 'DEL')).toHaveLength(2)
  })

  test('announces what nobody claimed and is published all the same, as long as that lasts', async () => {
    const { sim, a, b } = await cluster()
    a.own.set(
      'v/live/file',
      a.world.spawn('ingest', (thread) => thread.sleep(3_600_000)),
    )
    a.registry.published()
    await sim.run(100)
    const there = ask(b, 'file')
    await sim.run(20_000)
    expect([there.hosts, sim.announced]).toEqual([['a'], { file: 'a' }])
    a.own.clear()
    await sim.run(5_000)
    expect(sim.announced).toEqual({})
  })

  test('withdraws its streams when it stops', async () => {
    const { sim, a } = await cluster()
    publish(a, 'cam')
    await sim.run(100)
    a.world.spawn('stop', (thread) => a.registry.stop(thread))
    await sim.run(100)
    expect(sim.announced).toEqual({})
  })
})

describe('while Redis is away', () => {
  test('streams go on and begin, and are announced when it is back; the log says it once', async () => {
    const { sim, a, b } = await cluster()
    const before = publish(a, 'before')
    await sim.run(100)
    sim.redisHost.crash('process')
    await sim.run(20_000)
    const meanwhile = publish(a, 'meanwhile')
    const asked = ask(b, 'before')
    await sim.run(20_000)
    expect([before.state, meanwhile.state, asked.hosts]).toEqual(['publishes', 'publishes', []])
    expect([said(a, AWAY), said(a, BACK), said(b, AWAY)]).toEqual([1, 0, 1])
    await sim.startRedis()
    await sim.run(3_000)
    expect(sim.announced).toEqual({ before: 'a', meanwhile: 'a' })
    expect([said(a, AWAY), said(a, BACK)]).toEqual([1, 1])
    sim.redisHost.crash('process')
    await sim.run(20_000)
    expect(said(a, AWAY)).toBe(2)
  })

  test('a stream that two servers begin is kept by one of them', async () => {
    const { sim, a, b } = await cluster()
    sim.redisHost.crash('process')
    await sim.run(5_000)
    const publishes = [publish(a, 'cam'), publish(b, 'cam')]
    await sim.run(5_000)
    expect(publishes.map(({ state }) => state)).toEqual(['publishes', 'publishes'])
    await sim.startRedis()
    await sim.run(10_000)
    const states = publishes.map(({ state }) => state).toSorted()
    expect(states).toEqual(['interrupted: published on another origin', 'publishes'])
    expect(sim.announced).toEqual({ cam: publishes[0]?.state === 'publishes' ? 'a' : 'b' })
  })

  test('that hangs, a publisher waits for one timeout at most, and what was asked is not taken for an answer', async () => {
    const { sim, a, b } = await cluster()
    const { redis } = sim
    if (!redis) throw new Error('no Redis')
    redis.isHanging = true
    const cam = publish(a, 'cam')
    await sim.run(1_100)
    expect(cam.state).toBe('publishes')
    redis.wake()
    await sim.run(5_000)
    expect(sim.announced).toEqual({ cam: 'a' })
    const there = ask(b, 'cam')
    await sim.run(1_000)
    expect(there.hosts).toEqual(['a'])
  })

  test('that refuses to write (a replica, a full disk), the next server is tried', async () => {
    const sim = new SimCluster()
    const redis = await sim.startRedis()
    redis.error = 'READONLY You can not write against a read only replica.'
    const other = sim.network.add('other', '10.0.0.101')
    const a = sim.start('a', {
      server: [
        { host: 'redis', port: null },
        { host: 'other', port: 6380 },
      ],
    })
    await sim.run(3_000)
    const second = new MemoryRedis(other.boot(a.log))
    await second.start(6380, '')
    publish(a, 'cam')
    await sim.run(10_000)
    expect(Object.keys(second.live)).toEqual(['test:stream:v/live/cam'])
  })

  test('a client that goes in the middle of a question does not spoil the next one', async () => {
    const { sim, a, b } = await cluster()
    publish(a, 'cam')
    await sim.run(100)
    for (let ms = 1; ms < 30; ms++) {
      const gone = b.world.spawn('gone', async (thread) => void (await b.registry.claim(thread, `v/live/x${ms}`)))
      await sim.run(ms)
      gone.interrupt('gone')
      const there = ask(b, 'cam')
      await sim.run(200)
      expect(there.hosts).toEqual(['a'])
    }
    expect(said(b, AWAY)).toBe(0)
  })
})

describe('a registry whose Redis comes and goes', () => {
  test.each(Array.from({ length: 20 }, (_, index) => index + 1))('agrees in the end: seed %i', async (seed) => {
    expect(await new RegistryRun(seed).run()).toBeNull()
  })
})

describe('what must not be is noticed', () => {
  /** Runs seeds until a rule is broken. */
  async function noticed(): Promise<string | null> {
    let broken: string | null = null
    for (let seed = 1; seed <= 20 && broken === null; seed++) broken = await new RegistryRun(seed).run()
    return broken
  }

  test('a lease that never expires', async () => {
    const plant = vi.spyOn(MemoryRedis.prototype, 'expires').mockReturnValue(Infinity)
    expect(await noticed()).toMatch(/^announced /)
    expect(plant).toHaveBeenCalled()
  })

  test('a claim in two steps: what another one did between them is not seen', async () => {
    const plant = vi.spyOn(RedisConnection.prototype, 'update')
    plant.mockImplementation(async function (this: RedisConnection, thread, keys, decide, timeoutMs) {
      const [values] = await this.ask(thread, [['MGET', ...keys]], timeoutMs)
      const commands = decide(values as readonly RedisReply[])
      if (commands.length > 0) await this.ask(thread, commands, timeoutMs)
    })
    expect(await noticed()).toMatch(/ has [23] publishers: /)
    expect(plant).toHaveBeenCalled()
  })

  test('a claim that Redis is not asked about', async () => {
    const plant = vi.spyOn(Registry.prototype, 'claim').mockImplementation(async () => () => {})
    expect(await noticed()).not.toBeNull()
    expect(plant).toHaveBeenCalled()
  })

  afterEach(() => void vi.restoreAllMocks())
})
