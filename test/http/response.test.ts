import { describe, expect, test } from 'vitest'
import { isPreflight, preflightHeaders } from '../../src/http/cors.ts'
import { type HttpRequest, RequestParser } from '../../src/http/message.ts'
import { responseHead } from '../../src/http/response.ts'

function request(method: string, headers: string): HttpRequest {
  const parser = new RequestParser()
  parser.push(Buffer.from(`${method} / HTTP/1.1\r\nHost: a\r\n${headers}\r\n`))
  const parsed = parser.read()
  if (parsed === null) throw new Error('no request')
  return parsed
}

describe('response heads', () => {
  test('status, reason, headers, empty line', () => {
    expect(responseHead(200, { 'Content-Type': 'video/x-flv', 'Content-Length': 5 }, '1.1').toString()).toBe(
      'HTTP/1.1 200 OK\r\nContent-Type: video/x-flv\r\nContent-Length: 5\r\n\r\n',
    )
    expect(responseHead(404, {}, '1.0').toString()).toBe('HTTP/1.0 404 Not Found\r\n\r\n')
  })

  test('of the common headers those that are said anew are left out', () => {
    const common = { Server: 'a', 'Cache-Control': 'no-store' }
    expect(responseHead(200, { 'Cache-Control': 'no-cache', ETag: 'x' }, '1.1', common).toString()).toBe(
      'HTTP/1.1 200 OK\r\nServer: a\r\nCache-Control: no-cache\r\nETag: x\r\n\r\n',
    )
  })

  test.each([
    ['X', 'a\r\nSet-Cookie: b'],
    ['X', 'a\nb'],
    ['X', 'a\rb'],
    ['X', 'a\0'],
    ['X', '直'],
    ['X\r\nY', 'a'],
    ['X y', 'a'],
    ['X:', 'a'],
    ['', 'a'],
  ])('the header %j: %j cannot be sent', (name, value) => {
    expect(() => responseHead(200, { [name]: value }, '1.1')).toThrow('cannot be sent')
  })
})

describe('cross-origin requests', () => {
  test('a preflight is told from a plain OPTIONS', () => {
    expect(isPreflight(request('OPTIONS', 'Origin: a\r\nAccess-Control-Request-Method: GET\r\n'))).toBe(true)
    expect(isPreflight(request('OPTIONS', 'Origin: a\r\n'))).toBe(false)
    expect(isPreflight(request('GET', 'Origin: a\r\nAccess-Control-Request-Method: GET\r\n'))).toBe(false)
  })

  test('a preflight allows the wanted headers that players need, and no others', () => {
    const preflight = request(
      'OPTIONS',
      'Origin: a\r\nAccess-Control-Request-Method: GET\r\nAccess-Control-Request-Headers: Range, x-evil,pragma\r\n' +
        'Access-Control-Request-Private-Network: true\r\n',
    )
    expect(preflightHeaders(preflight)).toEqual({
      'Access-Control-Allow-Origin': '*',
      'Access-Control-Expose-Headers': '*',
      'Access-Control-Allow-Methods': 'GET, HEAD, OPTIONS',
      'Access-Control-Allow-Headers': 'range, pragma',
      'Access-Control-Allow-Private-Network': 'true',
      'Access-Control-Max-Age': '86400',
    })
  })
})
