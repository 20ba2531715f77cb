import { onTestFinished, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import type { TestServer } from '../support/server.ts'
import { type FlvSeen, FlvPlayer, HttpProbe, readFlv } from './http-probe.ts'
import { startPublisher } from './rtmp-probe.ts'
import { type StillConnection, StillServer } from './still-world.ts'
import { eventually, players, serve, untilIdle } from './support.ts'

/** A player on a client of WebSocket that is not ours. */
class WebSocketPlayer {
  readonly socket: WebSocket
  readonly messages: Buffer[] = []
  readonly pongs: string[] = []
  isOpen = false
  closed: { readonly code: number; readonly reason: string } | null = null
  status = 0

  constructor(
    server: Pick<TestServer, 'httpPort'>,
    target = '/live/cam.flv',
    options: object = {},
    protocols: string[] = [],
  ) {
    this.socket = new WebSocket(`ws://127.0.0.1:${server.httpPort}${target}`, protocols, options)
    this.socket.on('open', () => (this.isOpen = true))
    this.socket.on('message', (data, isBinary) => {
      expect(isBinary).toBe(true)
      this.messages.push(data)
    })
    this.socket.on('pong', (payload) => this.pongs.push(payload.toString()))
    this.socket.on('close', (code, reason) => (this.closed = { code, reason: reason.toString() }))
    this.socket.on('error', () => {})
    this.socket.on('unexpected-response', (_request, response) => {
      this.status = response.statusCode
      this.socket.terminate()
    })
    onTestFinished(() => this.socket.terminate())
  }

  get seen(): FlvSeen {
    return (
      readFlv(Buffer.concat(this.messages)) ?? { hasAudio: false, hasVideo: false, tags: [], labels: [], scripts: [] }
    )
  }

  async next(label: string): Promise<void> {
    await eventually(label, () => this.seen.labels.includes(label))
  }

  async refusedWith(): Promise<number> {
    await eventually('the answer', () => this.status > 0)
    return this.status
  }

  async closedWith(): Promise<number> {
    await eventually('the close of the WebSocket', () => this.closed !== null)
    return this.closed?.code ?? 0
  }
}

/** The request of RFC 6455, section 1.3, with changes. */
function upgrade(target: string, changes: Readonly<Record<string, string | null>> = {}): string {
  const headers: Record<string, string | null> = {
    Host: '127.0.0.1',
    Upgrade: 'websocket',
    Connection: 'Upgrade',
    'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
    'Sec-WebSocket-Version': '13',
    ...changes,
  }
  const lines = Object.entries(headers).flatMap(([name, value]) => (value === null ? [] : [`${name}: ${value}`]))
  return [`GET ${target} HTTP/1.1`, ...lines, '', ''].join('\r\n')
}

async function ask(server: TestServer, changes: Readonly<Record<string, string | null>> = {}): Promise<HttpProbe> {
  const probe = await HttpProbe.open(server)
  probe.raw.write(upgrade('/live/cam.flv', changes))
  return probe
}

/** A frame as clients send it: masked, with zeros. */
function masked(opcode: number, payload = '', flags = 0x80): Buffer {
  const body = Buffer.from(payload)
  const length = body.length < 126 ? [0x80 | body.length] : [0x80 | 126, body.length >> 8, body.length & 0xff]
  return Buffer.concat([Buffer.of(flags | opcode, ...length, 0, 0, 0, 0), body])
}

describe('a player over WebSocket', () => {
  test('gets the same bytes as one over HTTP', async () => {
    const server = await serve()
    const publisher = await startPublisher(server)
    const [http, socket] = [await FlvPlayer.playing(server, '/live/cam.flv'), new WebSocketPlayer(server)]
    await eventually('both players', () => players(server) === 2)
    publisher.media('video key', 40, '7')
    publisher.media('audio frame', 41, '8')
    for (const player of [http, socket]) await player.next('audio frame 8')
    expect(socket.seen.labels).toEqual(http.seen.labels)
    expect(socket.seen.tags).toEqual(http.seen.tags)
    expect(socket.socket.extensions).toBe('')
  })

  test('gets key frames of every size in one message each', async () => {
    const server = await serve()
    const publisher = await startPublisher(server)
    const player = new WebSocketPlayer(server)
    await eventually('the player', () => players(server) === 1)
    for (const [index, bytes] of [40, 100, 125, 200, 65_500, 66_000, 300_000].entries()) {
      const count = player.messages.length
      publisher.media('video key', 40 * (index + 1), String(bytes), bytes)
      await player.next(`video key ${bytes}`)
      expect(player.messages.length).toBeGreaterThan(count)
    }
  })

  test('waits for the publisher, and is told of the end by a close frame', async () => {
    const server = await serve()
    const player = new WebSocketPlayer(server)
    await eventually('the player', () => players(server) === 1)
    const publisher = await startPublisher(server)
    await player.next('video key k1')
    publisher.raw.end()
    expect(await player.closedWith()).toBe(1000)
    await untilIdle(server)
  })

  test('that asks for a stream that does not come is answered 404', async () => {
    const server = await serve({ httpRemux: { waitPublisherMs: 1 } })
    expect(await new WebSocketPlayer(server).refusedWith()).toBe(404)
  })

  test('may close: it is gone at once, and the server says goodbye', async () => {
    const server = await serve()
    await startPublisher(server)
    const player = new WebSocketPlayer(server)
    await player.next('video key k1')
    player.socket.close(4321)
    expect(await player.closedWith()).toBe(4321)
    await eventually('the end of the player', () => players(server) === 0)
    expect(server.lines.find(({ text }) => text === 'played')?.fields).toMatchObject({ reason: 'peer_closed' })
  })

  test('that breaks off is gone at once', async () => {
    const server = await serve()
    await startPublisher(server)
    const player = new WebSocketPlayer(server)
    await player.next('video key k1')
    player.socket.terminate()
    await eventually('the end of the player', () => players(server) === 0)
  })

  test('that is kicked is told', async () => {
    const server = await serve()
    await startPublisher(server)
    const player = new WebSocketPlayer(server)
    await player.next('video key k1')
    for (const client of server.server.clients.all()) if (client.role === 'play') client.thread.interrupt('kicked')
    expect(await player.closedWith()).toBe(1001)
  })

  test('has its pings answered, also while nothing is played', async () => {
    const server = await serve()
    await startPublisher(server)
    const player = new WebSocketPlayer(server)
    await eventually('the open player', () => player.isOpen)
    player.socket.ping('one')
    await eventually('the first pong', () => player.pongs.length === 1)
    player.socket.ping('')
    await eventually('the second pong', () => player.pongs.length === 2)
    expect(player.pongs).toEqual(['one', ''])
  })

  test('may say small things, which mean nothing', async () => {
    const server = await serve()
    const publisher = await startPublisher(server)
    const player = new WebSocketPlayer(server)
    await eventually('the open player', () => player.isOpen)
    for (const word of ['ping', '', 'x'.repeat(1024)]) player.socket.send(word)
    publisher.media('video key', 40, '9')
    await player.next('video key 9')
  })

  test.each([
    ['a message over 1 KB', masked(1, 'x'.repeat(1025)), 1009],
    [
      'more pieces than a message may have',
      Buffer.concat([masked(1, 'x', 0), ...Array.from({ length: 20 }, () => masked(0, 'x', 0))]),
      1009,
    ],
    ['a frame that is not masked', Buffer.of(0x89, 0x00), 1002],
    ['a reserved bit', masked(9, '', 0xc0), 1002],
    ['an opcode that there is not', masked(3), 1002],
    ['a ping over 125 bytes', masked(9, 'x'.repeat(126)), 1002],
    ['a piece without a beginning', masked(0, 'x'), 1002],
  ])('that sends %s is closed, and nobody else', async (_what, bytes, code) => {
    const server = await serve()
    const publisher = await startPublisher(server)
    const other = new WebSocketPlayer(server)
    await other.next('video key k1')
    const probe = await ask(server)
    expect((await probe.head()).status).toBe(101)
    probe.raw.write(bytes)
    const close = Buffer.of(0x88, 2, code >> 8, code & 0xff)
    await eventually('the close frame', () => probe.rest.subarray(-close.length).equals(close))
    await eventually('the end of the player', () => players(server) === 1)
    probe.raw.end()
    await eventually('the line of the log', () =>
      server.lines.some(({ text }) => text === 'connection ended by a protocol error'),
    )
    publisher.media('video key', 40, '5')
    await other.next('video key 5')
  })

  test('that sends frames before the answer is closed without one', async () => {
    const server = await serve()
    const probe = await HttpProbe.open(server)
    probe.raw.write(upgrade('/live/cam.flv'))
    await eventually('the player', () => players(server) === 1)
    probe.raw.write(masked(9, 'early'))
    await eventually('the end', () => probe.raw.isOver)
    expect(probe.raw.bytes).toHaveLength(0)
  })

  test('that floods with pings and reads nothing costs no memory', async () => {
    const server = await serve({ play: { sendTimeoutMs: 60_000 } })
    await startPublisher(server)
    const probe = await ask(server)
    await probe.head()
    probe.raw.socket.pause()
    const flood = Buffer.concat(Array.from({ length: 1000 }, () => masked(9, 'x'.repeat(125))))
    for (let count = 0; count < 100; count++) probe.raw.write(flood)
    const [player] = [...server.server.clients.all()].filter(({ role }) => role === 'play')
    await eventually('the flood to be read', () => (player?.socket.receivedBytes ?? 0) > flood.length)
    expect(player?.socket.pendingBytes ?? 0).toBeLessThan(100_000)
  })
})

describe('the handshake', () => {
  test('has the answer of RFC 6455, section 1.3', async () => {
    const server = await serve()
    await startPublisher(server)
    const head = await (await ask(server)).head()
    expect(head).toMatchObject({
      status: 101,
      headers: {
        upgrade: 'websocket',
        connection: 'Upgrade',
        'sec-websocket-accept': 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=',
      },
    })
    for (const header of [
      'sec-websocket-extensions',
      'sec-websocket-protocol',
      'transfer-encoding',
      'content-length',
    ]) {
      expect(head.headers).not.toHaveProperty(header)
    }
  })

  test.each([
    ['Firefox sends more options', { Connection: 'keep-alive, Upgrade' }],
    ['names and values in other cases', { Upgrade: 'WebSocket', Connection: 'upgrade' }],
    ['compression is offered', { 'Sec-WebSocket-Extensions': 'permessage-deflate; client_max_window_bits' }],
  ])('is granted when %s', async (_what, changes) => {
    const server = await serve()
    await startPublisher(server)
    const head = await (await ask(server, changes)).head()
    expect(head.status).toBe(101)
    expect(head.headers).not.toHaveProperty('sec-websocket-extensions')
  })

  test('takes the first subprotocol that is offered', async () => {
    const server = await serve()
    await startPublisher(server)
    const player = new WebSocketPlayer(server, '/live/cam.flv', {}, ['flv', 'other'])
    await player.next('video key k1')
    expect(player.socket.protocol).toBe('flv')
  })

  test.each([
    ['another version', { 'Sec-WebSocket-Version': '8' }, 426],
    ['no key', { 'Sec-WebSocket-Key': null }, 400],
    ['a key of another length', { 'Sec-WebSocket-Key': 'c2hvcnQ=' }, 400],
    ['a body', { 'Content-Length': '5' }, 400],
  ])('with %s is refused', async (_what, changes, status) => {
    const server = await serve()
    await startPublisher(server)
    const head = await (await ask(server, changes)).head()
    expect(head.status).toBe(status)
    if (status === 426) expect(head.headers['sec-websocket-version']).toBe('13')
    await eventually('the end of the client', () => server.server.clients.size === 1)
  })

  test.each([
    ['no Connection: Upgrade', { Connection: 'keep-alive' }],
    ['another protocol', { Upgrade: 'h2c' }],
  ])('with %s is a request like others', async (_what, changes) => {
    const server = await serve()
    await startPublisher(server)
    expect((await (await ask(server, changes)).head()).status).toBe(200)
  })

  test('with 2,001 headers is refused, and nobody else is disturbed (npm ws CVE-2024-37890)', async () => {
    const server = await serve()
    const publisher = await startPublisher(server)
    const player = new WebSocketPlayer(server)
    await player.next('video key k1')
    const many = Object.fromEntries(Array.from({ length: 2_001 }, (_, index) => [`X-${index}`, '1']))
    expect((await (await ask(server, many)).head()).status).toBe(431)
    publisher.media('video key', 40, 'k2')
    await player.next('video key k2')
  })

  test('elsewhere than at a stream is a request like others', async () => {
    const server = await serve()
    const probe = await HttpProbe.open(server)
    probe.raw.write(upgrade('/nothing'))
    expect((await probe.head()).status).toBe(404)
  })
})

describe('a page of', () => {
  const PAGES = {
    'this server': 'http://127.0.0.1',
    'a site that is allowed': 'https://example.com',
    'a site under it': 'https://www.example.com:8443',
    'a site that only looks like it': 'https://notexample.com',
    'no site': 'null',
  } as const

  async function mayPlay(origin: string, options: Parameters<typeof serve>[1]): Promise<boolean> {
    const server = await serve({}, options)
    await startPublisher(server)
    const head = await (await ask(server, { Origin: origin })).head()
    expect([101, 403]).toContain(head.status)
    const counted = server.server.refusals.totals.get('refused_origin')
    expect(counted).toBe(head.status === 403 ? 1 : undefined)
    return head.status === 101
  }

  test.each([
    ['everywhere with crossdomain', { crossdomain: true }, [true, true, true, true, true]],
    ['at this server only without', { crossdomain: false }, [true, false, false, false, false]],
    ['where websocket_origins says', { websocketOrigins: ['example.com'] }, [true, true, true, false, false]],
  ])('each site plays %s', async (_what, options, expected) => {
    const results: boolean[] = []
    for (const origin of Object.values(PAGES)) results.push(await mayPlay(origin, options))
    expect(Object.keys(PAGES).map((page, index) => [page, results[index]])).toEqual(
      Object.keys(PAGES).map((page, index) => [page, expected[index]]),
    )
  })

  test('none: other programs play whatever pages may', async () => {
    const server = await serve({}, { crossdomain: false })
    await startPublisher(server)
    expect((await (await ask(server)).head()).status).toBe(101)
  })
})

describe('a player over WebSocket that says nothing', () => {
  const PING = '\x89\x00'

  async function silent(): Promise<{ server: StillServer; player: StillConnection }> {
    const server = new StillServer({ publish: { normalTimeoutMs: 3_600_000 } })
    const publisher = await server.rtmp()
    await publisher.connectToApp()
    await publisher.command(1, 'publish', null, 'cam')
    await publisher.media('video key', 0)
    await publisher.media('audio frame', 0)
    const player = await server.http()
    await player.send(upgrade('/live/cam.flv'))
    expect(player.written).toMatch(/^HTTP\/1.1 101 /)
    return { server, player }
  }

  test('is pinged every half minute, and stays when it answers', async () => {
    const { server, player } = await silent()
    for (let count = 1; count <= 3; count++) {
      await server.clock.pass(30_000)
      expect(player.written.split(PING)).toHaveLength(count + 1)
      await player.send(masked(10))
    }
    expect(player.isClosed).toBe(false)
  })

  test('is gone when it does not', async () => {
    const { server, player } = await silent()
    await server.clock.pass(30_000)
    await server.clock.pass(30_000)
    expect(player.written.endsWith('\x88\x02\x03\xe9')).toBe(true)
    await server.clock.pass(1_000)
    expect(player.isClosed).toBe(true)
  })
})
