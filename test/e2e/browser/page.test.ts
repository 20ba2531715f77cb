import type { Page } from 'playwright-core'
import { expect, onTestFinished, test } from 'vitest'
import type { TestServer } from '../../support/server.ts'
import { PATIENT_MS, publish, publishWithFfmpeg, Recordings, serve, soundFrom, TestBrowser } from './support.ts'

const browser = TestBrowser.use()
const recordings = Recordings.use()

// The page's policy forbids `eval`, which waitForFunction needs: what changes is polled with these expressions.
const PICTURES = "document.querySelector('video').getVideoPlaybackQuality().totalVideoFrames"
const SECONDS = "document.querySelector('video').currentTime"
const SOUND_BYTES = "document.querySelector('video').webkitAudioDecodedByteCount"
const POLL = { timeout: PATIENT_MS }

/** The default page; what it complains of, and what it asks of others, fails the test. */
async function openPage(server: TestServer): Promise<Page> {
  const page = await browser.page()
  const origin = `http://127.0.0.1:${server.httpPort}`
  const complaints: string[] = []
  page.on('pageerror', (error) => complaints.push(String(error)))
  page.on('console', (message) => {
    // Also what the content security policy refuses; but not what the player library says of a stream.
    if (message.type() === 'error' && !message.text().startsWith('[')) complaints.push(message.text())
  })
  page.on('request', (request) => {
    const url = new URL(request.url())
    if (url.protocol !== 'blob:' && url.origin !== origin) complaints.push(url.href)
  })
  onTestFinished(() => expect(complaints).toEqual([]))
  await page.goto(`${origin}/`)
  return page
}

async function untilText(page: Page, selector: string, text: string | RegExp): Promise<void> {
  await expect.poll(() => page.textContent(selector), POLL).toMatch(text)
}

async function untilCards(page: Page, count: number): Promise<void> {
  await expect.poll(() => page.locator('.card').count(), POLL).toBe(count)
}

async function untilGrowing(page: Page, counter: string, step: number): Promise<void> {
  const read = async (): Promise<number> => {
    // A page that has ended it says why.
    if ((await page.locator('video').count()) === 0) throw new Error(await page.locator('main').innerText())
    return page.evaluate(counter)
  }
  await expect.poll(read, POLL).toBeGreaterThan(0)
  await expect.poll(read, POLL).toBeGreaterThan((await read()) + step)
}

test('the page shows how to publish, then the stream, plays it, and sees it go', async () => {
  const server = await serve()
  const page = await openPage(server)
  await page.waitForSelector('#nothing:not([hidden])')
  const rtmp = `rtmp://127.0.0.1:${server.rtmpPort}/live`
  expect(await page.textContent('#publish-server')).toBe(rtmp)
  expect(await page.textContent('#publish-file')).toContain(`-f flv ${rtmp}/livestream`)

  const publisher = publishWithFfmpeg(server, recordings.path('both'), 'livestream')
  await untilCards(page, 1)
  expect(await page.textContent('.card .name')).toBe('live/livestream')
  expect(await page.textContent('.card .rtmp')).toBe(`${rtmp}/livestream`)
  expect(await page.textContent('.card .flv')).toBe(`http://127.0.0.1:${server.httpPort}/live/livestream.flv`)
  await untilText(page, '.card .video', '320 × 180')
  await untilText(page, '.card .audio', 'AAC LC, 44.1 kHz, mono')

  await page.click('.card .play')
  await untilGrowing(page, PICTURES, 25)
  await untilGrowing(page, SECONDS, 1)
  await untilText(page, '.card .players', '1')
  await untilText(page, '.card .rate', /^[1-9].* [kM]b\/s$/)

  await publisher.stop()
  await untilCards(page, 0)
  expect(await page.textContent('#notice')).toBe('live/livestream has ended.')
  expect(await page.evaluate('document.activeElement.id')).toBe('live-title')
})

test('the player is started, unmuted and stopped with the keyboard', async () => {
  const server = await serve()
  publishWithFfmpeg(server, recordings.path('both'), 'keys')
  const page = await openPage(server)
  await untilCards(page, 1)
  await page.focus('.card .play')
  await page.keyboard.press('Enter')
  await untilGrowing(page, PICTURES, 5)
  await page.keyboard.press('Tab')
  await page.keyboard.press('Enter')
  expect(await page.evaluate("document.querySelector('video').muted")).toBe(false)
  await page.keyboard.press('Shift+Tab')
  await page.keyboard.press('Enter')
  await page.waitForSelector('.card .play', { state: 'visible' })
  await untilText(page, '.card .players', '0')
})

test('the name of a stream is text, whatever it holds', async () => {
  const server = await serve()
  publish(server, recordings.path('both'), '<img src=x onerror=alert(1)>Küche & "Hof" 100%')
  const page = await openPage(server)
  await untilCards(page, 1)
  expect(await page.textContent('.card .name')).toBe('live/<img src=x onerror=alert(1)>Küche & "Hof" 100%')
  expect(await page.locator('.card img').count()).toBe(0)
  await page.click('.card .play')
  await untilGrowing(page, PICTURES, 5)
})

test('who cannot play a stream is told so', async () => {
  const server = await serve()
  publish(server, 'test/fixtures/media/vp9-flac.flv', 'vp9')
  const page = await openPage(server)
  await untilCards(page, 1)
  await page.click('.card .play')
  await untilText(page, '.card .message', 'This browser cannot play the stream.')
  await page.waitForSelector('.card .play', { state: 'visible' })
})

test('sound that starts after the picture is heard', async () => {
  const server = await serve()
  const page = await openPage(server)
  publish(server, recordings.path('both'), 'late', soundFrom(4_000))
  await untilCards(page, 1)
  await page.click('.card .play')
  await untilGrowing(page, PICTURES, 5)
  await untilGrowing(page, SOUND_BYTES, 5_000)
})
