import { describe, expect, test } from 'vitest'
import { ROOT_DIRECTIVES, VHOST_DIRECTIVES } from '../../src/control/directives.ts'
import type { Directives, Setting } from '../../src/control/setting.ts'
import { load, loadVhost, problems, vhostProblems } from './load.ts'

function settings(table: Directives, path: string): [string, Setting<unknown, string>][] {
  return Object.entries(table).flatMap(([name, entry]) => {
    if (entry.kind === 'foreign') return []
    return entry.kind === 'setting' ? [[path + name, entry]] : settings(entry.children, `${path}${name}.`)
  })
}

const ALL = [...settings(ROOT_DIRECTIVES, ''), ...settings(VHOST_DIRECTIVES, 'vhost.')]

describe('the table', () => {
  test.each(ALL)('%s: its default is read back as it is written, its meaning is a sentence', (_path, setting) => {
    expect(setting.meaning).toMatch(/^[a-zA-Z].*\.$/)
    const printed = setting.default === null ? [] : setting.print(setting.default)
    if (printed.length === 0) expect(setting.example).toBeDefined()
    for (const text of printed) {
      if (text !== '') expect(setting.parse(text.split(' '))).toEqual({ value: setting.default })
    }
  })

  // The lists of legal names of srs_app_config.cpp 7.0.18.
  test('has every name that SRS allows', () => {
    const root = `listen pid chunk_size ff_log_dir ff_log_level srs_log_tank srs_log_level srs_log_level_v2 srs_log_file
      max_connections daemon heartbeat http_api stats pithy_print_ms http_server stream_caster rtc_server srt_server
      utc_time work_dir asprocess server_id grace_start_wait grace_final_wait force_grace_quit empty_ip_ok in_docker
      disable_daemon_for_docker inotify_auto_reload auto_reload_for_docker tcmalloc_release_rate query_latest_version
      first_wait_for_qlv threads circuit_breaker is_full exporter tencentcloud_cls tencentcloud_apm`
    const vhost = `enabled chunk_size min_latency tcp_nodelay in_ack_size out_ack_size dvr ingest hls hds dash http_hooks
      http_static http_remux refer forward transcode bandcheck play publish cluster security exec rtc srt`
    expect(Object.keys(ROOT_DIRECTIVES)).toEqual(expect.arrayContaining(root.split(/\s+/)))
    expect(Object.keys(VHOST_DIRECTIVES)).toEqual(expect.arrayContaining(vhost.split(/\s+/)))
  })
})

describe('kinds of values', () => {
  test('security: rules of several lines, with addresses of both families', () => {
    const { vhost } = loadVhost(`security { enabled on; allow play all; allow publish 10.0.0.0/8;
      deny publish 192.168.1.7; deny play fd00::/8; }`)
    expect(vhost.security).toEqual({
      enabled: true,
      allow: [
        { event: 'play', range: null },
        { event: 'publish', range: { family: 4, address: '10.0.0.0', bits: 8 } },
      ],
      deny: [
        { event: 'publish', range: { family: 4, address: '192.168.1.7', bits: 32 } },
        { event: 'play', range: { family: 6, address: 'fd00::', bits: 8 } },
      ],
    })
  })

  test.each([
    'play',
    'all',
    'watch all',
    'play 10.0.0.0/33',
    'play ::1/129',
    'play 10.0.0',
    'play all all',
    'play a.b',
  ])('security: allow %s is refused', (rule) => {
    expect(vhostProblems(`\nsecurity { allow ${rule}; }`)).toEqual([
      `a.conf:3: vhost.security.allow "${rule}" is not allowed: it needs publish or play, then all, an IP address or a CIDR range`,
    ])
  })

  test('http_hooks: several URLs, and nothing but URLs', () => {
    const { vhost } = loadVhost('http_hooks { on_publish http://a/b https://c:8443/d?e; timeout 2.5; }')
    expect(vhost.httpHooks).toMatchObject({ onPublish: ['http://a/b', 'https://c:8443/d?e'], timeoutMs: 2500 })
    expect(vhostProblems('http_hooks { on_publish http://a/b ftp://c; }')).toEqual([
      'a.conf:2: vhost.http_hooks.on_publish "ftp://c" is not allowed: it needs an http:// or https:// URL, one or more',
    ])
  })

  test('cluster and forward: servers with and without port', () => {
    const { vhost } = loadVhost('cluster { origin 10.0.0.1:19350 a.example.com [::1]:1936; }')
    expect(vhost.cluster.origin).toEqual([
      { host: '10.0.0.1', port: 19_350 },
      { host: 'a.example.com', port: null },
      { host: '::1', port: 1936 },
    ])
    expect(vhostProblems('forward { destination rtmp://a/b; }')).toHaveLength(1)
    expect(vhostProblems('forward { destination a:0; }')).toHaveLength(1)
  })

  test('ingest and transcode: named blocks with engines and free names', () => {
    const { vhost } = loadVhost(`ingest livestream { input { type stream; url rtsp://a/b; } ffmpeg ./ffmpeg;
        engine { enabled on; perfile { re; rtsp_transport tcp; } vcodec copy; output rtmp://127.0.0.1:[port]/a/b; } }
      ingest second { }
      transcode { enabled on; engine ff { vfilter { vf 'split [a][b]; [a] crop'; } vfps 23.97; vbitrate 500; } engine sd { } }`)
    expect(vhost.ingest).toMatchObject([
      {
        name: 'livestream',
        enabled: false,
        input: { type: 'stream', url: 'rtsp://a/b' },
        ffmpeg: './ffmpeg',
        engine: [
          {
            name: '',
            enabled: true,
            perfile: [
              { name: 're', value: '' },
              { name: 'rtsp_transport', value: 'tcp' },
            ],
            vcodec: 'copy',
            iformat: 'flv',
          },
        ],
      },
      { name: 'second', input: { type: 'file', url: '' }, engine: [] },
    ])
    expect(vhost.transcode).toMatchObject([
      {
        name: '',
        enabled: true,
        engine: [
          { name: 'ff', vfps: 23.97, vbitrate: 500, vfilter: [{ name: 'vf', value: 'split [a][b]; [a] crop' }] },
          { name: 'sd', vthreads: 1, vfilter: [] },
        ],
      },
    ])
  })

  test('exec: a command for each line', () => {
    const { vhost } = loadVhost('exec { publish ffmpeg -i [url] -y "a b.flv"; publish true; }')
    expect(vhost.exec.publish).toEqual([['ffmpeg', '-i', '[url]', '-y', 'a b.flv'], ['true']])
  })

  test.each([
    'ingest a b { }',
    'ingest a;',
    'ingest a { input { kind file; } }',
    'transcode { engine { vparams 1; } }',
    'transcode { engine { vparams { a b c; } } }',
    'dvr { dvr_plan append; }',
    'hls { hls_td_ratio x; }',
    'exec { publish; }',
  ])('%s is refused', (text) => {
    expect(vhostProblems(text)).toHaveLength(1)
  })

  test('trusted_proxies are ranges', () => {
    expect(load('listen 1; trusted_proxies 10.0.0.0/8 ::1;').trustedProxies).toEqual([
      { family: 4, address: '10.0.0.0', bits: 8 },
      { family: 6, address: '::1', bits: 128 },
    ])
    expect(problems('listen 1; trusted_proxies localhost;')).toHaveLength(1)
  })

  test('every address of a port is bound once, so that "1935 [::]:1935" of SRS can listen', () => {
    const everywhere = { host: null, port: 1935 }
    expect(load('listen 1935 [::]:1935;').listen).toEqual([everywhere])
    expect(load('listen 0.0.0.0:1935 [::]:1935 1936;').listen).toEqual([everywhere, { host: null, port: 1936 }])
    expect(load('listen 127.0.0.1:1935 127.0.0.1:1935;').listen).toEqual([{ host: '127.0.0.1', port: 1935 }])
    expect(load('listen 0 0;').listen).toHaveLength(2)
  })
})

describe('inheritance', () => {
  const DEFAULT = `listen 1; vhost __defaultVhost__ { hls { enabled on; hls_fragment 2; } ingest a { }
    http_hooks { enabled on; on_play http://a/b; } security { enabled on; deny publish all; } }\n`

  test('a vhost takes blocks from __defaultVhost__ setting by setting', () => {
    const vhost = load(`${DEFAULT} vhost v { hls { hls_fragment 4; } }`).vhosts.get('v')
    expect(vhost).toMatchObject({ hls: { enabled: true, hlsFragmentMs: 4000 }, httpHooks: { onPlay: ['http://a/b'] } })
  })

  test('callbacks and access rules of its own stand for themselves', () => {
    const vhost = load(
      `${DEFAULT} vhost v { http_hooks { on_publish http://c; } security { enabled on; allow play all; } }`,
    ).vhosts.get('v')
    expect(vhost?.httpHooks).toMatchObject({ enabled: false, onPlay: [], onPublish: ['http://c'] })
    expect(vhost?.security).toMatchObject({ deny: [], allow: [{ event: 'play', range: null }] })
  })

  test('what is fetched is fetched once', () => {
    expect(load(`${DEFAULT} vhost v { }`).vhosts.get('v')?.ingest).toEqual([])
  })
})

describe('what is not served', () => {
  test('is said of the environment too', () => {
    const { warnings } = load('listen 1; vhost v { }', { SRS_RTC_SERVER_ENABLED: 'on' })
    expect(warnings).toEqual(['environment SRS_RTC_SERVER_ENABLED: WebRTC is not part of Sluice: ignored'])
  })

  test.each(['flv', 'ts', 'aac', 'mp3'])('a mount of .%s gives none', (ending) => {
    expect(loadVhost(`http_remux { enabled on; mount /[app]/[stream].${ending}; }`).warnings).toEqual([])
  })

  test('of other worlds is accepted with all that is in it', () => {
    const text = `listen 1;
rtc_server { enabled on; listen 8000; candidate *; black_hole { enabled off; addr 127.0.0.1:1; } }
srt_server { enabled off; }
stream_caster { enabled off; }
stream_caster { enabled on; caster gb28181; sip { enabled on; } }
threads { interval 5; }
tcmalloc_release_rate 0.8;
query_latest_version off;
vhost v { rtc { enabled on; anything 1; } srt { enabled on; } bandcheck { enabled off; key "x"; } hds { enabled on; } }`
    expect(load(text).warnings).toEqual([
      'a.conf:2: WebRTC is not part of Sluice: ignored',
      'a.conf:5: The stream caster (MPEG-TS over UDP, GB28181; for FLV by POST see publish.http) is not part of Sluice: ignored',
      'a.conf:7: tcmalloc is not part of Sluice: ignored',
      'a.conf:9: SRT is not part of Sluice: ignored',
      'a.conf:9: HDS is not part of Sluice: ignored',
    ])
  })
})

describe('a name that is not known', () => {
  test.each([
    ['play { gop_cahce on; }', 'vhost.play.gop_cahce is not known; did you mean gop_cache?'],
    ['play { mw_latncy 1; }', 'vhost.play.mw_latncy is not known; did you mean mw_latency?'],
    ['http_hooks { on_stopp http://a; }', 'vhost.http_hooks.on_stopp is not known; did you mean on_stop?'],
    [
      'http_hooks { on_forward http://a; }',
      'vhost.http_hooks.on_forward is not known; known here: enabled, on_connect,',
    ],
  ])('%s', (text, message) => {
    expect(vhostProblems(text)).toEqual([expect.stringContaining(`a.conf:2: ${message}`)])
  })
})

describe('origins', () => {
  test('tell file and line, or the variable; what has its default has none', () => {
    const text = `listen 1935;
http_server {
  enabled on;
}
vhost __defaultVhost__ {
  play { mw_latency 1; }
}
vhost v {
  ingest a { input { url b; } }
  security { allow play all; }
}`
    const { origins } = load(text, { SRS_VHOST_PLAY_GOP_CACHE: 'off' })
    expect(origins.get('listen')).toBe('a.conf:1')
    expect(origins.get('http_server.enabled')).toBe('a.conf:3')
    expect(origins.get('vhost.v.play.mw_latency')).toBe('a.conf:6')
    expect(origins.get('vhost.v.play.gop_cache')).toBe('environment SRS_VHOST_PLAY_GOP_CACHE')
    expect(origins.get('vhost.v.ingest.a.input.url')).toBe('a.conf:9')
    expect(origins.get('vhost.v.security.allow')).toBe('a.conf:10')
    expect(origins.get('max_connections')).toBeUndefined()
  })
})
