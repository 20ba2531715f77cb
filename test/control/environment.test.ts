import { describe, expect, test } from 'vitest'
import { loadConfig } from '../../src/control/config.ts'
import { chooseFile } from '../../src/control/environment.ts'
import { load } from './load.ts'

describe('the environment alone', () => {
  test('configures a server as a container does', () => {
    const env = {
      SRS_LISTEN: '1935 19350',
      SRS_MAX_CONNECTIONS: '5000',
      SRS_DAEMON: 'off',
      SRS_PID: '/run/sluice.pid',
      SRS_SERVER_ID: 'pod-7',
      SRS_WORK_DIR: '/data',
      SRS_LOG_TANK: 'console',
      SRS_HTTP_API_ENABLED: 'on',
      SRS_HTTP_API_LISTEN: '1985',
      SRS_HTTP_API_AUTH_ENABLED: 'on',
      SRS_HTTP_API_AUTH_USERNAME: 'admin',
      SRS_HTTP_API_AUTH_PASSWORD: 'with a space',
      SRS_HTTP_SERVER_ENABLED: 'on',
      SRS_HTTP_SERVER_LISTEN: '8080',
      SRS_VHOST_PLAY_GOP_CACHE: 'off',
      SRS_VHOST_HLS_ENABLED: 'off',
      SRS_VHOST_HLS_HLS_FRAGMENT: '2.5',
      SRS_VHOST_HTTP_REMUX_ENABLED: 'on',
      SRS_VHOST_HTTP_REMUX_MOUNT: '/[app]/[stream].flv',
      SRS_VHOST_DVR_DVR_PATH: '/data/[app]/[stream].flv',
      SRS_VHOST_HTTP_HOOKS_ENABLED: 'on',
      SRS_VHOST_HTTP_HOOKS_ON_PUBLISH: 'http://a/1  http://b/2',
      SRS_VHOST_CHUNK_SIZE: '4096',
      SRS_DEVICE_IP: '10.0.0.1',
    }
    const config = loadConfig({ file: null, readFile: () => '', env })
    expect(config.warnings).toEqual([])
    expect(config).toMatchObject({
      listen: [{ port: 1935 }, { port: 19_350 }],
      maxConnections: 5000,
      pid: '/run/sluice.pid',
      serverId: 'pod-7',
      workDir: '/data',
      chunkSize: 4096,
      httpApi: { enabled: true, auth: { enabled: true, username: 'admin', password: 'with a space' } },
      httpServer: { enabled: true },
    })
    expect(config.resolveVhost('anything')).toMatchObject({
      name: '__defaultVhost__',
      chunkSize: 4096,
      play: { gopCache: false },
      hls: { enabled: false, hlsFragmentMs: 2500 },
      httpRemux: { enabled: true, mount: '/[app]/[stream].flv' },
      dvr: { dvrPath: '/data/[app]/[stream].flv' },
      httpHooks: { enabled: true, onPublish: ['http://a/1', 'http://b/2'] },
    })
  })

  test('names the variable that is missing', () => {
    expect(() => loadConfig({ file: null, readFile: () => '', env: {} })).toThrow(
      'environment: listen is missing: it needs [ip:]port or [ipv6]:port, one or more (SRS_LISTEN)',
    )
  })
})

describe('a variable that sets nothing', () => {
  test('is most likely misspelt', () => {
    expect(load('listen 1;', { SRS_LISTN: '1', SRS_NONSENSE_AT_ALL: 'x' }).warnings).toEqual([
      'environment: SRS_LISTN sets nothing; did you mean SRS_LISTEN?',
      'environment: SRS_NONSENSE_AT_ALL sets nothing; no directive has this variable',
    ])
  })

  test('is no matter when somebody else set it, or when it is empty', () => {
    const env = {
      SRS_SERVICE_HOST: '10.0.0.1',
      SRS_SERVICE_PORT_RTMP: '1935',
      SRS_PORT: 'tcp://10.0.0.1:1935',
      SRS_PORT_1935_TCP_ADDR: '10.0.0.1',
      SRS_CONFIG_FILE: 'a.conf',
      SRS_VHOST_RTC_NACK: 'on',
      SRS_TYPO: '',
      OTHER: 'x',
    }
    expect(load('listen 1;', env).warnings).toEqual([])
  })
})

describe('the file that is loaded', () => {
  const asked = { file: 'asked.conf', isEnvOnly: false }

  test.each<[Record<string, string>, string | null]>([
    [{}, 'asked.conf'],
    [{ SRS_CONFIG_FILE: 'other.conf' }, 'other.conf'],
    [{ SRS_CONFIG_FILE: '' }, 'asked.conf'],
    [{ SRS_ENV_ONLY: 'on' }, null],
    [{ SRS_ENV_ONLY: 'on', SRS_CONFIG_FILE: 'other.conf' }, null],
    [{ SRS_ENV_ONLY: 'off' }, 'asked.conf'],
  ])('%o: %s', (env, file) => {
    expect(chooseFile(asked, env)).toBe(file)
  })

  test('is none with -e', () => {
    expect(chooseFile({ ...asked, isEnvOnly: true }, { SRS_CONFIG_FILE: 'other.conf' })).toBeNull()
  })
})
