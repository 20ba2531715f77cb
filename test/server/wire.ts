import { Feed } from '../../src/stream/feed.ts'
import { HeaderSet } from '../../src/stream/headers.ts'
import type { Packet } from '../../src/stream/packet.ts'
import type { WireFormat } from '../../src/stream/wire-format.ts'
import { seededRandom } from '../rtmp/reference-chunks.ts'
import { TestClock } from '../st/support/clock.ts'
import { audioPacket, headerPacket, videoPacket } from '../stream/media.ts'
import { drain, OPTIONS } from '../stream/support.ts'

export const HEADERS = HeaderSet.EMPTY.withMetadata({ width: 16, title: 'Übertragung' })
  .withHeader(headerPacket('video', 'sps:1'))
  .withHeader(headerPacket('audio', 'asc:1'))
  .withKind('audio')
  .withKind('video')

/** Packets of all kinds and sizes whose times cross the 24 bits of a plain timestamp and the 32 bits of any. */
export function someMedia(): Packet[] {
  const random = seededRandom(4)
  const packets: Packet[] = []
  for (const startMs of [0, 0xffffff - 90, 2 ** 31 - 90, 2 ** 32 - 90, 2 ** 33]) {
    for (let index = 0; index < 6; index++) {
      const dtsMs = startMs + index * 30
      const number = packets.length
      packets.push(videoPacket(number, dtsMs, index === 0, number === 7 ? 70_000 : [1, 123, 128, 4_096][random(4)]))
      packets.push(audioPacket(number, dtsMs + 10, 1 + random(400)))
      if (index === 3) packets.push({ ...audioPacket(number, dtsMs + 10), kind: 'data', type: 'other', codec: '' })
      if (index === 4) packets.push({ ...headerPacket('video', `sps:${number}`), dtsMs })
    }
  }
  return packets
}

/** What a player gets that is there from the first packet on: its prelude, and one piece for each batch. */
export function playAll(
  format: WireFormat,
  packets: readonly Packet[],
  headers = HEADERS,
): { prelude: Buffer; batches: Buffer[] } {
  const clock = new TestClock()
  const feed = new Feed(format, clock, { ...OPTIONS, queueLengthMs: 2 ** 40 })
  const cursor = feed.join('new', true)
  for (const packet of packets) {
    feed.append(packet, headers)
    clock.elapse(100)
  }
  feed.end()
  const [prelude = Buffer.alloc(0), ...batches] = drain(cursor)
  return { prelude, batches }
}
