import { readFileSync } from 'node:fs'
import type * as tls from 'node:tls'
import { expect, test, vi } from 'vitest'
import { startPlayer, startPublisher } from '../../server/rtmp-probe.ts'
import { TestHouse } from '../../support/house.ts'
import { cluster, conf } from './support.ts'

const CERTIFICATE = new URL('../../fixtures/tls/certificate.pem', import.meta.url).pathname
const KEY = new URL('../../fixtures/tls/key.pem', import.meta.url).pathname

// What NODE_EXTRA_CA_CERTS does for a whole process.
vi.mock('node:tls', async (importActual) => {
  const actual = await importActual<typeof tls>()
  const ca = readFileSync(new URL('../../fixtures/tls/certificate.pem', import.meta.url), 'utf8')
  const connectTrusting = (options: tls.ConnectionOptions): tls.TLSSocket => actual.connect({ ...options, ca })
  return { ...actual, connect: connectTrusting }
})

test('an edge pulls over HTTPS-FLV from an origin whose certificate it trusts', async () => {
  const https = `https { enabled on; listen 127.0.0.1:0; key ${KEY}; cert ${CERTIFICATE}; }`
  const origin = await TestHouse.open(conf().replace('http_server {', `http_server { ${https}`))
  const publisher = await startPublisher(origin)
  const port = origin.house.addresses.https[0]?.port ?? 0
  const edge = await TestHouse.open(conf({ vhost: cluster([port], 'protocol flvs;') }))
  const player = await startPlayer(edge)
  await player.next('video key k1')
  publisher.media('video inter', 40, 'i2')
  await player.next('video inter i2')
  expect(edge.logged('pulling')[0]).toMatchObject({ protocol: 'flvs' })
})
