import { expect, test } from 'vitest'
import { PeerLink, type PeerState } from '../../../src/cluster/backup/coordinator/link.ts'
import type { CoordinatorOptions } from '../../../src/cluster/backup/coordinator/options.ts'
import { HttpPool } from '../../../src/http/pool.ts'
import { SimNetwork } from '../../../src/st/sim/network.ts'
import { Simulation } from '../../../src/st/sim/simulation.ts'
import type { World } from '../../../src/st/world.ts'
import { RecordingLog } from '../../support/world.ts'

const PATH = { latencyMs: 1, jitterMs: 0, bytesPerMs: 1_000, bufferBytes: 8_192, splits: 0 }
const PEER_TIMEOUT_MS = 2_000
const SAID = { name: 'one', priority: 1, life: 'a', said: 1, term: 1, waits: true, last: { cam: 5 } }
const LEADER: PeerState = { ...SAID, role: 'leader' }

function startLink(peer: URL | null): { link: PeerLink; simulation: Simulation; world: World } {
  const simulation = new Simulation(1)
  const world = new SimNetwork(simulation, () => PATH).add('two', '10.0.0.2').boot(new RecordingLog())
  const options = { name: 'two', priority: 2, peer, heartbeatMs: 500, peerTimeoutMs: PEER_TIMEOUT_MS }
  const link = new PeerLink(world, new HttpPool(world), options as CoordinatorOptions, () => ({}))
  return { link, simulation, world }
}

test('a coordinator that lacks what the other one has told players tells them nothing', () => {
  const { link } = startLink(new URL('http://10.0.0.1:1/'))
  link.hear(LEADER, true)
  expect(link.role).toBe('follower')
  expect([link.lacks('cam', 4), link.lacks('cam', 5), link.lacks('other', 0)]).toEqual([true, false, false])
})

test('a coordinator that has stood still tells players nothing before it has heard of the other one', async () => {
  const { link, simulation } = startLink(new URL('http://10.0.0.1:1/'))
  link.hear(LEADER, true)
  await simulation.run(PEER_TIMEOUT_MS)
  expect(link.lacks('cam', 5)).toBe(true)
})

test('a coordinator without another one always knows', async () => {
  const { link, simulation } = startLink(null)
  await simulation.run(PEER_TIMEOUT_MS)
  expect(link.lacks('cam', 5)).toBe(false)
})

const JOINING: PeerState = { ...SAID, life: 'b', role: 'joining', last: { cam: 3, other: 7 } }
const KNOWN: readonly (readonly [what: string, said: readonly PeerState[], before: PeerLink['before']])[] = [
  ['by the word of a leader that waits for it', [LEADER], { cam: 5 }],
  ['not by that of a leader that does not wait for it', [LEADER, { ...LEADER, said: 2, waits: false }], null],
  ['by that of both its lives', [LEADER, JOINING], { cam: 5, other: 7 }],
  ['not by that of one that has just begun', [JOINING], null],
]

test.each(KNOWN)('whoever leads next knows what players have been told %s', async (_what, said, before) => {
  const { link, simulation, world } = startLink(new URL('http://10.0.0.1:1/'))
  for (const state of said) link.hear(state, true)
  world.spawn('link', (thread) => link.run(thread))
  await simulation.run(2 * PEER_TIMEOUT_MS)
  expect([link.role, link.before]).toEqual(['leader', before])
})
