import { BlockList } from 'node:net'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type AddressRange, CidrSet, parseRange } from '../../../src/control/security/cidr.ts'

function setOf(...ranges: string[]): CidrSet {
  return new CidrSet(ranges.map((text) => parseRange(text) as AddressRange))
}

describe('a set of networks', () => {
  test.each([
    ['10.0.0.0/8', '10.255.255.255', true],
    ['10.0.0.0/8', '11.0.0.0', false],
    ['10.0.0.0/8', '9.255.255.255', false],
    ['10.1.2.3/8', '10.200.0.1', true],
    ['192.0.2.7', '192.0.2.7', true],
    ['192.0.2.7', '192.0.2.8', false],
    ['192.0.2.7/32', '::ffff:192.0.2.7', true],
    ['192.0.2.4/30', '192.0.2.7', true],
    ['192.0.2.4/30', '192.0.2.8', false],
    ['0.0.0.0/0', '255.255.255.255', true],
    ['0.0.0.0/0', '::1', false],
    ['::/0', '2001:db8::1', true],
    ['::/0', '1.2.3.4', false],
    ['2001:db8::/33', '2001:db8:7fff::1', true],
    ['2001:db8::/33', '2001:db8:8000::', false],
    ['2001:DB8::1', '2001:db8:0:0::1', true],
    ['fe80::/10', 'fe80::1%eth0', true],
    ['::ffff:10.0.0.0/104', '10.9.8.7', true],
    ['::ffff:0.0.0.0/95', '1.2.3.4', false],
    ['::ffff:0.0.0.0/95', '::fffe:1:1', true],
    ['10.0.0.0/8', 'example.com', false],
    ['10.0.0.0/8', '', false],
  ])('%s, asked for %s', (network, host, isIn) => {
    expect(setOf(network).has(host)).toBe(isIn)
  })

  test('a range without an address is an error', () => {
    expect(() => new CidrSet([{ family: 4, address: 'example.com', bits: 32 }])).toThrow(RangeError)
  })

  test('an empty one has nobody', () => {
    expect(new CidrSet([]).has('127.0.0.1')).toBe(false)
  })

  test.each([
    '',
    'all',
    '10.0.0.0/33',
    '10.0.0.0/',
    '10.0.0.0/08',
    '10.0.0.0/-1',
    '10/8',
    '::/129',
    'fe80::1%lo',
    'a/8',
    '1.2.3.4/8/8',
  ])('%j is no range', (text) => {
    expect(parseRange(text)).toBeNull()
  })
})

const family = fc.constantFrom<'ipv4' | 'ipv6'>('ipv4', 'ipv6')

/** Few different addresses, so that networks overlap and are hit. */
function address(kind: 'ipv4' | 'ipv6'): fc.Arbitrary<string> {
  const ipv4 = fc.tuple(fc.constantFrom(10, 192, 255, 0), fc.nat(3), fc.constantFrom(0, 127, 128, 255), fc.nat(255))
  const group = fc.constantFrom('0', '1', '7fff', '8000', 'ffff', '2001')
  return kind === 'ipv4'
    ? ipv4.map((bytes) => bytes.join('.'))
    : // No network here holds ::ffff:0:0/96: for BlockList that is IPv4, for us an IPv6 network has IPv6 addresses only.
      fc
        .tuple(fc.constantFrom('2001', 'fe80'), fc.array(group, { minLength: 7, maxLength: 7 }))
        .map(([first, rest]) => [first, ...rest].join(':'))
}

const network = family.chain((kind) =>
  fc.record({
    kind: fc.constant(kind),
    host: address(kind),
    prefix: kind === 'ipv4' ? fc.nat(32) : fc.integer({ min: 3, max: 128 }),
  }),
)

test("a set says what node's BlockList says", () => {
  const question = family.chain((kind) => fc.record({ kind: fc.constant(kind), host: address(kind) }))
  fc.assert(
    fc.property(
      fc.array(network, { maxLength: 12 }),
      fc.array(question, { minLength: 1, maxLength: 20 }),
      (networks, questions) => {
        const list = new BlockList()
        for (const { kind, host, prefix } of networks) list.addSubnet(host, prefix, kind)
        const set = setOf(...networks.map(({ host, prefix }) => `${host}/${prefix}`))
        for (const { kind, host } of questions) expect([host, set.has(host)]).toEqual([host, list.check(host, kind)])
      },
    ),
    { numRuns: 1000 },
  )
})
