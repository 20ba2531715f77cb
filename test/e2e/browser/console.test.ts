import { randomUUID } from 'node:crypto'
import type { Page } from 'playwright-core'
import { expect, onTestFinished, test } from 'vitest'
import { startPlayer } from '../../server/rtmp-probe.ts'
import { Program } from '../../support/program.ts'
import { PATIENT_MS, publishWithFfmpeg, Recordings, TestBrowser } from './support.ts'

const browser = TestBrowser.use()
const recordings = Recordings.use()

const PASSWORD = randomUUID()
const CONF = `listen 127.0.0.1:0;
max_connections 900;
http_server { enabled on; listen 127.0.0.1:0; }
http_api { enabled on; listen 127.0.0.1:0; auth { enabled on; username admin; password ${PASSWORD}; }
  raw_api { enabled on; allow_reload on; } }
vhost __defaultVhost__ {
  http_remux { enabled on; }
  hls { enabled on; hls_fragment 1; hls_path FOLDER/hls; }
  dvr { dvr_path FOLDER/dvr/[app]/[stream].flv; dvr_mount /recordings/; }
}
`
const POLL = { timeout: PATIENT_MS }
const PHONE = { width: 390, height: 844 }

/** A server with a console, and what of it a test looks at. */
interface Watched {
  readonly program: Program
  readonly rtmpPort: number
  readonly http: string
  readonly api: string
}

async function serve(): Promise<Watched> {
  const program = await Program.start(CONF)
  const rtmpPort = await program.port('RTMP')
  const http = `http://127.0.0.1:${await program.port('HTTP')}`
  return { program, rtmpPort, http, api: `http://127.0.0.1:${await program.port('HTTP API')}` }
}

/** A page of the console on a phone; what it complains of, and what it asks of others, fails the test. */
async function open({ api, http }: Watched, hash: string): Promise<Page> {
  const page = await browser.page({ httpCredentials: { username: 'admin', password: PASSWORD }, viewport: PHONE })
  const complaints: string[] = []
  page.on('pageerror', (error) => complaints.push(String(error)))
  page.on('console', (message) => {
    // A reload of a wrong configuration is answered with 400.
    if (message.type() === 'error' && !message.text().includes('status of 400')) complaints.push(message.text())
  })
  page.on('request', (request) => {
    const { protocol, origin, href } = new URL(request.url())
    if (protocol !== 'blob:' && origin !== api && origin !== http) complaints.push(href)
  })
  onTestFinished(() => expect([hash, complaints]).toEqual([hash, []]))
  await page.goto(`${api}/console/${hash}`)
  return page
}

async function untilText(page: Page, selector: string, text: string | RegExp): Promise<void> {
  await expect.poll(() => page.locator(selector).allTextContents().then(String), POLL).toMatch(text)
}

/** Nothing stands out of the screen of a phone. */
async function fits(page: Page): Promise<void> {
  expect([page.url(), await page.evaluate('document.documentElement.scrollWidth')]).toEqual([page.url(), PHONE.width])
}

/** What each page of the console is for. */
const PAGES: readonly ((page: Page, server: Watched) => Promise<void>)[] = [
  overview,
  streams,
  cluster,
  recorder,
  configuration,
  threads,
  log,
]

async function overview(page: Page): Promise<void> {
  await untilText(page, '.tiles', /Streams1/)
  await expect.poll(() => page.locator('.chart canvas').count(), POLL).toBe(4)
  await fits(page)
  await page.focus('#theme')
  await page.keyboard.press('Enter')
  await page.keyboard.press('Enter')
  expect(await page.evaluate('document.documentElement.dataset.theme')).toBe('dark')
  await page.focus('#nav-streams')
  await page.keyboard.press('Enter')
  await untilText(page, '#nav [aria-current]', 'Streams')
}

async function streams(page: Page): Promise<void> {
  await untilText(page, 'tbody', /\/live\/cam.*320 × 180, .*fps.*AAC LC, 44.1 kHz, mono.*127\.0\.0\.1 \(fmle-publish\)/)
  await fits(page)
}

async function cluster(page: Page, { rtmpPort }: Watched): Promise<void> {
  await page.click('#nav-cluster')
  await untilText(page, 'tbody', /__defaultVhost__origin/)
  await untilText(page, '.facts', `rtmp127.0.0.1:${rtmpPort}`)
  await fits(page)
}

async function recorder(page: Page): Promise<void> {
  await page.click('#nav-recordings')
  await page.click('button:text-is("Record")')
  await untilText(page, 'tbody', /\/live\/camhand.*cam\.flv/)
  await fits(page)
  await page.click('button:text-is("End")')
  await page.click('button:text-is("Really?")')
  const file = page.locator('a[href*="/recordings/"]')
  await file.waitFor(POLL)
  const answer = await fetch(String(await file.getAttribute('href')))
  expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'video/x-flv'])
  await answer.body?.cancel()
}

async function configuration(page: Page, { program }: Watched): Promise<void> {
  await page.click('#nav-config')
  await untilText(page, 'tbody', /max_connections.*900.*a\.conf:2/)
  expect(await page.content()).not.toContain(PASSWORD)
  await page.fill('#config-search', 'gop_cache')
  await untilText(page, 'tbody', /vhost\.__defaultVhost__\.play\.gop_cache.*default/)
  await fits(page)
  program.rewrite(`nonsense;\n${CONF}`)
  await page.click('text=Reload')
  await untilText(page, '.outcome', /Nothing has changed.*a\.conf:1: nonsense is not known/)
  program.rewrite(CONF)
  await page.click('text=Reload')
  await untilText(page, '.outcome', 'The configuration was reloaded.')
}

async function threads(page: Page): Promise<void> {
  await page.click('#nav-threads')
  await untilText(page, 'tbody', /connection(read|packet)/)
  await fits(page)
}

async function log(page: Page): Promise<void> {
  await page.click('#nav-log')
  await untilText(page, '.log', /RTMP listens on/)
  await fits(page)
}

/** Plays in every form, side by side. */
async function players(server: Watched): Promise<void> {
  const page = await open(server, '#/streams')
  await page.click('a:has-text("/live/cam")')
  for (const name of ['HTTP-FLV', 'WebSocket-FLV', 'HLS']) await page.click(`[aria-label="Play ${name}"]`)
  for (let index = 0; index < 3; index++) {
    const quality = `document.querySelectorAll('video')[${index}].getVideoPlaybackQuality().totalVideoFrames`
    await expect.poll(() => page.evaluate(quality), POLL).toBeGreaterThan(10)
  }
  for (const index of [0, 1, 2]) {
    const facts = (): Promise<string | null> => page.locator('.screen .facts').nth(index).textContent()
    await expect.poll(facts, POLL).toMatch(/Latency\d+\.\d s.*Dropped\d+ of \d+.*Picture320 × 180/)
  }
  await fits(page)
  await embedded(server, String(await page.locator('.copyable code').last().textContent()))
}

/** Ends a client, and looks at its log. */
async function clients(server: Watched): Promise<void> {
  const player = await startPlayer(server, 'cam')
  const page = await open(server, '#/clients')
  const shown = page.locator('tbody tr').filter({ hasText: 'rtmp-play' }).first()
  await shown.waitFor(POLL)
  await fits(page)
  const id = String(await shown.locator('a').first().textContent())
  await shown.locator('button').click()
  await shown.locator('button').click()
  await player.raw.untilOver()
  await untilText(page, 'tbody', new RegExp(`${id}.*kicked`))
  await page.click(`a:has-text("${id}")`)
  await untilText(page, '.log', /connected.*playing.*played/)
  expect(await page.locator('.log').textContent()).not.toContain('fmle-publish')
  await fits(page)
}

/** What is offered to be put into another page plays there. */
async function embedded({ http }: Watched, snippet: string): Promise<void> {
  const page = await browser.page()
  await page.route(`${http}/elsewhere.html`, (route) => route.fulfill({ contentType: 'text/html', body: snippet }))
  await page.goto(`${http}/elsewhere.html`)
  const quality = "document.querySelector('video').getVideoPlaybackQuality().totalVideoFrames"
  await expect.poll(() => page.evaluate(quality), POLL).toBeGreaterThan(10)
}

async function visit(server: Watched): Promise<void> {
  const page = await open(server, '')
  for (const look of PAGES) await look(page, server)
}

test('every page of the console shows what it is for, on a phone, with a password and nothing from elsewhere', async () => {
  const server = await serve()
  expect((await fetch(`${server.api}/console/`)).status).toBe(401)
  publishWithFfmpeg(server, recordings.path('both'), 'cam')
  await expect.poll(() => server.program.out.includes('"publishing"'), POLL).toBe(true)
  await Promise.all([visit(server), players(server), clients(server)])
})
