import { describe, expect, test } from 'vitest'
import { Dolphin } from '../../../src/cluster/dolphin/dolphin.ts'
import type { Policy } from '../../../src/cluster/dolphin/options.ts'
import type { SimHost } from '../../../src/st/sim/network.ts'
import type { Path } from '../../../src/st/sim/path.ts'
import type { World } from '../../../src/st/world.ts'
import { RecordingLog } from '../../support/world.ts'
import { pictures, type Seen, SimStage } from '../sim-stage.ts'

const RECOVERY_MS = 20_000
const SLOW: Partial<Path> = { bytesPerMs: 4, latencyMs: 100, bufferBytes: 64 * 1024 }
/** What one read brings, and what may wait unread beside it. */
const MOST_PENDING_BYTES = 512 * 1024

interface SimDolphin {
  readonly host: SimHost
  world: World
  dolphin: Dolphin
}

/** Starts a proxy in front of the servers `one` and `two`, anew when it was there. */
async function proxy(host: SimHost, policy: Policy): Promise<SimDolphin> {
  const world = host.boot(new RecordingLog())
  const dolphin = new Dolphin(world, {
    rtmp: [{ host: '', port: 1935 }],
    http: [],
    servers: ['one', 'two'].map((name) => ({ name, rtmp: { host: name, port: 1935 }, http: null, start: [] })),
    policy,
    fillConnections: 3,
    maxConnections: 1000,
    connectTimeoutMs: 2_000,
    idleTimeoutMs: 20_000,
    checkIntervalMs: 2_000,
    proxyProtocol: false,
    programLogDir: null,
  })
  await dolphin.start()
  return { host, world, dolphin }
}

/** Within each connection pictures come in their order and none is left out. */
function brokenOrder(seen: readonly Seen[]): string[] {
  const shown = seen.filter(isPicture)
  return shown.flatMap((one, index) => {
    const before = shown[index - 1]
    if (!before || before.connection !== one.connection) return []
    const [from, to] = [before, one].map(({ label }) => Number(label.split(' ')[2]))
    return to === (from ?? 0) + 1 ? [] : [`${before.label}, then ${one.label}`]
  })
}

function isPicture({ label }: Seen): boolean {
  return /^video (?:key|inter)/.test(label)
}

async function close(stage: SimStage, { world, dolphin }: SimDolphin): Promise<void> {
  world.spawn('stop', (thread) => dolphin.stop(thread))
  await stage.run(5_000)
  expect([...world.threads].map(({ name }) => name)).toEqual([])
  expect(world.failures).toBe(0)
  expect(dolphin.servers.map(({ open }) => open)).toEqual([0, 0])
}

const SEEDS = [1, 2]

describe.each(SEEDS)('seed %i, origins by stream', (seed) => {
  test('streams are whole, and come back after the end of a server, of the network, of the proxy', async () => {
    const stage = new SimStage(seed)
    const [one, two, front] = ['one', 'two', 'proxy'].map((name) => stage.machine(name)) as [SimHost, SimHost, SimHost]
    await stage.serve(one)
    await stage.serve(two)
    let running = await proxy(front, 'hash')
    const names = ['a', 'b', 'c']
    for (const name of names) stage.publish('proxy', name, 400)
    await stage.run(3_000)
    const players = [...names, 'a'].map((name) => stage.play('proxy', name))
    const allPlay = async (what: string): Promise<void> => {
      await stage.run(RECOVERY_MS)
      const before = players.map((seen) => seen.length)
      await stage.run(5_000)
      for (const [index, seen] of players.entries()) {
        expect(seen.length - (before[index] ?? 0), `player ${index} after ${what}`).toBeGreaterThan(100)
        expect(brokenOrder(seen)).toEqual([])
      }
    }
    await allPlay('the start')
    one.crash('process')
    await allPlay('the end of a server')
    await stage.serve(one)
    two.crash('machine')
    await allPlay('the end of a machine')
    await stage.serve(two)
    stage.network.cut(front, one)
    await allPlay('a cut')
    stage.network.heal(front, one)
    front.crash('process')
    running = await proxy(front, 'hash')
    await allPlay('another proxy')
    expect(front.mostPendingBytes).toBeLessThan(MOST_PENDING_BYTES)
    await close(stage, running)
  })
})

test('a slow player neither grows the proxy nor holds up another', async () => {
  const stage = new SimStage(7, (from, to) => ([from.name, to.name].includes('player of 10.0.0.3') ? SLOW : {}))
  const [one, , front] = ['one', 'two', 'proxy'].map((name) => stage.machine(name)) as [SimHost, SimHost, SimHost]
  await stage.serve(one)
  const running = await proxy(front, 'least')
  // Five times what the slow one can take.
  stage.publish('proxy', 'big', 800)
  await stage.run(2_000)
  const fast = stage.play('proxy', 'big')
  const slow = stage.play('10.0.0.3', 'big')
  await stage.run(60_000)
  expect(pictures(fast).length).toBeGreaterThan(1_200)
  expect(pictures(slow).length).toBeGreaterThan(50)
  expect(pictures(slow).length).toBeLessThan(1_000)
  expect(front.mostPendingBytes).toBeLessThan(MOST_PENDING_BYTES)
  await close(stage, running)
})
