import { describe, expect, test } from 'vitest'
import { flvHeader } from '../../src/format/flv/tag.ts'
import { decodeAmf0 } from '../../src/rtmp/amf0.ts'
import { BARE, CHUNKED } from '../../src/server/batch-frame.ts'
import { FlvFormat } from '../../src/server/flv-format.ts'
import { HeaderSet } from '../../src/stream/headers.ts'
import type { Packet } from '../../src/stream/packet.ts'
import { readAll, seeded } from '../format/flv/read-all.ts'
import { audioPacket, headerPacket, videoPacket } from '../stream/media.ts'
import { HEADERS, playAll, someMedia } from './wire.ts'

const BOTH = { audio: true, video: true }
const FLV_BARE = new FlvFormat(BARE, BOTH)
const FLV_CHUNKED = new FlvFormat(CHUNKED, BOTH)
const TYPE_ID = { audio: 8, video: 9, data: 18 } as const

interface Tag {
  readonly typeId: number
  readonly timestampMs: number
  readonly payload: Buffer
}

/** A second, naive reading of FLV 10.1 E.4, strict where the project's is not: sizes between tags, stream id. */
function naiveTags(bytes: Buffer): Tag[] {
  const tags: Tag[] = []
  for (let at = 0; at < bytes.length; ) {
    const length = Number.parseInt(bytes.toString('hex', at + 1, at + 4), 16)
    const time = bytes.toString('hex', at + 7, at + 8) + bytes.toString('hex', at + 4, at + 7)
    const end = at + 11 + length
    if (bytes.toString('hex', at + 8, at + 11) !== '000000') throw new Error(`stream id at ${at}`)
    if (bytes.readUInt32BE(end) !== 11 + length) throw new Error(`previous tag size at ${end}`)
    tags.push({
      typeId: bytes[at] ?? 0,
      timestampMs: Number.parseInt(time, 16),
      payload: bytes.subarray(at + 11, end),
    })
    at = end + 4
  }
  return tags
}

/** Takes HTTP chunks apart (RFC 9112, 7.1): `size CRLF bytes CRLF`, and nothing between them. */
function unchunk(bytes: Buffer): Buffer[] {
  const chunks: Buffer[] = []
  for (let at = 0; at < bytes.length; ) {
    const lineEnd = bytes.indexOf('\r\n', at)
    const line = bytes.toString('latin1', at, lineEnd)
    if (!/^[1-9a-f][0-9a-f]*$/.test(line)) throw new Error(`chunk size '${line}' at ${at}`)
    const end = lineEnd + 2 + Number.parseInt(line, 16)
    if (bytes.toString('latin1', end, end + 2) !== '\r\n') throw new Error(`no CRLF at ${end}`)
    chunks.push(bytes.subarray(lineEnd + 2, end))
    at = end + 2
  }
  return chunks
}

const asTag = ({ kind, dtsMs, payload }: Packet): Tag => ({
  typeId: TYPE_ID[kind],
  timestampMs: dtsMs % 2 ** 32,
  payload,
})

describe('FLV', () => {
  test('read by the naive parser and by our own: every packet, its time modulo 2^32, its bytes', () => {
    const packets = someMedia()
    const { prelude, batches } = playAll(FLV_BARE, packets)
    const expected = packets.map(asTag)
    expect(naiveTags(Buffer.concat(batches))).toEqual(expected)
    const file = Buffer.concat([flvHeader(true, true), prelude, ...batches])
    const random = seeded(7)
    const { reader, tags } = readAll(file, () => random(9_000))
    expect(reader.header()).toEqual({ hasAudio: true, hasVideo: true })
    expect(tags.slice(3)).toEqual(expected)
  })

  test('a prelude is onMetaData, sound, picture', () => {
    const { prelude } = playAll(FLV_BARE, someMedia())
    const [metadata, ...headers] = naiveTags(prelude)
    expect(metadata?.typeId).toBe(18)
    expect(decodeAmf0(metadata?.payload ?? Buffer.alloc(0))).toEqual([
      'onMetaData',
      { width: 16, title: 'Übertragung', hasAudio: true, hasVideo: true },
    ])
    expect(headers.map((tag) => tag.payload)).toEqual(HEADERS.packets.map((packet) => packet.payload))
  })

  test('HTTP/1.1 gets the same bytes, each batch being exactly one chunk', () => {
    const packets = someMedia()
    const bare = playAll(FLV_BARE, packets)
    const chunked = playAll(FLV_CHUNKED, packets)
    expect(unchunk(chunked.prelude)).toEqual([bare.prelude])
    expect(chunked.batches.map(unchunk)).toEqual(bare.batches.map((batch) => [batch]))
    expect(unchunk(Buffer.concat([chunked.prelude, ...chunked.batches]))).toEqual([bare.prelude, ...bare.batches])
  })

  test('a stream that has neither metadata nor headers begins with its first chunk, and nothing before it', () => {
    const packets = [videoPacket(0, 0, true), audioPacket(1, 0)]
    const { prelude, batches } = playAll(FLV_CHUNKED, packets, HeaderSet.EMPTY.withKind('audio').withKind('video'))
    expect(batches).toEqual([])
    expect(unchunk(prelude).map(naiveTags)).toEqual([packets.map(asTag)])
  })

  test('only the first track of a kind is there, whatever it is', () => {
    const [sound, picture, header] = [audioPacket(0, 0), videoPacket(1, 0, true), headerPacket('video', 'sps:1')]
    for (const packet of [sound, picture, header]) {
      expect([FLV_BARE.accepts(packet), FLV_BARE.accepts({ ...packet, trackId: 1 })]).toEqual([true, false])
    }
  })

  test('the two kinds of answer do not share a feed', () => {
    expect(FLV_BARE.key).not.toBe(FLV_CHUNKED.key)
  })
})
