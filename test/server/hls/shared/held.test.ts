import { describe, expect, test } from 'vitest'
import { HeldPackets } from '../../../../src/server/hls/shared/held.ts'
import { type Mark, printMark, readMark } from '../../../../src/server/hls/shared/mark.ts'
import { HeaderSet } from '../../../../src/stream/headers.ts'
import { type Packet, parsePackets, withTime } from '../../../../src/stream/packet.ts'
import { media } from '../../media.ts'

const GOP = 5
const FRAME_MS = 40
const FAR_MS = 1_000_000

/** Headers of a stream with pictures. */
const HEADERS = parsePackets('video', media('video header', 'h')).reduce(
  (headers, packet) => headers.withHeader(withTime(packet, 0)).withKind('video'),
  HeaderSet.EMPTY,
)

/** Picture `number` of a stream, of which every fifth is a key frame. */
function picture(number: number, startMs = 0): Packet {
  const payload = media(number % GOP === 0 ? 'video key' : 'video inter', `p${number}`)
  const [packet] = parsePackets('video', payload)
  if (!packet) throw new Error('no packet')
  return withTime(packet, startMs + number * FRAME_MS)
}

/** What a server holds that has had the pictures from `first` to, not with, `end`. */
function holding(first: number, end: number, startMs = 0): HeldPackets {
  const held = new HeldPackets()
  for (let number = first; number < end; number++) {
    held.push(
      { read: { packet: picture(number, startMs), headers: HEADERS, isAfterBreak: false }, wallMs: number },
      FAR_MS,
    )
  }
  return held
}

/** What another server wrote: its next segment begins with `next`, or nothing follows `last`. */
function markOf(next: number | null, last: number | null = null): Mark {
  const held = holding(0, 200)
  const print = (number: number | null) => (number === null ? null : held.print(number, 0))
  return { turn: 1, writer: 'a', sinceMs: 5, next: print(next), last: print(last), leaving: ['x.ts'] }
}

describe('a server that goes on with a stream', () => {
  test('begins with the frame that comes next', () => {
    expect(holding(0, 30).startAfter(markOf(20))).toEqual({ at: 20, shiftMs: 0, goesOn: true })
  })

  test('finds it also where its own times are others, and keeps the times of the storage', () => {
    const held = holding(10, 30, 70_000)
    const start = held.startAfter(markOf(20))
    expect(start).toEqual({ at: 10, shiftMs: -70_000, goesOn: true })
    expect(held.shifted(10, -70_000)?.packet.dtsMs).toBe(20 * FRAME_MS)
  })

  test('begins with the next key frame behind one with which no segment can begin', () => {
    expect(holding(0, 30).startAfter(markOf(21))).toEqual({ at: 25, shiftMs: 0, goesOn: false })
  })

  test('begins with the next key frame behind the end of a publish', () => {
    expect(holding(0, 30).startAfter(markOf(null, 20))).toEqual({ at: 25, shiftMs: 0, goesOn: false })
  })

  test('waits for what has not come yet', () => {
    expect(holding(0, 18).startAfter(markOf(20))).toBe('wait')
  })

  test('begins where it can when that is not there any more', () => {
    expect(holding(23, 40).startAfter(markOf(20))).toEqual({ at: 2, shiftMs: 0, goesOn: false })
  })

  test('begins with what it has when there is nothing to go on with', () => {
    expect(holding(3, 40).startAfter(null)).toEqual({ at: 2, shiftMs: 0, goesOn: false })
    expect(holding(1, 4).startAfter(null)).toBeNull()
  })
})

test('what is in the storage is not held; more than the limit is not held from a key frame on', () => {
  const held = holding(0, 30)
  held.dropPublished(markOf(20))
  expect([held.get(19), held.get(20)?.read.packet.dtsMs]).toEqual([null, 800])
  held.push({ read: { packet: picture(30), headers: HEADERS, isAfterBreak: false }, wallMs: 0 }, 300)
  expect([held.get(24), held.get(25)?.read.packet.dtsMs]).toEqual([null, 1_000])
})

test('a mark is read as it was printed, and nothing else is one', () => {
  const mark = markOf(20, 3)
  expect(readMark(`#EXTM3U\na.ts\n${printMark(mark)}`)).toEqual(mark)
  for (const text of ['', '#EXTM3U\na.ts\n', '# standby {', '# standby null', '# standby {"turn":"1"}']) {
    expect(readMark(text)).toBeNull()
  }
})
