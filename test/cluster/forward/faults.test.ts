import { describe, expect, test } from 'vitest'
import { close, pictures, type Seen, SimStage } from '../sim-stage.ts'

const FORWARD = 'forward { enabled on; destination copy; }'
const GOP = 25

/** Pictures that are missing, one list for each connection of the player. */
function gaps(seen: readonly Seen[]): number[] {
  const numbers = pictures(seen)
  return numbers.slice(1).flatMap((number, index) => {
    const step = number - (numbers[index] ?? 0)
    return step === 1 ? [] : [step - 1]
  })
}

/** What comes first on each connection of the player, behind metadata. */
function beginnings(seen: readonly Seen[]): string[] {
  const connections = new Set(seen.map(({ connection }) => connection))
  return [...connections].map((connection) =>
    seen
      .filter((one) => one.connection === connection && one.label !== 'data')
      .slice(0, 3)
      .map(({ label }) => label.replace(/ \d+$/, ''))
      .join(', '),
  )
}

describe('a forward', () => {
  test.each([1, 2, 3, 4, 5])('to a server that is killed and started again goes on (seed %i)', async (seed) => {
    const stage = new SimStage(seed)
    const origin = await stage.serve(stage.machine('origin'), FORWARD)
    const copyHost = stage.machine('copy')
    await stage.serve(copyHost)
    stage.publish('origin', 'cam')
    const seen = stage.play('copy', 'cam')
    await stage.run(10_300)
    expect(gaps(seen)).toEqual([])
    copyHost.crash('process')
    await stage.run(2_000)
    const copy = await stage.serve(copyHost)
    await stage.run(15_000)
    // What came while it was away was kept: the player begins at the newest key frame of it, not at the next to come.
    const missing = gaps(seen)
    expect(missing.length).toBe(1)
    expect(missing[0]).toBeLessThan(3 * GOP)
    expect(pictures(seen).at(-1)).toBeGreaterThan(26 * GOP)
    expect(beginnings(seen).every((first) => first.startsWith('audio header h, video header h, video key'))).toBe(true)
    expect(await close(stage, origin)).toEqual([])
    expect(await close(stage, copy)).toEqual([])
  })

  test('to a machine that vanishes and comes back much later goes on where the stream is then', async () => {
    const stage = new SimStage(6)
    const origin = await stage.serve(stage.machine('origin'), FORWARD)
    const copyHost = stage.machine('copy')
    await stage.serve(copyHost)
    stage.publish('origin', 'cam')
    await stage.run(10_300)
    copyHost.crash('machine')
    await stage.run(60_000)
    await stage.serve(copyHost)
    const seen = stage.play('copy', 'cam')
    await stage.run(10_000)
    const first = pictures(seen)[0] ?? 0
    // Not older than queue_length, 10 s by default.
    expect(first).toBeGreaterThan(60 * GOP)
    expect(first % GOP).toBe(0)
    expect(gaps(seen)).toEqual([])
    expect(await close(stage, origin)).toEqual([])
  })

  test('to a machine that vanishes while the way is cut is noticed in half a minute, however little is sent', async () => {
    const stage = new SimStage(10)
    const originHost = stage.machine('origin')
    const origin = await stage.serve(originHost, FORWARD)
    const copyHost = stage.machine('copy')
    await stage.serve(copyHost)
    stage.publish('origin', 'cam')
    await stage.run(10_300)
    stage.network.cut(originHost, copyHost)
    copyHost.crash('machine')
    await stage.run(1_000)
    const copy = await stage.serve(copyHost)
    // Of the old connection nothing gets through any more, also no reset.
    await stage.run(42_000)
    expect(origin.log.lines.find(({ text }) => text.startsWith('forward failed'))?.fields['reason']).toMatch(
      /does not answer/,
    )
    stage.network.heal(originHost, copyHost)
    const seen = stage.play('copy', 'cam')
    await stage.run(15_000)
    expect(pictures(seen).at(-1)).toBeGreaterThan(60 * GOP)
    expect(await close(stage, origin)).toEqual([])
    expect(await close(stage, copy)).toEqual([])
  })

  test('over a way that is cut for less than its destination waits loses nothing', async () => {
    const stage = new SimStage(7)
    const originHost = stage.machine('origin')
    const origin = await stage.serve(originHost, FORWARD)
    const copyHost = stage.machine('copy')
    const copy = await stage.serve(copyHost)
    stage.publish('origin', 'cam')
    const seen = stage.play('copy', 'cam')
    await stage.run(5_000)
    stage.network.cut(originHost, copyHost)
    await stage.run(1_500)
    stage.network.heal(originHost, copyHost)
    await stage.run(10_000)
    expect(gaps(seen)).toEqual([])
    expect(pictures(seen).at(-1)).toBeGreaterThan(15 * GOP)
    expect(await close(stage, origin)).toEqual([])
    expect(await close(stage, copy)).toEqual([])
  })

  test('over a way that is too slow drops to key frames, and is never further behind than queue_length', async () => {
    const slow = (from: string, to: string): boolean => from === 'origin' && to === 'copy'
    const stage = new SimStage(8, (from, to) =>
      slow(from.name, to.name) || slow(to.name, from.name) ? { bytesPerMs: 100, bufferBytes: 64 * 1024 } : {},
    )
    const origin = await stage.serve(stage.machine('origin'), `play { queue_length 4; } ${FORWARD}`)
    const copy = await stage.serve(stage.machine('copy'))
    // Twice what the way takes.
    stage.publish('origin', 'cam', 8_000)
    const seen = stage.play('copy', 'cam')
    await stage.run(60_000)
    const missing = gaps(seen)
    expect(missing.length).toBeGreaterThan(3)
    const resumed = seen.filter(({ label }, index) => {
      const number = Number(label.split(' ')[2])
      const before = pictures(seen.slice(0, index)).at(-1)
      return label.startsWith('video') && before !== undefined && number > before + 1
    })
    expect(resumed.every(({ label }) => label.startsWith('video key'))).toBe(true)
    const lateMs = Math.max(...seen.map(({ atMs, timestampMs }) => atMs - timestampMs))
    expect(lateMs).toBeLessThan(9_000)
    expect(await close(stage, origin)).toEqual([])
    expect(await close(stage, copy)).toEqual([])
  })

  test('ends with its stream, and the next publish of it is forwarded at once', async () => {
    const stage = new SimStage(9)
    const origin = await stage.serve(stage.machine('origin'), FORWARD)
    const copy = await stage.serve(stage.machine('copy'))
    stage.publish('origin', 'cam')
    const seen = stage.play('copy', 'cam')
    await stage.run(5_000)
    const encoder = stage.network.find('encoder of cam')
    encoder?.crash('process')
    await stage.run(300)
    expect([origin.house.streams, copy.house.streams]).toEqual([0, 1])
    stage.publish('origin', 'cam')
    await stage.run(3_000)
    expect(pictures(seen).filter((number) => number === 0).length).toBe(2)
    expect(origin.log.lines.filter(({ text }) => text.startsWith('forward failed'))).toEqual([])
    expect(await close(stage, origin)).toEqual([])
    expect(await close(stage, copy)).toEqual([])
  })
})
