import { describe, expect, test } from 'vitest'
import { loadConfig } from '../../src/control/config.ts'
import { load, loadVhost, problems, vhostProblems } from './load.ts'

describe('settings that exclude or need each other', () => {
  test.each([
    [
      'hls { enabled on; }\nhttp_remux { enabled on; mount /[app]/[stream].ts; }',
      'a.conf:3: a mount of .ts has the names of HLS segments: hls must be off',
    ],
    [
      'forward { enabled on; destination a; }\npublish { kickoff_for_idle 60; }',
      'a.conf:3: forward needs publishers that nobody watches: one of the two must be off',
    ],
    ['ingest a { }\ningest b { }\ningest a { }', 'a.conf:4: ingest "a" is there already'],
    ['http_remux { }\nhttp_remux { }', 'a.conf:3: vhost.http_remux may stand once: there is one on line 2'],
    ['cluster { mode remote; }', 'a.conf:2: an edge (cluster.mode remote) needs cluster.origin'],
    ['token { enabled on; }', 'a.conf:2: token needs token.secret'],
  ])('vhost: %s', (text, problem) => {
    expect(vhostProblems(text)).toEqual([problem])
  })

  test.each([
    ['is_full on;', 'a.conf:2: is_full marks a file of all directives, which is there to be read, not to be run'],
    ['asprocess on;\ndaemon on;', 'a.conf:2: asprocess and daemon exclude each other'],
    ['http_api { https { enabled on; } }', 'a.conf:2: http_api.https needs http_api.enabled on'],
    ['http_server { https { enabled on; } }', 'a.conf:2: http_server.https needs http_server.enabled on'],
    [
      'http_server { enabled on; listen 0.0.0.0:1935; }',
      'a.conf:2: http_server.listen is an address of listen: RTMP and HTTP need their own',
    ],
    ['http_api { auth { enabled on; username a; } }', 'a.conf:2: http_api.auth needs username and password'],
    [
      'http_server { enabled on; https { enabled on; } } http_api { enabled on; listen 8080;\nhttps { enabled on; listen 1990; } }',
      'a.conf:3: http_api and http_server must share both their http and https addresses, or none',
    ],
  ])('root: %s', (text, problem) => {
    expect(problems(`listen 1935;\n${text}`)).toEqual([problem])
  })

  test('an origin cluster with nobody to ask is a warning', () => {
    const text = (root: string, cluster: string): string => `listen 1;\n${root}\nvhost a { cluster { ${cluster} } }\n`
    const warnings = (root: string, cluster: string): readonly string[] => load(text(root, cluster)).warnings
    expect(warnings('', 'origin_cluster on;')).toEqual([
      'a.conf:3: origin_cluster has nobody to ask: it needs coworkers, or redis',
    ])
    expect(warnings('redis { enabled on; }', 'origin_cluster on;')).toEqual([])
    expect(warnings('', 'origin_cluster on; coworkers 10.0.0.2:1985;')).toEqual([])
  })

  test('one address for API and players is right, and so is sharing both', () => {
    const shared = 'listen 1; http_server { enabled on; https { enabled on; } } http_api { enabled on; listen 8080;'
    expect(problems(`${shared} https { enabled on; listen 8088; } }`)).toEqual([])
    expect(problems('listen 1; http_server { enabled on; } http_api { enabled on; listen 8080; }')).toEqual([])
  })

  test('all of them are said at once, with everything else', () => {
    const text =
      'listen 1;\nis_full on;\nvhost a { token { enabled on; } }\nvhost b { token { enabled on; } nonsense; }'
    expect(problems(text)).toHaveLength(4)
  })
})

describe('transcoders and ingests', () => {
  test.each([
    ['transcode { enabled on; }', 'transcode makes nothing: it has no engine'],
    ['transcode live { enabled on; engine ff { } }', 'transcode live makes nothing: it has no engine'],
    [
      'transcode { enabled on; engine ff { enabled on; vcodec copy; acodec copy; } }',
      'engine ff of transcode makes nothing: it has no output',
    ],
    [
      'transcode { enabled on; engine ff { enabled on; vcodec vn; acodec an; output rtmp://h/a/s; } }',
      'engine ff of transcode makes nothing: neither picture (vn) nor sound (an)',
    ],
    ['ingest cam { enabled on; engine { enabled off; } }', 'engine of ingest cam makes nothing: it has no output'],
  ])('%s', (text, warning) => {
    expect(loadVhost(text).warnings).toEqual([`a.conf:2: ${warning}`])
  })

  test.each(['transcode { engine ff { enabled on; } }', 'ingest cam { enabled on; engine { output rtmp://h/a/s; } }'])(
    '%s is in order',
    (text) => {
      expect(loadVhost(text).warnings).toEqual([])
    },
  )
})

describe('the API', () => {
  const said = 'whoever reaches http_api can end clients: listen on 127.0.0.1, or switch auth on'

  test.each([
    ['listen 1985;', true],
    ['listen 0.0.0.0:1985;', true],
    ['listen 10.0.0.1:1985;', true],
    ['listen 127.0.0.1:1985 [::1]:1985;', false],
    ['', false],
    ['listen 1985; auth { enabled on; username a; password b; }', false],
  ])('"%s": warned about %s', (text, isWarned) => {
    expect(load(`listen 1;\nhttp_api { enabled on; ${text} }`).warnings).toEqual(isWarned ? [`a.conf:2: ${said}`] : [])
  })
})

describe('open files', () => {
  const limited = (text: string, openFiles: number | null) =>
    loadConfig({ file: 'a.conf', readFile: () => text, env: {}, openFiles }).warnings

  test('too few for max_connections is a warning, because most servers never come near', () => {
    expect(limited('listen 1;\nmax_connections 1000;', 1024)).toEqual([
      'a.conf:2: max_connections 1000 needs 1128 open files and the process may have 1024: raise it with ulimit -n 1128',
    ])
    expect(limited('listen 1;', 1024)).toEqual([expect.stringMatching(/^a\.conf: max_connections 1000 needs/)])
    expect(limited('listen 1;', 1128)).toEqual([])
    expect(limited('listen 1;', null)).toEqual([])
  })
})
