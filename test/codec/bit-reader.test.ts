import { describe, expect, test } from 'vitest'
import { BitReader } from '../../src/codec/bit-reader.ts'
import { BitWriter } from './bit-writer.ts'

describe('BitReader', () => {
  test('fields across byte borders come out as written', () => {
    const widths = [1, 7, 3, 13, 32, 5, 31, 8, 24, 2]
    const values = widths.map((width, index) => (2 ** width - 1 - index * 37) % 2 ** width).map(Math.abs)
    const writer = new BitWriter()
    widths.forEach((width, index) => writer.bits(width, values[index] ?? 0))
    const reader = new BitReader(writer.bytes())
    expect(widths.map((width) => reader.bits(width))).toEqual(values)
  })

  test('32 bits stay unsigned', () => {
    expect(new BitReader(Buffer.from('ffffffff', 'hex')).bits(32)).toBe(0xffffffff)
  })

  test('no bits are 0, also at the end', () => {
    expect(new BitReader(Buffer.alloc(0)).bits(0)).toBe(0)
  })

  test.each([0, 1, 2, 3, 7, 8, 255, 65_535, 2 ** 31, 2 ** 32 - 2])('ue(v) of %d', (value) => {
    const reader = new BitReader(new BitWriter().bits(3, 5).ue(value).bits(1, 1).bytes())
    reader.skip(3)
    expect(reader.unsignedGolomb()).toBe(value)
    expect(reader.flag()).toBe(true)
  })

  test.each([0, 1, -1, 2, -2, 127, -128])('se(v) of %d', (value) => {
    expect(new BitReader(new BitWriter().se(value).bytes()).signedGolomb() === value).toBe(true)
  })

  test('a read past the end says both numbers', () => {
    const reader = new BitReader(Buffer.from([0xff]))
    reader.bits(3)
    expect(() => reader.bits(6)).toThrow(expect.objectContaining({ code: 'bits_exhausted' }))
    expect(() => reader.skip(6)).toThrow('needs 6 bits, has 5')
    expect(reader.left).toBe(5)
  })

  test('an exp-golomb code of 32 zeros is refused, not read as a huge number', () => {
    const reader = new BitReader(Buffer.alloc(64))
    expect(() => reader.unsignedGolomb()).toThrow(expect.objectContaining({ code: 'golomb_too_long' }))
  })
})
