import { isIP } from 'node:net'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { formatIp, parseIp } from '../../src/st/address.ts'

describe('an address', () => {
  test.each([
    ['0.0.0.0', '00000000', '0.0.0.0'],
    ['192.0.2.7', 'c0000207', '192.0.2.7'],
    ['255.255.255.255', 'ffffffff', '255.255.255.255'],
    ['::ffff:192.0.2.7', 'c0000207', '192.0.2.7'],
    ['::FFFF:c000:207', 'c0000207', '192.0.2.7'],
    ['::', '0'.repeat(32), '::'],
    ['::1', `${'0'.repeat(31)}1`, '::1'],
    ['1::', `0001${'0'.repeat(28)}`, '1::'],
    ['2001:DB8:0:0:1:0:0:1', '20010db8000000000001000000000001', '2001:db8::1:0:0:1'],
    ['2001:db8:0:1:1:1:1:1', '20010db8000000010001000100010001', '2001:db8:0:1:1:1:1:1'],
    ['64:ff9b::192.0.2.33', '0064ff9b0000000000000000c0000221', '64:ff9b::c000:221'],
    ['1:2:3:4:5:6:7::', '00010002000300040005000600070000', '1:2:3:4:5:6:7:0'],
    ['fe80::1%eth0', 'fe800000000000000000000000000001', 'fe80::1'],
  ])('%s', (text, packed, canonical) => {
    expect(parseIp(text)).toBe(packed)
    expect(formatIp(packed)).toBe(canonical)
  })

  test.each([
    '',
    '1.2.3',
    '1.2.3.4.5',
    '1.2.3.256',
    '01.2.3.4',
    '1.2.3.4 ',
    '+1.2.3.4',
    '1.2.3.0x4',
    'localhost',
    ':',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4:5:6:7:8::',
    '::12345',
    '::g',
    '1.2.3.4::',
    '::1.2.3.4.5',
    '::1.2.3',
    '[::1]',
    `::${'0'.repeat(60)}1`,
  ])('%j is none', (text) => {
    expect(parseIp(text)).toBeNull()
  })
})

test('every packed address is what its text says', () => {
  const digits = (count: number) =>
    fc
      .array(fc.constantFrom(...Array.from('0000123456789abcdef')), { minLength: count, maxLength: count })
      .map((all) => all.join(''))
  fc.assert(
    fc.property(fc.oneof(digits(8), digits(32)), (packed) => {
      const text = formatIp(packed)
      expect(isIP(text)).not.toBe(0)
      // An IPv6 address that stands for an IPv4 one is that one.
      expect(parseIp(text)).toBe(packed.startsWith(`${'0'.repeat(20)}ffff`) ? packed.slice(24) : packed)
    }),
  )
})

test('what node:net takes for an address is one, and nothing else', () => {
  const text = fc.oneof(
    fc.ipV4(),
    fc.ipV6(),
    fc.string({ unit: fc.constantFrom(...Array.from('0123:::..af')), maxLength: 24 }),
    fc
      .array(fc.constantFrom('0', '1', '255', '256', '00', 'ffff', '1.2.3.4', ''), { maxLength: 9 })
      .map((all) => all.join(':')),
  )
  fc.assert(
    fc.property(text, (candidate) => {
      expect([candidate, parseIp(candidate) !== null]).toEqual([candidate, isIP(candidate) !== 0])
    }),
    { numRuns: 2000 },
  )
})
