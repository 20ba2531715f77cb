import { describe, expect, test } from 'vitest'
import { readPlaylist } from '../../../../src/format/m3u8/read-playlist.ts'
import type { HlsOptions } from '../../../../src/server/hls/options.ts'
import { EPOCH_MS } from '../../../../src/server/hls/numbers.ts'
import { HlsStage, type Publisher, type Synthetic } from '../support.ts'
import { encoded } from './support.ts'

const WRAP_MS = 2 ** 32
const VHOST = '__defaultVhost__'
const ATC: Partial<HlsOptions> = { hlsFragmentMs: 2_000, hlsAtcWaitMs: 0, hlsCtx: false, hlsWindowMs: 60_000 }

class Show {
  readonly stage: HlsStage

  constructor(hls: Partial<HlsOptions> = {}) {
    this.stage = new HlsStage({ ...ATC, ...hls })
  }

  /** Publishes by the encoder's clock, at once. */
  async publish(untilMs: number, fromMs: number, media: Synthetic = {}): Promise<Publisher> {
    const publisher = this.stage.publish('live/cam', VHOST, { atc: true })
    await publisher.burst(encoded(untilMs, fromMs, media))
    return publisher
  }

  get playlist(): string {
    return this.stage.live().playlists.get(false).text('').toString()
  }

  get segments(): { number: number; durationMs: number }[] {
    return (readPlaylist(this.playlist)?.segments ?? []).map(({ number, durationMs }) => ({ number, durationMs }))
  }

  get numbers(): number[] {
    return this.segments.map(({ number }) => number)
  }
}

/** Numbers less that of time 0. */
function slots({ numbers }: Show, first: number): number[] {
  return numbers.map((number) => number - first)
}

/** The number of time 0 of an encoder that began at 0: of the wraps since 1970, nearest to the test's clock. */
function zero(): number {
  return (Math.round(1_700_000_001_000 / WRAP_MS) % 256) * Math.ceil((WRAP_MS - 200) / 2_000)
}

describe('a segment has the number of its time,', () => {
  test('and the first one, of which a part may be missing, is left out', async () => {
    const show = new Show()
    await show.publish(10_100, 0)
    expect(slots(show, zero())).toEqual([1, 2, 3, 4])
    const late = new Show()
    await late.publish(7_100, 3_000, { keysMs: [400, 1_000, 3_000, 5_000, 7_000] })
    expect(slots(late, zero())).toEqual([2, 3, 4])
  })

  test('in time of day where the encoder sends that, and then it has a date', async () => {
    const show = new Show()
    const dayMs = Math.ceil(show.stage.clock.wallMs() / 2_000) * 2_000
    await show.publish(10_100, dayMs % WRAP_MS)
    const first = (dayMs - EPOCH_MS) / 2_000
    expect(show.numbers).toEqual([1, 2, 3, 4].map((later) => first + later))
    expect(show.playlist).toContain(`#EXT-X-PROGRAM-DATE-TIME:${new Date(dayMs + 2_000).toISOString()}`)
    const { headers } = await show.stage.ask(`/live/cam-${first + 1}.ts`)
    expect(headers['cache-control']).toContain('immutable')
  })

  test('no date and no name for ever where the encoder counts from elsewhere', async () => {
    const show = new Show()
    await show.publish(10_100, 0)
    expect(show.playlist).not.toContain('PROGRAM-DATE-TIME')
    const { status, headers } = await show.stage.ask(`/live/cam-${show.numbers[0]}.ts`)
    expect([status, headers['cache-control']]).toEqual([200, 'no-cache'])
  })

  test('across the wrap of the timestamps too', async () => {
    const show = new Show()
    const fromMs = WRAP_MS - 10_000
    await show.publish(20_100, fromMs)
    const { numbers } = show
    expect(numbers).toEqual(numbers.map((_number, index) => (numbers[0] ?? 0) + index))
    const after = new Show()
    // Two seconds behind the wrap.
    await after.publish(8_100, 2_000)
    expect(numbers.at(-1)).toBe(after.numbers.at(-1))
  })

  test('and the last slot before the wrap, which is shorter, has a segment without a key frame too', async () => {
    const show = new Show({ hlsFragmentMs: 1_000, hlsAtcWaitMs: 4_000 })
    await show.publish(20_100, WRAP_MS - 10_100, { fps: 12.5, audio: false, gopMs: 2_000 })
    const { numbers } = show
    expect(numbers.length).toBeGreaterThan(15)
    expect(numbers).toEqual(numbers.map((_number, index) => (numbers[0] ?? 0) + index))
  })
})

describe('a segment begins', () => {
  async function lengths(media: Synthetic, hls: Partial<HlsOptions> = { hlsAtcWaitMs: 4_000 }): Promise<number[]> {
    const show = new Show(hls)
    await show.publish(20_100, 0, media)
    return show.segments.map(({ durationMs }) => durationMs)
  }

  test('at the first key frame behind a multiple of hls_fragment', async () => {
    const keysMs = [0, 1_000, 2_400, 4_000, 6_800, 8_000, 9_000, 10_000, 12_000]
    expect((await lengths({ keysMs })).slice(0, 5)).toEqual([1_600, 2_800, 1_200, 2_000, 2_000])
  })

  test('without one after hls_atc_wait', async () => {
    const found = await lengths({ keysMs: [0, 2_000] }, { hlsAtcWaitMs: 600 })
    for (const ms of found.slice(1)) expect(Math.abs(ms - 2_000)).toBeLessThan(50)
  })

  test('where there is sound alone, at the first sound behind it', async () => {
    for (const ms of await lengths({ fps: 0 })) expect(Math.abs(ms - 2_000)).toBeLessThan(24)
  })
})

test('the target duration follows from the configuration', async () => {
  const targetOf = async (hls: Partial<HlsOptions>): Promise<number> => {
    const show = new Show(hls)
    await show.publish(20_100, 0)
    return readPlaylist(show.playlist)?.targetSeconds ?? 0
  }
  expect(await targetOf({ hlsAtcWaitMs: 4_000 })).toBe(4)
  expect(await targetOf({ hlsAtcWaitMs: 500 })).toBe(3)
  expect(await targetOf({ hlsTdRatio: 3 })).toBe(6)
})

describe('an encoder that comes back', () => {
  test('with its time goes on in another playlist, behind the hole, and that playlist has no discontinuity', async () => {
    const show = new Show()
    const first = await show.publish(10_100, 0)
    await first.end()
    await show.publish(4_100, 20_000)
    // Two segments are none that can be played.
    expect(slots(show, zero())).toEqual([1, 2, 3, 4])
    const second = new Show()
    await (await second.publish(10_100, 0)).end()
    await second.publish(10_100, 20_000)
    expect(slots(second, zero())).toEqual([11, 12, 13, 14])
    expect(second.playlist).not.toMatch(/EXT-X-DISCONTINUITY$/m)
    expect(second.stage.live().keeper.atc).toEqual({ number: zero() + 14, missing: 6 })
  })

  test('and says the same time again does not give a number out twice', async () => {
    const show = new Show()
    const first = await show.publish(10_100, 0)
    await first.end()
    await show.publish(20_100, 1_000, {
      keysMs: [0, 1_000, 3_000, 5_000, 7_000, 9_000, 11_000, 13_000, 15_000, 17_000],
    })
    expect(slots(show, zero())).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9])
  })

  test('long before its time begins anew', async () => {
    const show = new Show()
    const first = await show.publish(10_100, 600_000)
    await first.end()
    await show.publish(10_100, 0)
    expect(slots(show, zero())).toEqual([1, 2, 3, 4])
  })
})

test('keys follow from the secret and the number', async () => {
  const hls = { hlsKeys: true, hlsKeySecret: 'of both', hlsFragmentsPerKey: 2 }
  const keysOf = async (untilMs: number, fromMs: number): Promise<Map<string, string>> => {
    const show = new Show(hls)
    await show.publish(untilMs, fromMs)
    const found = new Map<string, string>()
    for (const [, uri = '', iv = ''] of show.playlist.matchAll(/METHOD=AES-128,URI="([^"]*)",IV=(\w+)/g)) {
      found.set(uri, `${iv} ${(await show.stage.ask(`/live/${uri}`)).bytes.toString('hex')}`)
    }
    return found
  }
  const early = await keysOf(20_100, 0)
  const late = await keysOf(16_100, 4_000)
  expect(late.size).toBeGreaterThan(2)
  for (const [uri, key] of late) expect(early.get(uri) ?? key).toBe(key)
  expect(new Set(early.values()).size).toBe(early.size)
})

describe('atc_auto', () => {
  async function isAtc(metadata: Record<string, unknown> | null): Promise<boolean> {
    const stage = new HlsStage(ATC)
    const publisher = stage.publish('live/cam', VHOST, { atcAuto: true })
    publisher.publication.setMetadata(metadata)
    await publisher.burst(encoded(10_100, 5_000, {}))
    return stage.live().keeper.atc !== null
  }

  test('is on where the metadata has bravo_atc', async () => {
    expect(await isAtc({ bravo_atc: 'true' })).toBe(true)
    expect(await isAtc({ bravo_atc: 'false' })).toBe(false)
    expect(await isAtc({ width: 1 })).toBe(false)
  })

  test('is too late behind the first frame', async () => {
    const stage = new HlsStage(ATC)
    const publisher = stage.publish('live/cam', VHOST, { atcAuto: true })
    await publisher.burst(encoded(10_100, 5_000, {}))
    publisher.publication.setMetadata({ bravo_atc: 'true' })
    expect(publisher.publication.isAtc).toBe(false)
  })
})

test('what was on the disk before a restart is removed, for what is missing is not gone on with', async () => {
  const first = new Show({ hlsPath: 'hls' })
  await first.publish(10_100, 0)
  const { disk } = first.stage
  const names = (): string[] => [...disk.files.keys()].filter((name) => /\.(?:ts|m3u8)$/.test(name))
  expect(names()).toHaveLength(5)
  const second = new HlsStage({ ...ATC, hlsPath: 'hls' }, { disk })
  await second.publish('live/cam', VHOST, { atc: true }).burst(encoded(4_100, 20_000, {}))
  expect(names()).toEqual([])
})

test('a segment in which the connection of a pull has changed is left out', async () => {
  const show = new Show()
  const publisher = show.stage.publish('live/cam', VHOST, { atc: true })
  const messages = encoded(30_100, 0, {})
  const before = messages.filter(({ timestampMs }) => timestampMs < 13_000)
  // What came between is lost: from within one segment to within the next.
  const after = messages.filter(({ timestampMs, payload }) => timestampMs >= 14_500 || payload[1] === 0)
  await publisher.burst(before)
  publisher.publication.reconnected()
  await publisher.burst(after)
  expect(slots(show, zero())).toEqual([9, 10, 11, 12, 13, 14])
})
