import { describe, expect, test } from 'vitest'
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

  test('renews a thousand streams in a few steps', async () => {
    const { sim, a } = await cluster()
    const all = Array.from({ length: 1_000 }, (_, index) => publish(a, `s${index}`))
    await sim.run(60_000)
    expect(Object.keys(sim.announced)).toHaveLength(1_000)
    const redis = sim.redis
    redis?.heard.splice(0)
    await sim.run(3_400)
    expect(redis?.heard.filter(([name]) => name === 'EXEC')).toHaveLength(2)
    for (const one of all) one.leave()
    await sim.run(1_000)
    expect([sim.announced, a.registry.leases]).toEqual([{}, 0])
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
    const { MemoryRedis } = await import('../../support/memory-redis.ts')
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

describe('a registry whose Redis comes and goes, with any seed', () => {
  test.each(Array.from({ length: 20 }, (_, index) => index + 1))('agrees in the end: seed %i', async (seed) => {
    const sim = new SimCluster(seed)
    const random = sim.simulation.random.fork('test')
    await sim.startRedis()
    const names = ['a', 'b', 'c']
    const origins = new Map(names.map((name) => [name, sim.start(name)]))
    let publishes: { at: string; stream: string; publish: ReturnType<typeof publish> }[] = []
    for (let step = 0; step < 60; step++) {
      const at = random.pick(names)
      const origin = origins.get(at)
      const what = random.below(10)
      if (what < 6 && origin) {
        const stream = `s${random.below(4)}`
        const mine = publishes.find(
          (one) => one.at === at && one.stream === stream && one.publish.state === 'publishes',
        )
        if (mine) mine.publish.leave()
        else publishes.push({ at, stream, publish: publish(origin, stream) })
      } else if (what === 6) {
        publishes = publishes.filter((one) => one.at !== at)
        origins.set(at, sim.start(at))
      } else if (what === 7) sim.redisHost.crash('process')
      else if (what === 8) await sim.startRedis()
      else if (origin) sim.network.cut(origin.host, sim.redisHost)
      await sim.run(random.between(10, 6_000))
      for (const one of origins.values()) sim.network.heal(one.host, sim.redisHost)
    }
    await sim.startRedis()
    await sim.run(40_000)
    const live = publishes.filter((one) => one.publish.state === 'publishes')
    expect(sim.announced).toEqual(Object.fromEntries(live.map(({ stream, at }) => [stream, at])))
    expect(live).toHaveLength(new Set(live.map(({ stream }) => stream)).size)
    for (const { registry, world } of origins.values())
      expect([registry.leases >= 0, world.failures]).toEqual([true, 0])
  })
})
