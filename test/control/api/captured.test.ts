import { describe, expect, test } from 'vitest'
import { FlvPlayer } from '../../server/http-probe.ts'
import { movieTags, sendMovie } from '../../server/movie.ts'
import { RtmpProbe, startPlayer } from '../../server/rtmp-probe.ts'
import { eventually } from '../../server/support.ts'
import { type ApiServer, serveApi } from './support.ts'

// What an SRS 7.0.18 answered to the same requests: whoever reads that must be able to read ours.
const ENVELOPE = { code: 0, server: 'vid-l6m4m18', service: '4d6u1f2p', pid: '12345' }
const PUBLISHED = {
  id: 'vid-627v724',
  name: 'livestream',
  vhost: 'vid-q855fs2',
  app: 'live',
  tcUrl: 'rtmp://127.0.0.1:1935/live',
  url: '/live/livestream',
  live_ms: 1_795_385_946_238,
  clients: 4,
  frames: 27_128,
  send_bytes: 73_561_799,
  recv_bytes: 36_073_653,
  kbps: { recv_30s: 262, send_30s: 532 },
  publish: { active: true, cid: '24a7s0r5' },
  video: { codec: 'H264', profile: 'High', level: '1.3', width: 320, height: 240 },
  audio: { codec: 'AAC', sample_rate: 44_100, channel: 2, profile: 'LC' },
}
const IDLE = { ...PUBLISHED, publish: { active: false }, video: null, audio: null }
const CLIENT = {
  id: '033sen53',
  vhost: 'vid-q855fs2',
  stream: 'vid-627v724',
  ip: '127.0.0.1',
  pageUrl: '',
  swfUrl: '',
  tcUrl: 'rtmp://127.0.0.1:1935/live',
  url: '/live/livestream',
  name: 'livestream',
  type: 'rtmp-play',
  publish: false,
  alive: 1082.44,
  send_bytes: 36_317_054,
  recv_bytes: 4_242,
  kbps: { recv_30s: 0, send_30s: 264 },
}
const VHOST = {
  id: 'vid-q855fs2',
  name: '__defaultVhost__',
  enabled: true,
  clients: 4,
  streams: 1,
  send_bytes: 73_561_799,
  recv_bytes: 36_073_653,
  kbps: { recv_30s: 262, send_30s: 532 },
  hls: { enabled: true, fragment: 10 },
}
const VERSIONS = { major: 7, minor: 0, revision: 18, version: '7.0.18' }

/** Where an answer of ours has not what the answer of SRS has: a name that is missing, or a value of another type. */
function differences(theirs: unknown, ours: unknown, place = ''): string[] {
  if (theirs === null || typeof theirs !== 'object') {
    return typeName(theirs) === typeName(ours) ? [] : [`${place}: ${typeName(theirs)} is ${typeName(ours)}`]
  }
  if (ours === null || typeof ours !== 'object') return [`${place}: is ${typeName(ours)}`]
  const own = ours as Readonly<Record<string, unknown>>
  return Object.entries(theirs).flatMap(([name, value]) => differences(value, own[name], `${place}.${name}`))
}

function typeName(value: unknown): string {
  return value === null ? 'null' : typeof value
}

async function publish(api: ApiServer): Promise<RtmpProbe> {
  const probe = await RtmpProbe.connected(api.server, 'live')
  probe.command('releaseStream', 2, null, 'livestream')
  await probe.publish('livestream')
  await sendMovie(probe, movieTags().slice(0, 60))
  return probe
}

describe('every field of an answer of SRS is there, and of the same type:', () => {
  test('versions', async () => {
    const api = await serveApi()
    expect(differences({ ...ENVELOPE, data: VERSIONS }, await api.get('/api/v1/versions'))).toEqual([])
  })

  test('vhosts', async () => {
    const hls = { enabled: true, hlsFragmentMs: 10_000 }
    const api = await serveApi({
      vhosts: new Map([['__defaultVhost__', { name: '__defaultVhost__', enabled: true, hls }]]),
    })
    await publish(api)
    const list = await api.get('/api/v1/vhosts/')
    expect(differences({ ...ENVELOPE, vhosts: [VHOST] }, list)).toEqual([])
    const [vhost] = await api.list('vhosts')
    expect(
      differences({ ...ENVELOPE, vhost: VHOST }, await api.get(`/api/v1/vhosts/${String(vhost?.['id'])}`)),
    ).toEqual([])
  })

  test('streams, while nobody publishes and while somebody does', async () => {
    const api = await serveApi()
    await startPlayer(api.server, 'livestream')
    expect(differences({ ...ENVELOPE, streams: [IDLE] }, await api.get('/api/v1/streams/'))).toEqual([])
    await publish(api)
    expect(differences({ ...ENVELOPE, streams: [PUBLISHED] }, await api.get('/api/v1/streams/'))).toEqual([])
    const [stream] = await api.list('streams')
    const one = await api.get(`/api/v1/streams/${String(stream?.['id'])}`)
    expect(differences({ ...ENVELOPE, stream: PUBLISHED }, one)).toEqual([])
  })

  test('clients: an RTMP publisher, an RTMP player, an HTTP-FLV player', async () => {
    const api = await serveApi()
    await publish(api)
    await startPlayer(api.server, 'livestream')
    const flv = await FlvPlayer.start(api.server, '/live/livestream.flv')
    await flv.started()
    await eventually('three clients', () => api.server.server.clients.size === 3)
    const list = await api.get('/api/v1/clients/')
    expect(differences({ ...ENVELOPE, clients: [CLIENT, CLIENT, CLIENT] }, list)).toEqual([])
    const clients = await api.list('clients')
    expect(clients.map(({ type, name, publish: isPublisher }) => [type, name, isPublisher])).toEqual([
      ['fmle-publish', 'livestream', true],
      ['rtmp-play', 'livestream', false],
      ['flv-play', 'livestream.flv', false],
    ])
    const one = await api.get(`/api/v1/clients/${String(clients[0]?.['id'])}`)
    expect(differences({ ...ENVELOPE, client: CLIENT }, one)).toEqual([])
  })

  test('the kick of a client', async () => {
    const api = await serveApi()
    await publish(api)
    const [client] = await api.list('clients')
    const { json } = await api.ask(`/api/v1/clients/${String(client?.['id'])}`, 'DELETE')
    expect(differences(ENVELOPE, json)).toEqual([])
  })

  test('errors, whose codes are those of SRS', async () => {
    const api = await serveApi()
    const codes = {
      '/api/v1/vhosts/x': 2014,
      '/api/v1/streams/x': 2048,
      '/api/v1/clients/x': 2049,
      '/api/v1/raw': 1060,
    }
    for (const [path, code] of Object.entries(codes)) expect((await api.ask(path)).json).toMatchObject({ code })
    expect((await api.ask('/api/v1/clients/x', 'DELETE')).json).toMatchObject({ code: 2049 })
  })
})
