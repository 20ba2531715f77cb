import { expect, test } from 'vitest'
import { signedQuery } from '../../../src/control/security/sign.ts'
import { FlvPlayer, HttpProbe, type Response } from '../../server/http-probe.ts'
import { RtmpProbe } from '../../server/rtmp-probe.ts'
import { TestHouse } from '../../support/house.ts'

const SECRET = 'a-secret-of-the-test'
const CONF = `listen 127.0.0.1:0; http_server { enabled on; listen 127.0.0.1:0; }
vhost __defaultVhost__ { min_latency on; http_remux { enabled on; } publish { http on; normal_timeout 60000; }
  token { enabled on; secret ${SECRET}; } }\n`

function signed(server: TestHouse, role: 'publish' | 'play', stream: string): string {
  const request = { role, stream, expires: '1h', address: '' }
  return `?${signedQuery(server.house.config, request, server.world.clock.wallMs())}`
}

test('signed addresses let in over RTMP and HTTP-FLV; others do not; no token is in the log', async () => {
  const server = await TestHouse.open(CONF)
  const wrong = await RtmpProbe.connected(server)
  await wrong.createStream()
  wrong.commandOn(1, 'publish', 0, null, `cam${signed(server, 'play', 'live/cam')}`, 'live')
  await wrong.next('onStatus NetStream.Publish.Denied')

  const publisher = await RtmpProbe.connected(server)
  await publisher.publish(`cam${signed(server, 'publish', 'live/cam')}`)
  await publisher.begin()
  const query = signed(server, 'play', 'live/cam')
  const rtmp = await RtmpProbe.connected(server)
  await rtmp.play(`cam${query}`)
  await rtmp.next('video key k1')
  const flv = await FlvPlayer.playing(server, `/live/cam.flv${query}`)
  await flv.next('video key k1')
  expect((await HttpProbe.ask(server, `/live/cam.flv${query}0`)).status).toBe(403)

  const post = (stream: string, params: string): Promise<Response> =>
    HttpProbe.ask(server, `/live/${stream}.flv${params}`, 'POST', 'Content-Length: 1')
  expect((await post('other', signed(server, 'play', 'live/other'))).status).toBe(403)
  expect((await post('cam', signed(server, 'publish', 'live/cam'))).status).toBe(409)

  const [, token = ''] = /token=([0-9a-f]+)/.exec(query) ?? []
  expect(token).toHaveLength(64)
  expect(JSON.stringify(server.lines)).not.toContain(token)
  expect(server.logged('playing')).toMatchObject([
    { param: expect.stringMatching(/^\?expire=\d+&token=\*\*\*$/) },
    { param: expect.stringMatching(/^\?expire=\d+&token=\*\*\*$/) },
  ])
})
