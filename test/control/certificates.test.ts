import { execFileSync } from 'node:child_process'
import { readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { Certificates } from '../../src/control/certificates.ts'
import { type Config, ConfigError, loadConfig } from '../../src/control/config.ts'
import { TestCertificate } from '../support/tls.ts'
import { makeWorld } from '../support/world.ts'

/** Loads a configuration whose other files are read from a folder. */
function load(text: string, folder = '/'): Config {
  const readFile = (path: string): string =>
    path === 'a.conf' ? text : readFileSync(isAbsolute(path) ? path : join(folder, path), 'utf8')
  return loadConfig({ file: 'a.conf', readFile, env: {} })
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

describe('the certificates of a configuration', () => {
  test('are looked for from work_dir', () => {
    const { folder } = TestCertificate.make()
    expect(
      load(`listen 1;\nwork_dir .;\nrtmps { enabled on; key server.key; cert ./server.crt; }`, folder),
    ).toMatchObject({ rtmps: { enabled: true, listen: [{ host: null, port: 1443 }] } })
  })

  test('are checked where they are asked for, all of them', () => {
    const [one, two] = [TestCertificate.make(), TestCertificate.make()]
    writeFileSync(join(one.folder, 'text'), 'hello')
    const text = join(one.folder, 'text')
    const found = problems(`listen 1;
http_server { enabled on; https { enabled on; cert ${one.cert};
  key ${two.key}; } }
http_api { enabled on; listen 127.0.0.1:2; https { enabled on; key ${one.key};
  cert ${text}; listen 127.0.0.1:3; } }
rtmps { enabled on; key ${text}; cert ${one.folder}/none; }`)
    expect(found).toEqual([
      `a.conf:3: http_server.https.key ${two.key} is not the key of the certificate`,
      `a.conf:5: http_api.https.cert ${text} is no certificate in PEM`,
      expect.stringMatching(/^a.conf:6: rtmps.cert cannot be read: ENOENT: no such file.*none'$/),
    ])
    expect(problems(`listen 1;\nrtmps { enabled on; cert ${one.cert}; key ${text}; }`)).toEqual([
      `a.conf:2: rtmps.key ${text} is no private key in PEM`,
    ])
  })

  test('may not have a key with a passphrase, which nobody could type', () => {
    const { folder, key, cert } = TestCertificate.make()
    const locked = join(folder, 'locked.key')
    execFileSync('openssl', ['ec', '-in', key, '-aes256', '-passout', 'pass:secret', '-out', locked], { stdio: 'pipe' })
    expect(problems(`listen 1;\nrtmps { enabled on; cert ${cert}; key ${locked}; }`)).toEqual([
      `a.conf:2: rtmps.key ${locked} is protected by a passphrase`,
    ])
  })

  test('of a vhost have two files', () => {
    const { key, cert } = TestCertificate.make()
    const vhost = (tls: string): readonly string[] => problems(`listen 1;\nvhost a.example { tls { ${tls} } }`)
    expect(vhost(`key ${key}; cert ${cert};`)).toEqual([])
    expect(vhost(`key ${key};`)).toEqual(['a.conf:2: tls needs both key and cert'])
    expect(vhost(`cert ${cert};`)).toEqual(['a.conf:2: tls needs both key and cert'])
    expect(vhost(`key ${cert}; cert ${cert};`)).toEqual([
      `a.conf:2: vhost.a.example.tls.key ${cert} is no private key in PEM`,
    ])
  })

  test('are nothing to anybody when they are off', () => {
    expect(problems('listen 1;\nrtmps { enabled off; key /none; cert /none; }')).toEqual([])
  })

  test.each([
    ['rtmps { enabled on; listen 127.0.0.1:1935; }', 'rtmps.listen is an address of listen: each needs its own'],
    [
      'http_server { enabled on; listen 1; https { enabled on; listen 127.0.0.1:1935; } }',
      'http_server.https.listen is an address of listen: each needs its own',
    ],
    [
      'http_api { enabled on; listen 127.0.0.1:5; https { enabled on; listen 127.0.0.1:5; } }',
      'http_api.https.listen is an address of http_api.listen: each needs its own',
    ],
    [
      'http_server { enabled on; https { enabled on; listen 443; } } rtmps { enabled on; listen [::]:443; }',
      'rtmps.listen is an address of http_server.https.listen: each needs its own',
    ],
  ])('have a port of their own: %s', (text, problem) => {
    const { key, cert } = TestCertificate.make()
    const named = text.replaceAll('enabled on; listen', `enabled on; key ${key}; cert ${cert}; listen`)
    const withoutOthers = named.replace(/(http_(server|api) \{ enabled on;) key \S+ cert \S+/, '$1')
    expect(problems(`listen 1935;\n${withoutOthers}`)).toEqual([`a.conf:2: ${problem}`])
  })
})

describe('certificates in use', () => {
  test('stay when the files go or become useless, and are told of once', () => {
    const { world, log } = makeWorld()
    const [used, other] = [TestCertificate.make('old.example'), TestCertificate.make('new.example')]
    const certificates = new Certificates(world)
    certificates.prepare([used, used])()
    const first = certificates.get(used)
    expect(first).not.toBeNull()
    expect(log.lines.map(({ text, fields }) => [text, fields['names']])).toEqual([
      ['certificate read', 'DNS:old.example, DNS:localhost, IP Address:127.0.0.1'],
    ])
    const texts = (): string[] => log.lines.splice(0).map(({ text }) => text)
    texts()
    certificates.refresh()
    expect(texts()).toEqual([])
    writeFileSync(used.cert, other.pem)
    for (let count = 0; count < 3; count++) certificates.refresh()
    expect(log.lines[0]?.fields['reason']).toBe(`${used.key} is not the key of the certificate`)
    expect(texts()).toEqual(['the changed certificate cannot be used: the one before still is'])
    expect(certificates.get(used)).toBe(first)
    rmSync(used.key)
    for (let count = 0; count < 3; count++) certificates.refresh()
    expect(texts()).toHaveLength(1)
    used.replaceBy(other)
    certificates.refresh()
    expect(texts()).toEqual(['certificate read'])
    expect(certificates.get(used)).not.toBe(first)
    // A renewal in place, of the same length.
    utimesSync(used.cert, 1, 1)
    certificates.refresh()
    expect(texts()).toEqual(['certificate read'])
  })

  test('that cannot be used keep the others as they were', () => {
    const { world } = makeWorld()
    const used = TestCertificate.make()
    const certificates = new Certificates(world)
    certificates.prepare([used])()
    expect(() => certificates.prepare([{ cert: used.key, key: used.key }])).toThrow('is no certificate in PEM')
    expect(() => certificates.prepare([{ cert: '/none', key: used.key }])).toThrow('ENOENT')
    expect(certificates.get(used)).not.toBeNull()
    certificates.prepare([])()
    expect(certificates.get(used)).toBeNull()
  })

  test('that are not valid today are used with a warning', () => {
    const { world, log } = makeWorld()
    const expired = new Certificates(Object.assign(world, { clock: { ...world.clock, wallMs: () => 0 } }))
    expired.prepare([TestCertificate.make()])()
    expect(log.lines).toMatchObject([{ level: 'warn', fields: { names: expect.any(String) as unknown } }])
  })
})
