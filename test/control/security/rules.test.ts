import { describe, expect, test } from 'vitest'
import { parseRange } from '../../../src/control/security/cidr.ts'
import type { AccessRule, AccessRules } from '../../../src/control/security/policy.ts'
import { securityGate, whyDenied } from '../../../src/control/security/rules.ts'
import { GateWorld, OPEN } from './support.ts'

/** `allow publish 10.0.0.0/8, deny play all`. */
function rulesOf(text: string): AccessRules {
  const allow: AccessRule[] = []
  const deny: AccessRule[] = []
  for (const line of text.split(', ').filter((part) => part !== '')) {
    const [action, event, who = ''] = line.split(' ')
    const rule = { event: event as 'publish' | 'play', range: who === 'all' ? null : parseRange(who) }
    if (action === 'allow') allow.push(rule)
    else deny.push(rule)
  }
  return { enabled: true, allow, deny }
}

describe('security rules, as SRS takes them', () => {
  test.each<[string, 'publish' | 'play', string, boolean]>([
    // No rules: nobody.
    ['', 'play', '10.0.0.1', false],
    ['', 'publish', '10.0.0.1', false],
    // Allow only: one must match.
    ['allow publish all', 'publish', '10.0.0.1', true],
    ['allow publish 10.0.0.0/8', 'publish', '10.0.0.1', true],
    ['allow publish 10.0.0.0/8', 'publish', '11.0.0.1', false],
    ['allow publish 10.0.0.1', 'publish', '10.0.0.1', true],
    ['allow publish 10.0.0.1', 'publish', '10.0.0.10', false],
    // An allow rule of the other kind counts as one too: who is not let in is refused.
    ['allow publish 10.0.0.0/8', 'play', '10.0.0.1', false],
    ['allow publish 10.0.0.0/8, allow play all', 'play', '11.0.0.1', true],
    // Deny only: who is not refused is let in.
    ['deny publish 10.0.0.0/8', 'publish', '10.0.0.1', false],
    ['deny publish 10.0.0.0/8', 'publish', '11.0.0.1', true],
    ['deny publish all', 'play', '11.0.0.1', true],
    ['deny play all', 'play', '11.0.0.1', false],
    // Both: deny counts, in whatever order they stand.
    ['allow play all, deny play 10.0.0.1', 'play', '10.0.0.1', false],
    ['deny play 10.0.0.1, allow play all', 'play', '10.0.0.1', false],
    ['allow play all, deny play 10.0.0.1', 'play', '10.0.0.2', true],
    ['allow play 10.0.0.0/24, deny play 10.0.0.1', 'play', '10.0.1.1', false],
    // Beyond SRS: IPv6.
    ['allow play 2001:db8::/32', 'play', '2001:db8:1::1', true],
    ['allow play 2001:db8::/32', 'play', '2001:db9::1', false],
    ['deny play 2001:0db8::0001', 'play', '2001:db8::1', false],
    ['allow play 10.0.0.0/8', 'play', '2001:db8::1', false],
  ])('"%s": %s from %s', (rules, event, host, isAllowed) => {
    expect(whyDenied(rulesOf(rules), event, host) === null).toBe(isAllowed)
  })

  test('that are off let everybody in', () => {
    expect(whyDenied({ ...rulesOf('deny play all'), enabled: false }, 'play', '10.0.0.1')).toBeNull()
  })
})

describe('the security gate', () => {
  const world = new GateWorld()

  test('asks at publish and play, of the client behind a proxy', async () => {
    const gate = securityGate(() => ({ ...OPEN, security: rulesOf('allow play all, deny play 192.0.2.9') }))
    expect(await world.refusal(gate, 'connect', { host: '192.0.2.9' })).toBeNull()
    expect(await world.refusal(gate, 'play', { host: '192.0.2.8' })).toBeNull()
    expect(await world.refusal(gate, 'play', { host: '192.0.2.9' })).toBe(
      'refused_security 403: This address may not play here (deny play matches).',
    )
    expect(await world.refusal(gate, 'publish', { host: '192.0.2.8' })).toContain('(no allow publish matches)')
  })

  test('takes new rules at once', async () => {
    let security = rulesOf('allow play all')
    const gate = securityGate(() => ({ ...OPEN, security }))
    expect(await world.refusal(gate, 'play', {})).toBeNull()
    security = rulesOf('deny play all')
    expect(await world.refusal(gate, 'play', {})).not.toBeNull()
  })

  test('lets nobody in to a vhost that has gone', async () => {
    expect(
      await world.refusal(
        securityGate(() => null),
        'play',
        {},
      ),
    ).toContain('refused_security')
  })
})
