import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { ConfigError } from '../../src/control/config.ts'
import { BACKUP_DIRECTIVES } from '../../src/control/directives/backup.ts'
import { DOLPHIN_DIRECTIVES, SHARP_DIRECTIVES } from '../../src/control/directives/proxies.ts'
import {
  type BackupConfig,
  type DolphinConfig,
  loadBackupConfig,
  loadDolphinConfig,
  loadSharpConfig,
  type SharpConfig,
} from '../../src/control/proxy-config.ts'

const source = (text: string): Parameters<typeof loadDolphinConfig>[0] => ({ file: 'a', readFile: () => text, env: {} })
const dolphin = (block: string): DolphinConfig => loadDolphinConfig(source(`dolphin { ${block} }`))
const backup = (block: string): BackupConfig => loadBackupConfig(source(`backup { ${block} }`))
const sharp = (block: string): SharpConfig => loadSharpConfig(source(`sharp { ${block} }`))

function problems(load: () => unknown): readonly string[] {
  try {
    load()
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
  return []
}

const SERVER = 'server one { rtmp 127.0.0.1:19351; }'

describe('the configurations that come with the proxies', () => {
  const file = (name: string): Parameters<typeof loadDolphinConfig>[0] => ({
    file: `conf/${name}`,
    readFile: (path) => readFileSync(path, 'utf8'),
    env: {},
  })

  test('load without a warning', () => {
    const { dolphin: read, warnings } = loadDolphinConfig(file('dolphin.conf'))
    expect(warnings).toEqual([])
    expect(read.server.map(({ name }) => name)).toEqual(['one', 'two'])
    expect(read.server[0]?.start[0]).toEqual(
      expect.arrayContaining(['env', 'SRS_LISTEN=[rtmp]', 'sluice', 'conf/edge.conf']),
    )
    expect(loadSharpConfig(file('sharp.conf')).warnings).toEqual([])
    expect(loadBackupConfig(file('backup.conf')).warnings).toEqual([])
  })

  test.each([
    ['dolphin.conf', DOLPHIN_DIRECTIVES.dolphin.children],
    ['sharp.conf', SHARP_DIRECTIVES.sharp.children],
    ['backup.conf', BACKUP_DIRECTIVES.backup.children],
  ])('%s shows every directive', (name, table) => {
    const text = readFileSync(`conf/${name}`, 'utf8')
    const names = [...Object.keys(table), ...Object.keys(table.server.children)]
    expect(names.filter((directive) => !new RegExp(`^\\s+(?:# )?${directive}\\s`, 'm').test(text))).toEqual([])
  })
})

test('what is absent has a default, and the environment beats the file', () => {
  const read = dolphin(`listen 1935; ${SERVER}`)
  expect(read.dolphin).toMatchObject({
    listen: [{ host: null, port: 1935 }],
    policy: 'least',
    idleTimeoutMs: 60_000,
    server: [{ name: 'one', rtmp: [{ host: '127.0.0.1', port: 19_351 }], http: [], start: [] }],
  })
  expect(read.pid).toBe('./objs/dolphin.pid')
  const text = `dolphin { listen 1935; ${SERVER} }`
  const env = { SRS_DOLPHIN_POLICY: 'fill', SRS_LOG_LEVEL: 'warn' }
  const other = loadDolphinConfig({ ...source(text), env })
  expect([other.dolphin.policy, other.logLevel]).toEqual(['fill', 'warn'])
})

test.each([
  ['nothing', () => dolphin(''), ['a: dolphin listens nowhere', 'a: dolphin has no server']],
  [
    'servers that cannot be told apart',
    () => dolphin(`listen 1; ${SERVER} ${SERVER} server { rtmp h:1; }`),
    ['a: dolphin.server needs a name: server NAME { }', 'a: dolphin.server one is twice'],
  ],
  [
    'a server without a port',
    () => dolphin('listen 1; server one { rtmp localhost; }'),
    ['a: dolphin.server one needs ports'],
  ],
  ['no server for HTTP', () => dolphin(`listen 1; http_listen 2; ${SERVER}`), ['a: no server has http']],
  [
    'a name that leads elsewhere',
    () => dolphin('listen 1; server ../x { rtmp h:1; }'),
    ['a: dolphin.server ../x is no plain name'],
  ],
  ['nowhere', () => sharp('server one { http h:1; }'), ['a: sharp listens nowhere']],
  [
    'what is not known',
    () => sharp('listen 1; polcy x; server one { http h:1; }'),
    [expect.stringMatching(/^a:1: sharp.polcy is not known/)],
  ],
])('refused: %s', (_what, load, said) => {
  expect(problems(load)).toEqual(said)
})

describe('a coordinator', () => {
  const PORTS = 'listen 8090; control_listen 127.0.0.1:8091;'

  test('needs ports, servers with one place each, and patience with the other one', () => {
    expect(problems(() => backup('heartbeat 1; peer_timeout 2; server one { }'))).toEqual([
      'a: backup listens nowhere',
      'a: backup.control_listen is missing: nobody could call it',
      'a: backup.server one has either http or dir',
      'a: backup.peer_timeout is at least four times heartbeat',
    ])
    const both = 'server one { dir ./a; http http://b/; }'
    expect(problems(() => backup(`${PORTS} ${both}`))).toEqual(['a: backup.server one has either http or dir'])
    expect(problems(() => backup(PORTS))).toEqual(['a: backup has no server'])
    const three = ['a', 'b', 'c'].map((name) => `server ${name} { dir ./${name}; }`).join(' ')
    expect(problems(() => backup(`${PORTS} ${three}`))).toEqual(['a: backup has two servers, not more'])
  })

  test('has defaults', () => {
    expect(backup(`${PORTS} server one { dir ./a; }`).backup).toMatchObject({
      name: 'one',
      peer: '',
      window: 6,
      late: 1.75,
      holdMs: 6_000,
      heartbeatMs: 500,
      peerTimeoutMs: 2_000,
      disposeMs: 120_000,
      server: [{ name: 'one', dir: './a', http: '', priority: 1 }],
    })
  })
})
