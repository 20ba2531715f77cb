import { describe, expect, test } from 'vitest'
import { type RtmpMessage, setChunkSize } from '../../src/rtmp/message.ts'
import { encodeMessage } from '../../src/rtmp/chunk-writer.ts'
import { RtmpFormat, type RtmpSelection } from '../../src/server/rtmp-format.ts'
import type { Packet } from '../../src/stream/packet.ts'
import { readPieces, waysToRead } from '../rtmp/reading.ts'
import { decodeFull } from '../rtmp/reference-chunks.ts'
import { audioPacket, videoPacket } from '../stream/media.ts'
import { HEADERS, playAll, someMedia } from './wire.ts'

const ALL: RtmpSelection = { streamId: 1, chunkBytes: 60_000, audio: true, video: true, multitrack: false }
const TYPE_ID = { audio: 8, video: 9, data: 18 } as const

const wanted = (packet: Packet, streamId: number): object => ({
  typeId: TYPE_ID[packet.kind],
  timestampMs: packet.dtsMs % 2 ** 32,
  streamId,
  payload: packet.payload,
})

const withoutCsid = ({ typeId, timestampMs, streamId, payload }: RtmpMessage): object => ({
  typeId,
  timestampMs,
  streamId,
  payload,
})

describe('RTMP', () => {
  test.each([128, 4_096, 60_000])('in chunks of %i bytes, read by the naive parser and by our own', (chunkBytes) => {
    const packets = someMedia()
    const { prelude, batches } = playAll(new RtmpFormat({ ...ALL, chunkBytes, streamId: 7 }), packets)
    const expected = packets.map((packet) => wanted(packet, 7))
    const naive = decodeFull(Buffer.concat(batches), chunkBytes)
    expect(naive.map(withoutCsid)).toEqual(expected)
    expect(new Set(naive.map(({ csid, typeId }) => `${csid}/${typeId}`)).size).toBe(3)
    const announce = encodeMessage(setChunkSize(chunkBytes), 128)
    const { messages, error } = readPieces([announce, prelude, ...batches])
    expect(error).toBeNull()
    expect(messages.slice(4).map(withoutCsid)).toEqual(expected)
  })

  test('a prelude can be read alone, in slices of any size: metadata at 0, sound and picture at the time of the key frame', () => {
    const packets = someMedia().map((packet) => ({ ...packet, dtsMs: packet.dtsMs + 0x2000000 }))
    const { prelude } = playAll(new RtmpFormat({ ...ALL, chunkBytes: 128 }), packets)
    for (const { messages, error } of waysToRead(prelude, 3)) {
      expect(error).toBeNull()
      expect(messages.map(({ typeId, timestampMs }) => [typeId, timestampMs])).toEqual([
        // At another time ffmpeg takes them for subtitles.
        [18, 0],
        [8, 0x2000000],
        [9, 0x2000000],
      ])
      expect(messages.slice(1).map((message) => message.payload)).toEqual(HEADERS.packets.map(({ payload }) => payload))
    }
  })

  test('a player gets the kinds that it asked for, and further tracks only if it can tell them apart', () => {
    const sound = audioPacket(0, 0)
    const picture = videoPacket(0, 0, true)
    const text: Packet = { ...sound, kind: 'data', type: 'other' }
    const second: Packet = { ...picture, trackId: 1 }
    const taken = (changes: Partial<RtmpSelection>): boolean[] =>
      [sound, picture, text, second].map((packet) => new RtmpFormat({ ...ALL, ...changes }).accepts(packet))
    expect(taken({})).toEqual([true, true, true, false])
    expect(taken({ multitrack: true })).toEqual([true, true, true, true])
    expect(taken({ audio: false })).toEqual([false, true, true, false])
    expect(taken({ video: false, multitrack: true })).toEqual([true, false, true, false])
    expect(new RtmpFormat({ ...ALL, video: false }).carriesVideo).toBe(false)
  })

  test('players share a feed when all that changes the bytes is equal, and only then', () => {
    const keys = [
      ALL,
      { ...ALL, streamId: 2 },
      { ...ALL, chunkBytes: 4_096 },
      { ...ALL, audio: false },
      { ...ALL, video: false },
      { ...ALL, audio: false, video: false },
      { ...ALL, multitrack: true },
    ].map((selection) => new RtmpFormat(selection).key)
    expect(new Set(keys).size).toBe(7)
    expect(new RtmpFormat({ ...ALL }).key).toBe(keys[0])
  })
})
