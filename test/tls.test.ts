import { readFileSync } from 'node:fs'
import { describe, expect, onTestFinished, test } from 'vitest'
import { WebSocket } from 'ws'
import { FlvPlayer, HttpProbe, readFlv } from './server/http-probe.ts'
import { startPlayer, startPublisher } from './server/rtmp-probe.ts'
import { eventually, RawClient } from './server/support.ts'
import { TestHouse } from './support/house.ts'
import { freePort } from './support/port.ts'
import { handshake, TestCertificate, tunnelTo } from './support/tls.ts'

const PORT = 'enabled on; listen 127.0.0.1:0;'
const VHOST =
  'vhost __defaultVhost__ { min_latency on; http_remux { enabled on; } publish { normal_timeout 60000; } }\n'

/** Everything that may be served over TLS is. */
function conf({ directives }: TestCertificate, root = ''): string {
  const secure = `${PORT} ${directives}`
  const services = ['http_server', 'http_api'].map((name) => `${name} { ${PORT} https { ${secure} } }\n`).join('')
  return `listen 127.0.0.1:0;\n${services}rtmps { ${secure} }\n${root}${VHOST}`
}

/** The ports that speak TLS. */
function securePorts({ house: { addresses } }: TestHouse): { rtmps: number; https: number; api: number } {
  const port = ([first]: readonly { port: number }[]): number => first?.port ?? 0
  return { rtmps: port(addresses.rtmps), https: port(addresses.https), api: port(addresses.secureApi) }
}

/** What is known of handshakes that failed. */
function failures(server: TestHouse): unknown[] {
  return server.logged('TLS handshake failed').map(({ reason }) => reason)
}

describe('over TLS', () => {
  test('a stream is published, and played by RTMP and by HTTP-FLV', async () => {
    const server = await TestHouse.open(conf(TestCertificate.make()))
    const { rtmps, https } = securePorts(server)
    const secure = { rtmpPort: await tunnelTo(rtmps), httpPort: await tunnelTo(https) }
    const publisher = await startPublisher(secure)
    const players = [await startPlayer(secure), await startPlayer(server)]
    const watchers = [
      await FlvPlayer.playing(secure, '/live/cam.flv'),
      await FlvPlayer.playing(server, '/live/cam.flv'),
    ]
    for (let count = 1; count <= 50; count++) publisher.media('video inter', 40 * count, `${count}.`.repeat(1000))
    publisher.media('video inter', 4000, 'last')
    for (const player of [...players, ...watchers]) await player.next('video inter last')
    const [inClear, overTls] = [watchers[1], watchers[0]]
    expect(overTls?.seen.labels).toEqual(inClear?.seen.labels)
    expect(players[0]?.labels.filter((label) => label.startsWith('video'))).toEqual(
      players[1]?.labels.filter((label) => label.startsWith('video')),
    )
    publisher.raw.end()
    await Promise.all(watchers.map(({ probe }) => probe.raw.untilOver()))
  })

  test('a stream is published by POST, and played over WebSocket', async () => {
    const text = conf(TestCertificate.make()).replace('normal_timeout', 'http on; normal_timeout')
    const server = await TestHouse.open(text)
    const { https } = securePorts(server)
    const player = new WebSocket(`wss://127.0.0.1:${https}/live/cam.flv`, [], { rejectUnauthorized: false })
    onTestFinished(() => player.terminate())
    const messages: Buffer[] = []
    player.on('message', (bytes) => messages.push(bytes))
    await eventually('the player', () => server.logged('playing').length === 1)
    const probe = await HttpProbe.open({ httpPort: await tunnelTo(https) })
    const file = readFileSync(new URL('fixtures/media/h264-aac.flv', import.meta.url))
    probe.request('/live/cam.flv', 'POST', `Content-Length: ${file.length}`)
    probe.raw.write(file)
    expect((await probe.response()).status).toBe(200)
    await eventually('the end of the stream', () => readFlv(Buffer.concat(messages))?.hasVideo)
  })

  test('the API answers, several times on a connection, and the page is served', async () => {
    const server = await TestHouse.open(conf(TestCertificate.make()))
    const probe = await HttpProbe.open({ httpPort: await tunnelTo(securePorts(server).api) })
    for (let count = 0; count < 3; count++) {
      probe.request('/api/v1/versions')
      expect(await probe.response()).toMatchObject({
        status: 200,
        body: expect.stringContaining('"code":0') as unknown,
      })
    }
    const site = { httpPort: await tunnelTo(securePorts(server).https) }
    expect((await HttpProbe.ask(site, '/streams.json')).status).toBe(200)
    expect((await HttpProbe.ask(site, '/api/v1/versions')).status).toBe(404)
  })

  test('the header of a trusted proxy comes before the handshake', async () => {
    const proxied = 'trusted_proxies 127.0.0.1; proxy_protocol on;\n'
    const server = await TestHouse.open(conf(TestCertificate.make(), proxied))
    const header = 'PROXY TCP4 203.0.113.9 192.0.2.1 4711 1443\r\n'
    await startPublisher({ rtmpPort: await tunnelTo(securePorts(server).rtmps, header) })
    expect(server.logged('connected').at(-1)).toMatchObject({ peer: '203.0.113.9:4711' })
  })

  test('RTMP and RTMPS may share a port, which a reload opens and closes', async () => {
    const port = await freePort()
    const own = conf(TestCertificate.make())
    const both = own.replace('listen 127.0.0.1:0;', `listen 127.0.0.1:${port};`)
    const server = await TestHouse.open(
      both.replace('rtmps { enabled on; listen 127.0.0.1:0;', `rtmps { enabled on; listen 127.0.0.1:${port};`),
    )
    const address = [{ host: '127.0.0.1', port }]
    expect(server.house.addresses).toMatchObject({ rtmp: address, rtmps: address })
    const publisher = await startPublisher({ rtmpPort: await tunnelTo(port) })
    const player = await startPlayer({ rtmpPort: port })
    publisher.media('video inter', 40, 'from TLS to clear')
    await player.next('video inter from TLS to clear')
    const silent = await RawClient.open(port)
    silent.end()
    await silent.untilOver()
    expect(failures(server)).toEqual(['peer ended before it said anything'])
    expect(await server.reload(own)).toMatchObject({ err: 0 })
    await expect(handshake(port)).rejects.toThrow('ECONNREFUSED')
    await publisher.ping()
  })

  test('a reload moves a port from clear to TLS and back, and nobody is refused or sent away', async () => {
    const certificate = TestCertificate.make()
    const [port, httpPort] = [await freePort(), await freePort()]
    const services = (rtmp: string, rtmps: string, http: string, https: string): string =>
      [
        `listen ${rtmp};`,
        `rtmps { enabled on; listen ${rtmps}; ${certificate.directives} }`,
        `http_server { enabled on; listen ${http}; https { enabled on; listen ${https}; ${certificate.directives} } }`,
        VHOST,
      ].join('\n')
    const [moving, movingHttp, any] = [`127.0.0.1:${port}`, `127.0.0.1:${httpPort}`, '127.0.0.1:0']
    const inClear = services(moving, any, movingHttp, any)
    const server = await TestHouse.open(inClear)
    const publisher = await startPublisher({ rtmpPort: port })
    for (let round = 0; round < 3; round++) {
      expect(await server.reload(services(any, moving, any, movingHttp))).toMatchObject({ err: 0 })
      const secure = { rtmpPort: await tunnelTo(port), httpPort: await tunnelTo(httpPort) }
      const players = [await startPlayer(secure), await FlvPlayer.playing(secure, '/live/cam.flv')]
      publisher.media('video inter', 40 * round + 20, `TLS ${round}`)
      for (const player of players) await player.next(`video inter TLS ${round}`)
      expect(await server.reload(inClear)).toMatchObject({ err: 0 })
      const late = [await startPlayer({ rtmpPort: port }), await FlvPlayer.playing({ httpPort }, '/live/cam.flv')]
      publisher.media('video inter', 40 * round + 40, `clear ${round}`)
      for (const player of [...players, ...late]) await player.next(`video inter clear ${round}`)
    }
    expect(failures(server)).toEqual([])
  })

  test('TLS 1.2 and 1.3 are spoken, and nothing older; HTTP/1.1 is agreed on', async () => {
    const server = await TestHouse.open(conf(TestCertificate.make('stream.example')))
    const { rtmps, https } = securePorts(server)
    const subject = 'stream.example'
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      const only = { minVersion: version, maxVersion: version, ALPNProtocols: ['h2', 'http/1.1'] }
      expect(await handshake(https, only)).toEqual({ subject, protocol: version, alpn: 'http/1.1' })
      expect(await handshake(rtmps, only)).toEqual({ subject, protocol: version, alpn: false })
    }
    const old = { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const
    await expect(handshake(https, old)).rejects.toThrow('alert protocol version')
    const cbc = { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-SHA' } as const
    await expect(handshake(https, cbc)).rejects.toThrow('handshake failure')
    await expect(handshake(https, { ALPNProtocols: ['h2'] })).rejects.toThrow('no application protocol')
    await eventually('three failures', () => failures(server).length === 3)
  })

  test('a client that verifies comes in with the right certificate only', async () => {
    const certificate = TestCertificate.make()
    const server = await TestHouse.open(conf(certificate))
    const verifying = { rejectUnauthorized: true, ca: certificate.pem, servername: 'one.example' }
    const { rtmps, https } = securePorts(server)
    for (const port of [rtmps, https]) {
      expect(await handshake(port, verifying)).toMatchObject({ subject: 'one.example' })
      await expect(handshake(port, { ...verifying, servername: 'two.example' })).rejects.toThrow('does not match')
      const stranger = TestCertificate.make('one.example')
      await expect(handshake(port, { ...verifying, ca: stranger.pem })).rejects.toThrow('self-signed certificate')
    }
  })
})

describe('a hostile client on a port of TLS', () => {
  const HALF_HELLO = Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc])

  test('that does not speak it is closed, and nobody else notices', async () => {
    const server = await TestHouse.open(conf(TestCertificate.make()))
    const { rtmps, https, api } = securePorts(server)
    const publisher = await startPublisher({ rtmpPort: await tunnelTo(rtmps) })
    const player = await startPlayer(server)
    const rubbish = [Buffer.from('GET / HTTP/1.1\r\n\r\n'), Buffer.alloc(1537, 3), Buffer.alloc(100_000, 0xff)]
    const clients: RawClient[] = []
    for (const port of [rtmps, https, api]) {
      for (const bytes of rubbish) {
        const client = await RawClient.open(port)
        client.write(bytes)
        clients.push(client)
      }
      const going = await RawClient.open(port)
      await going.writePiece(HALF_HELLO)
      going.end()
      const breaking = await RawClient.open(port)
      await breaking.writePiece(HALF_HELLO)
      breaking.reset()
      clients.push(going, breaking)
    }
    await Promise.all(clients.map((client) => client.untilOver()))
    await eventually('only publisher and player', () => server.house.connections === 2)
    expect(failures(server)).toHaveLength(clients.length)
    expect(new Set(failures(server)).size).toBeGreaterThan(2)
    publisher.media('video inter', 40, 'unharmed')
    await player.next('video inter unharmed')
  })

  test('that says nothing keeps nobody out, counts as a connection and leaves nothing', async () => {
    const silent = 500
    const server = await TestHouse.open(conf(TestCertificate.make(), `max_connections ${silent + 2};\n`))
    const { rtmps, https } = securePorts(server)
    const clients = await Promise.all(
      Array.from({ length: silent }, (_, index) => RawClient.open(index % 2 === 0 ? rtmps : https)),
    )
    for (const client of clients.slice(silent / 2)) client.write(HALF_HELLO)
    await eventually('all of them', () => server.house.connections === silent)
    const publisher = await startPublisher({ rtmpPort: await tunnelTo(rtmps) })
    const player = await startPlayer(server)
    publisher.media('video inter', 40, 'served')
    await player.next('video inter served')
    await expect(handshake(https)).rejects.toThrow()
    for (const client of clients) client.reset()
    await eventually('only publisher and player', () => server.house.connections === 2)
    expect(failures(server)).toHaveLength(silent)
  })
})

describe('a certificate', () => {
  test('is another one for new connections when its files change, and who is there stays', async () => {
    const [used, next] = [TestCertificate.make('old.example'), TestCertificate.make('new.example')]
    const server = await TestHouse.open(conf(used))
    const { rtmps, https } = securePorts(server)
    const publisher = await startPublisher({ rtmpPort: await tunnelTo(rtmps) })
    const player = await FlvPlayer.playing({ httpPort: await tunnelTo(https) }, '/live/cam.flv')
    expect(await handshake(https)).toMatchObject({ subject: 'old.example' })
    used.replaceBy(next)
    await eventually('the change to be seen', () => server.logged('certificate read').length >= 2)
    for (const port of Object.values(securePorts(server)))
      expect(await handshake(port)).toMatchObject({ subject: 'new.example' })
    publisher.media('video inter', 40, 'goes on')
    await player.next('video inter goes on')
  })

  test('may be the own one of a vhost, for clients that ask for it by name', async () => {
    const [port, own] = [TestCertificate.make('port.example'), TestCertificate.make('own.example')]
    const vhosts = `vhost own.example { tls { ${own.directives} } }\nvhost without.example { }\n`
    const server = await TestHouse.open(conf(port, vhosts))
    const { rtmps, https, api } = securePorts(server)
    const subject = async (at: number, servername?: string): Promise<string> =>
      (await handshake(at, servername === undefined ? {} : { servername })).subject
    for (const at of [rtmps, https]) {
      expect(await subject(at, 'own.example')).toBe('own.example')
      for (const name of [undefined, 'without.example', 'unknown.example', '__defaultVhost__'])
        expect(await subject(at, name)).toBe('port.example')
    }
    expect(await subject(api, 'own.example')).toBe('port.example')
    expect(await server.reload(conf(port))).toMatchObject({ err: 0 })
    expect(await subject(https, 'own.example')).toBe('port.example')
  })

  test('is read again by a reload, and one that cannot be used changes nothing', async () => {
    const [used, next] = [TestCertificate.make('old.example'), TestCertificate.make('new.example')]
    const server = await TestHouse.open(conf(used))
    const { https } = securePorts(server)
    const mixed = conf(used).replaceAll(used.key, next.key)
    const { err, msg } = await server.reload(mixed)
    expect(err).toBe(1023)
    expect(msg).toContain(`http_server.https.key ${next.key} is not the key of the certificate`)
    expect(await handshake(https)).toMatchObject({ subject: 'old.example' })
    expect((await server.reload(conf(next))).err).toBe(0)
    expect(securePorts(server).https).toBe(https)
    expect(await handshake(https)).toMatchObject({ subject: 'new.example' })
  })

  test('and its ports come and go by a reload', async () => {
    const certificate = TestCertificate.make()
    const server = await TestHouse.open(conf(certificate))
    const { rtmps, https, api } = securePorts(server)
    const publisher = await startPublisher({ rtmpPort: await tunnelTo(rtmps) })
    const without = conf(certificate)
      .replace(/https \{[^}]*\}/g, '')
      .replace(/rtmps \{[^}]*\}/, '')
    expect(await server.reload(without)).toMatchObject({ err: 0 })
    expect(securePorts(server)).toEqual({ rtmps: 0, https: 0, api: 0 })
    for (const port of [rtmps, https, api]) await expect(handshake(port)).rejects.toThrow('ECONNREFUSED')
    await publisher.ping()
    await server.reload(conf(certificate))
    for (const port of Object.values(securePorts(server)))
      expect(await handshake(port)).toMatchObject({ subject: 'one.example' })
  })
})
