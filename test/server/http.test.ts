import { describe, expect, test } from 'vitest'
import { HttpProbe, requestText } from './http-probe.ts'
import { RtmpProbe } from './rtmp-probe.ts'
import { eventually, RawClient, serve, untilIdle } from './support.ts'

describe('/streams.json', () => {
  test('says what is live, with the number of players', async () => {
    const server = await serve()
    const empty = await HttpProbe.ask(server, '/streams.json')
    expect(empty.headers).toMatchObject({ 'content-type': 'application/json', 'cache-control': 'no-store' })
    expect(JSON.parse(empty.body)).toMatchObject({ rtmpPort: server.rtmpPort, streams: [] })
    const publisher = await RtmpProbe.connected(server)
    await publisher.publish('cam')
    await publisher.begin()
    const player = await RtmpProbe.connected(server)
    await player.play('cam')
    await RtmpProbe.connected(server).then((waiting) => waiting.play('nobody'))
    const { streams } = JSON.parse((await HttpProbe.ask(server, '/streams.json')).body) as { streams: unknown[] }
    expect(streams).toMatchObject([
      {
        vhost: '__defaultVhost__',
        path: '/live/cam',
        flv: '/live/cam.flv',
        players: 1,
        video: { codec: 'H264' },
        audio: { codec: 'AAC' },
      },
    ])
  })

  test('shows a stream that has sent nothing yet, and odd names as they are', async () => {
    const server = await serve()
    const publisher = await RtmpProbe.connected(server, 'a/b')
    await publisher.publish('ca m"<é>')
    const { streams } = JSON.parse((await HttpProbe.ask(server, '/streams.json')).body) as { streams: unknown[] }
    expect(streams).toMatchObject([
      { path: '/a/b/ca m"<é>', flv: '/a/b/ca%20m%22%3C%C3%A9%3E.flv', video: null, audio: null },
    ])
  })
})

describe('one connection', () => {
  test('serves several requests one after the other', async () => {
    const server = await serve()
    const probe = await HttpProbe.open(server)
    for (let count = 0; count < 3; count++) {
      probe.request('/streams.json')
      const { status, headers } = await probe.response()
      expect([status, headers['connection']]).toEqual([200, 'keep-alive'])
    }
    expect(probe.raw.isOver).toBe(false)
  })

  test('serves requests that come together, in their order', async () => {
    const server = await serve()
    const probe = await HttpProbe.open(server)
    const targets = ['/streams.json', '/nothing', '/streams.json?x=1', '/also/nothing']
    probe.raw.write(targets.map((target) => requestText(target)).join(''))
    const statuses: number[] = []
    for (let at = 0; at < targets.length; at++) statuses.push((await probe.response()).status)
    expect(statuses).toEqual([200, 404, 200, 404])
  })

  test('serves a request that comes byte by byte', async () => {
    const server = await serve()
    const probe = await HttpProbe.open(server)
    for (const byte of requestText('/streams.json')) await probe.raw.writePiece(byte)
    expect((await probe.response()).status).toBe(200)
  })

  test('skips the body of a GET', async () => {
    const server = await serve()
    const probe = await HttpProbe.open(server)
    probe.request('/streams.json', 'GET', 'Content-Length: 5')
    probe.raw.write(`hello${requestText('/nothing')}`)
    expect([(await probe.response()).status, (await probe.response()).status]).toEqual([200, 404])
  })

  test('ends after an answer with Connection: close', async () => {
    const server = await serve()
    const probe = await HttpProbe.open(server)
    probe.request('/streams.json', 'GET', 'Connection: close')
    const { headers } = await probe.response()
    expect(headers['connection']).toBe('close')
    await probe.raw.untilOver()
  })

  test('of HTTP/1.0 ends after the answer, unless it asks for more', async () => {
    const server = await serve()
    const once = await HttpProbe.open(server)
    once.raw.write('GET /streams.json HTTP/1.0\r\n\r\n')
    expect(await once.response()).toMatchObject({ version: '1.0', status: 200, headers: { connection: 'close' } })
    await once.raw.untilOver()
    const kept = await HttpProbe.open(server)
    for (let count = 0; count < 2; count++) {
      kept.raw.write('GET /streams.json HTTP/1.0\r\nConnection: keep-alive\r\n\r\n')
      expect(await kept.response()).toMatchObject({ status: 200, headers: { connection: 'keep-alive' } })
    }
  })

  test('whose client half-closes behind its request still gets the answer', async () => {
    const server = await serve()
    const probe = await HttpProbe.open(server)
    probe.request('/streams.json')
    probe.raw.end()
    expect((await probe.response()).status).toBe(200)
    await untilIdle(server)
  })
})

describe('methods', () => {
  test.each(['POST', 'PUT', 'DELETE', 'PATCH', 'TRACE', 'CONNECT'])(
    '%s is answered 405, with what is allowed',
    async (method) => {
      const server = await serve()
      const probe = await HttpProbe.open(server)
      probe.request('/live/cam.flv', method, 'Content-Length: 0')
      const response = await probe.response()
      expect(response.status).toBe(405)
      expect(response.headers).toMatchObject({ allow: 'GET, HEAD, OPTIONS', connection: 'close' })
      await probe.raw.untilOver()
    },
  )

  test('a POST of a large body can read its 405', async () => {
    const server = await serve()
    const probe = await HttpProbe.open(server)
    probe.request('/live/cam.flv', 'POST', 'Content-Length: 1000000')
    probe.raw.write(Buffer.alloc(300_000))
    expect((await probe.response()).status).toBe(405)
    expect(probe.raw.closed).toBe(false)
    probe.raw.write(Buffer.alloc(300_000))
    probe.raw.end()
    await untilIdle(server)
  })

  test('HEAD gets the head of GET without the body', async () => {
    const server = await serve()
    const probe = await HttpProbe.open(server)
    probe.request('/streams.json', 'HEAD')
    const head = await probe.response(true)
    probe.request('/streams.json')
    const whole = await probe.response()
    expect(head.headers).toEqual(whole.headers)
    expect([head.body, head.status]).toEqual(['', 200])
  })
})

describe('refused requests', () => {
  test.each([
    ['no HTTP at all', 'hello world\r\n\r\n', 400],
    ['no Host', 'GET / HTTP/1.1\r\n\r\n', 400],
    ['two lengths', 'GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n', 400],
    ['HTTP/2', 'GET / HTTP/2.0\r\nHost: a\r\n\r\n', 505],
    ['a long target', `GET /${'a'.repeat(9000)} HTTP/1.1\r\nHost: a\r\n\r\n`, 414],
    ['a long head', `GET / HTTP/1.1\r\nHost: a\r\nCookie: ${'a'.repeat(20_000)}\r\n\r\n`, 431],
    ['a way up', 'GET /live/../../etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n', 400],
    ['an encoded way up', 'GET /live/%2e%2e/secret.flv HTTP/1.1\r\nHost: a\r\n\r\n', 400],
    ['an encoded slash', 'GET /live/..%2fcam.flv HTTP/1.1\r\nHost: a\r\n\r\n', 400],
    ['a backslash', 'GET /live/..\\cam.flv HTTP/1.1\r\nHost: a\r\n\r\n', 400],
    ['a NUL', 'GET /live/cam%00.flv HTTP/1.1\r\nHost: a\r\n\r\n', 400],
    ['no UTF-8', 'GET /live/%ff.flv HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ])('%s is answered %s, and the connection ends', async (_what, text, status) => {
    const server = await serve()
    const probe = await HttpProbe.open(server)
    probe.raw.write(text)
    const response = await probe.response()
    expect([response.status, response.headers['connection']]).toEqual([status, 'close'])
    expect(response.body).toMatch(/\n$/)
    await probe.raw.untilOver()
  })

  test.each([
    '/live/...flv',
    '/live/..flv',
    '/.flv',
    '/live/.flv',
    '//.flv',
    '/live/cam.flv/',
    '/live/cam%3Fx.flv',
    '/cam.flv',
    '/',
    '/live',
  ])('%s is no stream: 404 at once', async (target) => {
    const server = await serve()
    expect((await HttpProbe.ask(server, target)).status).toBe(404)
  })

  test('a name of 300 bytes is 404', async () => {
    const server = await serve()
    expect((await HttpProbe.ask(server, `/live/${'x'.repeat(300)}.flv`)).status).toBe(404)
  })
})

describe('pages of other sites', () => {
  const ORIGIN = 'Origin: https://player.example'

  test('may read everything', async () => {
    const server = await serve()
    for (const target of ['/streams.json', '/nothing']) {
      const { headers } = await HttpProbe.ask(server, target, 'GET', ORIGIN)
      expect(headers['access-control-allow-origin']).toBe('*')
    }
  })

  test('may ask before (preflight): 204 without body, and the connection goes on', async () => {
    const server = await serve()
    const probe = await HttpProbe.open(server)
    probe.request(
      '/live/cam.flv',
      'OPTIONS',
      ORIGIN,
      'Access-Control-Request-Method: GET',
      'Access-Control-Request-Headers: range, x-evil',
    )
    const { status, headers } = await probe.response()
    expect(status).toBe(204)
    expect(headers).toMatchObject({
      'access-control-allow-origin': '*',
      'access-control-allow-methods': 'GET, HEAD, OPTIONS',
      'access-control-allow-headers': 'range',
    })
    expect(headers).not.toHaveProperty('content-length')
    probe.request('/streams.json')
    expect((await probe.response()).status).toBe(200)
  })

  test('are told nothing when crossdomain is off', async () => {
    const server = await serve({}, { crossdomain: false })
    const { headers } = await HttpProbe.ask(server, '/streams.json', 'GET', ORIGIN)
    expect(Object.keys(headers).filter((name) => name.startsWith('access-control'))).toEqual([])
    const preflight = await HttpProbe.ask(server, '/', 'OPTIONS', ORIGIN, 'Access-Control-Request-Method: GET')
    expect(preflight.status).toBe(405)
  })

  test('may read also what a cache has asked for, which named no page', async () => {
    const server = await serve()
    const { headers } = await HttpProbe.ask(server, '/streams.json')
    expect(headers).toMatchObject({ 'access-control-allow-origin': '*', 'access-control-expose-headers': '*' })
  })
})

test('a request of HTTP/1.1 in the middle of which the client goes leaves nothing', async () => {
  const server = await serve()
  const text = requestText('/streams.json')
  for (let length = 0; length <= text.length; length++) {
    const client = await RawClient.open(server.httpPort)
    client.write(text.slice(0, length))
    client.end()
  }
  await untilIdle(server)
  await eventually('threads to be gone', () => server.world.threads.size <= 2)
})
