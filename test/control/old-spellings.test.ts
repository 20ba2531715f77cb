import { describe, expect, test } from 'vitest'
import { load, loadVhost } from './load.ts'

/** An old spelling, what it does in today's, and what is said. */
const VHOST_CASES: [old: string, modern: string, said: string][] = [
  ['refer a b;', 'refer { enabled on; all a b; }', 'vhost.refer is the old spelling of vhost.refer.all'],
  ['refer_play a;', 'refer { enabled on; play a; }', 'vhost.refer_play is the old spelling of vhost.refer.play'],
  [
    'refer_publish a;',
    'refer { enabled on; publish a; }',
    'vhost.refer_publish is the old spelling of vhost.refer.publish',
  ],
  ['mr { enabled on; }', 'publish { mr on; }', 'vhost.mr.enabled is the old spelling of vhost.publish.mr'],
  [
    'mr { latency 90; }',
    'publish { mr_latency 90; }',
    'vhost.mr.latency is the old spelling of vhost.publish.mr_latency',
  ],
  [
    'publish_1stpkt_timeout 900;',
    'publish { firstpkt_timeout 900; }',
    'vhost.publish_1stpkt_timeout is the old spelling of vhost.publish.firstpkt_timeout',
  ],
  [
    'publish_normal_timeout 900;',
    'publish { normal_timeout 900; }',
    'vhost.publish_normal_timeout is the old spelling of vhost.publish.normal_timeout',
  ],
  ...['time_jitter zero', 'mix_correct on', 'atc on', 'atc_auto on', 'mw_latency 7', 'gop_cache off'].map(
    moved('play'),
  ),
  ...['gop_cache_max_frames 7', 'queue_length 7', 'send_min_interval 7', 'reduce_sequence_header on'].map(
    moved('play'),
  ),
  ...['origin a:1', 'token_traverse on', 'vhost x', 'debug_srs_upnode off'].map(moved('cluster')),
  ['mode local;', 'cluster { mode local; }', 'vhost.mode is the old spelling of vhost.cluster.mode'],
  [
    'forward a:1 b;',
    'forward { enabled on; destination a:1 b; }',
    'vhost.forward is the old spelling of vhost.forward.destination',
  ],
  ['http { enabled on; }', 'http_static { enabled on; }', 'vhost.http is the old spelling of vhost.http_static'],
]

function moved(block: string) {
  return (text: string): [string, string, string] => {
    const [name = ''] = text.split(' ')
    return [`${text};`, `${block} { ${text}; }`, `vhost.${name} is the old spelling of vhost.${block}.${name}`]
  }
}

describe('in a vhost', () => {
  test.each(VHOST_CASES)('%s is %s', (old, modern, said) => {
    const { vhost, warnings } = loadVhost(`\n${old}`)
    expect(vhost).toEqual(loadVhost(modern).vhost)
    expect(warnings).toContain(`a.conf:3: ${said}`)
  })

  test('hstrs and the memory store of HLS are dropped', () => {
    const { warnings } = loadVhost('\nhttp_remux { hstrs on; }\nhls { hls_storage ram; hls_mount x; }')
    expect(warnings).toEqual([
      'a.conf:3: vhost.http_remux.hstrs is ignored: a player may always come before its publisher',
      'a.conf:4: vhost.hls.hls_storage is ignored: SRS has it no more',
      'a.conf:4: vhost.hls.hls_mount is ignored: SRS has it no more',
    ])
  })

  test('several of them join, and join a block that is there', () => {
    const { vhost } = loadVhost('refer a; refer_play b; gop_cache off; play { mw_latency 5; } queue_length 7;')
    expect(vhost.refer).toMatchObject({ enabled: true, all: ['a'], play: ['b'] })
    expect(vhost.play).toMatchObject({ gopCache: false, mwLatencyMs: 5, queueLengthMs: 7000 })
  })

  test('a block that says enabled off stays off', () => {
    expect(loadVhost('refer_play b; refer { enabled off; }').vhost.refer).toMatchObject({ enabled: false, play: ['b'] })
  })

  test("today's blocks of the same names are left alone", () => {
    const { warnings } = loadVhost('refer { enabled on; all a; } security { enabled on; }')
    expect(warnings).toEqual([])
  })

  test('WebRTC settings of old are ignored with the rest of it', () => {
    expect(loadVhost('nack { enabled on; } twcc { enabled on; }').warnings).toHaveLength(2)
  })
})

test('http_stream is http_server', () => {
  expect(load('listen 1;\nhttp_stream { enabled on; listen 9; }')).toMatchObject({
    httpServer: { enabled: true, listen: [{ port: 9 }] },
    warnings: ['a.conf:2: http_stream is the old spelling of http_server'],
  })
})
