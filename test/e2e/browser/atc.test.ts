import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { Program } from '../../support/program.ts'
import { until } from '../../support/until.ts'
import { freePort } from '../../support/port.ts'
import { RandomFront } from '../support/random-front.ts'
import { type StartTool, withTools } from '../support/tool.ts'
import { PlayerSite, TestBrowser } from './support.ts'

/** One output does not wait for the other, and comes back when its server does. */
const FIFO =
  'f=fifo:fifo_format=flv:queue_size=600:drop_pkts_on_overflow=1:' +
  'attempt_recovery=1:recover_any_error=1:recovery_wait_time=0.2:onfail=ignore'
const PICTURE = ['-re', '-f', 'lavfi', '-i', 'testsrc=size=320x240:rate=20']
const SOUND = ['-f', 'lavfi', '-i', 'sine=frequency=440:sample_rate=44100']
const H264 = '-c:v libx264 -preset ultrafast -pix_fmt yuv420p -b:v 200k -bf 2 -g 10 -keyint_min 10 -sc_threshold 0'
/** So often the second server is killed. */
const KILLS = 2
/** Of the comparison, and of the film. */
const SECONDS = 15
const VHOSTS = ['__defaultVhost__', 'mp4'] as const

const browser = TestBrowser.use()
const site = PlayerSite.use()

/** As hls-page.js counts. */
interface PlayerState {
  readonly seconds: number
  readonly fatal: readonly string[]
  readonly errors: readonly string[]
  readonly seeks: number
}

/** A server, which may be killed and started again where it was. */
class Origin {
  readonly rtmpPort: number
  readonly httpPort: number
  program: Program | null = null

  private constructor(rtmpPort: number, httpPort: number) {
    this.rtmpPort = rtmpPort
    this.httpPort = httpPort
  }

  static async reserve(): Promise<Origin> {
    return new Origin(await freePort(), await freePort())
  }

  async start(): Promise<void> {
    this.program = await Program.start(this.#conf)
    await this.program.says('started')
  }

  async kill(): Promise<void> {
    this.program?.signal('SIGKILL')
    await this.program?.ended()
  }

  get urls(): string[] {
    return VHOSTS.map((vhost) => `rtmp://127.0.0.1:${this.rtmpPort}/live/cam?vhost=${vhost}`)
  }

  playlist(vhost: string): string {
    return `http://127.0.0.1:${this.httpPort}/live/cam.m3u8?vhost=${vhost}`
  }

  /** The highest number in its playlist; -1: there is none. */
  async newest(vhost: string): Promise<number> {
    try {
      const text = await (await fetch(this.playlist(vhost))).text()
      const first = /#EXT-X-MEDIA-SEQUENCE:(\d+)/.exec(text)?.[1]
      return first === undefined ? -1 : Number(first) + (text.match(/#EXTINF/g)?.length ?? 0) - 1
    } catch (error) {
      if (error instanceof TypeError) return -1
      throw error
    }
  }

  get #conf(): string {
    const hls = 'enabled on; hls_fragment 0.5; hls_window 20; hls_path FOLDER/html; hls_ctx off;'
    return `listen 127.0.0.1:${this.rtmpPort}; http_server { enabled on; listen 127.0.0.1:${this.httpPort}; }
vhost __defaultVhost__ { play { atc on; } http_remux { wait_publisher 0; } hls { ${hls} } }
vhost mp4 { play { atc on; } http_remux { wait_publisher 0; } hls { ${hls} hls_use_fmp4 on; } }
`
  }
}

function encode(start: StartTool, origins: readonly Origin[]): void {
  // Absolute time: of the day. From 0 on, ffmpeg moves what begins with B-frames, each output by itself.
  const time = ['-output_ts_offset', String((Date.now() % 2 ** 32) / 1000)]
  const outputs = origins.flatMap(({ urls }) => urls.map((url) => `[${FIFO}]${url}`)).join('|')
  const codecs = [...H264.split(' '), '-c:a', 'aac', '-b:a', '48k', '-flags', '+global_header']
  start('ffmpeg', [
    '-v',
    'error',
    ...PICTURE,
    ...SOUND,
    ...codecs,
    ...time,
    '-map',
    '0',
    '-map',
    '1',
    '-f',
    'tee',
    outputs,
  ])
}

/** Waits until both servers have so many more segments. */
async function bothGoOn(origins: readonly Origin[], count: number): Promise<void> {
  const begun = await Promise.all(origins.map((origin) => origin.newest('mp4')))
  const wanted = Math.max(...begun) + count
  await until(`segment ${wanted} is on both`, async () => {
    const all = await Promise.all(origins.flatMap((origin) => VHOSTS.map((vhost) => origin.newest(vhost))))
    return all.every((number) => number >= wanted)
  })
}

async function play(url: string): Promise<Page> {
  const page = await browser.page()
  await page.goto(site.at('hls-page.html'))
  await page.evaluate(`play(${JSON.stringify(url)}, {})`)
  return page
}

const stateOf = (page: Page): Promise<PlayerState> => page.evaluate('state()')

test('of one encoder two servers, of which one is late and killed twice, have the same segments, and hls.js plays a mix of them', async () => {
  await withTools(async (start) => {
    const origins = [await Origin.reserve(), await Origin.reserve()] as const
    const [one, other] = origins
    await one.start()
    encode(start, origins)
    await until('the first server has segments', async () => (await one.newest('mp4')) > 0)
    const front = await RandomFront.before(origins.map(({ httpPort }) => httpPort))
    const pages = await Promise.all(VHOSTS.map((vhost) => play(front.url(`/live/cam.m3u8?vhost=${vhost}`))))
    // When the players are there: a browser on a busy machine may take as long to start as the comparison lasts.
    const judges = VHOSTS.map((vhost) =>
      start('node', ['dist/main.js', 'compare', one.playlist(vhost), other.playlist(vhost), '--seconds', `${SECONDS}`]),
    )
    await other.start()
    await bothGoOn(origins, 3)
    for (let times = 0; times < KILLS; times++) {
      await other.kill()
      await other.start()
      await bothGoOn(origins, 3)
    }
    for (const judge of judges) {
      const { stdout } = await judge.succeeded()
      expect(Number(/^(\d+) segments on both, 0 differences/m.exec(stdout)?.[1])).toBeGreaterThanOrEqual(5)
      expect(stdout).toMatch(/[1-9]\d* on A alone/)
    }
    for (const page of pages) {
      const { seconds, fatal, seeks, errors } = await stateOf(page)
      // A machine that is too slow to decode stalls; what comes from the servers is found, and is understood.
      expect([fatal, seeks, errors.filter((error) => /Load|Pars|Codec|appendError/i.test(error))]).toEqual([[], 0, []])
      expect(seconds).toBeGreaterThan(0)
      await until('it plays on', async () => (await stateOf(page)).seconds > seconds + 0.5)
    }
    for (const count of front.answers) expect(count).toBeGreaterThan(5)
  })
})
