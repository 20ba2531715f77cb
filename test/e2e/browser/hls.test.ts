import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { HlsOptions } from '../../../src/server/hls/options.ts'
import { startServer, type TestServer } from '../../support/server.ts'
import { until } from '../../support/until.ts'
import { PlayerSite, publishWithFfmpeg, Recordings, TestBrowser } from './support.ts'

const FORMS: readonly (readonly [string, Partial<HlsOptions>])[] = [
  ['MPEG-TS', { hlsFragmentMs: 1_000 }],
  ['fMP4', { hlsFragmentMs: 1_000, hlsUseFmp4: true }],
  ['Low-Latency HLS', { hlsFragmentMs: 1_000, hlsUseFmp4: true, hlsLowLatency: true, hlsPartMs: 200 }],
]
/** Of a machine that does much else; the recordings have a key frame each second. */
const LATENCY_LIMIT_MS = 8_000

const browser = TestBrowser.use()
const recordings = Recordings.use()
const site = PlayerSite.use()

/** As hls-page.js counts. */
interface PlayerState {
  readonly seconds: number
  readonly pictures: number
  readonly soundBytes: number
  readonly fatal: readonly string[]
  readonly errors: readonly string[]
  readonly discontinuities: number
  readonly parts: number
  readonly latencies: readonly number[]
  readonly isLowLatency: boolean
}

async function serve(hls: Partial<HlsOptions>, ports = {}): Promise<TestServer> {
  return startServer({ hls: { enabled: true, ...hls } }, {}, new Map(), undefined, undefined, undefined, ports)
}

async function play(port: number): Promise<Page> {
  const page = await browser.page()
  await page.goto(site.at('hls-page.html'))
  await page.evaluate(`play('http://127.0.0.1:${port}/live/cam.m3u8', { lowLatencyMode: true })`)
  return page
}

const stateOf = (page: Page): Promise<PlayerState> => page.evaluate('state()')

/** Waits until `seconds` more have been played, with pictures and sound. */
async function untilPlayed(page: Page, seconds: number): Promise<void> {
  const { seconds: before, pictures, soundBytes } = await stateOf(page)
  await page.waitForFunction(
    `state().seconds > ${before + seconds} && state().pictures > ${pictures + 5} && state().soundBytes > ${soundBytes}`,
    undefined,
    { timeout: 60_000 },
  )
}

test.each(FORMS)('hls.js plays %s on through a republish 5 s later', async (_form, hls) => {
  const server = await serve(hls)
  onTestFinished(() => server.stop())
  const first = publishWithFfmpeg(server, recordings.path('small'), 'cam')
  const page = await play(server.httpPort)
  await untilPlayed(page, 3)
  await first.stop()
  await new Promise((resolve) => setTimeout(resolve, 5_000))
  publishWithFfmpeg(server, recordings.path('small'), 'cam')
  await until('the discontinuity to be played', async () => (await stateOf(page)).discontinuities > 0)
  await untilPlayed(page, 3)
  const state = await stateOf(page)
  expect(state.fatal).toEqual([])
  expect(state.discontinuities).toBe(1)
  expect(state.isLowLatency).toBe(hls.hlsLowLatency ?? false)
  if (hls.hlsLowLatency) expect(state.parts).toBeGreaterThan(5)
})

describe.each([
  ['kept on disk', true],
  ['kept in memory', false],
])('hls.js plays on through a restart of the server: %s,', (_place, isOnDisk) => {
  test.each(FORMS)('%s', async (_form, form) => {
    const folder = mkdtempSync(join(tmpdir(), 'sluice-hls-'))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    const hls = { ...form, hlsPath: isOnDisk ? folder : '' }
    const before = await serve(hls)
    publishWithFfmpeg(before, recordings.path('small'), 'cam')
    const page = await play(before.httpPort)
    await untilPlayed(page, 3)
    await before.stop()
    const after = await serve(hls, { rtmp: before.rtmpPort, http: before.httpPort })
    onTestFinished(() => after.stop())
    publishWithFfmpeg(after, recordings.path('small'), 'cam')
    await until('what comes after to be played', async () => (await stateOf(page)).discontinuities > 0)
    await untilPlayed(page, 3)
  })
})

test('Low-Latency HLS is seen soon after it was made', async () => {
  const server = await serve({ hlsFragmentMs: 1_000, hlsUseFmp4: true, hlsLowLatency: true, hlsPartMs: 200 })
  onTestFinished(() => server.stop())
  publishWithFfmpeg(server, recordings.path('small'), 'cam')
  const page = await play(server.httpPort)
  await untilPlayed(page, 10)
  const latencies = (await stateOf(page)).latencies.slice(-20).toSorted((one, other) => one - other)
  const median = latencies[Math.floor(latencies.length / 2)] ?? Infinity
  console.log(`Low-Latency HLS: ${Math.round(median)} ms from the server's entrance to the screen`)
  expect(median).toBeLessThan(LATENCY_LIMIT_MS)
})
