import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { RealClock } from '../../src/st/real/clock.ts'
import type { Thread } from '../../src/st/thread.ts'
import { World } from '../../src/st/world.ts'
import { freePort } from '../support/port.ts'
import { type StartTool, type Tool, withTools } from '../e2e/support/tool.ts'
import { RecordingLog, runThread } from '../support/world.ts'
import { CallbackPairs } from './callback-pairs.ts'
import { type Held, SoakServer } from './cluster-servers.ts'
import { Crowd } from './crowd.ts'
import { CrowdNetwork } from './crowd-network.ts'

/** How large, how long. */
export interface CrowdSize {
  readonly minutes: number
  /** Hostile connections at any time, and how many more come at once every fifth minute. */
  readonly attackers: number
  readonly burst: number
  readonly seed: number
}

/** What came of it. */
export interface CrowdReport {
  readonly before: Held
  readonly after: Held
  readonly attacks: number
  readonly frames: number
  readonly segments: number
  readonly callbacks: number
  /** What must not be; nothing, if all is well. */
  readonly faults: readonly string[]
}

const MINUTE_MS = 60_000
const SAMPLE_MS = 2_000
/** Viewers of HLS are gone when they have not come again; who reads nothing is given up after 30 s. */
const LAST_MS = 60_000
const CERTIFICATE = resolve('test/fixtures/tls')

/** One server: publishers and players of all protocols that must be well, beside peers of every hostile kind. */
export function soakCrowd(size: CrowdSize, note: (line: string) => void): Promise<CrowdReport> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-crowd-'))
  return withTools((start) => new CrowdSoak(size, start, folder, note).run()).finally(() =>
    rmSync(folder, { recursive: true, force: true }),
  )
}

class CrowdSoak {
  readonly #size: CrowdSize
  readonly #start: StartTool
  readonly #folder: string
  readonly #note: (line: string) => void
  readonly #pairs = new CallbackPairs()
  readonly #clock = new World(new RealClock(), new CrowdNetwork({ rtmp: 0, http: 0 }, false), new RecordingLog())
  #attackers: Tool | null = null

  constructor(size: CrowdSize, start: StartTool, folder: string, note: (line: string) => void) {
    this.#size = size
    this.#start = start
    this.#folder = folder
    this.#note = note
  }

  async run(): Promise<CrowdReport> {
    const secure = { rtmp: await freePort(), http: await freePort() }
    const server = await this.#server(secure)
    const plain = new CrowdNetwork(server, false)
    const crowd = new Crowd([plain, new CrowdNetwork(secure, true)], this.#size.seed)
    try {
      await this.#sleep(3_000)
      const before = await server.held()
      crowd.start(this.#size.minutes * MINUTE_MS)
      this.#attack(server)
      await this.#minutes(server, crowd)
      this.#attackers?.kill('SIGKILL')
      await crowd.stop()
      const after = await this.#untilReleased(server, before)
      const { faults, frames, segments } = crowd
      const left = [...this.#left(before, after), ...this.#pairs.faults, ...this.#pairs.openExamples]
      const errors = server.log.split('\n').filter((line) => line.includes('"level":50'))
      const all = [...faults, ...left, ...errors]
      return { before, after, attacks: this.#attacks, frames, segments, callbacks: this.#pairs.calls, faults: all }
    } finally {
      this.#pairs.stop()
    }
  }

  async #server(secure: { rtmp: number; http: number }): Promise<SoakServer> {
    const server = await SoakServer.make('server', this.#start, this.#folder)
    const url = `http://127.0.0.1:${await this.#pairs.start()}/`
    const events = ['connect', 'close', 'publish', 'unpublish', 'play', 'stop']
    const hooks = events.map((event) => `on_${event} ${url};`).join(' ')
    const tls = `key ${CERTIFICATE}/key.pem; cert ${CERTIFICATE}/certificate.pem;`
    server.write(
      `rtmps { enabled on; listen 127.0.0.1:${secure.rtmp}; ${tls} }`,
      `http_hooks { enabled on; ${hooks} }
       hls { enabled on; hls_path ${this.#folder}/hls; hls_fragment 2; hls_window 20; hls_dispose 10; }`,
      `https { enabled on; listen 127.0.0.1:${secure.http}; ${tls} }`,
    )
    await server.start()
    return server
  }

  #attack({ rtmp, http }: SoakServer): void {
    const { attackers, burst, seed } = this.#size
    const program = fileURLToPath(new URL('attackers.js', import.meta.url))
    this.#attackers = this.#start(process.execPath, [program, ...[rtmp, http, attackers, burst, seed].map(String)])
  }

  /** Hostile connections so far. */
  get #attacks(): number {
    return Number(this.#attackers?.stdout.trimEnd().split('\n').at(-1) ?? 0)
  }

  /** A line of figures for each minute, until all are over. */
  async #minutes(server: SoakServer, crowd: Crowd): Promise<void> {
    for (let minute = 1; minute <= this.#size.minutes; minute++) {
      const endMs = this.#clock.clock.nowMs() + MINUTE_MS
      const samples: Held[] = []
      while (this.#clock.clock.nowMs() < endMs) {
        await this.#sleep(SAMPLE_MS)
        samples.push(await server.held())
      }
      this.#note(this.#line(minute, samples, crowd))
    }
  }

  #line(minute: number, samples: readonly Held[], crowd: Crowd): string {
    const range = (name: keyof Held): string => {
      const values = samples.map((held) => held[name])
      return `${Math.min(...values)}-${Math.max(...values)}`
    }
    const { frames, segments, mostGapMs, faults } = crowd.minute()
    const figures = {
      heap: `${range('heapMb')} MB`,
      buffers: `${range('buffersMb')} MB`,
      RSS: `${range('residentMb')} MB`,
      files: range('files'),
      threads: range('threads'),
      connections: range('connections'),
      streams: range('streams'),
      failures: range('failures'),
      'callbacks open': this.#pairs.open,
      attacks: this.#attacks,
      frames,
      segments,
      'most gap': `${Math.round(mostGapMs)} ms`,
      'server late by at most': `${Math.max(...samples.map(({ delayMs }) => delayMs))} ms`,
      faults: faults + this.#pairs.faults.length,
    }
    const texts = Object.entries(figures).map(([name, value]) => `${name} ${value}`)
    return `minute ${minute}: ${texts.join(', ')}`
  }

  #sleep(ms: number): Promise<void> {
    return runThread(this.#clock, (thread: Thread) => thread.sleep(ms))
  }

  async #untilReleased(server: SoakServer, before: Held): Promise<Held> {
    const untilMs = this.#clock.clock.nowMs() + LAST_MS
    for (;;) {
      const after = await server.held()
      const isReleased = this.#left(before, after).length === 0 && this.#pairs.open === 0
      if (isReleased || this.#clock.clock.nowMs() > untilMs) return after
      await this.#sleep(500)
    }
  }

  #left(before: Held, after: Held): string[] {
    const counts = ['threads', 'connections', 'streams', 'files', 'failures'] as const
    return counts.filter((name) => after[name] > before[name]).map((name) => `${after[name]} ${name} are left`)
  }
}
