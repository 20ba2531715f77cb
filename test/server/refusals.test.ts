import { expect, test } from 'vitest'
import { allOf, type Gate, RefusedError } from '../../src/server/gate.ts'
import { countRefusals, Refusals } from '../../src/server/refusals.ts'
import type { Client } from '../../src/server/client.ts'
import { makeTestWorld } from '../st/support/world.ts'

function start() {
  const made = makeTestWorld()
  const said = (): unknown[] =>
    made.log.lines.map(
      ({ fields }) =>
        `${String(fields['code'])} ${String(fields['count'])} of ${String(fields['total'])}: ${String(fields['last'])}`,
    )
  return { ...made, refusals: new Refusals(made.world), said }
}

test('the first refusal is said at once, a flood once a second for each reason, and then nothing', async () => {
  const { clock, refusals, said, world } = start()
  refusals.count('refused_a', 'first')
  expect(said()).toEqual(['refused_a 1 of 1: first'])
  for (let i = 0; i < 5_000; i++) refusals.count('refused_a', `number ${i}`)
  refusals.count('refused_b', 'other')
  await clock.pass(999)
  expect(said()).toHaveLength(1)
  await clock.pass(1)
  expect(said().slice(1)).toEqual(['refused_a 5000 of 5001: number 4999', 'refused_b 1 of 1: other'])
  await clock.pass(60_000)
  expect(said()).toHaveLength(3)
  expect([world.threads.size, clock.pendingTimers]).toEqual([0, 0])
  refusals.count('refused_a', 'again')
  expect(said().at(-1)).toBe('refused_a 1 of 5002: again')
  expect(refusals.totals).toEqual(
    new Map([
      ['refused_a', 5002],
      ['refused_b', 1],
    ]),
  )
})

test('what was not said yet is said when the server stops', async () => {
  const { clock, refusals, said, world } = start()
  refusals.count('refused_a', 'first')
  refusals.count('refused_a', 'second')
  world.spawn('stop', (thread) => refusals.stop(thread))
  await clock.settle()
  expect(said()).toEqual(['refused_a 1 of 1: first', 'refused_a 1 of 2: second'])
  expect([world.threads.size, clock.pendingTimers]).toEqual([0, 0])
})

test('a gate is counted by its refusals, not by its faults', async () => {
  const { refusals, world, said } = start()
  const client = { peer: { host: '192.0.2.7', port: 1 } } as Client
  const thread = world.spawn('client', async () => {})
  const gateOf = (error: Error | null): Gate => ({
    enter: async () => {
      if (error) throw error
      return null
    },
  })
  const enter = (error: Error | null) => countRefusals(allOf([gateOf(error)]), refusals).enter(thread, 'play', client)
  expect(await enter(null)).toBeNull()
  await expect(enter(new Error('fault'))).rejects.toThrow('fault')
  expect(refusals.totals.size).toBe(0)
  await expect(enter(new RefusedError('refused_x', 'Not you.'))).rejects.toThrow('Not you.')
  expect(said()).toEqual(['refused_x 1 of 1: 192.0.2.7: Not you.'])
})
