import { describe, expect, test } from 'vitest'
import { changes } from '../../src/control/changes.ts'
import { load } from './load.ts'

const BASE = 'listen 1935; vhost a { play { gop_cache on; } }'

describe('changes', () => {
  test('there are none between two loads of one text', () => {
    expect(changes(load(BASE), load(BASE))).toEqual([])
  })

  test('a default that is written out is no change', () => {
    expect(changes(load('listen 1;'), load('listen 1; max_connections 1000; http_server { enabled off; }'))).toEqual([])
  })

  test('say the path, what it was and is, and whether a reload applies it', () => {
    const after = `listen 1935 19350; max_connections 5; srs_log_file a.log;
      vhost a { play { gop_cache off; queue_length 2.5; } security { enabled on; allow play all; deny publish ::1; } }`
    expect(changes(load(BASE), load(after))).toEqual([
      { path: 'listen', reload: true, before: '1935', after: '1935 19350' },
      { path: 'max_connections', reload: true, before: '1000', after: '5' },
      { path: 'srs_log_file', reload: false, before: './objs/srs.log', after: 'a.log' },
      { path: 'vhost.a.play.gop_cache', reload: true, before: 'on', after: 'off' },
      { path: 'vhost.a.play.queue_length', reload: true, before: '10', after: '2.5' },
      { path: 'vhost.a.security.enabled', reload: true, before: 'off', after: 'on' },
      { path: 'vhost.a.security.deny', reload: true, before: null, after: 'publish ::1' },
      { path: 'vhost.a.security.allow', reload: true, before: null, after: 'play all' },
    ])
  })

  test('vhosts come and go', () => {
    expect(changes(load('listen 1; vhost a { }'), load('listen 1; vhost b { }'))).toEqual([
      { path: 'vhost.a', reload: true, before: 'a', after: null },
      { path: 'vhost.b', reload: true, before: null, after: 'b' },
    ])
  })

  test('of repeated blocks are one', () => {
    const before = load('listen 1; vhost a { ingest x { } ingest y { } }')
    const after = load('listen 1; vhost a { ingest x { enabled on; } }')
    expect(changes(before, after)).toEqual([{ path: 'vhost.a.ingest', reload: true, before: 'x y', after: 'x' }])
  })

  test('a secret is not shown', () => {
    const after = load('listen 1; http_api { auth { password geheim; } }')
    expect(changes(load('listen 1;'), after)).toEqual([
      { path: 'http_api.auth.password', reload: true, before: null, after: '***' },
    ])
  })

  test("the root's chunk size changes that of its vhosts", () => {
    const paths = changes(load(BASE), load(`chunk_size 4096; ${BASE}`)).map((change) => change.path)
    expect(paths).toEqual(['chunk_size', 'vhost.a.chunk_size'])
  })
})
