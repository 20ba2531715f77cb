import { describe, expect, test } from 'vitest'
import { loadConfig } from '../../src/control/config.ts'
import { load, problems } from './load.ts'

const ANY = { host: null }

describe('defaults', () => {
  test('a file with nothing but listen gives the defaults and no vhost', () => {
    const config = load('listen 1935;')
    expect(config).toMatchObject({
      listen: [{ ...ANY, port: 1935 }],
      maxConnections: 1000,
      chunkSize: 60_000,
      pithyPrintMs: 10_000,
      srsLogTank: 'console',
      logLevel: 'info',
      daemon: false,
      pid: './objs/srs.pid',
      serverId: '',
      workDir: './',
      graceMaxWaitMs: 3_600_000,
      httpServer: { enabled: false, listen: [{ ...ANY, port: 8080 }], crossdomain: true },
      httpApi: { enabled: false, listen: [{ host: '127.0.0.1', port: 1985 }], auth: { enabled: false } },
      exporter: { enabled: false, listen: [{ ...ANY, port: 9972 }] },
      warnings: [],
    })
    expect(config.resolveVhost('__defaultVhost__')).toBeNull()
  })

  test('a vhost has its defaults, times in ms', () => {
    expect(load('listen 1; vhost v { }').resolveVhost('v')).toMatchObject({
      name: 'v',
      enabled: true,
      chunkSize: 60_000,
      minLatency: false,
      tcpNodelay: false,
      inAckSize: 0,
      outAckSize: 2_500_000,
      play: { gopCache: true, gopCacheMaxFrames: 2500, queueLengthMs: 10_000, mwLatencyMs: 350, sendTimeoutMs: 30_000 },
      publish: { firstpktTimeoutMs: 20_000, normalTimeoutMs: 5000, takeoverAfterMs: 2000 },
      httpRemux: { enabled: false, mount: '[vhost]/[app]/[stream].flv', waitPublisherMs: 10_000 },
      httpHooks: { enabled: false, onPublish: [], timeoutMs: 30_000, retries: 1, failOpen: false, secret: '' },
      security: { enabled: false, allow: [], deny: [] },
      token: { enabled: false, secret: [], publish: true, play: true, bindAddress: false },
      hls: { enabled: false, hlsFragmentMs: 10_000, hlsWindowMs: 60_000, hlsTdRatio: 1, hlsDisposeMs: 120_000 },
      dvr: { enabled: false, dvrApply: ['all'], dvrPlan: 'session', dvrDurationMs: 30_000 },
      cluster: { mode: 'local', origin: [], coworkers: [] },
      ingest: [],
      transcode: [],
    })
  })
})

describe('values', () => {
  test.each<[string, unknown]>([
    ['1935', [{ host: null, port: 1935 }]],
    [
      '1935 127.0.0.1:19350',
      [
        { host: null, port: 1935 },
        { host: '127.0.0.1', port: 19350 },
      ],
    ],
    ['[::1]:1935', [{ host: '::1', port: 1935 }]],
    ['[::]:0', [{ host: '::', port: 0 }]],
  ])('listen %s', (text, expected) => {
    expect(load(`listen ${text};`).listen).toEqual(expected)
  })

  test.each(['', '65536', '-1', 'x', '1.2.3:5', '256.1.1.1:5', '[::g]:5', '[:::]:5', '::1:5', '1.2.3.4:', '19 x'])(
    'listen "%s" is refused',
    (text) => {
      expect(problems(`listen ${text};`)[0]).toContain('it needs [ip:]port or [ipv6]:port, one or more')
    },
  )

  test.each<[string, number]>([
    ['350', 350],
    ['0', 0],
    ['20ms', 20],
    ['1.5s', 1500],
    ['1m', 60_000],
  ])('mw_latency %s', (text, expected) => {
    expect(load(`listen 1; vhost v { play { mw_latency ${text}; } }`).vhosts.get('v')?.play.mwLatencyMs).toBe(expected)
  })

  test.each(['', 'fast', '-1', '60001', '1e3', '1 2', '0x10', '5d', '1m30s'])('mw_latency "%s" is refused', (text) => {
    expect(problems(`listen 1;\nvhost v { play { mw_latency ${text}; } }`)).toEqual([
      expect.stringMatching(/^a\.conf:2: vhost\.play\.mw_latency .*: it needs a time in ms, 0 to 60000/),
    ])
  })

  test('queue_length is in seconds with a fraction', () => {
    expect(load('listen 1; vhost v { play { queue_length 2.5; } }').vhosts.get('v')?.play.queueLengthMs).toBe(2500)
  })

  test('a flag is on or off and nothing else', () => {
    expect(problems('listen 1; vhost v { tcp_nodelay yes; }')).toEqual([
      'a.conf:1: vhost.tcp_nodelay "yes" is not allowed: it needs on or off',
    ])
  })

  test('an odd chunk size is taken with a warning, an impossible one is not', () => {
    expect(load('listen 1; chunk_size 100;')).toMatchObject({
      chunkSize: 100,
      warnings: ['a.conf:1: chunk_size: 100 is outside the usual 128 to 65536'],
    })
    expect(load('listen 1; chunk_size 64k;').chunkSize).toBe(65_536)
    expect(problems('listen 1; chunk_size 0;')).toHaveLength(1)
  })

  test('daemon on starts in the foreground with a warning', () => {
    expect(load('listen 1; daemon on;')).toMatchObject({
      daemon: true,
      warnings: [expect.stringMatching(/^a\.conf:1: daemon: Sluice stays in the foreground/)],
    })
    expect(load('listen 1; daemon off;').warnings).toEqual([])
  })

  test.each([
    ['', 'info'],
    ['srs_log_level verbose;', 'trace'],
    ['srs_log_level info;', 'debug'],
    ['srs_log_level warn;', 'warn'],
    ['srs_log_level error; srs_log_level_v2 debug;', 'debug'],
  ])('log level of "%s" is %s', (text, level) => {
    expect(load(`listen 1; ${text}`).logLevel).toBe(level)
  })

  test('a mount needs [stream] and the ending of a format', () => {
    const mount = (text: string) => problems(`listen 1; vhost v { http_remux { mount ${text}; } }`)
    expect(mount('/[app]/[stream].flv')).toEqual([])
    expect(mount('/live.flv')).toHaveLength(1)
    expect(mount('[vhost]/[app]/[stream].ts')).toEqual([])
    expect(mount('[vhost]/[app]/[stream].m3u8')).toHaveLength(1)
  })
})

describe('vhosts', () => {
  const text = `listen 1; chunk_size 4096;
    vhost __defaultVhost__ { tcp_nodelay on; chunk_size 5000; play { mw_latency 100; gop_cache off; } }
    vhost own { play { mw_latency 0; } }
    vhost gone { enabled off; }`

  test('an unknown name gets __defaultVhost__', () => {
    expect(load(text).resolveVhost('anything')?.name).toBe('__defaultVhost__')
  })

  test('a named vhost keeps what it says and takes the rest from __defaultVhost__', () => {
    const config = load(text)
    expect(config.resolveVhost('own')).toMatchObject({
      name: 'own',
      tcpNodelay: true,
      chunkSize: 5000,
      play: { mwLatencyMs: 0, gopCache: false, queueLengthMs: 10_000 },
    })
  })

  test("without a value of its own a vhost's chunk size is the root's", () => {
    expect(load('listen 1; chunk_size 4096; vhost v { }').resolveVhost('v')?.chunkSize).toBe(4096)
  })

  test('a vhost that is off answers like none, and its being off is not inherited', () => {
    expect(load(text).resolveVhost('gone')).toBeNull()
    const config = load('listen 1; vhost __defaultVhost__ { enabled off; } vhost a { }')
    expect(config.resolveVhost('other')).toBeNull()
    expect(config.resolveVhost('a')?.enabled).toBe(true)
  })

  test.each(['vhost;', 'vhost { }', 'vhost a b { }', 'vhost a;', 'vhost a/b { }', 'vhost a { } vhost a { }'])(
    '%s is refused',
    (bad) => {
      expect(problems(`listen 1; ${bad}`)).toHaveLength(1)
    },
  )
})

describe('problems', () => {
  test('all of them are said at once, each with file, line, directive, value and what is allowed', () => {
    const text = `max_connections many;
frobnicate on;
http_server {
  enabled maybe;
  port 80;
}
play { }
vhost v {
  play on;
  publish { normal_timeout 5 { } }
}`
    expect(problems(text)).toEqual([
      expect.stringMatching(/^a\.conf:2: frobnicate is not known; known here: listen, max_connections, .*, vhost$/),
      expect.stringMatching(/^a\.conf:7: play is not known/),
      'a.conf:1: max_connections "many" is not allowed: it needs an integer, 1 to 10000000',
      'a.conf:5: http_server.port is not known; known here: enabled, listen, dir, crossdomain, websocket_origins, proxy_protocol, https',
      'a.conf:4: http_server.enabled "maybe" is not allowed: it needs on or off',
      'a.conf: listen is missing: it needs [ip:]port or [ipv6]:port, one or more',
      'a.conf:9: vhost.play takes a block: play { }',
      expect.stringMatching(/^a\.conf:10: vhost\.publish\.normal_timeout takes no block but a time in ms/),
    ])
  })

  test('grammar errors come together with bad values', () => {
    expect(problems('listen 1\nmax_connections x;')).toHaveLength(2)
  })

  test('a bad value that other vhosts inherit is said once', () => {
    expect(problems('listen 1; vhost __defaultVhost__ { tcp_nodelay x; } vhost a { } vhost b { }')).toHaveLength(1)
  })

  test('a repeated directive is a warning and the first counts, as in SRS', () => {
    expect(load('listen 1;\nmax_connections 5;\nmax_connections 6;')).toMatchObject({
      maxConnections: 5,
      warnings: ['a.conf:3: max_connections has no effect: the one on line 2 counts'],
    })
  })

  test('names of JavaScript objects are unknown directives', () => {
    expect(problems('listen 1; __proto__ { } constructor 1; vhost v { toString 1; }')).toHaveLength(3)
    expect(load('listen 1; vhost __proto__ { }').resolveVhost('__proto__')?.name).toBe('__proto__')
  })

  test('a file that cannot be read is one problem', () => {
    const readFile = (): string => {
      throw new Error('ENOENT')
    }
    expect(() => loadConfig({ file: 'x.conf', readFile, env: {} })).toThrow('x.conf: cannot be read: ENOENT')
  })
})

describe('environment', () => {
  test('beats the file, for every vhost', () => {
    const env = {
      SRS_LISTEN: '1935 [::1]:19350',
      SRS_HTTP_SERVER_ENABLED: 'on',
      SRS_VHOST_PLAY_GOP_CACHE: 'off',
      SRS_VHOST_CHUNK_SIZE: '7000',
      SRS_LOG_LEVEL_V2: 'warn',
    }
    const config = load('listen 1; vhost a { play { gop_cache on; } } vhost b { }', env)
    expect(config.listen.map((address) => address.port)).toEqual([1935, 19350])
    expect(config.httpServer.enabled).toBe(true)
    expect(config.logLevel).toBe('warn')
    expect(config.chunkSize).toBe(7000)
    for (const name of ['a', 'b']) {
      expect(config.vhosts.get(name)).toMatchObject({ chunkSize: 7000, play: { gopCache: false } })
    }
  })

  test('an empty variable counts as unset; the doubled SRS_SRS_ form is read', () => {
    expect(load('listen 1; max_connections 5;', { SRS_MAX_CONNECTIONS: '' }).maxConnections).toBe(5)
    expect(load('listen 1;', { SRS_SRS_LOG_TANK: 'file' }).srsLogTank).toBe('file')
  })

  test('a bad variable is named', () => {
    expect(problems('listen 1;', { SRS_MAX_CONNECTIONS: 'x', SRS_DAEMON: 'yes' })).toEqual([
      'environment: SRS_MAX_CONNECTIONS "x" is not allowed: it needs an integer, 1 to 10000000',
      expect.stringMatching(/^environment: SRS_DAEMON "yes" is not allowed/),
    ])
  })

  test('alone it makes one default vhost', () => {
    const source = { file: null, readFile: () => '', env: { SRS_LISTEN: '1935', SRS_VHOST_HTTP_REMUX_ENABLED: 'on' } }
    expect(loadConfig(source).resolveVhost('any')).toMatchObject({
      name: '__defaultVhost__',
      httpRemux: { enabled: true },
    })
    expect(() => loadConfig({ ...source, env: {} })).toThrow('environment: listen is missing')
  })
})
