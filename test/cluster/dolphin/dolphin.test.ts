import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { FlvPlayer, HttpProbe } from '../../server/http-probe.ts'
import { RtmpProbe, startPlayer, startPublisher } from '../../server/rtmp-probe.ts'
import { eventually, players, RawClient, serve } from '../../server/support.ts'
import type { TestServer } from '../../support/server.ts'
import { behind, startDolphin } from './support.ts'

const HTTP_CHECK = 'GET /api/v1/versions'
const MEGABYTE = 1024 * 1024

/** A server of plain TCP, and the connections that it got; those of the proxy's checks are answered and left out. */
async function plainServer(): Promise<{ httpPort: number; sockets: Socket[]; server: Server }> {
  const sockets: Socket[] = []
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {})
    socket.once('data', (bytes: Buffer) => {
      if (bytes.toString('latin1').includes(HTTP_CHECK)) socket.end('HTTP/1.1 404 Not Found\r\n\r\n')
      else {
        socket.pause().unshift(bytes)
        sockets.push(socket)
      }
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return { httpPort: (server.address() as AddressInfo).port, sockets, server }
}

/** A client and the other end of its connection through a proxy. */
async function through(changes = {}): Promise<{ client: RawClient; server: Socket; received: () => string }> {
  const plain = await plainServer()
  const { httpPort } = await startDolphin([behind('one', plain)], changes)
  const client = await RawClient.open(httpPort)
  client.write('hello ')
  await eventually('the connection to the server', () => plain.sockets.length === 1)
  const [server] = plain.sockets
  let text = ''
  server?.on('data', (bytes: Buffer) => {
    text += bytes.toString('latin1')
  })
  server?.resume()
  return { client, server: server as Socket, received: () => text }
}

describe('bytes', () => {
  test('pass both ways, and the end of one side leaves the other open', async () => {
    const { client, server, received } = await through()
    client.write('server')
    client.end()
    await once(server, 'end')
    expect(received()).toBe('hello server')
    server.write('hello client')
    await eventually('the answer', () => client.text === 'hello client')
    expect(client.ended).toBe(false)
    server.end()
    await client.untilOver()
    expect(client.ended).toBe(true)
  })

  test('a connection that breaks on one side is closed on the other', async () => {
    const { client, server } = await through()
    server.resetAndDestroy()
    await client.untilOver()
  })

  test('a client that goes takes its connection to the server along', async () => {
    const { client, server } = await through()
    client.reset()
    await once(server, 'end')
  })

  test('a connection on which nothing goes by is closed', async () => {
    const { client, server } = await through({ idleTimeoutMs: 300 })
    await once(server, 'end')
    await client.untilOver()
  })

  test('a client that does not read slows its server down', async () => {
    const { client, server } = await through()
    client.socket.pause()
    let sent = 0
    const piece = Buffer.alloc(64 * 1024, 7)
    const isTaken = (): Promise<boolean> =>
      Promise.race([
        once(server, 'drain').then(() => true),
        new Promise<boolean>((resolve) => setTimeout(() => resolve(false), 500)),
      ])
    // What the kernels on the way take is some megabytes; the proxy adds a few reads.
    do {
      while (sent < 256 * MEGABYTE && server.write(piece)) sent += piece.length
    } while (sent < 256 * MEGABYTE && (await isTaken()))
    expect(server.writableNeedDrain).toBe(true)
    expect(sent).toBeLessThan(64 * MEGABYTE)
    const before = client.bytes.length
    client.socket.resume()
    await eventually('the rest', () => client.bytes.length > before && !server.writableNeedDrain)
  })
})

test('bytes of many connections stay as they are, however slowly some are read', async () => {
  const plain = await plainServer()
  const { httpPort } = await startDolphin([behind('one', plain)])
  const contents = Array.from({ length: 8 }, () => randomBytes(4 * MEGABYTE))
  const clients = await Promise.all(contents.map(() => RawClient.open(httpPort)))
  const hashes = clients.map(({ socket }, index) => {
    const hash = createHash('sha256')
    let received = 0
    socket.on('data', (bytes: Buffer) => {
      hash.update(bytes)
      received += bytes.length
      // Each second one is slow: it reads, and then not.
      if (index % 2 === 0) return
      socket.pause()
      setImmediate(() => socket.resume())
    })
    return { hash, received: () => received }
  })
  for (const [index, client] of clients.entries()) client.write(`${index}`)
  await eventually('the connections to the server', () => plain.sockets.length === clients.length)
  for (const server of plain.sockets) {
    server.once('data', (bytes: Buffer) => server.end(contents[Number(bytes.toString())] ?? ''))
    server.resume()
  }
  await eventually('all of it', () => hashes.every(({ received }) => received() === 4 * MEGABYTE))
  for (const [index, { hash }] of hashes.entries()) {
    const sent = createHash('sha256').update(contents[index] ?? '')
    expect(hash.digest('hex')).toBe(sent.digest('hex'))
  }
})

describe('servers', () => {
  test('players are spread over them, over RTMP and HTTP-FLV, and get what a publisher sends', async () => {
    const one = await serve()
    const { rtmpPort, httpPort } = await startDolphin([behind('one', one)])
    const publisher = await startPublisher({ rtmpPort })
    const rtmp = await startPlayer({ rtmpPort })
    const flv = await FlvPlayer.playing({ httpPort }, '/live/cam.flv')
    publisher.media('video inter', 40, 'i2')
    await rtmp.next('video inter i2')
    await flv.next('video inter i2')
    publisher.raw.end()
    rtmp.raw.end()
    flv.probe.raw.end()
  })

  test('one that does not answer is left out, for who is just connecting too', async () => {
    const gone = await plainServer()
    gone.server.close()
    const two = await serve()
    const { dolphin, httpPort } = await startDolphin([
      behind('gone', { httpPort: gone.httpPort }),
      behind('two', { httpPort: two.httpPort }),
    ])
    for (let i = 0; i < 3; i++) {
      expect((await HttpProbe.ask({ httpPort }, '/nothing')).status).toBe(404)
    }
    expect(dolphin.servers.map(({ isUp }) => isUp)).toEqual([false, true])
    expect(dolphin.servers[1]?.total).toBe(3)
  })

  test('without any, and with too many connections, clients are closed', async () => {
    const gone = await plainServer()
    gone.server.close()
    const none = await startDolphin([behind('gone', { httpPort: gone.httpPort })])
    await (await RawClient.open(none.httpPort)).untilOver()
    const plain = await plainServer()
    const full = await startDolphin([behind('one', plain)], { maxConnections: 1 })
    const first = await RawClient.open(full.httpPort)
    first.write('hello')
    await eventually('the first connection', () => plain.sockets.length === 1)
    await (await RawClient.open(full.httpPort)).untilOver()
    expect(first.isOver).toBe(false)
    expect([none.dolphin.refused, full.dolphin.refused]).toEqual([1, 1])
  })

  test('one that hangs is down, and up again when it answers', async () => {
    const plain = await plainServer()
    const silent = createServer().listen(0, '127.0.0.1')
    await once(silent, 'listening')
    onTestFinished(() => void silent.close())
    const { port } = silent.address() as AddressInfo
    const { dolphin, lines } = await startDolphin([behind('fine', plain), behind('hangs', { httpPort: port })], {
      checkIntervalMs: 100,
      connectTimeoutMs: 200,
    })
    await eventually('both looks', () => dolphin.servers[0]?.isUp && dolphin.servers[1]?.isUp === false)
    silent.on('connection', (socket) => socket.end('HTTP/1.1 200 OK\r\n\r\n'))
    await eventually('the look at the one that answers', () => dolphin.servers[1]?.isUp)
    expect(lines.map(({ text }) => text)).toEqual(expect.arrayContaining(['server is down', 'server is up']))
  })

  test('they are told who the client is, when they want to know', async () => {
    const one = await serve(
      {},
      { proxies: { isTrusted: () => true, hasRtmpHeader: true, hasHttpHeader: true, realIpHeader: 'x-real-ip' } },
    )
    const { rtmpPort } = await startDolphin([behind('one', { rtmpPort: one.rtmpPort })], {
      proxyProtocol: true,
      checkIntervalMs: 50,
    })
    const client = await startPublisher({ rtmpPort })
    const { localPort } = client.raw.socket
    const [publisher] = one.server.clients.all()
    expect(publisher?.peer).toEqual({ host: '127.0.0.1', port: localPort })
    client.raw.end()
  })
})

describe('by stream', () => {
  const two = async (): Promise<{ servers: TestServer[]; rtmpPort: number; httpPort: number }> => {
    const servers = [await serve(), await serve()]
    const [one, other] = servers
    const ports = await startDolphin([behind('one', one ?? {}), behind('two', other ?? {})], { policy: 'hash' })
    return { servers, ...ports }
  }
  /** As players and encoders begin. */
  const connected = async (rtmpPort: number): Promise<RtmpProbe> => {
    const probe = await RtmpProbe.open(rtmpPort)
    probe.connect('live', { objectEncoding: 0 })
    await probe.next('_result')
    return probe
  }

  test('publisher and players of a stream meet, whatever server is theirs, over RTMP and HTTP-FLV', async () => {
    const { servers, rtmpPort, httpPort } = await two()
    for (let i = 0; i < 8; i++) {
      const publisher = await connected(rtmpPort)
      await publisher.publish(`cam${i}?token=x`)
      await publisher.begin()
      const rtmp = await connected(rtmpPort)
      await rtmp.play(`cam${i}`)
      const flv = await FlvPlayer.playing({ httpPort }, `/live/cam${i}.flv?token=y`)
      await rtmp.next('video key k1')
      publisher.media('video inter', 40, 'x'.repeat(300))
      await rtmp.next(`video inter ${'x'.repeat(300)}`)
      await flv.next(`video inter ${'x'.repeat(300)}`)
      for (const { raw } of [publisher, rtmp, flv.probe]) raw.end()
    }
    for (const { lines } of servers) expect(lines.some(({ text }) => text === 'publishing')).toBe(true)
    await eventually('the last player to go', () => servers.every((server) => players(server) === 0))
  })

  test('an encoder that names its stream before it asks for a message stream is understood too', async () => {
    const { rtmpPort, servers } = await two()
    const probe = await connected(rtmpPort)
    probe.announceChunkSize(4096)
    probe.command('releaseStream', 2, null, 'cam')
    probe.command('FCPublish', 3, null, 'cam')
    probe.command('createStream', 4, null)
    await probe.next(({ label, transactionId }) => label === '_result' && transactionId === 4)
    probe.commandOn(1, 'publish', 5, null, 'cam', 'live')
    await probe.next('onStatus NetStream.Publish.Start')
    await probe.begin()
    expect(servers.reduce((sum, { server }) => sum + server.hub.size, 0)).toBe(1)
    probe.raw.end()
  })

  test('an answer of the server reaches the client once', async () => {
    const { rtmpPort } = await two()
    const player = await connected(rtmpPort)
    await player.play('cam')
    expect(player.labels.filter((label) => label === '_result')).toHaveLength(2)
    expect(player.labels.filter((label) => label.startsWith('chunkSize'))).toHaveLength(1)
    player.raw.end()
  })

  test('what is about no stream goes to any server', async () => {
    const { httpPort } = await two()
    expect((await HttpProbe.ask({ httpPort }, '/')).status).toBe(404)
    expect((await HttpProbe.ask({ httpPort }, '/live/cam.flv', 'POST')).status).toBe(405)
  })
})

test('a stop ends all connections', async () => {
  const plain = await plainServer()
  const proxy = await startDolphin([behind('one', plain)])
  const client = await RawClient.open(proxy.httpPort)
  client.write('hello')
  await eventually('the connection', () => plain.sockets.length === 1)
  await proxy.stop()
  await client.untilOver()
})
