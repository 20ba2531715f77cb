import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { CodecError } from '../../src/codec/errors.ts'
import { encodeRequest, type HttpResponse, ResponseParser } from '../../src/http/client.ts'

const LIMIT = 64 * 1024

/** Feeds a response in pieces. @returns what came out, 'more' when it is not whole, or the code of the error */
function parse(pieces: readonly (string | Buffer)[], ends = false, limit = LIMIT): HttpResponse | string {
  const parser = new ResponseParser(limit)
  try {
    for (const piece of pieces) {
      parser.push(Buffer.from(piece as string, 'latin1'))
      const response = parser.read()
      if (response) return response
    }
    return ends ? parser.end() : 'more'
  } catch (error) {
    if (error instanceof CodecError) return error.code
    throw error
  }
}

function body(outcome: HttpResponse | string): string {
  return typeof outcome === 'string' ? `error ${outcome}` : outcome.body.toString('latin1')
}

describe('a response', () => {
  test('with Content-Length', () => {
    const response = parse([
      'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX: a\r\nx:b\r\nContent-Length: 3\r\n\r\nabc',
    ])
    expect(response).toMatchObject({ status: 200, keepAlive: true, body: Buffer.from('abc') })
    expect((response as HttpResponse).headers.get('x')).toBe('a, b')
  })

  test('in chunks, with extensions and trailers', () => {
    const text =
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0A\r\n0123456789\r\n0\r\nT: x\r\n\r\n'
    expect(body(parse([text]))).toBe('abc0123456789')
  })

  test('up to the end of the connection, which cannot be used again', () => {
    const text = 'HTTP/1.1 200 OK\r\n\r\nabc'
    expect(parse([text])).toBe('more')
    expect(parse([text], true)).toMatchObject({ keepAlive: false, body: Buffer.from('abc') })
  })

  test.each([204, 304])('%i has no body', (status) => {
    expect(parse([`HTTP/1.1 ${status} x\r\nContent-Length: 5\r\n\r\n`])).toMatchObject({ status, keepAlive: true })
  })

  test('behind interim ones, with bare line feeds and without a reason', () => {
    const text =
      'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 201\nContent-Length: 1\n\n0'
    expect(parse([text])).toMatchObject({ status: 201, body: Buffer.from('0') })
  })

  test.each<[string, boolean]>([
    ['HTTP/1.1 200 OK\r\nConnection: Close\r\n', false],
    ['HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n', true],
    ['HTTP/1.0 200 OK\r\n', false],
    ['HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\n', true],
  ])('%j says whether the connection goes on: %s', (head, keepAlive) => {
    expect(parse([`${head}Content-Length: 0\r\n\r\n`])).toMatchObject({ keepAlive })
  })

  test('comes out the same in whatever pieces it arrives', () => {
    const texts = [
      'HTTP/1.1 100 x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{"a"}',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n4\r\n"a"}\r\n0\r\n\r\n',
    ]
    for (const text of texts) {
      fc.assert(
        fc.property(fc.array(fc.integer({ min: 1, max: 9 })), (sizes) => {
          const pieces: string[] = []
          let at = 0
          for (const size of [...sizes, text.length]) {
            pieces.push(text.slice(at, at + size))
            at += size
          }
          expect(body(parse(pieces.filter((piece) => piece !== '')))).toBe('{"a"}')
        }),
      )
    }
  })

  test('says whether it has begun and whether more came than belongs to it', () => {
    const parser = new ResponseParser(LIMIT)
    expect(parser.hasBegun).toBe(false)
    parser.push(Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n0more'))
    expect([parser.read()?.body.toString(), parser.hasBegun, parser.hasRest]).toEqual(['0', true, true])
  })
})

describe('a response that is none', () => {
  test.each<[string, string]>([
    ['garbage\r\n\r\n', 'http_response_invalid'],
    ['HTTP/2 200 OK\r\n\r\n', 'http_response_invalid'],
    ['HTTP/1.1 20 OK\r\n\r\n', 'http_response_invalid'],
    ['HTTP/1.1 200 OK\r\nno header\r\n\r\n', 'http_response_invalid'],
    ['HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n', 'http_response_invalid'],
    ['HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n', 'http_response_invalid'],
    ['HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n', 'http_response_invalid'],
    ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n', 'http_response_invalid'],
    ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n', 'http_response_invalid'],
    [`HTTP/1.1 200 OK\r\nX: ${'x'.repeat(17_000)}`, 'http_head_too_long'],
    [`HTTP/1.1 200 OK\r\n${'X: y\r\n'.repeat(4_000)}`, 'http_head_too_long'],
    ['HTTP/1.1 200 OK\r\nContent-Length: 65537\r\n\r\n', 'http_body_too_long'],
    [`HTTP/1.1 200 OK\r\n\r\n${'x'.repeat(65_537)}`, 'http_body_too_long'],
    ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n', 'http_body_too_long'],
  ])('%.60j is %s', (text, code) => {
    expect(parse([text])).toBe(code)
  })

  test.each(['', 'HTTP/1.1 2', 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab'])('%j is cut short', (text) => {
    expect(parse([text], true)).toBe('http_response_cut')
  })
})

describe('a request', () => {
  test('has the length of its body in bytes', () => {
    const bytes = encodeRequest({ method: 'POST', target: '/a?b=c', headers: { Host: 'h' }, body: 'ä' })
    expect(bytes.toString()).toBe('POST /a?b=c HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nä')
  })

  test('GET has none', () => {
    const bytes = encodeRequest({ method: 'GET', target: '/', headers: {}, body: '' })
    expect(bytes.toString()).toBe('GET / HTTP/1.1\r\n\r\n')
  })

  test('with a line break in a header cannot be made', () => {
    const request = { method: 'GET', target: '/', headers: { A: 'b\r\nC: d' }, body: '' } as const
    expect(() => encodeRequest(request)).toThrow(expect.objectContaining({ code: 'http_header_invalid' }))
  })
})
