import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { FlvReader, type FlvTag } from '../../../src/format/flv/reader.ts'
import { FLV_AUDIO, FLV_SCRIPT, FLV_VIDEO, flvHeader, flvTagSize, writeFlvTag } from '../../../src/format/flv/tag.ts'
import { readAll, seeded } from './read-all.ts'

function tagBytes(typeId: number, timestampMs: number, payload: Buffer): Buffer {
  const out = Buffer.alloc(flvTagSize(payload.length))
  writeFlvTag(out, 0, typeId, timestampMs, payload)
  return out
}

/** Digests, because comparing large Buffers byte by byte is slow. */
const summary = ({ typeId, timestampMs, payload }: FlvTag): unknown[] => [
  typeId,
  timestampMs,
  payload.length,
  createHash('sha256').update(payload).digest('hex'),
]

const readerOf = (...parts: Buffer[]): FlvReader => {
  const reader = new FlvReader()
  for (const part of parts) reader.push(part)
  return reader
}

describe('FlvReader', () => {
  test('reads tags of all kinds and sizes in slices of any size', () => {
    const random = seeded(7)
    const tags = Array.from({ length: 60 }, (_, index) => ({
      typeId: [FLV_AUDIO, FLV_VIDEO, FLV_SCRIPT, 15][index % 4] ?? 0,
      timestampMs: random(2 ** 32),
      payload: Buffer.alloc(index % 9 === 0 ? random(200_000) : random(300), index),
    }))
    const file = Buffer.concat([
      flvHeader(true, true),
      ...tags.map(({ typeId, timestampMs, payload }) => tagBytes(typeId, timestampMs, payload)),
    ])
    for (const limit of [3, 40, 5_000, 300_000]) {
      const read = readAll(file, () => random(limit)).tags
      expect(read.map(summary)).toEqual(tags.map(summary))
    }
  })

  test('a tag is there with its last byte, before the size that follows it', () => {
    const tag = tagBytes(FLV_VIDEO, 40, Buffer.from('abc'))
    const reader = readerOf(flvHeader(false, true), tag.subarray(0, -5))
    expect(reader.read()).toBeNull()
    reader.push(tag.subarray(-5, -4))
    expect(reader.read()).toEqual({ typeId: FLV_VIDEO, timestampMs: 40, payload: Buffer.from('abc') })
    expect(reader.read()).toBeNull()
  })

  test.each([
    [true, true],
    [true, false],
    [false, true],
    [false, false],
  ])('the header tells audio %s, video %s', (hasAudio, hasVideo) => {
    const header = flvHeader(hasAudio, hasVideo)
    const reader = readerOf(header.subarray(0, 8))
    expect(reader.header()).toBeNull()
    expect(reader.read()).toBeNull()
    reader.push(header.subarray(8))
    expect(reader.header()).toEqual({ hasAudio, hasVideo })
  })

  test('wrong sizes between tags do no harm', () => {
    const tag = tagBytes(FLV_AUDIO, 1, Buffer.from('x'))
    tag.writeUInt32BE(0xdeadbeef, tag.length - 4)
    const reader = readerOf(flvHeader(true, false), tag, tag)
    expect(reader.read()?.payload.toString()).toBe('x')
    expect(reader.read()?.payload.toString()).toBe('x')
  })

  test('a longer file header is passed over', () => {
    const header = Buffer.concat([flvHeader(true, false).subarray(0, 9), Buffer.alloc(20), Buffer.alloc(4)])
    header.writeUInt32BE(29, 5)
    expect(
      readerOf(header, tagBytes(FLV_AUDIO, 1, Buffer.from('x')))
        .read()
        ?.payload.toString(),
    ).toBe('x')
  })

  test('a payload is a Buffer of its own', () => {
    const bytes = tagBytes(FLV_AUDIO, 1, Buffer.from('first'))
    const reader = readerOf(flvHeader(true, false), bytes)
    bytes.fill(0)
    const payload = reader.read()?.payload
    reader.push(tagBytes(FLV_AUDIO, 1, Buffer.from('other')))
    reader.read()
    expect(payload?.toString()).toBe('first')
  })

  test('the stream id is ignored', () => {
    const tag = tagBytes(FLV_AUDIO, 1, Buffer.from('x'))
    tag.writeUIntBE(77, 8, 3)
    expect(readerOf(flvHeader(true, false), tag).read()?.typeId).toBe(FLV_AUDIO)
  })

  test.each([
    ['another signature', '474554202f206874', 'flv_bad_signature'],
    ['a header of 8 bytes', '464c56010500000008', 'flv_bad_header'],
    ['a header of 2 GiB', '464c5601057fffffff', 'flv_bad_header'],
    ['an encrypted tag', `464c56010500000009${'00'.repeat(4)}29${'00'.repeat(10)}`, 'flv_encrypted_tag'],
  ])('%s is refused', (_name, bytes, code) => {
    const reader = readerOf(Buffer.from(bytes.padEnd(18, '0'), 'hex'))
    expect(() => reader.read()).toThrow(expect.objectContaining({ code }))
    expect(() => reader.read()).toThrow(expect.objectContaining({ code }))
  })

  test('a tag over the limit is refused by its header, with both numbers', () => {
    const reader = new FlvReader({ maxTagBytes: 1000 })
    reader.push(flvHeader(true, false))
    reader.push(tagBytes(FLV_AUDIO, 0, Buffer.alloc(1000)))
    reader.push(tagBytes(FLV_AUDIO, 0, Buffer.alloc(1001)).subarray(0, 11))
    expect(reader.read()?.payload.length).toBe(1000)
    expect(() => reader.read()).toThrow('a tag may have 1000 bytes, declares 1001')
  })

  test('a declared size allocates nothing', () => {
    const header = tagBytes(FLV_VIDEO, 0, Buffer.alloc(0)).subarray(0, 11)
    header.writeUIntBE(0xffffff, 1, 3)
    const before = process.memoryUsage().arrayBuffers
    const readers = Array.from({ length: 20 }, () => readerOf(flvHeader(true, true), header))
    expect(readers.map((reader) => reader.read())).toEqual(readers.map(() => null))
    // 20 declared tags of 16 MiB are 320 MiB; the first blocks are 64 KiB each.
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(8 * 1024 * 1024)
  })
})
