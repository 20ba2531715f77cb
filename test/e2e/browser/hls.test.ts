import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { expect, onTestFinished, test } from 'vitest'
import { Program } from '../../support/program.ts'
import { until } from '../../support/until.ts'
import { PlayerSite, TestBrowser } from './support.ts'
import { TimecodePublisher } from './timecode.ts'

const FMP4 = 'hls_use_fmp4 on;'
const LOW_LATENCY = `${FMP4} hls_low_latency on;`
/** Each in memory, and on disk. */
const FORMS = { ts: '', fmp4: FMP4, low: LOW_LATENCY }
const PLACES = { memory: '', disk: 'hls_path FOLDER;' }
const NAMES = Object.keys(FORMS).flatMap((form) => Object.keys(PLACES).map((place) => `${form}.${place}`))
/** What hls.js needs to make up for a stall at the start. */
const CONFIG = { lowLatencyMode: true, maxLiveSyncPlaybackRate: 1.5 }
/** Of a second. */
const PICTURES = 25
/** That hls.js plays parts, and not segments alone. */
const LEAST_PARTS = 5
const PAUSE_MS = 5_000

const browser = TestBrowser.use()
const site = PlayerSite.use()

/** As hls-page.js counts. */
interface PlayerState {
  readonly seconds: number
  readonly soundBytes: number
  readonly pictures: number
  readonly delaysMs: readonly number[]
  /** When the newest picture that was shown was made. */
  readonly madeMs: number
  readonly latencyMs: number
  readonly fatal: readonly string[]
  readonly errors: readonly string[]
  /** How often somebody had to ask for what is live. */
  readonly seeks: number
  readonly parts: number
  readonly isLowLatency: boolean
}

interface Ports {
  readonly rtmp: number
  readonly http: number
}

function conf(folder: string, { rtmp, http }: Ports): string {
  const vhosts = Object.entries(FORMS).flatMap(([form, directives]) =>
    Object.entries(PLACES).map(([place, path]) => {
      const own = path.replace('FOLDER', join(folder, form))
      return `vhost ${form}.${place} { hls { enabled on; hls_fragment 1; hls_window 10; ${directives} ${own} } }`
    }),
  )
  return [
    `listen 127.0.0.1:${rtmp};`,
    `http_server { enabled on; listen 127.0.0.1:${http}; }`,
    'http_api { enabled off; }',
    'vhost __defaultVhost__ { }',
    ...vhosts,
  ].join('\n')
}

/** The program, with the same ports each time it is started. */
async function start(folder: string, ports: Ports = { rtmp: 0, http: 0 }): Promise<{ program: Program; ports: Ports }> {
  const program = await Program.start(conf(folder, ports))
  return { program, ports: { rtmp: await program.port('RTMP'), http: await program.port('HTTP') } }
}

function publish({ rtmp }: Ports): TimecodePublisher {
  return new TimecodePublisher(NAMES.map((name) => `rtmp://127.0.0.1:${rtmp}/live/cam?vhost=${name}`))
}

async function play(name: string, { http }: Ports): Promise<Page> {
  const page = await browser.page()
  await page.goto(site.at('hls-page.html'))
  const url = `http://127.0.0.1:${http}/live/cam.m3u8?vhost=${name}`
  await page.evaluate(`play(${JSON.stringify(url)}, ${JSON.stringify(CONFIG)})`)
  return page
}

const stateOf = (page: Page): Promise<PlayerState> => page.evaluate('state()')

/** Waits until all pages show what was made two seconds after now, with its sound. */
async function untilAllShowWhatComes(pages: ReadonlyMap<string, Page>): Promise<void> {
  const fromMs = Date.now() + 2_000
  for (const [name, page] of pages) {
    const { soundBytes } = await stateOf(page)
    await until(`${name} shows what was made later`, async () => {
      const state = await stateOf(page)
      return state.madeMs > fromMs && state.soundBytes > soundBytes
    })
  }
}

/** Says how long it takes from the drawing of a picture to the screen: a figure, which depends on the machine, and no test. */
async function measure(name: string, page: Page): Promise<void> {
  const { delaysMs, latencyMs, isLowLatency } = await until(`${name} has shown a second of pictures`, async () => {
    const state = await stateOf(page)
    return state.pictures > PICTURES && state.parts > LEAST_PARTS && state
  })
  expect(isLowLatency).toBe(true)
  const delayMs = delayOf({ delaysMs })
  console.log(`${name}: ${delayMs} ms from drawing to screen, ${latencyMs} ms behind the playlist's end by hls.js`)
}

/** The median of the newest pictures. */
function delayOf({ delaysMs }: Pick<PlayerState, 'delaysMs'>): number {
  const sorted = delaysMs.slice(-PICTURES).toSorted((one, other) => one - other)
  return sorted[Math.floor(sorted.length / 2)] ?? Infinity
}

function isLow(name: string): boolean {
  return name.startsWith('low.')
}

test('hls.js plays TS, fMP4 and Low-Latency HLS on through a republish and a restart', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-hls-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const { program, ports } = await start(folder)
  const first = publish(ports)
  const pages = new Map<string, Page>()
  // Before there are others: on a machine that is busy with them, hls.js falls behind to where there are no parts any more.
  for (const name of NAMES.filter(isLow)) {
    const page = await play(name, ports)
    pages.set(name, page)
    await measure(name, page)
  }
  for (const name of NAMES.filter((other) => !isLow(other))) pages.set(name, await play(name, ports))
  await untilAllShowWhatComes(pages)

  await first.stop()
  await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
  const second = publish(ports)
  await untilAllShowWhatComes(pages)
  for (const page of pages.values()) expect(await stateOf(page)).toMatchObject({ fatal: [], seeks: 0 })

  program.signal('SIGTERM')
  await program.ended()
  await second.stop()
  await start(folder, ports)
  publish(ports)
  await untilAllShowWhatComes(pages)
  for (const [name, page] of pages) {
    const { fatal, seeks } = await stateOf(page)
    // hls.js asks three times; on a slow machine the program is not there yet.
    expect([name, fatal.filter((what) => what !== 'networkError levelLoadError 0')]).toEqual([name, []])
    // Where nothing of the playlist is left, hls.js 1.7.4 may have to be told to go to what is live.
    if (name.endsWith('disk')) expect([name, seeks]).toEqual([name, 0])
  }
})
