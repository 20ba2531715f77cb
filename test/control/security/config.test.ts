import { describe, expect, test } from 'vitest'
import { type Config, ConfigError, loadConfig } from '../../../src/control/config.ts'
import { makeProxies } from '../../../src/control/security/security.ts'

function load(text: string, env: Record<string, string> = {}): Config {
  return loadConfig({ file: 'a.conf', readFile: () => text, env })
}

function problems(text: string): readonly string[] {
  try {
    load(text)
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
  return []
}

describe('security', () => {
  test('is off and without rules by default', () => {
    expect(load('listen 1; vhost v { }').vhosts.get('v')).toMatchObject({
      security: { enabled: false, allow: [], deny: [] },
      refer: { enabled: false, all: [], publish: [], play: [] },
      token: { enabled: false, publish: true, play: true, secret: [], bindAddress: false },
      play: { maxPlayers: 0, maxVhostPlayers: 0 },
      publish: { maxPublishers: 0 },
    })
  })

  test('has all its rules, without a warning that the second has no effect', () => {
    const config = load(`listen 1; vhost v { security {
      enabled on;
      allow publish 10.0.0.0/8;
      allow play all;
      deny play 2001:db8::1;
    } }`)
    expect(config.warnings).toEqual([])
    expect(config.vhosts.get('v')?.security).toEqual({
      enabled: true,
      allow: [
        { event: 'publish', range: { family: 4, address: '10.0.0.0', bits: 8 } },
        { event: 'play', range: null },
      ],
      deny: [{ event: 'play', range: { family: 6, address: '2001:db8::1', bits: 128 } }],
    })
  })

  test('a vhost with rules takes none of its kind from the default vhost', () => {
    const config = load(`listen 1;
      vhost __defaultVhost__ { security { enabled on; allow play all; allow publish all; } }
      vhost v { security { allow play 10.0.0.1; } }
      vhost w { }`)
    expect(config.vhosts.get('v')?.security.allow).toHaveLength(1)
    expect(config.vhosts.get('w')?.security.allow).toHaveLength(2)
  })

  test.each([
    '',
    'all',
    'publish',
    'publish example.com',
    'record all',
    'publish all all',
    'play 10.0.0.0/33',
    'play 1.2.3',
  ])('allow %s is refused', (rule) => {
    expect(problems(`listen 1;\nvhost v { security { allow ${rule}; } }`)).toEqual([
      expect.stringMatching(/^a\.conf:2: vhost\.security\.allow .*: it needs publish or play, then all, an IP address/),
    ])
  })

  test('a rule that takes a block is refused', () => {
    expect(problems('listen 1; vhost v { security { allow play { } } }')).toEqual([
      expect.stringContaining('vhost.security.allow takes no block'),
    ])
  })
})

describe('token', () => {
  test.each(['short', 'fifteen-letters', 'a'.repeat(257), `${'a'.repeat(16)} ${'b'.repeat(16)} ${'c'.repeat(16)}`])(
    'secret %s is refused',
    (secret) => {
      expect(problems(`listen 1; vhost v { token { secret ${secret}; } }`)).toEqual([
        'a.conf:1: vhost.token.secret "***" is not allowed: it needs a text of 16 to 256 ASCII characters without spaces, one or two',
      ])
    },
  )

  test('two secrets may be there', () => {
    const config = load(`listen 1; vhost v { token { enabled on; secret ${'a'.repeat(16)} ${'b'.repeat(16)}; } }`)
    expect(config.vhosts.get('v')?.token.secret).toEqual(['a'.repeat(16), 'b'.repeat(16)])
  })

  test('the secret may come from the environment', () => {
    const config = load('listen 1; vhost v { token { enabled on; } }', { SRS_VHOST_TOKEN_SECRET: 'x'.repeat(32) })
    expect(config.vhosts.get('v')?.token.secret).toEqual(['x'.repeat(32)])
  })

  test('that is on needs a secret: there is none by default', () => {
    expect(problems('listen 1; vhost v { token { enabled on; } }')).toEqual(['a.conf:1: token needs token.secret'])
  })
})

describe('proxies', () => {
  test('are addresses and ranges', () => {
    const proxies = makeProxies(load('listen 1; trusted_proxies 127.0.0.1 10.0.0.0/8; proxy_protocol on;'))
    expect(['127.0.0.1', '10.9.9.9', '127.0.0.2'].map((host) => proxies.isTrusted(host))).toEqual([true, true, false])
    expect(proxies).toMatchObject({ hasRtmpHeader: true, hasHttpHeader: false, realIpHeader: 'x-forwarded-for' })
  })

  test.each(['trusted_proxies;', 'trusted_proxies proxy.example;', 'trusted_proxies 10.0.0.0/40;'])(
    '%s is refused',
    (directive) => {
      expect(problems(`listen 1; ${directive}`)).toEqual([expect.stringContaining('it needs an IP address or CIDR')])
    },
  )

  test.each(['proxy_protocol on;', 'http_server { proxy_protocol on; }'])('%s needs trusted_proxies', (directive) => {
    expect(problems(`listen 1; ${directive}`)).toEqual([
      'a.conf:1: proxy_protocol needs trusted_proxies: the addresses of the proxies',
    ])
  })
})
