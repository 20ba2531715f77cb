import { describe, expect, test } from 'vitest'
import { Timeline } from '../../src/stream/timeline.ts'
import { seededRandom } from '../rtmp/reference-chunks.ts'

const VIDEO_STEP_MS = 40
const AUDIO_STEP_MS = 23
const HOUR_MS = 3_600_000
const WRAP_MS = 2 ** 32

/** One packet as it arrives: its own time on an ideal clock, its timestamp, and when it comes. */
interface Arrival {
  readonly track: 'video0' | 'audio0'
  readonly idealMs: number
  readonly timestampMs: number
  readonly wallMs: number
}

interface Placed extends Arrival {
  readonly outMs: number
}

interface Schedule {
  readonly durationMs: number
  /** What the publisher's clock shows at the start. */
  readonly startMs: number
  /** From `atMs` on the publisher's clock is `byMs` further (less) than before. */
  readonly jumps: readonly { readonly atMs: number; readonly byMs: number }[]
  /** Sound arrives so much later (earlier) than the picture of the same time. */
  readonly audioLateMs: number
  /** Everything arrives in bursts of this length; 0: one by one. */
  readonly burstMs: number
}

const STEADY: Schedule = { durationMs: 10_000, startMs: 0, jumps: [], audioLateMs: 0, burstMs: 0 }

function arrivals(changes: Partial<Schedule>): Arrival[] {
  const schedule = { ...STEADY, ...changes }
  const { durationMs, startMs, jumps, audioLateMs, burstMs } = schedule
  const packets: { arrival: Arrival; order: number }[] = []
  for (const [track, stepMs] of [['video0', VIDEO_STEP_MS] as const, ['audio0', AUDIO_STEP_MS] as const]) {
    for (let idealMs = 0; idealMs < durationMs; idealMs += stepMs) {
      const shiftMs = jumps.reduce((sum, jump) => sum + (idealMs >= jump.atMs ? jump.byMs : 0), 0)
      const order = idealMs + (track === 'audio0' ? audioLateMs : 0)
      const wallMs = 5_000 + (burstMs > 0 ? Math.ceil(order / burstMs) * burstMs : order)
      packets.push({ arrival: { track, idealMs, timestampMs: mod32(startMs + idealMs + shiftMs), wallMs }, order })
    }
  }
  return packets.toSorted((a, b) => a.order - b.order).map(({ arrival }) => arrival)
}

function mod32(value: number): number {
  return ((value % WRAP_MS) + WRAP_MS) % WRAP_MS
}

function place(timeline: Timeline, packets: readonly Arrival[]): Placed[] {
  return packets.map((packet) => ({
    ...packet,
    outMs: timeline.correct(packet.track, packet.timestampMs, packet.wallMs),
  }))
}

function onTrack(placed: readonly Placed[], name: Placed['track']): Placed[] {
  return placed.filter((packet) => packet.track === name)
}

function expectMonotonic(placed: readonly Placed[]): void {
  for (const name of ['video0', 'audio0'] as const) {
    let lastMs = 0
    for (const { outMs } of onTrack(placed, name)) {
      if (!(outMs >= lastMs)) throw new Error(`${name} goes from ${lastMs} to ${outMs}`)
      lastMs = outMs
    }
  }
}

/** How far a track's output is from the ideal clock at its end. */
function driftMs(placed: readonly Placed[], name: Placed['track']): number {
  const last = onTrack(placed, name).at(-1)
  return last ? last.outMs - last.idealMs : Number.NaN
}

/** How far apart picture and sound of the same time are. */
function desyncMs(placed: readonly Placed[]): number {
  return Math.abs(driftMs(placed, 'video0') - driftMs(placed, 'audio0'))
}

/** The largest step of a track's output. */
function largestGapMs(placed: readonly Placed[], name: Placed['track']): number {
  const out = onTrack(placed, name).map((packet) => packet.outMs)
  return Math.max(...out.slice(1).map((ms, index) => ms - (out[index] ?? 0)))
}

describe('jumps of the publisher (ossrs/srs#1001, #2776)', () => {
  const at = 4_000
  test.each<[string, Partial<Schedule>]>([
    ['restart at 0', { startMs: 90_000, jumps: [{ atMs: at, byMs: -94_000 }] }],
    ['+1 h', { jumps: [{ atMs: at, byMs: HOUR_MS }] }],
    ['-10 s', { startMs: 60_000, jumps: [{ atMs: at, byMs: -10_000 }] }],
    ['-2 s', { startMs: 60_000, jumps: [{ atMs: at, byMs: -2_000 }] }],
    [
      '+1 h and back',
      { jumps: [at, at + 2_000].map((atMs, index) => ({ atMs, byMs: index === 0 ? HOUR_MS : -HOUR_MS })) },
    ],
    [
      'restart at 0 with the sound 300 ms late',
      { startMs: 90_000, jumps: [{ atMs: at, byMs: -94_000 }], audioLateMs: 300 },
    ],
    ['-10 s with the sound 300 ms early', { startMs: 60_000, jumps: [{ atMs: at, byMs: -10_000 }], audioLateMs: -300 }],
    ['-2 s with the sound 300 ms late', { startMs: 60_000, jumps: [{ atMs: at, byMs: -2_000 }], audioLateMs: 300 }],
    ['-700 ms with the sound 100 ms late', { startMs: 60_000, jumps: [{ atMs: at, byMs: -700 }], audioLateMs: 100 }],
    ['+6 s with the sound 300 ms late', { jumps: [{ atMs: at, byMs: 6_000 }], audioLateMs: 300 }],
    ['by half of the 32 bits', { startMs: 10, jumps: [{ atMs: at, byMs: 2 ** 31 + 77 }] }],
    ['in bursts of 2 s', { startMs: 60_000, jumps: [{ atMs: at, byMs: -50_000 }], burstMs: 2_000 }],
  ])('%s: no gap, no step back, sound and picture together', (_, schedule) => {
    const timeline = new Timeline()
    const placed = place(timeline, arrivals(schedule))
    expectMonotonic(placed)
    expect(desyncMs(placed)).toBeLessThan(VIDEO_STEP_MS)
    expect(largestGapMs(placed, 'video0')).toBeLessThanOrEqual(2 * VIDEO_STEP_MS)
    expect(largestGapMs(placed, 'audio0')).toBeLessThanOrEqual(2 * VIDEO_STEP_MS)
    expect(timeline.jumps).toBeGreaterThan(0)
  })

  test('a small step back is held, not taken for a restart, and both tracks move by the same', () => {
    const timeline = new Timeline()
    const placed = place(timeline, arrivals({ startMs: 60_000, jumps: [{ atMs: 4_000, byMs: -300 }] }))
    expectMonotonic(placed)
    expect(timeline.jumps).toBe(0)
    expect(timeline.held).toBeGreaterThan(0)
    expect(desyncMs(placed)).toBe(0)
  })

  test('a step of 3 s ahead is passed on: it may be the truth', () => {
    const timeline = new Timeline()
    const placed = place(timeline, arrivals({ jumps: [{ atMs: 4_000, byMs: 3_000 }] }))
    expect(timeline.jumps).toBe(0)
    expect(driftMs(placed, 'video0')).toBe(3_000)
    expect(desyncMs(placed)).toBe(0)
  })

  test('one packet with a wild timestamp leaves all others where they are', () => {
    const packets = arrivals({}).map((packet) =>
      packet.track === 'video0' && packet.idealMs === 4_000 ? { ...packet, timestampMs: 987_654_321 } : packet,
    )
    const placed = place(new Timeline(), packets)
    expectMonotonic(placed)
    expect(desyncMs(placed)).toBeLessThan(VIDEO_STEP_MS)
    expect(Math.abs(driftMs(placed, 'video0'))).toBeLessThan(VIDEO_STEP_MS)
  })

  test('when only the picture jumps, it goes on and the sound stays where it was', () => {
    const packets = arrivals({ startMs: 60_000 }).map((packet) =>
      packet.track === 'video0' && packet.idealMs >= 4_000
        ? { ...packet, timestampMs: packet.timestampMs - 50_000 }
        : packet,
    )
    const placed = place(new Timeline(), packets)
    expectMonotonic(placed)
    expect(desyncMs(placed)).toBeLessThan(VIDEO_STEP_MS)
    expect(driftMs(placed, 'audio0')).toBe(60_000)
  })
})

describe('what is no jump', () => {
  test('the very first packet keeps its time', () => {
    expect(new Timeline().correct('video0', 123_456, 0)).toBe(123_456)
  })

  test('the 32-bit wrap goes on', () => {
    const timeline = new Timeline()
    const placed = place(timeline, arrivals({ startMs: WRAP_MS - 4_000 }))
    expectMonotonic(placed)
    expect(timeline.jumps + timeline.held).toBe(0)
    expect(placed.at(-1)?.outMs).toBeGreaterThan(WRAP_MS)
    expect(desyncMs(placed)).toBe(0)
  })

  test('16 audio frames in one burst keep their times', () => {
    const timeline = new Timeline()
    timeline.correct('video0', 1_000, 0)
    const out = Array.from({ length: 16 }, (_, index) => timeline.correct('audio0', 1_000 + index * 23, 0))
    expect(out).toEqual(Array.from({ length: 16 }, (_, index) => 1_000 + index * 23))
  })

  test('a gap of 30 s during which nothing came is the truth', () => {
    const timeline = new Timeline()
    timeline.correct('video0', 1_000, 1_000)
    timeline.correct('audio0', 1_010, 1_010)
    expect(timeline.correct('video0', 31_000, 31_000)).toBe(31_000)
    expect(timeline.correct('audio0', 31_010, 31_010)).toBe(31_010)
    expect(timeline.jumps).toBe(0)
  })

  test('sound that starts 20 s later is placed by its timestamp', () => {
    const timeline = new Timeline()
    for (let ms = 0; ms <= 20_000; ms += VIDEO_STEP_MS) timeline.correct('video0', 500_000 + ms, ms)
    expect(timeline.correct('audio0', 519_990, 20_000)).toBe(519_990)
    expect(timeline.jumps + timeline.held).toBe(0)
  })

  test('a slide show of one picture in 10 s keeps its times, alone and with sound, live and in a burst', () => {
    const alone = new Timeline()
    expect([0, 10_000, 20_000, 30_000].map((ms) => alone.correct('video0', ms, ms))).toEqual([
      0, 10_000, 20_000, 30_000,
    ])
    for (const pace of [1, 0]) {
      const timeline = new Timeline()
      for (let ms = 0; ms <= 60_000; ms += 20) {
        expect(timeline.correct('audio0', ms, ms * pace)).toBe(ms)
        if (ms % 10_000 === 0) expect(timeline.correct('video0', ms, ms * pace)).toBe(ms)
      }
    }
  })

  test('a packet that was overtaken is held at the time of the one before it', () => {
    const timeline = new Timeline()
    expect([0, 40, 120, 80, 160].map((ms) => timeline.correct('video0', ms, ms))).toEqual([0, 40, 120, 120, 160])
    expect(timeline.held).toBe(1)
  })
})

describe('the next publish', () => {
  test('follows the one before it, whatever its timestamps', () => {
    for (const startMs of [0, 777, 5_000_000, WRAP_MS - 30]) {
      const timeline = new Timeline()
      const first = place(timeline, arrivals({ durationMs: 2_000, startMs: 40_000 }))
      timeline.begin()
      const second = place(timeline, arrivals({ durationMs: 2_000, startMs }))
      expectMonotonic([...first, ...second])
      expect(desyncMs(second)).toBe(0)
      expect((second[0]?.outMs ?? 0) - 41_980).toBeLessThanOrEqual(2 * VIDEO_STEP_MS)
    }
  })

  test('does not let the sound go back when its picture is ahead of its sound', () => {
    const timeline = new Timeline()
    timeline.correct('video0', 10_000, 0)
    timeline.correct('audio0', 10_100, 0)
    timeline.begin()
    timeline.correct('video0', 400, 1_000)
    expect(timeline.correct('audio0', 100, 1_000)).toBeGreaterThanOrEqual(10_100)
  })
})

test('whatever comes: times never go back per track and are whole, sound and picture stay together', () => {
  const random = seededRandom(20_261)
  const between = (low: number, high: number): number => low + random(high - low)
  const jumpMs = (): number => {
    const size = [between(1, 500), between(500, 5_000), between(5_000, 60_000), between(60_000, 40 * HOUR_MS)][
      random(4)
    ]
    return (size ?? 0) * (random(2) === 0 ? 1 : -1)
  }
  for (let run = 0; run < 400; run++) {
    const jumps = Array.from({ length: random(4) }, (_, index) => ({
      atMs: 3_000 * (index + 1) + random(900),
      byMs: jumpMs(),
    }))
    const schedule: Schedule = {
      durationMs: 14_000,
      startMs: [0, 50_000, WRAP_MS - random(14_000), random(WRAP_MS)][random(4)] ?? 0,
      jumps,
      audioLateMs: random(2) === 0 ? 0 : between(-200, 200),
      burstMs: random(3) === 0 ? 1_000 : 0,
    }
    const placed = place(new Timeline(), arrivals(schedule))
    try {
      expectMonotonic(placed)
      expect(placed.every(({ outMs }) => Number.isInteger(outMs))).toBe(true)
      expect(desyncMs(placed)).toBeLessThan(VIDEO_STEP_MS)
    } catch (error) {
      throw new Error(`run ${run}: ${JSON.stringify(schedule)}`, { cause: error })
    }
  }
})

describe('with absolute times', () => {
  function absolute(): Timeline {
    const timeline = new Timeline()
    timeline.begin(true)
    return timeline
  }

  test('all keep their own, beyond the wrap too, whatever came before and however far they jump ahead', () => {
    const timeline = absolute()
    expect(timeline.correct('video0', WRAP_MS - 20, 0)).toBe(WRAP_MS - 20)
    expect(timeline.correct('audio0', 10, 0)).toBe(WRAP_MS + 10)
    expect(timeline.correct('video0', 20, 40)).toBe(WRAP_MS + 20)
    expect(timeline.correct('video0', HOUR_MS, 80)).toBe(WRAP_MS + HOUR_MS)
    timeline.begin(true)
    expect(timeline.correct('video0', 5_000, 100)).toBe(5_000)
    timeline.begin()
    expect(timeline.correct('video0', 1_000, 140)).toBe(5_040)
  })

  test('a track that falls back a little is held; further back is an error', () => {
    const timeline = absolute()
    timeline.correct('video0', 10_000, 0)
    expect(timeline.correct('video0', 9_600, 40)).toBe(10_000)
    expect(timeline.correct('video0', 10_080, 80)).toBe(10_080)
    expect(timeline.correct('audio0', 2_000, 80)).toBe(2_000)
    expect(() => timeline.correct('video0', 9_000, 120)).toThrow(expect.objectContaining({ code: 'time_fell_back' }))
  })
})
