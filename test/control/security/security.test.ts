import { expect, test } from 'vitest'
import type { VhostPolicy } from '../../../src/control/security/policy.ts'
import { makeSecurity } from '../../../src/control/security/security.ts'
import { allOf } from '../../../src/server/gate.ts'
import { GateWorld, OPEN } from './support.ts'

const world = new GateWorld()

test('limits are asked first, then security, referer and token', async () => {
  let policy: VhostPolicy = {
    security: { enabled: true, allow: [], deny: [{ event: 'play', range: null }] },
    refer: { enabled: true, all: ['a.test'], publish: [], play: [] },
    token: { ...OPEN.token, enabled: true, secret: ['a-secret-of-the-test'] },
    play: { maxPlayers: 1, maxVhostPlayers: 0 },
    publish: { maxPublishers: 0 },
  }
  const gate = allOf(makeSecurity(() => policy))
  const ask = async (): Promise<string | undefined> => (await world.refusal(gate, 'play', {}))?.split(' ')[0]
  // Who is refused further back gives the place of the limit back: it is never the limit that refuses the next one.
  expect(await ask()).toBe('refused_security')
  policy = { ...policy, security: OPEN.security }
  expect(await ask()).toBe('refused_referer')
  policy = { ...policy, refer: OPEN.refer }
  expect(await ask()).toBe('refused_token')
  policy = { ...policy, token: OPEN.token }
  expect(await ask()).toBeUndefined()
  expect(await ask()).toBe('refused_limit')
})

test('a vhost with nothing configured lets everybody in', async () => {
  const gate = allOf(makeSecurity(() => OPEN))
  for (const event of ['connect', 'publish', 'play'] as const) expect(await world.refusal(gate, event, {})).toBeNull()
})
