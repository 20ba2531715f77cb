import { request as httpRequest, createServer } from 'node:http'
import { array, assert, integer, property } from 'fast-check'
import { describe, expect, test } from 'vitest'
import { HttpError } from '../../src/http/error.ts'
import { type HttpRequest, RequestParser } from '../../src/http/message.ts'

/** Parses everything in one piece, or in pieces of the given sizes. */
function parse(text: string | Buffer, sizes: (left: number) => number = (left) => left): HttpRequest[] {
  const bytes = Buffer.isBuffer(text) ? text : Buffer.from(text, 'latin1')
  const parser = new RequestParser()
  const requests: HttpRequest[] = []
  for (let at = 0; at < bytes.length; ) {
    const size = Math.max(1, sizes(bytes.length - at))
    parser.push(bytes.subarray(at, at + size))
    at += size
    for (let request = parser.read(); request !== null; request = parser.read()) requests.push(request)
  }
  return requests
}

function one(text: string): HttpRequest {
  const [request, ...more] = parse(text)
  if (request === undefined || more.length > 0) throw new Error(`${more.length} requests too many`)
  return request
}

function failure(text: string | Buffer): [number, string] | null {
  try {
    parse(text)
  } catch (error) {
    if (error instanceof HttpError) return [error.status, error.code]
    throw error
  }
  return null
}

const get = (target: string, headers = ''): string => `GET ${target} HTTP/1.1\r\nHost: a\r\n${headers}\r\n`

describe('request heads', () => {
  test('a request of a player', () => {
    const request = one(
      'GET /live/livestream.flv?token=a%20b&x HTTP/1.1\r\nUser-Agent: Lavf/60.3.100\r\nAccept:*/*\r\n' +
        'Range: bytes=0-\r\nConnection: close\r\nHost: 127.0.0.1:8080\r\nIcy-MetaData:  1 \t\r\n\r\n',
    )
    expect(request).toMatchObject({
      method: 'GET',
      target: '/live/livestream.flv?token=a%20b&x',
      path: '/live/livestream.flv',
      query: '?token=a%20b&x',
      version: '1.1',
      keepAlive: false,
      contentLength: 0,
      chunked: false,
    })
    expect(Object.fromEntries(request.headers)).toEqual({
      'user-agent': 'Lavf/60.3.100',
      accept: '*/*',
      range: 'bytes=0-',
      connection: 'close',
      host: '127.0.0.1:8080',
      'icy-metadata': '1',
    })
  })

  test.each<[string, boolean]>([
    ['GET / HTTP/1.1\r\nHost: a\r\n\r\n', true],
    ['GET / HTTP/1.1\r\nHost: a\r\nConnection: Close\r\n\r\n', false],
    ['GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade , close\r\n\r\n', false],
    ['GET / HTTP/1.1\r\nHost: a\r\nConnection: x\r\nConnection: close\r\n\r\n', false],
    ['GET / HTTP/1.0\r\n\r\n', false],
    ['GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n', true],
    ['GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n', false],
  ])('keep-alive of %j is %s', (text, keepAlive) => {
    expect(one(text).keepAlive).toBe(keepAlive)
  })

  test('an empty line in front, a later 1.x version and an empty header value are taken', () => {
    const request = one('\r\n\r\nGET / HTTP/1.7\r\nHost:\r\nX-Empty: \r\n\r\n')
    expect(request.version).toBe('1.1')
    expect(request.headers.get('x-empty')).toBe('')
  })

  test('blanks around a value are no part of it, however many there are inside', () => {
    const request = one(get('/', `X: \t a${' '.repeat(8_000)}b \t\r\nConnection: x ,\tclose\t\r\n`))
    expect(request.headers.get('x')).toBe(`a${' '.repeat(8_000)}b`)
    expect(request.keepAlive).toBe(false)
  })

  test('repeated headers are joined', () => {
    expect(one(get('/', 'Accept: a\r\nACCEPT: b\r\n')).headers.get('accept')).toBe('a, b')
  })

  test('the host of an absolute target counts instead of the header', () => {
    const request = one('GET http://Real:81/a?b HTTP/1.1\r\nHost: other\r\n\r\n')
    expect(request).toMatchObject({ path: '/a', query: '?b' })
    expect(request.headers.get('host')).toBe('Real:81')
  })

  test('a body is announced, and skipped up to the next pipelined request', () => {
    const requests = parse(
      'POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 25\r\n\r\nGET /evil HTTP/1.1\r\nHost:' + get('/b'),
    )
    expect(requests.map((request) => request.path)).toEqual(['/a', '/b'])
    expect(requests[0]?.contentLength).toBe(25)
  })

  test('a chunked body is announced; to read on without having taken it is an error', () => {
    const parser = new RequestParser()
    parser.push(Buffer.from('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\n\r\n'))
    expect(parser.read()).toMatchObject({ chunked: true, contentLength: 0 })
    expect(() => parser.read()).toThrow('was not read')
    expect(parser.rest().toString()).toBe('0\r\n\r\n')
    parser.push(Buffer.from(get('/next')))
    expect(parser.read()?.path).toBe('/next')
  })

  test('whether a request is cut short can be seen', () => {
    const parser = new RequestParser()
    expect(parser.partial).toBe(false)
    parser.push(Buffer.from('GET / HTTP/1.1\r\n'))
    expect(parser.read()).toBeNull()
    expect(parser.partial).toBe(true)
    parser.push(Buffer.from('Host: a\r\nContent-Length: 3\r\n\r\n'))
    expect(parser.read()).not.toBeNull()
    expect(parser.partial).toBe(true)
    parser.push(Buffer.from('abc'))
    expect(parser.read()).toBeNull()
    expect(parser.partial).toBe(false)
  })
})

describe('slices', () => {
  const stream =
    get('/live/a.flv') +
    'POST /b HTTP/1.1\r\nHost: b\r\nContent-Length: 12\r\n\r\nhello\r\n\r\nabc' +
    '\r\nHEAD /%E7%9B%B4.flv?x=1 HTTP/1.0\r\nConnection: keep-alive\r\nX-A: 1\r\nX-A: 2\r\n\r\n' +
    get('/last', 'Range: bytes=0-\r\n')
  const whole = parse(stream)

  test('byte by byte gives the same requests', () => {
    expect(whole).toHaveLength(4)
    expect(parse(stream, () => 1)).toEqual(whole)
  })

  test('any slices give the same requests', () => {
    const sizes = array(integer({ min: 1, max: 60 }), { minLength: 1 })
    const anySlices = property(sizes, (list) => {
      let turn = 0
      expect(parse(stream, () => list[turn++ % list.length] ?? 1)).toEqual(whole)
    })
    assert(anySlices, { seed: 1, numRuns: 300 })
  })

  test('any changed byte gives requests or an HttpError, and nothing else', () => {
    const bytes = Buffer.from(stream, 'latin1')
    for (let at = 0; at < bytes.length; at++) {
      for (const value of [0, 10, 13, 32, 37, 58, 127, 255]) {
        const changed = Buffer.from(bytes)
        changed[at] = value
        expect(() => failure(changed)).not.toThrow()
      }
    }
  })
})

describe('paths', () => {
  test.each<[string, string]>([
    ['/', '/'],
    ['/live/a%20b.flv', '/live/a b.flv'],
    ['/live/a_b-c~d.e-1.m3u8', '/live/a_b-c~d.e-1.m3u8'],
    ['/live/.hidden/x', '/live/.hidden/x'],
    ['/live/%E7%9B%B4%e6%92%ad', '/live/直播'],
    [`/live/${Buffer.from('直播').toString('latin1')}`, '/live/直播'],
    ['//live///a', '/live/a'],
    ['/./live/./a', '/live/a'],
    ['/live/', '/live/'],
    ['/live/.', '/live/'],
    ['/a..b/...', '/a..b/...'],
    ['/a%3Fb%23c', '/a?b#c'],
    ['/a+b;c=1,d', '/a+b;c=1,d'],
    ['http://h', '/'],
    ['HTTPS://h/x', '/x'],
  ])('%s is %s', (target, path) => {
    expect(one(get(target)).path).toBe(path)
  })

  test('the query stays as it was sent', () => {
    expect(one(get('/a?b=%2F..%00&c?d')).query).toBe('?b=%2F..%00&c?d')
    expect(one(get('/a?')).query).toBe('?')
    expect(one(get('http://h?x')).query).toBe('?x')
    expect(one(get(`/a?${Buffer.from('直').toString('latin1')}`)).query).toBe('?直')
  })

  test('OPTIONS * is the only target without a path', () => {
    expect(one('OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n').path).toBe('*')
    expect(failure(get('*'))).toEqual([400, 'http_target_invalid'])
  })

  test.each([
    '/..',
    '/a/../b',
    '/a/%2e%2e/b',
    '/a/.%2E',
    '/a%2fb',
    '/a%2Fb',
    '/a%5cb',
    '/a\\b',
    '/a%00',
    '/a%0d%0a',
    '/a%7f',
    '/%',
    '/%4',
    '/%zz',
    '/%ff',
    '/%c0%ae',
    '/\xff',
    '/%ed%a0%80',
    '/a?\xff',
    '/a#b',
    'a/b',
    'ftp://h/x',
    'http://',
    'http://u@h/x',
    'h:80',
  ])('%j is refused', (target) => {
    expect(failure(get(target))).toEqual([400, 'http_target_invalid'])
  })
})

describe('what is refused', () => {
  test.each<[string, string, number, string]>([
    ['a bare LF after the request line', 'GET / HTTP/1.1\nHost: a\r\n\r\n', 400, 'http_line_end'],
    ['a bare LF after a header', 'GET / HTTP/1.1\r\nHost: a\n\r\n', 400, 'http_line_end'],
    ['a bare LF at the end', 'GET / HTTP/1.1\r\nHost: a\r\n\n', 400, 'http_line_end'],
    ['a bare LF in front', '\nGET / HTTP/1.1\r\n', 400, 'http_line_end'],
    ['a bare CR in a header', get('/', 'X: a\rb\r\n'), 400, 'http_header_invalid'],
    ['NUL in a header', get('/', 'X: a\0b\r\n'), 400, 'http_header_invalid'],
    ['DEL in a header', get('/', 'X: a\x7fb\r\n'), 400, 'http_header_invalid'],
    ['a folded header', get('/', 'X: a\r\n b\r\n'), 400, 'http_header_invalid'],
    ['a space before the colon', get('/', 'X : a\r\n'), 400, 'http_header_invalid'],
    ['no colon', get('/', 'X\r\n'), 400, 'http_header_invalid'],
    ['no name', get('/', ': a\r\n'), 400, 'http_header_invalid'],
    ['a name that is no token', get('/', 'X(y): a\r\n'), 400, 'http_header_invalid'],
    ['a header before Host that starts with a space', 'GET / HTTP/1.1\r\n Host: a\r\n\r\n', 400, 'http_header_invalid'],
    ['no Host', 'GET / HTTP/1.1\r\n\r\n', 400, 'http_host_missing'],
    ['two Hosts', get('/', 'Host: a\r\n'), 400, 'http_header_repeated'],
    ['a Host with a path', 'GET / HTTP/1.1\r\nHost: a/b\r\n\r\n', 400, 'http_host_invalid'],
    ['two equal lengths', get('/', 'Content-Length: 1\r\nContent-Length: 1\r\n'), 400, 'http_header_repeated'],
    ['a list of lengths', get('/', 'Content-Length: 1, 1\r\n'), 400, 'http_content_length_invalid'],
    ['a signed length', get('/', 'Content-Length: +1\r\n'), 400, 'http_content_length_invalid'],
    ['a hexadecimal length', get('/', 'Content-Length: 0x10\r\n'), 400, 'http_content_length_invalid'],
    ['an empty length', get('/', 'Content-Length:\r\n'), 400, 'http_content_length_invalid'],
    ['a huge length', get('/', 'Content-Length: 9999999999999999\r\n'), 400, 'http_content_length_invalid'],
    ['length and coding', get('/', 'Content-Length: 1\r\nTransfer-Encoding: chunked\r\n'), 400, 'http_body_ambiguous'],
    ['a coding in 1.0', 'POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n', 400, 'http_body_ambiguous'],
    ['two codings', get('/', 'Transfer-Encoding: gzip, chunked\r\n'), 501, 'http_coding_unknown'],
    [
      'a coding twice',
      get('/', 'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n'),
      400,
      'http_header_repeated',
    ],
    ['an unknown coding', get('/', 'Transfer-Encoding: xchunked\r\n'), 501, 'http_coding_unknown'],
    ['HTTP/2', 'PRI * HTTP/2.0\r\n\r\n', 505, 'http_version_unknown'],
    ['HTTP/0.9 with a version', 'GET / HTTP/0.9\r\n\r\n', 505, 'http_version_unknown'],
    ['no version', 'GET /\r\n\r\n', 400, 'http_request_line_invalid'],
    ['a version in lower case', 'GET / http/1.1\r\n\r\n', 400, 'http_request_line_invalid'],
    ['two spaces', 'GET  / HTTP/1.1\r\n\r\n', 400, 'http_request_line_invalid'],
    ['a space in the target', 'GET /a b HTTP/1.1\r\n\r\n', 400, 'http_request_line_invalid'],
    ['a tab', 'GET\t/ HTTP/1.1\r\n\r\n', 400, 'http_request_line_invalid'],
    ['NUL in the target', 'GET /\0 HTTP/1.1\r\n\r\n', 400, 'http_request_line_invalid'],
    ['a method that is no token', 'G{T / HTTP/1.1\r\n\r\n', 400, 'http_request_line_invalid'],
    ['a very long method', `${'G'.repeat(33)} / HTTP/1.1\r\n\r\n`, 501, 'http_method_unknown'],
    ['a TLS hello', '\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\n', 400, 'http_line_end'],
  ])('%s', (_, text, status, code) => {
    expect(failure(text)).toEqual([status, code])
  })

  test('a long request line is refused before its end has come', () => {
    expect(failure(`GET /${'a'.repeat(9000)}`)).toEqual([414, 'http_target_too_long'])
    expect(failure(get(`/${'a'.repeat(8100)}`))).toBeNull()
  })

  test('a long head is refused before its end has come', () => {
    expect(failure(get('/', `X: ${'a'.repeat(17_000)}`))).toEqual([431, 'http_head_too_long'])
    expect(failure(get('/', `X: ${'a'.repeat(16_000)}\r\n`))).toBeNull()
    expect(failure('\r\n'.repeat(9000))).toEqual([431, 'http_head_too_long'])
  })

  test('headers are counted', () => {
    expect(failure(get('/', 'X: a\r\n'.repeat(99)))).toBeNull()
    expect(failure(get('/', 'X: a\r\n'.repeat(100)))).toEqual([431, 'http_too_many_headers'])
  })

  test('limits count for each request of a connection', () => {
    expect(failure(get('/', `X: ${'a'.repeat(8000)}\r\n`).repeat(5))).toBeNull()
  })
})

test("what Node's own client sends is understood as Node's own server understands it", async () => {
  const server = createServer((request, response) =>
    response.end(JSON.stringify([request.method, request.url, request.headers])),
  )
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    const address = server.address()
    const port = typeof address === 'object' ? address?.port : undefined
    const headers = { 'X-Test': 'ä', Accept: ['a', 'b'] }
    const sent: Buffer[] = []
    server.on('connection', (socket) => socket.on('data', (bytes: Buffer) => sent.push(bytes)))
    const seen = await new Promise<string>((resolve, reject) => {
      const outgoing = httpRequest({ port, host: '127.0.0.1', path: '/live/%E7%9B%B4.flv?a=1', headers })
      outgoing.on('error', reject)
      outgoing.on('response', (response) => {
        let text = ''
        response.setEncoding('utf8').on('data', (part: string) => (text += part))
        response.on('end', () => resolve(text))
      })
      outgoing.end()
    })
    const [request] = parse(Buffer.concat(sent))
    expect([request?.method, request?.target, Object.fromEntries(request?.headers ?? [])]).toEqual(JSON.parse(seen))
    expect(request?.path).toBe('/live/直.flv')
  } finally {
    server.close()
  }
})
