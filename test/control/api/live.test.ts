import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { MSG } from '../../../src/rtmp/message.ts'
import { readAll } from '../../format/flv/read-all.ts'
import { FlvPlayer, HttpProbe } from '../../server/http-probe.ts'
import { RtmpProbe, startPlayer, startPublisher } from '../../server/rtmp-probe.ts'
import { eventually } from '../../server/support.ts'
import { type ApiServer, serveApi } from './support.ts'

const INT = expect.any(Number) as number
const TEXT = expect.any(String) as string
const VID = expect.stringMatching(/^vid-[0-9a-z]{7}$/) as string
const CID = expect.stringMatching(/^[0-9a-z]{8}$/) as string
const KBPS = { recv_30s: INT, send_30s: INT }

/** Publishes the beginning of a real stream, as ffmpeg does. */
async function publishReal(api: ApiServer): Promise<RtmpProbe> {
  const file = readFileSync('test/fixtures/media/h264-aac.flv')
  const { tags } = readAll(file, () => file.length)
  const probe = await RtmpProbe.connected(api.server, 'live', { pageUrl: 'http://page/', swfUrl: 'http://swf/' })
  probe.command('releaseStream', 2, null, 'cam')
  await probe.publish('cam')
  for (const { typeId, timestampMs, payload } of tags.slice(0, 60)) {
    if (typeId === MSG.AUDIO || typeId === MSG.VIDEO) probe.send({ typeId, timestampMs, streamId: 1, payload })
  }
  await probe.ping()
  return probe
}

describe('vhosts', () => {
  test('are those of the configuration, also when nobody is there', async () => {
    const vhosts = new Map([
      ['__defaultVhost__', { name: '__defaultVhost__', enabled: true }],
      ['a.com', { name: 'a.com', enabled: false, hls: { enabled: true, hlsFragmentMs: 2_500 } }],
    ])
    const api = await serveApi({ vhosts })
    const idle = { clients: 0, streams: 0, send_bytes: 0, recv_bytes: 0, kbps: { recv_30s: 0, send_30s: 0 } }
    const { vhosts: list, total } = await api.get('/api/v1/vhosts/')
    expect(total).toBe(2)
    expect(list).toEqual([
      { id: VID, name: '__defaultVhost__', enabled: true, ...idle, hls: { enabled: false } },
      { id: VID, name: 'a.com', enabled: false, ...idle, hls: { enabled: true, fragment: 2.5 } },
    ])
    expect(await api.list('vhosts')).toEqual(list)
  })

  test('count the streams, clients and bytes of all their streams', async () => {
    const api = await serveApi()
    await startPublisher(api.server, 'one')
    await startPublisher(api.server, 'two')
    const player = await startPlayer(api.server, 'one')
    await player.next('video key k1')
    const [vhost] = await api.list('vhosts')
    expect(vhost).toMatchObject({ streams: 2, clients: 3 })
    const streams = await api.list('streams')
    const sum = (name: string): number => streams.reduce((all, stream) => all + Number(stream[name]), 0)
    expect([vhost?.['send_bytes'], vhost?.['recv_bytes']]).toEqual([sum('send_bytes'), sum('recv_bytes')])
    expect(sum('recv_bytes')).toBeGreaterThan(3 * 3_000)
  })

  test('one is found by its id; another id is 404 with the code of SRS', async () => {
    const api = await serveApi()
    const [vhost] = await api.list('vhosts')
    expect((await api.get(`/api/v1/vhosts/${String(vhost?.['id'])}`))['vhost']).toEqual(vhost)
    const { status, json } = await api.ask('/api/v1/vhosts/vid-0000000')
    expect([status, json['code']]).toEqual([404, 2014])
  })
})

describe('streams', () => {
  test('there are none at first', async () => {
    const api = await serveApi()
    expect(await api.get('/api/v1/streams/')).toMatchObject({ streams: [], total: 0 })
  })

  test('one that is waited for has no publisher, no picture and no sound', async () => {
    const api = await serveApi()
    await startPlayer(api.server, 'cam')
    expect(await api.list('streams')).toEqual([
      {
        id: VID,
        name: 'cam',
        vhost: VID,
        app: 'live',
        tcUrl: 'rtmp://127.0.0.1/live',
        url: '/live/cam',
        live_ms: INT,
        clients: 1,
        frames: 0,
        send_bytes: INT,
        recv_bytes: INT,
        kbps: KBPS,
        dropped_packets: 0,
        players: { rtmp: 1 },
        places: { rtmp: '/live/cam', flv: '/live/cam.flv', hls: null },
        publish: { active: false },
        video: null,
        audio: null,
        atc: null,
      },
    ])
  })

  test('one that is published tells its publisher, codecs and frames', async () => {
    const api = await serveApi()
    await publishReal(api)
    const [stream] = await api.list('streams')
    const [vhost] = await api.list('vhosts')
    const [client] = await api.list('clients')
    expect(stream).toEqual({
      id: VID,
      name: 'cam',
      vhost: vhost?.['id'],
      app: 'live',
      tcUrl: 'rtmp://127.0.0.1/live',
      url: '/live/cam',
      live_ms: INT,
      clients: 1,
      frames: INT,
      send_bytes: client?.['send_bytes'],
      recv_bytes: client?.['recv_bytes'],
      kbps: KBPS,
      dropped_packets: 0,
      players: {},
      places: { rtmp: '/live/cam', flv: '/live/cam.flv', hls: null },
      publish: { active: true, cid: client?.['id'], alive: INT, type: 'fmle-publish', ip: '127.0.0.1' },
      video: { codec: 'H264', profile: 'High', level: '3', width: 640, height: 360, fps: INT },
      audio: { codec: 'AAC', sample_rate: 44_100, channel: 1, profile: 'LC' },
      atc: null,
    })
    expect(stream?.['frames']).toBeGreaterThan(10)
    expect((await api.get(`/api/v1/streams/${String(stream?.['id'])}`))['stream']).toMatchObject({ id: stream?.['id'] })
  })

  test('one with an odd name is shown as it is, and one of another vhost with its vhost', async () => {
    const api = await serveApi({ vhost: { name: 'a.com' } })
    await startPublisher(api.server, 'ca m"<é>', 'a/b')
    expect(await api.list('streams')).toMatchObject([{ name: 'ca m"<é>', app: 'a/b', url: 'a.com/a/b/ca m"<é>' }])
  })

  test('leave the list with their last client, and an unknown id is 404 with the code of SRS', async () => {
    const api = await serveApi()
    const publisher = await startPublisher(api.server)
    const [stream] = await api.list('streams')
    publisher.raw.end()
    await eventually('the end of the publisher', () => api.server.server.hub.size === 0)
    expect(await api.list('streams')).toEqual([])
    const { status, json } = await api.ask(`/api/v1/streams/${String(stream?.['id'])}`)
    expect([status, json['code']]).toEqual([404, 2048])
  })

  test('keep their id over publishers that come and go', async () => {
    const api = await serveApi()
    await startPlayer(api.server, 'cam')
    const [waiting] = await api.list('streams')
    const publisher = await startPublisher(api.server)
    const [published] = await api.list('streams')
    publisher.raw.end()
    await eventually('the end of the publisher', () => [...api.server.server.hub.sources][0]?.publication === null)
    const [after] = await api.list('streams')
    expect([published?.['id'], after?.['id']]).toEqual([waiting?.['id'], waiting?.['id']])
    expect([published?.['frames'], after?.['frames']]).toEqual([1, 1])
    expect(after?.['recv_bytes']).toBeGreaterThanOrEqual(Number(published?.['recv_bytes']))
  })
})

describe('clients', () => {
  test('publisher, RTMP player and HTTP-FLV player have the fields of SRS', async () => {
    const api = await serveApi()
    await publishReal(api)
    const player = await startPlayer(api.server, 'cam', -1)
    await eventually('a picture', () => player.mediaMessages.length > 0)
    const flv = await FlvPlayer.start(api.server, '/live/cam.flv?token=secret', 'Referer: http://site/')
    await flv.started()
    const [stream] = await api.list('streams')
    const common = {
      id: CID,
      vhost: stream?.['vhost'],
      stream: stream?.['id'],
      ip: '127.0.0.1',
      pageUrl: '',
      swfUrl: '',
      tcUrl: 'rtmp://127.0.0.1/live',
      url: '/live/cam',
      name: 'cam',
      publish: false,
      alive: INT,
      send_bytes: INT,
      recv_bytes: INT,
      kbps: KBPS,
      queue: { pending_bytes: INT, dropped_packets: 0 },
    }
    const flvUrls = { tcUrl: 'http://127.0.0.1/live', pageUrl: 'http://site/' }
    expect(await api.list('clients')).toEqual([
      { ...common, type: 'fmle-publish', publish: true, pageUrl: 'http://page/', swfUrl: 'http://swf/', queue: null },
      { ...common, type: 'rtmp-play' },
      { ...common, ...flvUrls, type: 'flv-play', name: 'cam.flv' },
    ])
    expect(stream?.['clients']).toBe(3)
  })

  test('who has not said what it wants is not one', async () => {
    const api = await serveApi()
    await RtmpProbe.connected(api.server)
    expect(await api.list('clients')).toEqual([])
  })

  test('one is found by its id, which is that of the log; another id is 404 with the code of SRS', async () => {
    const api = await serveApi()
    await startPublisher(api.server)
    const [client] = await api.list('clients')
    const id = String(client?.['id'])
    expect((await api.get(`/api/v1/clients/${id}`))['client']).toMatchObject({ id, url: '/live/cam' })
    expect(api.server.lines.some(({ fields }) => fields['cid'] === id)).toBe(true)
    const { status, json } = await api.ask('/api/v1/clients/nobody00')
    expect([status, json['code']]).toEqual([404, 2049])
  })
})

describe('paging', () => {
  test('gives as many as asked for, ten at first, and says how many there are', async () => {
    const api = await serveApi()
    for (let at = 0; at < 12; at++) await startPlayer(api.server, `cam${at}`)
    const names = async (query: string): Promise<unknown[]> =>
      (await api.list('clients', query)).map((client) => client['name'])
    expect(await names('')).toEqual(Array.from({ length: 10 }, (_, at) => `cam${at}`))
    expect(await names('?count=1')).toEqual(['cam0'])
    expect(await names('?start=10')).toEqual(['cam10', 'cam11'])
    expect(await names('?start=3&count=2')).toEqual(['cam3', 'cam4'])
    expect(await names('?start=12&count=2')).toEqual([])
    expect(await names('?count=0')).toEqual([])
    expect(await names('?count=100')).toHaveLength(12)
    expect((await api.list('streams', '?start=11'))[0]).toMatchObject({ name: 'cam11' })
    expect(await api.get('/api/v1/clients?count=1')).toMatchObject({ total: 12 })
  })

  test.each(['count=x', 'start=-1', 'count=1.5', 'start=', 'count=99999999999'])('%s is an error', async (query) => {
    const api = await serveApi()
    for (const name of ['vhosts', 'streams', 'clients', 'clients/recent']) {
      const { status, json } = await api.ask(`/api/v1/${name}?${query}`)
      expect([status, json['code']]).toEqual([400, 400])
    }
  })

  test('a long list is whole', async () => {
    const api = await serveApi({ options: { maxConnections: 1_000 } })
    for (let at = 0; at < 300; at++) {
      const probe = await HttpProbe.open(api.server)
      probe.request('/live/cam.flv')
    }
    await eventually('all players', () => api.server.server.clients.size === 300)
    const clients = await api.list('clients', '?count=1000')
    expect(new Set(clients.map(({ id }) => id)).size).toBe(300)
  })
})

describe('DELETE of a client', () => {
  test.each(['publisher', 'RTMP player', 'HTTP-FLV player'])('%s: answers when it is gone', async (kind) => {
    const api = await serveApi()
    const publisher = await startPublisher(api.server)
    const raw =
      kind === 'publisher'
        ? publisher.raw
        : kind === 'RTMP player'
          ? (await startPlayer(api.server)).raw
          : (await FlvPlayer.playing(api.server, '/live/cam.flv')).probe.raw
    const id = String((await api.list('clients')).at(-1)?.['id'])
    const { status, json } = await api.ask(`/api/v1/clients/${id}`, 'DELETE')
    expect([status, json]).toEqual([200, { code: 0, server: 'vid-server1', service: TEXT, pid: TEXT }])
    expect(api.server.server.clients.get(id)).toBeNull()
    expect((await api.list('clients')).map((client) => client['id'])).not.toContain(id)
    await raw.untilOver()
    const again = await api.ask(`/api/v1/clients/${id}`, 'DELETE')
    expect([again.status, again.json['code']]).toEqual([404, 2049])
    expect(await api.list('clients', 'recent')).toMatchObject([{ id, reason: 'kicked', error: false }])
  })

  test('without an id is 405: there is no such thing as all clients', async () => {
    const api = await serveApi()
    expect((await api.ask('/api/v1/clients/', 'DELETE')).status).toBe(405)
  })
})

describe('clients/recent', () => {
  test('says of the last clients why they ended, the newest first', async () => {
    const api = await serveApi()
    const publisher = await startPublisher(api.server)
    const player = await startPlayer(api.server)
    player.raw.end()
    await eventually('the end of the player', () => api.server.server.clients.size === 1)
    publisher.raw.write(Buffer.alloc(64, 0xff))
    await eventually('the end of the publisher', () => api.server.server.clients.size === 0)
    expect(await api.list('clients', 'recent')).toEqual([
      {
        id: CID,
        ip: '127.0.0.1',
        url: '/live/cam',
        type: 'flash-publish',
        alive: INT,
        ended_ms: INT,
        send_bytes: INT,
        recv_bytes: INT,
        reason: TEXT,
        error: true,
      },
      expect.objectContaining({ type: 'rtmp-play', reason: 'peer ended', error: false }) as object,
    ])
  })
})
