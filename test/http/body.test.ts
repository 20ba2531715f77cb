import { array, assert, constantFrom, nat, property, string, uint8Array } from 'fast-check'
import { describe, expect, test } from 'vitest'
import { BodyReader } from '../../src/http/body.ts'

const CHUNKED = { chunked: true, contentLength: 0 }

function read(reader: BodyReader, ...pieces: (Buffer | string)[]): string {
  return pieces
    .flatMap((piece) => reader.push(Buffer.from(piece as string)))
    .map((part) => part.toString('latin1'))
    .join('')
}

describe('a body', () => {
  test('with a length ends there; what follows is dropped', () => {
    const reader = new BodyReader({ chunked: false, contentLength: 5 })
    expect(read(reader, 'abc')).toBe('abc')
    expect(reader.isOver).toBe(false)
    expect(read(reader, 'defgh')).toBe('de')
    expect(reader.isOver).toBe(true)
    expect(read(reader, 'more')).toBe('')
  })

  test('without a length is over before it begins', () => {
    expect(new BodyReader({ chunked: false, contentLength: 0 }).isOver).toBe(true)
  })

  test('in chunks may have extensions and trailers', () => {
    const reader = new BodyReader(CHUNKED)
    expect(read(reader, '3;x=y\r\nabc\r\n0A\r\n0123456789\r\n0\r\nTrailer: 1\r\n')).toBe('abc0123456789')
    expect(reader.isOver).toBe(false)
    expect(read(reader, '\r\nnext')).toBe('')
    expect(reader.isOver).toBe(true)
  })

  test('in chunks is the same however it is cut', () => {
    const chunks = array(uint8Array({ minLength: 1, maxLength: 40 }), { maxLength: 5 })
    const cuts = array(nat(300), { maxLength: 20 })
    assert(
      property(chunks, cuts, (parts, at) => {
        const coded = parts.map((part) => `${part.length.toString(16)}\r\n${Buffer.from(part).toString('latin1')}\r\n`)
        const bytes = Buffer.from(`${coded.join('')}0\r\n\r\n`, 'latin1')
        const bounds = [0, ...at.map((cut) => cut % bytes.length).toSorted((a, b) => a - b), bytes.length]
        const reader = new BodyReader(CHUNKED)
        const pieces = bounds.slice(1).map((end, index) => bytes.subarray(bounds[index], end))
        const whole = Buffer.concat(parts.map((part) => Buffer.from(part))).toString('latin1')
        expect(pieces.map((piece) => read(reader, piece)).join('')).toBe(whole)
        expect(reader.isOver).toBe(true)
      }),
    )
  })

  test.each([
    ['no size', '\r\n'],
    ['a size that is none', 'xyz\r\n'],
    ['a negative size', '-1\r\n'],
    ['a size with a prefix', '0x5\r\nhello\r\n'],
    ['a size that is too big', '123456789\r\n'],
    ['a bare LF', '5\nhello\r\n'],
    ['a chunk longer than its size', '3\r\nabcd\r\n'],
    ['a line without end', `3;${'x'.repeat(1100)}`],
    ['trailers without end', `0\r\n${'T: 1\r\n'.repeat(20)}`],
  ])('with %s is refused', (_what, text) => {
    expect(() => read(new BodyReader(CHUNKED), text)).toThrow('the chunked body cannot be read')
  })

  test('whatever comes: an error or parts of it, never more than came', () => {
    assert(
      property(array(string({ unit: constantFrom('0', '1', '3', 'a', 'f', ';', '\r', '\n', 'x', ' ') })), (pieces) => {
        const reader = new BodyReader(CHUNKED)
        try {
          expect(read(reader, ...pieces).length).toBeLessThanOrEqual(pieces.join('').length)
        } catch (error) {
          expect(error).toMatchObject({ status: 400, code: 'http_chunk_invalid' })
        }
      }),
    )
  })
})
