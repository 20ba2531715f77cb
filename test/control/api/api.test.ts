import { describe, expect, test } from 'vitest'
import { HttpProbe, requestText } from '../../server/http-probe.ts'
import { serveApi } from './support.ts'

const INT = expect.any(Number) as number
const TEXT = expect.any(String) as string

describe('every answer', () => {
  test('has code, server, service and pid, the pid as a text', async () => {
    const api = await serveApi()
    const { headers, status, json } = await api.ask('/api/v1/versions')
    expect(status).toBe(200)
    expect(headers).toMatchObject({ 'content-type': 'application/json', 'cache-control': 'no-store' })
    expect(json).toEqual({
      code: 0,
      server: 'vid-server1',
      service: expect.stringMatching(/^[0-9a-z]{8}$/),
      pid: String(process.pid),
      data: { major: 1, minor: 2, revision: 3, version: '1.2.3' },
    })
  })

  test('is the same with and without a slash at the end', async () => {
    const api = await serveApi()
    for (const path of ['/api', '/api/v1', '/api/v1/versions', '/api/v1/clients?start=0']) {
      const [name = '', query = ''] = path.split('?')
      const plain = await api.ask(path)
      expect(plain.status).toBe(200)
      expect((await api.ask(`${name}/?${query}`)).json).toEqual(plain.json)
    }
  })

  test('to HEAD has no body', async () => {
    const api = await serveApi()
    const { status, headers, body } = await api.ask('/api/v1/versions', 'HEAD')
    expect([status, body]).toEqual([200, ''])
    expect(Number(headers['content-length'])).toBeGreaterThan(50)
  })
})

describe('the indexes', () => {
  test('list what is below', async () => {
    const api = await serveApi()
    expect((await api.get('/'))['urls']).toEqual({ api: TEXT })
    expect((await api.get('/api/'))['urls']).toEqual({ v1: TEXT })
    const { urls } = await api.get('/api/v1/')
    const names = 'versions summaries rusages self_proc_stats system_proc_stats meminfos authors features requests'
    for (const name of [...names.split(' '), 'vhosts', 'streams', 'clients', 'raw']) {
      expect(urls).toHaveProperty(name, TEXT)
    }
  })
})

describe('errors', () => {
  test('an unknown path is 404 in the shape of SRS', async () => {
    const api = await serveApi()
    for (const path of ['/api/v1/nothing', '/api/v2/versions', '/api/v1/versions/x', '/api/v1/clients/a/b']) {
      const { status, json } = await api.ask(path)
      expect([path, status]).toEqual([path, 404])
      expect(json).toEqual({ code: 404, server: 'vid-server1', service: TEXT, pid: TEXT, error: TEXT })
    }
  })

  test('a path that is not the API is 404 too', async () => {
    const api = await serveApi()
    expect((await api.ask('/live/cam.flv')).status).toBe(404)
    expect((await api.ask('/live/cam.flv', 'DELETE')).status).toBe(405)
  })

  test('a wrong method is 405, and Allow says which are right', async () => {
    const api = await serveApi()
    const get = await api.ask('/api/v1/versions', 'POST')
    expect([get.status, get.headers['allow'], get.json['code']]).toEqual([405, 'GET, HEAD, OPTIONS', 405])
    const kick = await api.ask('/api/v1/clients/abcdefgh', 'PUT')
    expect([kick.status, kick.headers['allow']]).toEqual([405, 'GET, HEAD, DELETE, OPTIONS'])
  })

  test('the method of a GET cannot be changed by its query, and there is no JSONP', async () => {
    const api = await serveApi()
    const { status, json } = await api.ask('/api/v1/clients/nobody?method=DELETE&callback=f')
    expect([status, json['code']]).toEqual([404, 2049])
  })

  test('a body that is too long is refused before it is read, and the connection ends', async () => {
    const api = await serveApi()
    const port = api.services.addresses.api[0]?.port ?? 0
    const probe = await HttpProbe.open({ ...api.server, httpPort: port })
    probe.request('/api/v1/versions', 'POST', 'Content-Length: 70000')
    const { status, headers } = await probe.response()
    expect([status, headers['connection']]).toEqual([413, 'close'])
  })

  test('a short body is skipped', async () => {
    const api = await serveApi()
    const port = api.services.addresses.api[0]?.port ?? 0
    const probe = await HttpProbe.open({ ...api.server, httpPort: port })
    probe.raw.write(requestText('/api/v1/clients/nobody', 'DELETE', 'Content-Length: 5'))
    probe.raw.write(`hello${requestText('/api/v1/versions')}`)
    expect([(await probe.response()).status, (await probe.response()).status]).toEqual([404, 200])
  })
})

describe('the process and the machine', () => {
  test('summaries have the fields of SRS', async () => {
    const api = await serveApi()
    const { data } = await api.get('/api/v1/summaries')
    expect(data).toEqual({
      ok: true,
      now_ms: INT,
      self: {
        version: '1.2.3',
        pid: process.pid,
        ppid: process.ppid,
        argv: TEXT,
        cwd: process.cwd(),
        mem_kbyte: INT,
        mem_percent: INT,
        cpu_percent: INT,
        srs_uptime: 0,
      },
      system: {
        cpu_percent: INT,
        disk_read_KBps: 0,
        disk_write_KBps: 0,
        disk_busy_percent: 0,
        mem_ram_kbyte: INT,
        mem_ram_percent: INT,
        mem_swap_kbyte: INT,
        mem_swap_percent: INT,
        cpus: INT,
        cpus_online: INT,
        uptime: INT,
        ilde_time: INT,
        load_1m: INT,
        load_5m: INT,
        load_15m: INT,
        net_sample_time: INT,
        net_recv_bytes: INT,
        net_send_bytes: INT,
        net_recvi_bytes: INT,
        net_sendi_bytes: INT,
        srs_sample_time: INT,
        srs_recv_bytes: 0,
        srs_send_bytes: 0,
        conn_sys: INT,
        conn_sys_et: INT,
        conn_sys_tw: INT,
        conn_sys_udp: INT,
        conn_srs: 0,
      },
    })
  })

  test('where the machine is not looked at, all is 0 and not ok', async () => {
    const api = await serveApi({ stats: { enabled: false } })
    for (const name of ['self_proc_stats', 'system_proc_stats', 'meminfos', 'summaries']) {
      expect((await api.get(`/api/v1/${name}`))['data']).toMatchObject({ ok: false })
    }
    expect((await api.get('/api/v1/meminfos'))['data']).toMatchObject({ MemTotal: 0, percent_ram: 0 })
  })

  test('requests tells what the server got', async () => {
    const api = await serveApi()
    for (const path of ['/api/v1/requests', '/api/v1/tests/requests']) {
      const { json } = await api.ask(`${path}?a=%20b`, 'GET', 'X-One: two')
      expect(json['data']).toEqual({
        uri: `${path}?a=%20b`,
        path,
        METHOD: 'GET',
        headers: { host: '127.0.0.1', 'x-one': 'two' },
      })
    }
  })

  test('features say what there is', async () => {
    const api = await serveApi()
    const { features } = (await api.get('/api/v1/features'))['data'] as { features: Record<string, boolean> }
    expect(features).toMatchObject({ ssl: true, hls: true, dvr: true, httpd: true, stat: true, hds: false })
  })
})

describe('health and readiness', () => {
  test('a server that ends is alive, but not ready', async () => {
    const api = await serveApi()
    expect([(await api.ask('/api/v1/health')).status, (await api.ask('/api/v1/ready')).status]).toEqual([200, 200])
    api.isDraining = true
    expect((await api.ask('/api/v1/health')).status).toBe(200)
    const { status, json } = await api.ask('/api/v1/ready')
    expect([status, json['code']]).toEqual([503, 503])
  })
})

describe('raw', () => {
  const ALLOWED = { rawApi: { enabled: true, allowReload: true } }

  test('rpc=raw tells the settings of the API, also when the rest is off', async () => {
    const api = await serveApi()
    expect((await api.get('/api/v1/raw?rpc=raw'))['http_api']).toEqual({
      enabled: true,
      listen: '127.0.0.1:0',
      crossdomain: true,
      raw_api: { enabled: false, allow_reload: false, allow_query: false, allow_update: false },
    })
  })

  test('a reload needs both switches', async () => {
    for (const rawApi of [
      { enabled: false, allowReload: true },
      { enabled: true, allowReload: false },
    ]) {
      const api = await serveApi({ httpApi: { rawApi } })
      for (const rpc of ['reload', 'reload-fetch']) {
        const { status, json } = await api.ask(`/api/v1/raw?rpc=${rpc}`)
        expect([status, json['code'], api.reloads]).toEqual([403, 1061, 0])
      }
    }
  })

  test('a reload is answered when it is over', async () => {
    const api = await serveApi({ httpApi: ALLOWED })
    const { data, code } = await api.get('/api/v1/raw?rpc=reload')
    expect([code, data, api.reloads]).toEqual([0, { rid: 'abcdefg', err: 0, msg: 'Success', state: 90 }, 1])
    expect((await api.get('/api/v1/raw?rpc=reload-fetch'))['data']).toMatchObject({ err: 0, state: 0 })
  })

  test('a bad configuration is an error that says why', async () => {
    const api = await serveApi({ httpApi: ALLOWED })
    api.report = { rid: 'abcdefg', err: 1023, msg: 'srs.conf:3: nonsense', state: 10 }
    const { status, json } = await api.ask('/api/v1/raw?rpc=reload')
    expect([status, json['code'], json['error']]).toEqual([400, 1023, 'srs.conf:3: nonsense'])
  })

  test('another rpc, or none, is an error', async () => {
    const api = await serveApi({ httpApi: ALLOWED })
    for (const query of ['', '?rpc=update', '?rpc=']) {
      const { status, json } = await api.ask(`/api/v1/raw${query}`)
      expect([status, json['code']]).toEqual([400, 1060])
    }
  })
})
