import { describe, expect, test } from 'vitest'
import { FlvPlayer, HttpProbe } from '../../server/http-probe.ts'
import { RtmpProbe, startPublisher } from '../../server/rtmp-probe.ts'
import { eventually } from '../../server/support.ts'
import { CallbackServer } from '../../support/callback-server.ts'
import type { TestHouse } from '../../support/house.ts'
import { asking, refused, startMesh } from './support.ts'

describe('a play at an origin that does not have the stream', () => {
  test('RTMP: is answered with the place of the stream, in the form of SRS', async () => {
    const [one, two, three] = (await startMesh(3)) as [TestHouse, TestHouse, TestHouse]
    const publisher = await startPublisher(one, 'cam')
    for (const house of [two, three]) {
      const place = `rtmp://127.0.0.1:${one.rtmpPort}/live`
      expect(await refused(await asking(house, 'cam?token=a&b=c'))).toMatchObject({
        streamId: 0,
        level: 'error',
        code: 'NetConnection.Connect.Rejected',
        description: 'RTMP 302 Redirect',
        ex: { code: 302, redirect: place, redirect2: `${place}/cam?token=a&b=c` },
      })
      expect(house.logged('redirected')).toMatchObject([
        { origin: `127.0.0.1:${one.rtmpPort}`, param: '?token=***&b=c' },
      ])
      // It is no refusal that somebody should look at.
      expect(house.logged('clients were refused')).toEqual([])
    }
    // Where the stream is, nobody is asked.
    const player = await asking(one, 'cam')
    await player.next('video key k1')
    publisher.raw.end()
  })

  test('the vhost goes with it', async () => {
    const [one, two] = (await startMesh(2)) as [TestHouse, TestHouse]
    const publisher = await RtmpProbe.connected(one, 'live', { tcUrl: 'rtmp://named.example/live' })
    await publisher.publish('cam')
    await publisher.begin()
    const { ex } = await refused(await asking(two, 'cam', 'rtmp://named.example/live'))
    const place = `rtmp://127.0.0.1:${one.rtmpPort}/live`
    expect(ex).toMatchObject({
      redirect: `${place}?vhost=named.example`,
      redirect2: `${place}/cam?vhost=named.example`,
    })
    // The stream of the same name of another vhost is another one.
    const other = await asking(two, 'cam')
    await eventually('the search', () => two.logged('identified').length === 2)
    other.raw.end()
  })

  test('HTTP-FLV: 302 with the same path and query', async () => {
    const [one, two] = (await startMesh(2)) as [TestHouse, TestHouse]
    await startPublisher(one, 'cäm')
    const target = '/live/c%c3%a4m.flv?token=a+b%20c&x=/y'
    const answer = await HttpProbe.ask(two, target)
    expect([answer.status, answer.headers['location']]).toEqual([302, `http://127.0.0.1:${one.httpPort}${target}`])
    const player = await FlvPlayer.playing(one, target)
    await player.next('video key k1')
    const withHost = await HttpProbe.ask(two, 'http://127.0.0.1/live/c%c3%a4m.ts')
    expect(withHost.headers['location']).toBe(`http://127.0.0.1:${one.httpPort}/live/c%c3%a4m.ts`)
  })

  test('HLS: 302 for the playlist, whose segments are at the other server then', async () => {
    const vhost = 'hls { enabled on; hls_fragment 1; }'
    const [one, two] = (await startMesh(2, { vhost })) as [TestHouse, TestHouse]
    const publisher = await startPublisher(one, 'cam')
    const answer = await HttpProbe.ask(two, '/live/cam.m3u8?k=v')
    expect([answer.status, answer.headers['location']]).toEqual([
      302,
      `http://127.0.0.1:${one.httpPort}/live/cam.m3u8?k=v`,
    ])
    publisher.raw.end()
  })

  test('waits while the stream is nowhere, and plays when it comes here', async () => {
    const [one] = (await startMesh(2)) as [TestHouse, TestHouse]
    const player = await asking(one, 'cam')
    const flv = await FlvPlayer.start(one, '/live/cam.flv')
    await eventually('both to be known', () => one.logged('connected').length === 2)
    await startPublisher(one, 'cam')
    await player.next('video key k1')
    await flv.started()
    await flv.next('video key k1')
  })

  test('is sent to where the stream comes while it waits', async () => {
    const [one, two] = (await startMesh(2)) as [TestHouse, TestHouse]
    const player = await asking(one, 'cam')
    const publisher = await startPublisher(two, 'cam')
    expect(await refused(player)).toMatchObject({ ex: { redirect2: `rtmp://127.0.0.1:${two.rtmpPort}/live/cam` } })
    publisher.raw.end()
  })

  test('RTMP players that stay when their stream ends are sent after it when it comes elsewhere', async () => {
    const [one, two] = (await startMesh(2)) as [TestHouse, TestHouse]
    const publisher = await startPublisher(one, 'cam')
    const player = await asking(one, 'cam')
    await player.next('video key k1')
    publisher.raw.end()
    await player.next('onStatus NetStream.Play.UnpublishNotify')
    const again = await startPublisher(two, 'cam')
    await player.raw.untilOver()
    expect(one.logged('stream has moved')).toMatchObject([{ origin: `127.0.0.1:${two.rtmpPort}`, players: 1 }])
    expect(await refused(await asking(one, 'cam'))).toMatchObject({ ex: { code: 302 } })
    again.raw.end()
  })

  test('RTMP players that go while they wait are noticed', async () => {
    const [one] = (await startMesh(1, { cluster: 'wait_publisher 60;' })) as [TestHouse]
    const player = await asking(one, 'cam')
    await eventually('the player', () => one.logged('identified').length === 1)
    player.raw.end()
    await eventually('its end', () => one.house.connections === 0)
  })

  test('is refused when it is nowhere: at once where the configuration says so', async () => {
    const [one] = (await startMesh(2, { cluster: 'wait_publisher 0;' })) as [TestHouse, TestHouse]
    expect(await refused(await asking(one, 'cam'))).toMatchObject({ code: 'NetStream.Play.StreamNotFound' })
    expect(await HttpProbe.ask(one, '/live/cam.flv')).toMatchObject({ status: 404 })
  })

  test('coworkers that are dead, hang or talk nonsense hold nobody up, and the log says so once', async () => {
    const odd = await CallbackServer.start()
    odd.reply = ({ url }) => (url.includes('hangs') ? 'silence' : { body: '<html>' })
    const hanging = await CallbackServer.start()
    hanging.reply = () => 'silence'
    const others = ['127.0.0.1:1', `127.0.0.1:${odd.port}`, `127.0.0.1:${hanging.port}`]
    const [one, two] = (await startMesh(2, { others })) as [TestHouse, TestHouse]
    const publisher = await startPublisher(one, 'cam')
    for (const name of ['cam', 'cam?again'])
      expect(await refused(await asking(two, name))).toMatchObject({ ex: { code: 302 } })
    const away = two.logged('coworker cannot be asked').map(({ coworker }) => coworker)
    expect(away).toHaveLength(new Set(away).size)
    expect(odd.calls[0]?.url).toBe(
      `/api/v1/clusters?vhost=__defaultVhost__&ip=&app=live&stream=cam&coworker=127.0.0.1:${odd.port}`,
    )
    publisher.raw.end()
  })

  test('two origins that ask each other about a stream that neither has end', async () => {
    const [one, two] = (await startMesh(2, { cluster: 'wait_publisher 2;' })) as [TestHouse, TestHouse]
    const players = await Promise.all([one, two, one, two].map((house) => asking(house, 'cam')))
    for (const player of players) expect(await refused(player)).toMatchObject({ code: 'NetStream.Play.StreamNotFound' })
  })
})

describe('GET and POST /api/v1/clusters', () => {
  test('answers as SRS does, with our HTTP port', async () => {
    const [one] = (await startMesh(1)) as [TestHouse]
    await startPublisher(one, 'cam')
    const port = one.apiPort
    const ask = async (query: string, method = 'GET'): Promise<unknown> => {
      const answer = await HttpProbe.ask({ httpPort: port }, `/api/v1/clusters?${query}`, method, 'Content-Length: 0')
      return (JSON.parse(answer.body) as { data: unknown }).data
    }
    const names = 'vhost=127.0.0.1&ip=10.0.0.9&app=live&stream='
    const api = `127.0.0.1:${port}`
    for (const method of ['GET', 'POST']) {
      expect(await ask(`${names}cam&coworker=somewhere:1985`, method)).toEqual({
        query: { ip: '10.0.0.9', vhost: '127.0.0.1', app: 'live', stream: 'cam' },
        origin: {
          ip: '127.0.0.1',
          port: one.rtmpPort,
          vhost: '__defaultVhost__',
          api,
          routers: [api],
          http: one.httpPort,
        },
      })
    }
    expect(await ask(`${names}other`)).toMatchObject({ origin: null })
    expect(await ask('')).toMatchObject({ origin: null })
  })

  test('servers with a password ask with it', async () => {
    const auth = 'http_api { auth { enabled on; username admin; password secret; } }'
    const text = (house: TestHouse): string =>
      house.text.replace('127.0.0.1:0; }\n', `127.0.0.1:0; ${auth.slice(11)}\n`)
    const [one, two] = (await startMesh(2)) as [TestHouse, TestHouse]
    for (const house of [one, two]) await house.reload(text(house))
    expect((await one.ask('/api/v1/clusters')).status).toBe(401)
    const publisher = await startPublisher(one, 'cam')
    expect(await refused(await asking(two, 'cam'))).toMatchObject({ ex: { code: 302 } })
    publisher.raw.end()
  })
})
