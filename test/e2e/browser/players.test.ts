import type { Page } from 'playwright-core'
import { describe, expect, test } from 'vitest'
import type { TestServer } from '../../support/server.ts'
import {
  PlayerSite,
  publish,
  publishWithFfmpeg,
  Recordings,
  serve,
  soundFramesFrom,
  soundFrom,
  TestBrowser,
} from './support.ts'

// No player here is told what a stream has (hasAudio, hasVideo): they learn it from the server.
const LIBRARIES = ['flv.js', 'mpegts.js']

const browser = TestBrowser.use()
const recordings = Recordings.use()
const site = PlayerSite.use()

/** As player-page.js counts. */
interface PlayerState {
  readonly seconds: number
  readonly pictures: number
  readonly soundBytes: number
  readonly errors: unknown[]
  readonly isComplete: boolean
}

type Counter = 'seconds' | 'pictures' | 'soundBytes'
const STEPS: Readonly<Record<Counter, number>> = { seconds: 1, pictures: 25, soundBytes: 5_000 }

async function openPlayer(library: string, server: TestServer, name: string, ending = '.flv'): Promise<Page> {
  const page = await browser.page()
  await play(page, library, server, name + ending)
  return page
}

async function play(page: Page, library: string, server: TestServer, file: string, config: object = {}): Promise<void> {
  await playUrl(page, library, `http://127.0.0.1:${server.httpPort}/live/${file}`, config)
}

async function playUrl(page: Page, library: string, url: string, config: object = {}): Promise<void> {
  await page.goto(site.url)
  await page.evaluate(`play(${JSON.stringify(library)}, ${JSON.stringify(url)}, ${JSON.stringify(config)})`)
}

function stateOf(page: Page): Promise<PlayerState> {
  return page.evaluate('state()')
}

/** Waits until the counters began, and then until each has grown by a step more. */
async function untilGrowing(page: Page, ...counters: Counter[]): Promise<void> {
  await untilBeyond(page, counters, () => 0)
  const first = await stateOf(page)
  await untilBeyond(page, counters, (counter) => first[counter] + STEPS[counter])
}

async function untilBeyond(page: Page, counters: Counter[], limit: (counter: Counter) => number): Promise<void> {
  const conditions = counters.map((counter) => `state().${counter} > ${limit(counter)}`)
  await page.waitForFunction(conditions.join(' && '))
}

describe.each(LIBRARIES)('%s plays', (library) => {
  test('picture and sound', async () => {
    const server = await serve()
    publishWithFfmpeg(server, recordings.path('both'), 'both')
    const page = await openPlayer(library, server, 'both')
    await untilGrowing(page, 'seconds', 'pictures', 'soundBytes')
    expect((await stateOf(page)).errors).toEqual([])
  })

  test('picture and sound over WebSocket, and learns of the end', async () => {
    const server = await serve()
    const publisher = publishWithFfmpeg(server, recordings.path('both'), 'socket')
    const page = await browser.page()
    await playUrl(page, library, `ws://127.0.0.1:${server.httpPort}/live/socket.flv`)
    await untilGrowing(page, 'seconds', 'pictures', 'soundBytes')
    expect(server.lines.some(({ fields }) => fields['protocol'] === 'ws-flv')).toBe(true)
    await publisher.stop()
    await page.waitForFunction('state().isComplete')
    expect((await stateOf(page)).errors).toEqual([])
  })

  test('sound alone: it does not wait for a picture (bilibili/flv.js#135)', async () => {
    const server = await serve()
    publishWithFfmpeg(server, recordings.path('sound'), 'sound')
    const page = await openPlayer(library, server, 'sound')
    await untilGrowing(page, 'seconds', 'soundBytes')
    expect(await stateOf(page)).toMatchObject({ pictures: 0, errors: [] })
  })

  test('a picture alone: it does not wait for sound (bilibili/flv.js#135)', async () => {
    const server = await serve()
    publishWithFfmpeg(server, recordings.path('picture'), 'picture')
    const page = await openPlayer(library, server, 'picture')
    await untilGrowing(page, 'seconds', 'pictures')
    expect(await stateOf(page)).toMatchObject({ soundBytes: 0, errors: [] })
  })

  test('a picture whose sound is announced and never comes', async () => {
    const server = await serve()
    publish(server, recordings.path('both'), 'silent', soundFramesFrom(Infinity))
    const page = await openPlayer(library, server, 'silent')
    await untilGrowing(page, 'seconds', 'pictures')
    expect(await stateOf(page)).toMatchObject({ soundBytes: 0, errors: [] })
  })

  test.each([
    ['starts 2 s late', soundFrom],
    ['is announced at once and starts 2 s late', soundFramesFrom],
  ])('a picture whose sound %s; who comes then has both', async (_how, late) => {
    const server = await serve()
    const early = await openPlayer(library, server, 'late')
    publish(server, recordings.path('both'), 'late', late(2_000))
    // A media source of a browser takes no new track once it plays: this player goes on without sound.
    await untilBeyond(early, ['seconds'], () => 3)
    await untilGrowing(early, 'seconds', 'pictures')
    const later = await openPlayer(library, server, 'late')
    await untilGrowing(later, 'seconds', 'pictures', 'soundBytes')
    expect((await stateOf(later)).errors).toEqual([])
  })

  test('until the stream ends, and learns of the end', async () => {
    const server = await serve()
    const publisher = publishWithFfmpeg(server, recordings.path('both'), 'ending')
    const page = await openPlayer(library, server, 'ending')
    await untilGrowing(page, 'pictures')
    await publisher.stop()
    await page.waitForFunction('state().isComplete')
    expect((await stateOf(page)).errors).toEqual([])
  })

  test('from another origin with a header of its own, after a preflight request', async () => {
    const server = await serve()
    publishWithFfmpeg(server, recordings.path('both'), 'preflight')
    const page = await browser.page()
    const request = page.waitForRequest('**/*.flv')
    await play(page, library, server, 'preflight.flv', { headers: { Authorization: 'Bearer secret' } })
    expect((await request).headers()).toMatchObject({ authorization: 'Bearer secret' })
    await untilGrowing(page, 'seconds', 'pictures')
    expect((await stateOf(page)).errors).toEqual([])
  })
})

describe('mpegts.js plays MPEG-TS', () => {
  test.each([
    ['both', ['seconds', 'pictures', 'soundBytes']],
    ['picture', ['seconds', 'pictures']],
    ['sound', ['seconds', 'soundBytes']],
  ] as const)('%s', async (what, counters) => {
    const server = await serve()
    publishWithFfmpeg(server, recordings.path(what), what)
    const page = await openPlayer('mpegts.js', server, what, '.ts')
    await untilGrowing(page, ...counters)
    expect((await stateOf(page)).errors).toEqual([])
  })
})

test('a stream that nobody publishes ends in a clear error', async () => {
  const server = await serve({ httpRemux: { waitPublisherMs: 1 } })
  const page = await openPlayer('mpegts.js', server, 'missing')
  await page.waitForFunction('state().errors.length > 0')
  const { errors } = await stateOf(page)
  expect(errors).toEqual([['NetworkError', 'HttpStatusCodeInvalid', { code: 404, msg: 'Not Found' }]])
})
