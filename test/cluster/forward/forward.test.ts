import { describe, expect, test } from 'vitest'
import { ecmaArray } from '../../../src/rtmp/amf0.ts'
import { RtmpProbe, startPlayer, startPublisher } from '../../server/rtmp-probe.ts'
import { eventually } from '../../server/support.ts'
import { CallbackServer } from '../../support/callback-server.ts'
import { TestHouse } from '../../support/house.ts'

const PATIENT = 'publish { normal_timeout 60000; }'
const API = 'http_api { enabled on; listen 127.0.0.1:0; }'

function conf(vhost = '', root = ''): string {
  return `listen 127.0.0.1:0; ${API} ${root}\nvhost __defaultVhost__ { min_latency on; ${PATIENT} ${vhost} }\n`
}

function destination(house: TestHouse): string {
  return `forward { enabled on; destination 127.0.0.1:${house.rtmpPort}; }`
}

/** The streams that somebody publishes there, as its log says. */
function published(house: TestHouse): string[] {
  return house.logged('publishing').map(({ stream, param }) => `${String(stream)}${String(param)}`)
}

describe('a forward', () => {
  test('gives the other server metadata, headers and every frame', async () => {
    const copy = await TestHouse.open(conf())
    const origin = await TestHouse.open(conf(destination(copy)))
    const player = await startPlayer(copy, 'cam')
    const publisher = await RtmpProbe.connected(origin)
    await publisher.publish('cam')
    publisher.data(0, '@setDataFrame', 'onMetaData', ecmaArray({ videocodecid: 7, audiocodecid: 10, duration: 9 }))
    await publisher.begin()
    publisher.data(40, 'onCuePoint', 'now')
    publisher.media('video inter', 40, '2')
    const first = await player.next((seen) => seen.label === 'data onMetaData')
    expect(first.args[0]).toMatchObject({ videocodecid: 7, audiocodecid: 10 })
    expect(first.args[0]).not.toHaveProperty('duration')
    for (const label of ['audio header h1', 'video header h1', 'video key k1', 'audio frame a1', 'video inter 2']) {
      await player.next(label)
    }
    expect(player.labels).toContain('data onCuePoint')
    publisher.raw.end()
    await eventually('the end of the publish there', () => copy.logged('unpublished').length === 1)
  })

  test('keeps vhost, app, stream and query', async () => {
    const copy = await TestHouse.open(`${conf()}vhost own.example { ${PATIENT} }`)
    const origin = await TestHouse.open(`${conf()}vhost own.example { ${PATIENT} ${destination(copy)} }`)
    const publisher = await RtmpProbe.open(origin.rtmpPort)
    publisher.connect('a/b', { tcUrl: 'rtmp://own.example/a/b' })
    await publisher.publish('cam?k=v&x=1')
    await publisher.begin()
    await eventually('the publish there', () => copy.logged('publishing').length === 1)
    expect(published(copy)).toEqual(['own.example/a/b/cam?k=v&x=1'])
  })

  test('goes to all destinations, and one that refuses does not concern the others', async () => {
    const [one, two] = [await TestHouse.open(conf()), await TestHouse.open(conf())]
    await startPublisher(one, 'cam')
    const both = `destination 127.0.0.1:${one.rtmpPort} 127.0.0.1:${two.rtmpPort};`
    const origin = await TestHouse.open(conf(`forward { enabled on; ${both} }`))
    await startPublisher(origin, 'cam')
    await eventually('the forward to the other', () => two.logged('publishing').length === 1)
    await eventually('the refusal', () => origin.logged('forward failed: tried again every 3 s').length === 1)
    const [failure] = origin.logged('forward failed: tried again every 3 s')
    expect(failure).toMatchObject({ to: `rtmp://127.0.0.1:${one.rtmpPort}/live/cam` })
    expect(failure?.['reason']).toMatch(/BadName/)
  })

  test('does not bring a stream back to a server through which it has come', async () => {
    const one = await TestHouse.open(conf())
    const two = await TestHouse.open(conf(destination(one)))
    const three = await TestHouse.open(conf(destination(two)))
    await one.reload(conf(destination(three)))
    const publisher = await startPublisher(one, 'cam')
    await eventually('the refusal', () => two.logged('forward failed: tried again every 3 s').length === 1)
    expect(two.logged('forward failed: tried again every 3 s')[0]?.['reason']).toMatch(/loop/)
    expect([three, two].map((house) => house.logged('publishing').length)).toEqual([1, 1])
    expect(one.logged('publishing').length).toBe(1)
    publisher.raw.end()
    await eventually('the end everywhere', () => [one, two, three].every(({ house }) => house.streams === 0))
  })

  test('is shown by the API', async () => {
    const copy = await TestHouse.open(conf())
    await startPublisher(copy, 'busy')
    const origin = await TestHouse.open(conf(destination(copy)))
    await startPublisher(origin, 'cam')
    await startPublisher(origin, 'busy')
    await eventually('the refusal', () => origin.logged('forward failed: tried again every 3 s').length === 1)
    await eventually('the forward', () => copy.logged('publishing').length === 2)
    const { forwards, total } = JSON.parse((await origin.ask('/api/v1/forwards')).body) as {
      forwards: Record<string, unknown>[]
      total: number
    }
    expect(total).toBe(2)
    const to = `rtmp://127.0.0.1:${copy.rtmpPort}/live`
    expect(forwards).toMatchObject([
      { url: '/live/cam', to: `${to}/cam`, active: true, dropped_packets: 0, error: '' },
      { url: '/live/busy', to: `${to}/busy`, active: false, alive: 0, send_bytes: 0 },
    ])
    expect(forwards[1]?.['error']).toMatch(/BadName/)
    expect(forwards[0]?.['send_bytes']).toBeGreaterThan(3_000)
  })

  test('begins and ends with a reload, for streams that run, and is left alone when it has not changed', async () => {
    const [one, two] = [await TestHouse.open(conf()), await TestHouse.open(conf())]
    const origin = await TestHouse.open(conf())
    await startPublisher(origin, 'cam')
    await origin.reload(conf(destination(one)))
    await eventually('the forward', () => one.logged('publishing').length === 1)
    const both = `destination 127.0.0.1:${one.rtmpPort} 127.0.0.1:${two.rtmpPort};`
    await origin.reload(conf(`forward { enabled on; ${both} }`))
    await eventually('the other forward', () => two.logged('publishing').length === 1)
    await origin.reload(conf(destination(two)))
    await eventually('the end of the first', () => one.logged('unpublished').length === 1)
    expect([one.logged('publishing').length, two.logged('publishing').length]).toEqual([1, 1])
    expect(two.logged('unpublished')).toEqual([])
    await origin.reload(conf())
    await eventually('the end of the other', () => two.logged('unpublished').length === 1)
  })
})

describe('forward.backend', () => {
  const asking = (backEnd: CallbackServer): string => `forward { enabled on; backend ${backEnd.url('/f')}; }`
  const naming = (...urls: string[]): { body: string } => ({ body: JSON.stringify({ code: 0, data: { urls } }) })

  test('is asked in the words of SRS and says where to', async () => {
    const backEnd = await CallbackServer.start()
    const copy = await TestHouse.open(conf())
    backEnd.reply = () =>
      naming(
        `rtmp://127.0.0.1:${copy.rtmpPort}/other/name?a=b`,
        'http://elsewhere/x',
        `rtmp://127.0.0.1:${copy.rtmpPort}/more/s`,
      )
    const unused = `destination 127.0.0.1:1;`
    const origin = await TestHouse.open(conf(asking(backEnd).replace('backend', `${unused} backend`)))
    await startPublisher(origin, 'cam?who=me')
    await eventually('both forwards', () => copy.logged('publishing').length === 2)
    expect(published(copy).toSorted()).toEqual(['__defaultVhost__/more/s', '__defaultVhost__/other/name?a=b'])
    expect(backEnd.calls.length).toBe(1)
    const body = backEnd.calls[0]?.body ?? {}
    expect(Object.keys(body)).toEqual(
      'server_id service_id action client_id ip vhost app tcUrl stream param'.split(' '),
    )
    expect(body).toMatchObject({ action: 'on_forward', app: 'live', stream: 'cam', param: '?who=me' })
    expect(origin.logged('forward.backend has named what is no address').length).toBe(1)
  })

  test('may name nothing, then nothing is forwarded', async () => {
    const backEnd = await CallbackServer.start()
    const origin = await TestHouse.open(conf(asking(backEnd)))
    const publisher = await startPublisher(origin, 'cam')
    expect(backEnd.calls.length).toBe(1)
    expect(origin.logged('forwarding')).toEqual([])
    publisher.raw.end()
    await eventually('the end', () => origin.house.streams === 0)
  })

  test.each([
    ['says no', () => ({ body: '{"code":1}' })],
    ['fails', () => ({ status: 500 })],
    ['does not answer', () => 'close' as const],
  ])('that %s does not let the publisher in', async (_what, reply) => {
    const backEnd = await CallbackServer.start()
    backEnd.reply = reply
    const origin = await TestHouse.open(conf(asking(backEnd)))
    const publisher = await RtmpProbe.connected(origin)
    await expect(publisher.publish('cam')).rejects.toThrow(/Publish\.Denied|ended/)
    expect(origin.house.streams).toBe(0)
  })

  test('is asked anew when a reload names another one', async () => {
    const [before, after] = [await CallbackServer.start(), await CallbackServer.start()]
    const copy = await TestHouse.open(conf())
    after.reply = () => naming(`rtmp://127.0.0.1:${copy.rtmpPort}/live/new`)
    const origin = await TestHouse.open(conf(asking(before)))
    await startPublisher(origin, 'cam')
    await origin.reload(conf(asking(after)))
    await eventually('the forward', () => copy.logged('publishing').length === 1)
    expect([before.calls.length, after.calls.length]).toEqual([1, 1])
  })
})
