import { describe, expect, test } from 'vitest'
import { Breaker, type BreakerSettings } from '../../src/control/breaker.ts'
import type { Client } from '../../src/server/client.ts'
import { type GateEvent, RefusedError } from '../../src/server/gate.ts'
import { makeTestWorld } from '../st/support/world.ts'

const SETTINGS: BreakerSettings = {
  enabled: true,
  highThreshold: 90,
  highPulseMs: 2_000,
  criticalThreshold: 95,
  criticalPulseMs: 1_000,
  dyingThreshold: 99,
  dyingPulseMs: 5_000,
}

async function makeBreaker(settings: { now: BreakerSettings } = { now: SETTINGS }) {
  const { world, clock, log } = makeTestWorld()
  let cpuMs = 0
  const backlog = { ms: 60_000 }
  const breaker = new Breaker(
    () => settings.now,
    () => cpuMs,
    () => backlog.ms,
  )
  const watcher = world.spawn('breaker', (thread) => breaker.run(thread))
  await clock.settle()
  /** Seconds of so much CPU. @returns the level after each */
  const load = async (percent: number, seconds: number): Promise<number[]> => {
    const levels: number[] = []
    for (let count = 0; count < seconds; count++) {
      cpuMs += percent * 10
      await clock.pass(1_000)
      levels.push(breaker.level)
    }
    return levels
  }
  const refused = async (event: GateEvent): Promise<string> => {
    try {
      await breaker.enter(watcher, event, {} as Client)
      return ''
    } catch (error) {
      return error instanceof RefusedError ? `${error.code} ${error.status}` : 'another error'
    }
  }
  return { breaker, load, refused, log, backlog }
}

describe('the circuit breaker', () => {
  test('lets everybody in under normal load', async () => {
    const { load, refused } = await makeBreaker()
    expect(await load(89, 10)).toEqual(Array.from({ length: 10 }, () => 0))
    for (const event of ['connect', 'publish', 'play'] as const) expect(await refused(event)).toBe('')
  })

  test('high load is told, but refuses nobody', async () => {
    const { load, refused, log } = await makeBreaker()
    expect(await load(92, 3)).toEqual([0, 1, 1])
    expect(await refused('play')).toBe('')
    expect(log.lines).toEqual([
      { level: 'warn', fields: { cid: expect.any(String) as string, cpuPercent: 92, level: 'high' }, text: 'overload' },
    ])
  })

  test('critical load refuses new players, and no publishers', async () => {
    const { load, refused } = await makeBreaker()
    expect(await load(97, 1)).toEqual([2])
    expect(await refused('play')).toBe('refused_overload 503')
    expect([await refused('publish'), await refused('connect')]).toEqual(['', ''])
  })

  test('a dying server refuses new publishers too', async () => {
    const { load, refused } = await makeBreaker()
    expect(await load(100, 5)).toEqual([2, 2, 2, 2, 3])
    for (const event of ['connect', 'publish', 'play'] as const)
      expect(await refused(event)).toBe('refused_overload 503')
  })

  test('is over as slowly as it came', async () => {
    const { load, refused, log } = await makeBreaker()
    await load(100, 5)
    expect(await load(10, 3)).toEqual([0, 0, 0])
    expect(await refused('play')).toBe('')
    expect(log.lines.at(-1)).toMatchObject({ level: 'info', text: 'load goes down' })
    // The seconds of before are not forgotten at once.
    expect(await load(100, 3)).toEqual([2, 2, 3])
  })

  test('a peak that is shorter than its pulse changes nothing', async () => {
    const { load } = await makeBreaker()
    expect(await load(93, 1)).toEqual([0])
    expect(await load(10, 1)).toEqual([0])
    expect(await load(93, 1)).toEqual([0])
  })

  test('can be switched off while it runs', async () => {
    const settings = { now: SETTINGS }
    const { load, refused } = await makeBreaker(settings)
    await load(100, 5)
    settings.now = { ...SETTINGS, enabled: false }
    expect(await load(100, 1)).toEqual([0])
    expect(await refused('play')).toBe('')
  })

  test('a pulse of 0 counts for as long as the load lasts', async () => {
    const { load } = await makeBreaker({ now: { ...SETTINGS, criticalPulseMs: 0 } })
    expect(await load(96, 1)).toEqual([2])
    expect(await load(94, 1)).toEqual([1])
    expect(await load(10, 1)).toEqual([0])
  })

  test('the whole CPU for a while is no overload when no work is left over', async () => {
    const { load, refused, backlog } = await makeBreaker()
    backlog.ms = 500
    expect((await load(100, 10)).at(-1)).toBe(1)
    expect(await refused('play')).toBe('')
    backlog.ms = 1_000
    await load(100, 1)
    expect(await refused('play')).toBe('refused_overload 503')
  })
})
