import { expect, test } from 'vitest'
import { LimitGate } from '../../../src/control/security/limits.ts'
import type { VhostPolicy } from '../../../src/control/security/policy.ts'
import type { Leave } from '../../../src/server/gate.ts'
import { GateWorld, OPEN } from './support.ts'

const world = new GateWorld()

function limited(play: Partial<VhostPolicy['play']>, maxPublishers = 0): LimitGate {
  const policy = { ...OPEN, play: { ...OPEN.play, ...play }, publish: { maxPublishers } }
  return new LimitGate(() => policy)
}

/** Lets one in and tells how it goes out. */
async function letIn(gate: LimitGate, event: 'publish' | 'play', stream: string, vhost?: string): Promise<Leave> {
  const leave = await world.enter(gate, event, world.client(vhost === undefined ? { stream } : { stream, vhost }))
  if (typeof leave !== 'function') throw new Error(`not let in: ${leave?.message}`)
  return leave
}

test('max_players is for each stream; a place that is free again is given', async () => {
  const gate = limited({ maxPlayers: 2 })
  const leave = await letIn(gate, 'play', 'a')
  await letIn(gate, 'play', 'a')
  expect(await world.refusal(gate, 'play', { stream: 'a' })).toBe('refused_limit 503: max_players 2 is reached.')
  await letIn(gate, 'play', 'b')
  await letIn(gate, 'publish', 'a')
  leave()
  await letIn(gate, 'play', 'a')
  expect(await world.refusal(gate, 'play', { stream: 'a' })).not.toBeNull()
})

test('max_vhost_players is for all streams of a vhost', async () => {
  const gate = limited({ maxVhostPlayers: 2 })
  await letIn(gate, 'play', 'a')
  const leave = await letIn(gate, 'play', 'b')
  expect(await world.refusal(gate, 'play', { stream: 'c' })).toBe('refused_limit 503: max_vhost_players 2 is reached.')
  await letIn(gate, 'play', 'c', 'example.com')
  leave()
  await letIn(gate, 'play', 'c')
})

test('max_publishers counts streams: a successor on the same stream needs no second place', async () => {
  const gate = limited({}, 1)
  const first = await letIn(gate, 'publish', 'a')
  const successor = await letIn(gate, 'publish', 'a')
  expect(await world.refusal(gate, 'publish', { stream: 'b' })).toBe('refused_limit 503: max_publishers 1 is reached.')
  first()
  expect(await world.refusal(gate, 'publish', { stream: 'b' })).not.toBeNull()
  successor()
  await letIn(gate, 'publish', 'b')
})

test('who connects is not counted', async () => {
  const gate = limited({ maxPlayers: 1, maxVhostPlayers: 1 }, 1)
  for (let i = 0; i < 3; i++) expect(await world.enter(gate, 'connect', world.client())).toBeNull()
  expect(gate.streams).toBe(0)
})

test('a limit that comes by a reload counts those who are in already', async () => {
  let policy = OPEN
  const gate = new LimitGate(() => policy)
  await letIn(gate, 'play', 'a')
  policy = { ...OPEN, play: { maxPlayers: 1, maxVhostPlayers: 0 } }
  expect(await world.refusal(gate, 'play', { stream: 'a' })).not.toBeNull()
})

test('nothing is left when all have gone, and of those who were refused', async () => {
  const gate = limited({ maxVhostPlayers: 500 }, 10)
  const leaves: Leave[] = []
  for (let i = 0; i < 1000; i++) {
    const event = i % 7 === 0 ? 'publish' : 'play'
    const answer = await world.enter(gate, event, world.client({ stream: `s${i % 90}` }))
    if (typeof answer === 'function') leaves.push(answer)
  }
  expect(leaves.length).toBeGreaterThan(500)
  expect(leaves.length).toBeLessThan(600)
  for (const leave of leaves) leave()
  expect(gate.streams).toBe(0)
  // And the counts are right: as many fit in again.
  for (let i = 0; i < 500; i++) await letIn(gate, 'play', 'again')
  expect(await world.refusal(gate, 'play', {})).not.toBeNull()
})
