import { describe, expect, test } from 'vitest'
import { finish, type FlvTrack, loadFixture, mux } from '../../format/mp4/media.ts'
import { TestBrowser } from './support.ts'

const browser = TestBrowser.use()
const SCRIPT = 'test/e2e/browser/mse-page.js'

/** hvc1 is not tested: Chromium has no decoder of its own for it. */
const CASES = [
  { name: 'h264-aac', codecs: 'avc1.64001e,mp4a.40.2', width: 640, height: 360 },
  { name: 'av1-opus', codecs: 'av01.0.01M.08,opus', width: 640, height: 360 },
  { name: 'vp9-flac', codecs: 'vp09.00.11.08,flac', width: 320, height: 180 },
]

interface Played {
  ranges: [number, number][]
  width: number
  height: number
  pictures: number
  error: string
}

/** The part of the timeline for which there is both picture and sound, seconds. */
function span(flv: readonly FlvTrack[]): [number, number] {
  const shown = flv.map(({ frames }) => frames.map(({ dtsMs, compositionMs }) => dtsMs + compositionMs))
  const start = Math.max(...shown.map((track) => Math.min(...track)))
  const end = Math.min(...shown.map((track) => Math.max(...track)))
  return [start / 1000, end / 1000]
}

test.each(CASES)(
  'a finished recording plays from its beginning and has its length: $codecs',
  async ({ name, width }) => {
    const flv = loadFixture(name)
    const page = await browser.page()
    await page.goto('about:blank')
    await page.addScriptTag({ path: SCRIPT })
    const file = finish(mux(flv).file).toString('base64')
    const played: { duration: number; width: number; error: string } = await page.evaluate(`playFile("${file}", 4)`)
    expect(played).toMatchObject({ width, error: '' })
    const lastMs = Math.max(...flv.map(({ frames }) => frames.at(-1)?.dtsMs ?? 0))
    expect(Math.abs(played.duration - lastMs / 1000)).toBeLessThan(0.2)
  },
)

describe.each(CASES)("Chromium's SourceBuffer: $codecs", ({ name, codecs, width, height }) => {
  const flv = loadFixture(name)

  test.each([
    ['fragments of a GOP', undefined],
    ['parts of 200 ms', 200],
  ])('%s are one range without a hole and play', async (_name, partMs) => {
    const { init, fragments } = mux(flv, { isSegmentStart: true, ...(partMs === undefined ? {} : { partMs }) })
    const page = await browser.page()
    await page.goto('about:blank')
    await page.addScriptTag({ path: SCRIPT })
    const [start, end] = span(flv)
    const pieces = [init, ...fragments].map((piece) => piece.toString('base64'))
    const args = [`video/mp4; codecs="${codecs}"`, pieces, end - 1].map((value) => JSON.stringify(value))
    const played: Played = await page.evaluate(`playPieces(${args.join()})`)
    expect(played).toMatchObject({ width, height, error: '' })
    expect(played.ranges).toHaveLength(1)
    expect(played.ranges[0]?.[0]).toBeCloseTo(start, 1)
    expect(played.ranges[0]?.[1]).toBeGreaterThanOrEqual(end)
    expect(played.pictures).toBeGreaterThan((flv[0]?.frames.length ?? 0) / 2)
  })
})
