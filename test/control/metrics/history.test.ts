import { expect, test } from 'vitest'
import { History } from '../../../src/control/metrics/history.ts'
import type { Totals } from '../../../src/control/metrics/statistics.ts'
import { NO_PLATFORM } from '../../../src/st/platform.ts'
import { World } from '../../../src/st/world.ts'
import { makeTestWorld } from '../../st/support/world.ts'

const NOTHING: Totals = {
  clients: 0,
  streams: 2,
  allClients: 0,
  failedClients: 0,
  receivedBytes: 0,
  sentBytes: 0,
  droppedPackets: 0,
  pendingBytes: 0,
}

function setup() {
  const { clock, network, log } = makeTestWorld()
  const watches = { running: 0 }
  const watchLoop = () => {
    watches.running++
    return { take: () => ({ p50Ms: 1, p99Ms: 2, maxMs: 3 }), stop: () => void watches.running-- }
  }
  const world = new World(clock, network, log, undefined, undefined, { ...NO_PLATFORM, watchLoop })
  const statistics = { totals: NOTHING, players: new Map([['flv', 3]]) }
  const history = new History({ world, statistics, machine: { serverCpuFraction: 0.123 } })
  const sample = (receivedBytes = 0, sentBytes = 0): void => {
    clock.elapse(3_000)
    statistics.totals = { ...NOTHING, receivedBytes, sentBytes }
    history.sample()
  }
  return { history, sample, watches, clock }
}

test('a sample has the rates since the one before it', () => {
  const { history, sample, clock } = setup()
  sample()
  sample(3_000, 6_000)
  const [first, second] = history.look(0)
  expect(first).toMatchObject({ receivedKbps: 0, sentKbps: 0 })
  expect(second).toEqual({
    timeMs: clock.wallMs(),
    receivedKbps: 8,
    sentKbps: 16,
    streams: 2,
    players: new Map([['flv', 3]]),
    cpuPercent: 12.3,
    loopDelay: null,
  })
  expect(history.look(first?.timeMs ?? 0)).toEqual([second])
})

test('the last ten minutes are kept', () => {
  const { history, sample } = setup()
  for (let count = 0; count < 500; count++) sample()
  expect(history.look(0)).toHaveLength(200)
})

test('the event loop is watched while somebody looks, and not for long after', () => {
  const { history, sample, watches } = setup()
  sample()
  expect(watches.running).toBe(0)
  history.look(0)
  sample()
  expect([watches.running, history.look(0).at(-1)?.loopDelay]).toEqual([1, { p50Ms: 1, p99Ms: 2, maxMs: 3 }])
  for (let count = 0; count < 21; count++) sample()
  expect([watches.running, history.look(0).at(-1)?.loopDelay]).toEqual([0, null])
  history.stop()
  expect(watches.running).toBe(0)
})
