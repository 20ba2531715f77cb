import { describe, expect, test } from 'vitest'
import { FLV_AUDIO, FLV_VIDEO, flvHeader, flvTagSize, writeFlvTag } from '../../../src/format/flv/tag.ts'

describe('flvHeader', () => {
  test.each([
    [true, true, '464c5601050000000900000000'],
    [true, false, '464c5601040000000900000000'],
    [false, true, '464c5601010000000900000000'],
    [false, false, '464c5601000000000900000000'],
  ])('audio %s, video %s', (hasAudio, hasVideo, bytes) => {
    expect(flvHeader(hasAudio, hasVideo).toString('hex')).toBe(bytes)
  })
})

describe('writeFlvTag', () => {
  const write = (typeId: number, timestampMs: number, payload: Buffer): string => {
    const out = Buffer.alloc(flvTagSize(payload.length) + 2, 0xee)
    expect(writeFlvTag(out, 1, typeId, timestampMs, payload)).toBe(out.length - 1)
    expect([out.at(0), out.at(-1)]).toEqual([0xee, 0xee])
    return out.subarray(1, -1).toString('hex')
  }

  test.each([
    ['an empty audio tag', FLV_AUDIO, 0, '', '08000000000000000000000000000b'],
    ['a video tag', FLV_VIDEO, 0x123456, 'aabbcc', '0900000312345600000000aabbcc0000000e'],
    ['a timestamp over 24 bits', FLV_VIDEO, 0x89abcdef, 'aa', '09000001abcdef89000000aa0000000c'],
    ['the highest timestamp', FLV_VIDEO, 2 ** 32 - 1, 'aa', '09000001ffffffff000000aa0000000c'],
    ['a timestamp that wraps', FLV_VIDEO, 2 ** 32 + 5, 'aa', '0900000100000500000000aa0000000c'],
    ['a timestamp below 0', FLV_VIDEO, -1, 'aa', '09000001ffffffff000000aa0000000c'],
  ])('%s', (_name, typeId, timestampMs, payload, bytes) => {
    expect(write(typeId, timestampMs, Buffer.from(payload, 'hex'))).toBe(bytes)
  })

  test('a payload that the size field cannot hold is refused before anything is written', () => {
    const payload = Buffer.alloc(2 ** 24)
    const refused = (): number => writeFlvTag(Buffer.alloc(flvTagSize(payload.length)), 0, FLV_VIDEO, 0, payload)
    expect(refused).toThrow(expect.objectContaining({ code: 'flv_tag_too_big' }))
  })

  test('too little room is an error of the caller', () => {
    expect(() => writeFlvTag(Buffer.alloc(15), 0, FLV_VIDEO, 0, Buffer.alloc(1))).toThrow(RangeError)
  })
})
