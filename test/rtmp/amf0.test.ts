import { AMF0 } from 'amf0-ts'
import { amf0Decode } from 'node-media-server/src/protocol/amf.js'
import { describe, expect, test } from 'vitest'
import { CodecError } from '../../src/codec/errors.ts'
import { type AmfObject, type AmfValue, decodeAmf0, ecmaArray, encodeAmf0 } from '../../src/rtmp/amf0.ts'
import { bytes, double, END, key, randomValue, seededRandom, u16, u32 } from './amf0-helpers.ts'

function codeOf(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    if (error instanceof CodecError) return error.code
    throw error
  }
  return 'no error'
}

const one = bytes(0x00, double(1))
const two = bytes(0x00, double(2))

describe('golden bytes decode', () => {
  const table: [string, Buffer, AmfValue[]][] = [
    ['number', bytes(0x00, double(-1.5)), [-1.5]],
    ['number, infinite', bytes(0x00, double(Number.NEGATIVE_INFINITY)), [Number.NEGATIVE_INFINITY]],
    ['boolean', bytes(0x01, 1, 0x01, 0, 0x01, 7), [true, false, true]],
    ['string', bytes(0x02, key('größe')), ['größe']],
    ['empty string', bytes(0x02, 0, 0), ['']],
    ['long string', bytes(0x0c, u32(70_000), 'ä'.repeat(35_000)), ['ä'.repeat(35_000)]],
    ['invalid UTF-8', bytes(0x02, u16(3), 0x61, 0xff, 0x62), ['a\ufffdb']],
    ['null and undefined', bytes(0x05, 0x06), [null, undefined]],
    ['unsupported', bytes(0x0d, one), [undefined, 1]],
    ['object', bytes(0x03, key('a'), one, key('b'), 0x05, END), [{ a: 1, b: null }]],
    ['empty object', bytes(0x03, END, one), [{}, 1]],
    ['object in object', bytes(0x03, key('a'), 0x03, key('b'), one, END, key('c'), two, END), [{ a: { b: 1 }, c: 2 }]],
    ['ECMA array, count 0', bytes(0x08, u32(0), key('a'), one, END, two), [{ a: 1 }, 2]],
    ['ECMA array, count too high', bytes(0x08, u32(9), key('a'), one, END, two), [{ a: 1 }, 2]],
    ['ECMA array, count 2^32-1', bytes(0x08, u32(2 ** 32 - 1), key('a'), one, END), [{ a: 1 }]],
    ['ECMA array, last byte of the count is 9', bytes(0x08, u32(9), END, one), [{}, 1]],
    ['ECMA array without its end', bytes(0x08, u32(1), key('a'), one), [{ a: 1 }]],
    [
      'ECMA array in an object',
      bytes(0x03, key('l'), 0x08, u32(0), key('a'), one, END, key('b'), two, END),
      [{ l: { a: 1 }, b: 2 }],
    ],
    ['strict array', bytes(0x0a, u32(3), one, 0x02, key('x'), 0x0a, u32(0), two), [[1, 'x', []], 2]],
    [
      'date with a time zone',
      bytes(0x0b, double(1_700_000_000_123), u16(0xff10), one),
      [new Date(1_700_000_000_123), 1],
    ],
    ['XML document of 66,000 bytes', bytes(0x0f, u32(66_000), 'x'.repeat(66_000), one), ['x'.repeat(66_000), 1]],
    ['typed object', bytes(0x10, key('flex.Class'), key('a'), one, END, two), [{ a: 1 }, 2]],
    ['typed object named __proto__', bytes(0x10, key('__proto__'), key('a'), one, END), [{ a: 1 }]],
    ['empty key', bytes(0x03, key(''), one, key('b'), two, END), [{ '': 1, b: 2 }]],
    ['integer-like keys', bytes(0x08, u32(2), key('1'), one, key('0'), two, END), [{ 0: 2, 1: 1 }]],
    ['a key that starts like the object end', bytes(0x03, key('\u0009x'), one, END), [{ '\u0009x': 1 }]],
    ['keys of the canonical form', bytes(0x03, key('date'), one, key('=date'), two, END), [{ date: 1, '=date': 2 }]],
    ['key of 1,024 bytes', bytes(0x03, key('k'.repeat(1024)), one, END), [{ ['k'.repeat(1024)]: 1 }]],
    ['reference', bytes(0x03, key('a'), one, END, 0x07, u16(0)), [{ a: 1 }, { a: 1 }]],
    [
      'reference from inside to a finished object',
      bytes(0x0a, u32(2), 0x03, key('a'), one, END, 0x07, u16(1)),
      [[{ a: 1 }, { a: 1 }]],
    ],
    [
      'references are numbered by where containers begin, copies not counted',
      bytes(0x0a, u32(1), 0x03, END, 0x07, u16(0), 0x03, key('b'), two, END, 0x07, u16(2)),
      [[{}], [{}], { b: 2 }, { b: 2 }],
    ],
    [
      'reference to an object below an inert key',
      bytes(0x03, key('__proto__'), 0x03, key('a'), one, END, key('x'), 0x07, u16(1), END),
      [{ x: { a: 1 } }],
    ],
    ['nothing', bytes(), []],
  ]
  test.each(table)('%s', (_name, input, values) => {
    expect(decodeAmf0(input)).toStrictEqual(values)
  })

  test('a number that is not one', () => {
    expect(decodeAmf0(bytes(0x00, double(Number.NaN)))).toEqual([Number.NaN])
  })
})

describe('what is not AMF0 is refused', () => {
  const table: [string, Buffer, string][] = [
    ['movie clip', bytes(0x04), 'amf0_marker_invalid'],
    ['record set', bytes(0x0e), 'amf0_marker_invalid'],
    ['AMF3 switch', bytes(0x02, key('connect'), one, 0x11, 0x0a, 0x0b, 0x01), 'amf0_marker_invalid'],
    ['unknown marker', bytes(0xff), 'amf0_marker_invalid'],
    ['object end outside of an object', bytes(0x09), 'amf0_marker_invalid'],
    ['object end as a value', bytes(0x03, key('a'), 0x09, END), 'amf0_marker_invalid'],
    ['object without its end', bytes(0x03, key('a'), one), 'amf0_truncated'],
    ['object with half an end', bytes(0x03, key('a'), one, 0, 0), 'amf0_truncated'],
    ['ECMA array with half an end', bytes(0x08, u32(1), key('a'), one, 0, 0), 'amf0_truncated'],
    ['string longer than the message', bytes(0x02, u16(5), 'abcd'), 'amf0_truncated'],
    ['long string of 4 GB', bytes(0x0c, u32(2 ** 32 - 1), 'abcd'), 'amf0_truncated'],
    ['strict array of 2^32-1 values in 30 bytes', bytes(0x0a, u32(2 ** 32 - 1), Buffer.alloc(25, 5)), 'amf0_truncated'],
    ['key without a value', bytes(0x03, key('a')), 'amf0_truncated'],
    ['key of 1,025 bytes', bytes(0x03, key('k'.repeat(1025)), one, END), 'amf0_key_too_long'],
    ['reference to nothing', bytes(0x07, u16(0)), 'amf0_reference_invalid'],
    ['reference to the enclosing object', bytes(0x03, key('a'), 0x07, u16(0), END), 'amf0_reference_invalid'],
    ['reference ahead', bytes(0x07, u16(1), 0x03, END), 'amf0_reference_invalid'],
    ['bad value below an inert key', bytes(0x03, key('__proto__'), 0x04, END), 'amf0_marker_invalid'],
  ]
  test.each(table)('%s', (_name, input, code) => {
    expect(codeOf(() => decodeAmf0(input))).toBe(code)
  })
})

describe('bounds', () => {
  const nested = (depth: number, open: Buffer, close: Buffer): Buffer =>
    Buffer.concat([...Array<Buffer>(depth).fill(open), bytes(0x05), ...Array<Buffer>(depth).fill(close)])

  test.each([
    ['objects', bytes(0x03, key('a')), END],
    ['ECMA arrays', bytes(0x08, u32(1), key('a')), END],
    ['typed objects', bytes(0x10, key('T'), key('a')), END],
    ['strict arrays', bytes(0x0a, u32(1)), bytes()],
  ])('%s: depth 64 passes, 65 and 100,000 are refused', (_name, open, close) => {
    const [value] = decodeAmf0(nested(64, open, close))
    expect(JSON.stringify(value).match(/[[{]/g)).toHaveLength(64)
    expect(codeOf(() => decodeAmf0(nested(65, open, close)))).toBe('amf0_too_deep')
    expect(codeOf(() => decodeAmf0(nested(100_000, open, close)))).toBe('amf0_too_deep')
  })

  test('a reference counts with the depth of its copy', () => {
    const chain = (steps: number): Buffer => {
      const parts = [bytes(0x03, END)]
      for (let i = 0; i < steps; i += 1) parts.push(bytes(0x0a, u32(1), 0x07, u16(i)))
      return Buffer.concat(parts)
    }
    expect(decodeAmf0(chain(63))).toHaveLength(64)
    expect(codeOf(() => decodeAmf0(chain(64)))).toBe('amf0_too_deep')
  })

  test('16,384 values pass, one more is refused', () => {
    expect(decodeAmf0(Buffer.alloc(16_384, 0x05))).toHaveLength(16_384)
    expect(codeOf(() => decodeAmf0(Buffer.alloc(16_385, 0x05)))).toBe('amf0_too_many_values')
  })

  test('an object of 100,000 keys is refused, one of 16,000 passes', () => {
    const object = (keys: number): Buffer =>
      bytes(0x03, Buffer.concat(Array.from({ length: keys }, (_, i) => bytes(key(`k${i}`), 0x05))), END)
    expect(codeOf(() => decodeAmf0(object(100_000)))).toBe('amf0_too_many_values')
    const values = decodeAmf0(object(16_000))
    expect(Object.keys(values[0] as AmfObject)).toHaveLength(16_000)
    expect(encodeAmf0(...values).equals(object(16_000))).toBe(true)
  })

  test('references that double at each step are refused by the number of values', () => {
    const parts = [bytes(0x0a, u32(1), 0x05)]
    for (let i = 0; i < 40; i += 1) parts.push(bytes(0x0a, u32(2), 0x07, u16(i), 0x07, u16(i)))
    expect(codeOf(() => decodeAmf0(Buffer.concat(parts)))).toBe('amf0_too_many_values')
  })

  test('references that copy a long string are refused by the number of bytes', () => {
    const parts = [bytes(0x0a, u32(1), 0x0c, u32(100_000), Buffer.alloc(100_000, 0x61))]
    for (let i = 0; i < 1_000; i += 1) parts.push(bytes(0x07, u16(0)))
    expect(codeOf(() => decodeAmf0(Buffer.concat(parts)))).toBe('amf0_too_large')
  })

  test('more than 4 MiB are refused', () => {
    const string = bytes(0x0c, u32(4 * 1024 * 1024), Buffer.alloc(4 * 1024 * 1024))
    expect(codeOf(() => decodeAmf0(string))).toBe('amf0_too_large')
  })
})

describe('keys that reach a prototype are inert', () => {
  test.each(['__proto__', 'constructor', 'prototype'])('%s', (name) => {
    const evil = bytes(0x03, key('polluted'), one, END)
    const [value] = decodeAmf0(bytes(0x03, key('a'), one, key(name), evil, key('b'), two, END)) as [AmfObject]
    expect(value).toStrictEqual({ a: 1, b: 2 })
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
    expect(Object.hasOwn(value, name)).toBe(false)
    expect(({} as AmfObject).polluted).toBeUndefined()
    const own = Object.defineProperty({ a: 1 }, name, { value: 2, enumerable: true })
    expect(encodeAmf0(own)).toEqual(encodeAmf0({ a: 1 }))
  })

  test('names of inherited methods are plain keys', () => {
    const value = { toString: 1, hasOwnProperty: 'x', valueOf: null }
    expect(decodeAmf0(encodeAmf0(value))).toEqual([value])
  })
})

describe('golden bytes encode', () => {
  const shared = { a: 1 }
  const nullPrototype: AmfObject = Object.assign(Object.create(null) as AmfObject, { a: 1 })
  const table: [string, AmfValue[], Buffer][] = [
    ['number', [-1.5], bytes(0x00, double(-1.5))],
    ['boolean', [true, false], bytes(0x01, 1, 0x01, 0)],
    ['string: the length is of UTF-8', ['直播'], bytes(0x02, u16(6), '直播')],
    ['65,535 bytes', ['x'.repeat(65_535)], bytes(0x02, u16(65_535), 'x'.repeat(65_535))],
    ['65,536 bytes', ['x'.repeat(65_536)], bytes(0x0c, u32(65_536), 'x'.repeat(65_536))],
    ['null and undefined', [null, undefined], bytes(0x05, 0x06)],
    ['object', [{ a: 1, é: null }], bytes(0x03, key('a'), one, key('é'), 0x05, END)],
    ['null-prototype object', [nullPrototype], bytes(0x03, key('a'), one, END)],
    ['an empty key is left out', [{ '': 2, a: 1 }], bytes(0x03, key('a'), one, END)],
    [
      'the same object twice: no reference',
      [[shared, shared], shared],
      bytes(0x0a, u32(2), 0x03, key('a'), one, END, 0x03, key('a'), one, END, 0x03, key('a'), one, END),
    ],
    [
      'strict array (fourCcList)',
      [{ fourCcList: ['hvc1', 'av01'] }],
      bytes(0x03, key('fourCcList'), 0x0a, u32(2), 0x02, key('hvc1'), 0x02, key('av01'), END),
    ],
    ['ECMA array', [ecmaArray({ a: 1, 0: 2 })], bytes(0x08, u32(2), key('0'), two, key('a'), one, END)],
    ['ECMA array inside', [{ data: ecmaArray({}) }], bytes(0x03, key('data'), 0x08, u32(0), END, END)],
    ['date in UTC', [new Date(1234)], bytes(0x0b, double(1234), 0, 0)],
  ]
  test.each(table)('%s', (_name, values, output) => {
    expect(encodeAmf0(...values)).toEqual(output)
  })

  test('date in UTC wherever the server stands', () => {
    const date = new Date(1234)
    date.getTimezoneOffset = () => -540
    expect(encodeAmf0(date)).toEqual(bytes(0x0b, double(1234), 0, 0))
  })

  test('64 levels are encoded, 65 and a cycle are refused', () => {
    let value: AmfValue = null
    for (let i = 0; i < 64; i += 1) value = i % 2 ? [value] : { a: value }
    expect(decodeAmf0(encodeAmf0(value))).toEqual([value])
    expect(codeOf(() => encodeAmf0([value]))).toBe('amf0_too_deep')
    const cycle: AmfObject = {}
    cycle.self = cycle
    expect(codeOf(() => encodeAmf0(cycle))).toBe('amf0_too_deep')
  })

  test('a key that does not fit its length is refused', () => {
    expect(codeOf(() => encodeAmf0({ ['é'.repeat(40_000)]: 1 }))).toBe('amf0_key_too_long')
  })

  test('unpaired surrogates become U+FFFD', () => {
    expect(decodeAmf0(encodeAmf0('a\ud800b', { '\udc00': 1 }))).toEqual(['a\ufffdb', { '\ufffd': 1 }])
  })
})

describe('against the packages', () => {
  test('random values round-trip', () => {
    const random = seededRandom(1)
    for (let i = 0; i < 500; i += 1) {
      const values = Array.from({ length: 1 + (i % 4) }, () => randomValue(random, { arrays: true, dates: true }))
      expect(decodeAmf0(encodeAmf0(...values))).toStrictEqual(values)
    }
  })

  test('what amf0-ts writes whole, decodes', () => {
    const random = seededRandom(2)
    for (let i = 0; i < 300; i += 1) {
      const value = randomValue(random, { arrays: false, dates: true })
      expect(decodeAmf0(Buffer.from(AMF0.stringify(value)))).toStrictEqual([value])
    }
  })

  test('references that amf0-ts writes, decode', () => {
    const shared = { deep: { x: 1 } }
    const graph = { a: shared, b: { c: shared, d: shared.deep } }
    expect(AMF0.stringify(graph)).toContain(0x07)
    expect(decodeAmf0(Buffer.from(AMF0.stringify(graph)))).toEqual([graph])
  })

  test('what is encoded, amf0-ts reads back', () => {
    const random = seededRandom(3)
    for (let i = 0; i < 300; i += 1) {
      const value = randomValue(random, { arrays: false, dates: true })
      expect(AMF0.parse([...encodeAmf0(value)])).toStrictEqual(value)
    }
  })

  test('what is encoded, node-media-server reads back', () => {
    const random = seededRandom(4)
    for (let i = 0; i < 300; i += 1) {
      const values = [randomValue(random, { arrays: true, dates: false }), i]
      expect(amf0Decode(encodeAmf0(...values))).toEqual(values)
    }
  })
})

describe('random damage', () => {
  test('every flipped byte of random messages decodes or gives a CodecError', () => {
    const random = seededRandom(5)
    for (let i = 0; i < 60; i += 1) {
      const message = encodeAmf0(randomValue(random, { arrays: true, dates: true }), { a: [1, ecmaArray({ b: 'c' })] })
      for (let at = 0; at < message.length; at += 1 + (message.length >> 7)) {
        const damaged = Buffer.from(message)
        damaged[at] = Math.floor(random() * 256)
        codeOf(() => decodeAmf0(damaged))
      }
    }
  })

  test('random bytes decode or give a CodecError', () => {
    const random = seededRandom(6)
    for (let i = 0; i < 5_000; i += 1) {
      const noise = Buffer.from(Array.from({ length: Math.floor(random() * 64) }, () => Math.floor(random() * 20)))
      codeOf(() => decodeAmf0(noise))
    }
  })
})
