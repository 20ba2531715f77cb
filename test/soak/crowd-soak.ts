import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { RealClock } from '../../src/st/real/clock.ts'
import { SeededRandom } from '../../src/st/sim/random.ts'
import type { Thread } from '../../src/st/thread.ts'
import { World } from '../../src/st/world.ts'
import { freePort } from '../e2e/support/port.ts'
import { type StartTool, withTools } from '../e2e/support/tool.ts'
import { ATTACK_NAMES, type AttackName, ATTACKS } from '../hostile/attacks.ts'
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
const BURST_EVERY_MINUTES = 5
const BURST_MS = 15_000
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
  readonly #random: SeededRandom
  readonly #pairs = new CallbackPairs()
  readonly #clock = new World(new RealClock(), new CrowdNetwork({ rtmp: 0, http: 0 }, false), new RecordingLog())
  #attacks = 0
  #isOver = false

  constructor(size: CrowdSize, start: StartTool, folder: string, note: (line: string) => void) {
    this.#size = size
    this.#start = start
    this.#folder = folder
    this.#note = note
    this.#random = new SeededRandom(size.seed)
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
      const attackers = Array.from({ length: this.#size.attackers }, (_, at) => this.#attackAgain(server, at))
      await this.#minutes(server, crowd)
      this.#isOver = true
      await Promise.all(attackers)
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

  /** A line of figures for each minute, until all are over. */
  async #minutes(server: SoakServer, crowd: Crowd): Promise<void> {
    for (let minute = 1; minute <= this.#size.minutes; minute++) {
      const endMs = this.#clock.clock.nowMs() + MINUTE_MS
      if (minute % BURST_EVERY_MINUTES === 0) void this.#burst(server)
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
      faults: faults + this.#pairs.faults.length,
    }
    const texts = Object.entries(figures).map(([name, value]) => `${name} ${value}`)
    return `minute ${minute}: ${texts.join(', ')}`
  }

  async #attackAgain(server: SoakServer, at: number): Promise<void> {
    const random = this.#random.fork(`attacker ${at}`)
    while (!this.#isOver) {
      await this.#attack(server, random, random.between(200, 40_000))
      await this.#sleep(random.between(50, 1_000))
    }
  }

  #attack(server: SoakServer, random: SeededRandom, stayMs: number): Promise<void> {
    this.#attacks++
    const name: AttackName = random.pick(ATTACK_NAMES)
    return ATTACKS[name]({ victim: server, random, stay: this.#stay(stayMs) })
  }

  async #burst(server: SoakServer): Promise<void> {
    const random = this.#random.fork(`burst ${this.#attacks}`)
    await Promise.all(
      Array.from({ length: this.#size.burst }, (_, at) => this.#attack(server, random.fork(`${at}`), BURST_MS)),
    )
  }

  /** Over after so long, and soon when all is over. */
  async #stay(stayMs: number): Promise<void> {
    const untilMs = this.#clock.clock.nowMs() + stayMs
    while (!this.#isOver && this.#clock.clock.nowMs() < untilMs) {
      await this.#sleep(Math.min(1_000, Math.max(1, untilMs - this.#clock.clock.nowMs())))
    }
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
