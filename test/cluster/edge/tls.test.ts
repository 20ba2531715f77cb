import { expect, test } from 'vitest'
import { FlvPlayer } from '../../server/http-probe.ts'
import { startPlayer, startPublisher } from '../../server/rtmp-probe.ts'
import { eventually } from '../../server/support.ts'
import { TestHouse } from '../../support/house.ts'
import { TestCertificate } from '../../support/tls.ts'
import { cluster, conf } from './support.ts'

/** An origin whose certificate nobody has signed but itself. */
async function openOrigin(): Promise<{ origin: TestHouse; rtmps: number; https: number }> {
  const secure = `{ enabled on; listen 127.0.0.1:0; ${TestCertificate.make().directives} }`
  const text = conf({ root: `rtmps ${secure}` }).replace('http_server {', `http_server { https ${secure}`)
  const origin = await TestHouse.open(text)
  const { rtmps, https } = origin.house.addresses
  return { origin, rtmps: rtmps[0]?.port ?? 0, https: https[0]?.port ?? 0 }
}

test.each(['rtmps', 'flvs'] as const)(
  'an edge pulls over %s; with origin_verify off from any origin',
  async (protocol) => {
    const { origin, rtmps, https } = await openOrigin()
    const publisher = await startPublisher(origin)
    const port = protocol === 'rtmps' ? rtmps : https
    const edge = await TestHouse.open(conf({ vhost: cluster([port], `protocol ${protocol}; origin_verify off;`) }))
    const player = await startPlayer(edge)
    await player.next('video key k1')
    publisher.media('video inter', 40, 'i2')
    await player.next('video inter i2')
    expect(edge.logged('pulling')[0]).toMatchObject({ protocol })
  },
)

test.each(['rtmps', 'flvs'] as const)(
  'over %s an origin with a certificate that does not count is not asked',
  async (protocol) => {
    const { origin, rtmps, https } = await openOrigin()
    await startPublisher(origin)
    const port = protocol === 'rtmps' ? rtmps : https
    const edge = await TestHouse.open(conf({ vhost: cluster([port], `protocol ${protocol};`) }))
    await startPlayer(edge)
    await eventually('the end of the pull', () => edge.logged('pull ended').length > 0)
    expect(edge.logged('pull ended')[0]?.['reason']).toMatch(/self-signed certificate/)
    expect(origin.logged('playing')).toEqual([])
  },
)

test('an edge passes its publishers on over RTMPS', async () => {
  const { origin, rtmps } = await openOrigin()
  const edge = await TestHouse.open(conf({ vhost: cluster([rtmps], 'protocol rtmps; origin_verify off;') }))
  const publisher = await startPublisher(edge)
  const player = await FlvPlayer.playing(origin, '/live/cam.flv')
  publisher.media('video key', 40, 'k2')
  await player.next('video key k2')
})
