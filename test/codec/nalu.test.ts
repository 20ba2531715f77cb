import { expect, test } from 'vitest'
import { removeEmulationPrevention } from '../../src/codec/nalu.ts'

test.each([
  ['000003', '0000'],
  ['00000300', '000000'],
  ['6700000301', '67000001'],
  ['000003000003', '00000000'],
  ['00000303', '000003'],
  ['0000000301', '00000001'],
  ['0003000300', '0003000300'],
  ['', ''],
  ['0102', '0102'],
])('%s without emulation prevention is %s', (escaped, plain) => {
  expect(removeEmulationPrevention(Buffer.from(escaped, 'hex')).toString('hex')).toBe(plain)
})

test('a NAL unit without emulation prevention is not copied', () => {
  const nalu = Buffer.from('67640a0b', 'hex')
  expect(removeEmulationPrevention(nalu)).toBe(nalu)
})
