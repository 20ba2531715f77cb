import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import { afterAll, beforeAll, onTestFinished } from 'vitest'
import { parseAudioTag } from '../../../src/format/flv/audio.ts'
import { FlvReader } from '../../../src/format/flv/reader.ts'
import type { FlvTag } from '../../../src/format/flv/reader.ts'
import { FLV_AUDIO, FLV_SCRIPT } from '../../../src/format/flv/tag.ts'
import { RtmpClient } from '../../../src/rtmp/client.ts'
import type { Thread } from '../../../src/st/thread.ts'
import { startServer, type TestServer, type VhostChanges } from '../../support/server.ts'
import { runThread } from '../../support/world.ts'
import { Tool } from '../support/tool.ts'

/** Nothing of Chromium's own talks to anybody. */
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]
const require = createRequire(import.meta.url)
const SECONDS = 30
/** Five minutes of it. */
const ROUNDS = 10
const FRAME_MS = 40
/** A browser on a busy machine, which draws by itself, takes its time. */
export const PATIENT_MS = 90_000

/** Chromium, started before the tests of a file and gone after them; each page is a fresh profile. */
export class TestBrowser {
  #browser: Browser | null = null

  static use(): TestBrowser {
    const used = new TestBrowser()
    beforeAll(async () => {
      used.#browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: FLAGS, timeout: PATIENT_MS })
    })
    afterAll(() => used.#browser?.close())
    return used
  }

  /** An empty page that is closed when the running test is over. */
  async page(options: BrowserContextOptions = {}): Promise<Page> {
    if (!this.#browser) throw new Error('the browser is not there')
    const context = await this.#browser.newContext(options)
    context.setDefaultTimeout(PATIENT_MS)
    onTestFinished(() => context.close())
    return context.newPage()
  }
}

/** Recordings made before the tests of a file: a moving picture, a tone, both together. */
export class Recordings {
  #folder = ''

  static use(): Recordings {
    const made = new Recordings()
    beforeAll(() => made.#make())
    afterAll(() => rmSync(made.#folder, { recursive: true, force: true }))
    return made
  }

  path(name: 'both' | 'picture' | 'sound'): string {
    return join(this.#folder, `${name}.flv`)
  }

  async #make(): Promise<void> {
    this.#folder = mkdtempSync(join(tmpdir(), 'sluice-browser-'))
    const picture = ['-f', 'lavfi', '-i', `testsrc2=size=320x180:rate=25:duration=${SECONDS}`]
    const sound = ['-f', 'lavfi', '-i', `sine=frequency=440:sample_rate=44100:duration=${SECONDS}`]
    const h264 = ['-c:v', 'libx264', '-preset', 'ultrafast', '-pix_fmt', 'yuv420p', '-bf', '2', '-g', '25']
    const both = this.path('both')
    await run(...picture, ...sound, ...h264, '-c:a', 'aac', '-f', 'flv', both)
    await run('-i', both, '-an', '-c', 'copy', '-f', 'flv', this.path('picture'))
    await run('-i', both, '-vn', '-c', 'copy', '-f', 'flv', this.path('sound'))
  }
}

async function run(...args: string[]): Promise<void> {
  await new Tool('ffmpeg', ['-v', 'error', ...args]).succeeded()
}

/** A server for the running test, with the default page as it was built. */
export async function serve(changes: VhostChanges = {}): Promise<TestServer> {
  const patient = { ...changes, publish: { normalTimeoutMs: PATIENT_MS, ...changes.publish } }
  const server = await startServer(patient, {}, pageFiles())
  onTestFinished(() => server.stop())
  return server
}

function pageFiles(): Map<string, { contentType: string; bytes: Buffer }> {
  const types = { html: 'text/html', css: 'text/css', js: 'text/javascript', svg: 'image/svg+xml' }
  const names = ['index.html', 'style.css', 'icon.svg', 'mpegts.js']
  const modules = ['page', 'card', 'copy', 'elements', 'player', 'streams', 'text'].map((name) => `${name}.js`)
  return new Map(
    [...names, ...modules].map((name) => {
      const contentType = types[name.split('.').pop() as keyof typeof types]
      return [`/${name}`, { contentType, bytes: readFileSync(join('dist/page', name)) }]
    }),
  )
}

/** Publishes a recording with ffmpeg as `live/NAME`, over and over, until the test is over or `stop` is called. */
export function publishWithFfmpeg(
  server: Pick<TestServer, 'rtmpPort'>,
  path: string,
  name: string,
): { stop(): Promise<void> } {
  const url = `rtmp://127.0.0.1:${server.rtmpPort}/live/${name}`
  const input = ['-re', '-stream_loop', '-1', '-i', path]
  const tool = new Tool('ffmpeg', ['-v', 'error', ...input, '-c', 'copy', '-f', 'flv', url])
  const stop = async (): Promise<void> => {
    tool.kill('SIGTERM')
    await tool.ended()
  }
  onTestFinished(stop)
  return { stop }
}

/** What is published of a recording: its tags, changed by a test. */
export type TagFilter = (tags: FlvTag[]) => FlvTag[]

/** Sound that is not there at all before `ms`: its header comes with its first frame. */
export function soundFrom(ms: number): TagFilter {
  return (tags) => {
    const late = tags.flatMap((tag) => (isSoundHeader(tag) ? [{ ...tag, timestampMs: ms }] : tag))
    return late
      .filter((tag) => tag.typeId !== FLV_AUDIO || tag.timestampMs >= ms)
      .toSorted((one, other) => one.timestampMs - other.timestampMs)
  }
}

/** Sound whose header comes at once, as ffmpeg sends it, and whose frames begin at `ms`, or never. */
export function soundFramesFrom(ms: number): TagFilter {
  return (tags) => tags.filter((tag) => tag.typeId !== FLV_AUDIO || isSoundHeader(tag) || tag.timestampMs >= ms)
}

function isSoundHeader(tag: FlvTag): boolean {
  return tag.typeId === FLV_AUDIO && parseAudioTag(tag.payload).type === 'header'
}

/** Publishes a recording with our own client as `live/NAME`, each tag at its time, over and over until the test is over. */
export function publish(server: TestServer, path: string, name: string, filter: TagFilter = (tags) => tags): void {
  const tags = filter(looped(readTags(path)))
  const publisher = server.world.spawn('publisher', async (thread) => {
    const tcUrl = `rtmp://127.0.0.1:${server.rtmpPort}/live`
    const where = { host: '127.0.0.1', port: server.rtmpPort }
    const client = await RtmpClient.open(thread, { ...where, tcUrl, app: 'live' }, PATIENT_MS)
    try {
      await client.publish(name)
      await sendPaced(thread, client, tags)
    } finally {
      client.close()
    }
  })
  onTestFinished(() => runThread(server.world, (thread) => publisher.stop(thread, 'the test is over')))
}

async function sendPaced(thread: Thread, client: RtmpClient, tags: readonly FlvTag[]): Promise<void> {
  const { clock } = thread.world
  const startMs = clock.nowMs()
  for (const tag of tags) {
    const earlyMs = startMs + tag.timestampMs - clock.nowMs()
    if (earlyMs > 0) await thread.sleep(earlyMs)
    if (!client.sendMedia(tag.typeId, tag.timestampMs, tag.payload)) {
      await client.connection.socket.drain(thread, PATIENT_MS)
    }
  }
}

/** The recording again and again: a stream must not end while a browser on a busy machine still starts. */
function looped(tags: readonly FlvTag[]): FlvTag[] {
  const frames = tags.filter((tag) => tag.typeId !== FLV_SCRIPT && !isSoundHeader(tag))
  const lengthMs = (tags.at(-1)?.timestampMs ?? 0) + FRAME_MS
  const rounds = Array.from({ length: ROUNDS }, (_, round) => (round === 0 ? tags : frames))
  return rounds.flatMap((list, round) =>
    list.map((tag) => ({ ...tag, timestampMs: tag.timestampMs + round * lengthMs })),
  )
}

function readTags(path: string): FlvTag[] {
  const reader = new FlvReader()
  reader.push(readFileSync(path))
  const tags: FlvTag[] = []
  for (let tag = reader.read(); tag; tag = reader.read()) tags.push(tag)
  return tags
}

/** A site of another origin than the stream's, with a page that plays: see player-page.js. */
export class PlayerSite {
  #server: Server | null = null
  #port = 0

  static use(): PlayerSite {
    const site = new PlayerSite()
    beforeAll(() => site.#start())
    afterAll(() => site.#server?.close())
    return site
  }

  get url(): string {
    return this.at('player-page.html')
  }

  at(page: string): string {
    return `http://127.0.0.1:${this.#port}/${page}`
  }

  async #start(): Promise<void> {
    const here = import.meta.dirname
    const files = new Map([
      ['/player-page.html', { type: 'text/html', bytes: readFileSync(join(here, 'player-page.html')) }],
      ['/player-page.js', { type: 'text/javascript', bytes: readFileSync(join(here, 'player-page.js')) }],
      ['/hls-page.html', { type: 'text/html', bytes: readFileSync(join(here, 'hls-page.html')) }],
      ['/hls-page.js', { type: 'text/javascript', bytes: readFileSync(join(here, 'hls-page.js')) }],
      ['/hls.js', { type: 'text/javascript', bytes: readFileSync(require.resolve('hls.js')) }],
      ['/flv.js', { type: 'text/javascript', bytes: readFileSync(require.resolve('flv.js')) }],
      ['/mpegts.js', { type: 'text/javascript', bytes: readFileSync(require.resolve('mpegts.js')) }],
    ])
    const server = createServer((request, response) => {
      const file = files.get(request.url ?? '')
      if (file) response.setHeader('Content-Type', file.type).end(file.bytes)
      else response.writeHead(404).end()
    })
    this.#server = server
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    this.#port = (server.address() as AddressInfo).port
  }
}
