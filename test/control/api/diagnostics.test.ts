import { describe, expect, test } from 'vitest'
import { FlvPlayer, HttpProbe } from '../../server/http-probe.ts'
import { startPlayer, startPublisher } from '../../server/rtmp-probe.ts'
import { eventually } from '../../server/support.ts'
import { serveApi } from './support.ts'

const TEXT = expect.any(String) as string
const NUMBER = expect.any(Number) as number

describe('threads', () => {
  test('tell what each waits for, page by page, or of one connection', async () => {
    const api = await serveApi()
    await startPublisher(api.server)
    const { threads, total, groups } = await api.get('/api/v1/threads?count=2')
    expect(threads).toHaveLength(2)
    expect(total).toBe(api.server.world.threads.size)
    expect(groups).toContainEqual({ name: 'connection', waits_for: TEXT, threads: NUMBER, longest: NUMBER })
    const [client] = await api.list('clients')
    const own = (await api.get(`/api/v1/threads?id=${String(client?.['id'])}`))['threads'] as Record<string, unknown>[]
    expect(own[0]).toEqual({
      id: client?.['id'],
      name: 'connection',
      waits_for: TEXT,
      waiting: NUMBER,
      timeout: NUMBER,
    })
    expect(own.every(({ id }) => id === client?.['id'])).toBe(true)
    expect((await api.ask('/api/v1/threads?count=x')).status).toBe(400)
  })
})

describe('the log', () => {
  test('is given from a number on, of all or of one connection, and to no page of another site', async () => {
    const api = await serveApi()
    const say = (cid: string, msg: string): void =>
      api.log.add(JSON.stringify({ level: 30, time: 1_700_000_000_000, pid: 1, hostname: 'h', cid, msg, stream: 'a' }))
    say('aaaaaaaa', 'one')
    say('bbbbbbbb', 'two')
    say('aaaaaaaa', 'three')
    const texts = async (query: string): Promise<unknown[]> =>
      ((await api.get(`/api/v1/logs${query}`))['lines'] as Record<string, unknown>[]).map(({ text }) => text)
    expect(await texts('')).toEqual(['one', 'two', 'three'])
    expect(await texts('?after=1')).toEqual(['two', 'three'])
    expect(await texts('?count=1')).toEqual(['three'])
    expect(await texts('?id=aaaaaaaa')).toEqual(['one', 'three'])
    const { lines, last } = await api.get('/api/v1/logs?id=bbbbbbbb')
    const line = {
      number: 2,
      time_ms: 1_700_000_000_000,
      level: 'info',
      id: 'bbbbbbbb',
      text: 'two',
      fields: { stream: 'a' },
    }
    expect([lines, last]).toEqual([[line], 3])
    const { headers } = await api.ask('/api/v1/logs', 'GET', 'Origin: http://elsewhere')
    expect(headers['access-control-allow-origin']).toBeUndefined()
    const open = await api.ask('/api/v1/versions', 'GET', 'Origin: http://elsewhere')
    expect(open.headers['access-control-allow-origin']).toBe('*')
  })
})

describe('the history', () => {
  test('has samples of bytes, players and processor; behind a time only newer ones', async () => {
    const api = await serveApi()
    await startPublisher(api.server)
    const samples = async (after = 0): Promise<Record<string, unknown>[]> =>
      (await api.get(`/api/v1/history?after=${after}`))['samples'] as Record<string, unknown>[]
    const [first] = await samples()
    expect(first).toEqual({
      time_ms: NUMBER,
      recv_kbps: 0,
      send_kbps: 0,
      streams: NUMBER,
      players: {},
      cpu_percent: NUMBER,
      loop_delay_ms: null,
    })
    expect(await samples(Number(first?.['time_ms']))).toEqual([])
  })
})

describe('a stream', () => {
  test('tells its players by protocol, where they find it, and whence it comes', async () => {
    const api = await serveApi()
    await startPublisher(api.server, 'cam')
    await startPlayer(api.server, 'cam')
    await startPlayer(api.server, 'cam')
    const player = await FlvPlayer.start(api.server, '/live/cam.flv')
    await eventually('the players', () => api.server.server.clients.size >= 4)
    const [stream] = await api.list('streams')
    expect(stream).toMatchObject({
      players: { rtmp: 2, flv: 1 },
      places: { rtmp: '/live/cam', flv: '/live/cam.flv', hls: null },
      publish: { active: true, type: 'flash-publish', ip: '127.0.0.1' },
    })
    expect(player).toBeDefined()
  })
})

describe('the topology', () => {
  test('says where the server listens and what its vhosts are to the cluster', async () => {
    const cluster = {
      mode: 'remote' as const,
      origin: [
        { host: '10.0.0.1', port: null },
        { host: '::1', port: 1936 },
      ],
      originCluster: false,
      coworkers: [],
    }
    const vhosts = new Map([
      ['__defaultVhost__', { name: '__defaultVhost__', enabled: true, dvr: { dvrMount: '/recordings/' } }],
      ['edge', { name: 'edge', enabled: true, cluster }],
    ])
    const api = await serveApi({ vhosts })
    const { listens, registry, sought, redirects, vhosts: shown } = await api.get('/api/v1/topology')
    expect(listens).toMatchObject({ rtmp: [`127.0.0.1:${api.server.rtmpPort}`], rtmps: [] })
    expect([registry, sought, redirects]).toEqual([null, 5, 6])
    const own = { mode: 'local', origins: [], origin_cluster: false, coworkers: [], recordings: '/recordings/' }
    const edge = { mode: 'remote', origins: ['10.0.0.1', '[::1]:1936'], recordings: null }
    expect(shown).toEqual([
      { name: '__defaultVhost__', ...own },
      { name: 'edge', ...own, ...edge },
    ])
  })
})

describe('the console', () => {
  const file = { contentType: 'text/html; charset=utf-8', bytes: Buffer.from('<!doctype html>') }
  const console = new Map([['/index.html', file]])

  test('is there, with a policy that lets nothing in but the streams of this host', async () => {
    const api = await serveApi({ console })
    expect((await api.ask('/console')).headers['location']).toBe('/console/')
    const { status, body, headers } = await api.ask('/console/')
    expect([status, body]).toEqual([200, '<!doctype html>'])
    const { httpPort } = api.server
    const policy = String(headers['content-security-policy'])
    expect(policy).toContain(`connect-src 'self' http://127.0.0.1:${httpPort} ws://127.0.0.1:${httpPort};`)
    expect(policy).not.toContain('unsafe')
    const probe = await HttpProbe.open({ httpPort: api.services.addresses.api[0]?.port ?? 0 })
    probe.raw.write("GET /console/ HTTP/1.1\r\nHost: x; script-src 'unsafe-inline'\r\nConnection: close\r\n\r\n")
    expect(String((await probe.head()).headers['content-security-policy'])).not.toContain('unsafe')
    probe.raw.end()
    expect((await api.ask('/console/nothing')).status).toBe(404)
  })

  test('asks for the name and the password of the API', async () => {
    const auth = { enabled: true, username: 'admin', password: 'secret' }
    const api = await serveApi({ console, httpApi: { auth } })
    const refused = await api.ask('/console/')
    expect([refused.status, refused.headers['www-authenticate']]).toEqual([
      401,
      'Basic realm="Sluice", charset="UTF-8"',
    ])
    const basic = `Authorization: Basic ${Buffer.from('admin:secret').toString('base64')}`
    expect((await api.ask('/console/', 'GET', basic)).status).toBe(200)
  })
})
