import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { RealClock } from '../../src/st/real/clock.ts'
import type { Thread } from '../../src/st/thread.ts'
import { World } from '../../src/st/world.ts'
import { type StartTool, withTools } from '../e2e/support/tool.ts'
import { freePort } from '../support/port.ts'
import { RecordingLog, runThread } from '../support/world.ts'
import { runBurst } from './burst.ts'
import { CallbackPairs } from './callback-pairs.ts'
import { type Held, SoakServer } from './cluster-servers.ts'
import { Crowd, PLAIN_HOST } from './crowd.ts'
import { CrowdNetwork } from './crowd-network.ts'
import type { Gap } from './gaps.ts'
import { HostileCrowd } from './hostile-crowd.ts'
import { Inspector } from './inspector.ts'
import { RunDelays } from './run-delay.ts'

/** How large, how long. */
export interface CrowdSize {
  readonly minutes: number
  /** Hostile connections at any time, and how many come at once every fifth minute. */
  readonly attackers: number
  readonly burst: number
  readonly seed: number
  /** Heap snapshots of every tenth minute go there; null: there are none. */
  readonly snapshots: string | null
}

/** What came of it. */
export interface CrowdReport {
  readonly before: Held
  readonly after: Held
  readonly attacks: number
  readonly frames: number
  readonly segments: number
  readonly callbacks: number
  /** The longest times in which a healthy player of a steady stream got nothing, and who was late then. */
  readonly gaps: readonly string[]
  /** MB that lived in the server when no attacker was there: one for each burst. */
  readonly liveHeapMb: readonly number[]
  /** What must not be; nothing, if all is well. */
  readonly faults: readonly string[]
}

const MINUTE_MS = 60_000
const SAMPLE_MS = 2_000
const BURST_MINUTES = 5
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

/** All who take part. */
interface Scene {
  readonly server: SoakServer
  readonly crowd: Crowd
  readonly hostile: HostileCrowd
  readonly inspector: Inspector
  readonly delays: RunDelays
  readonly healthy: () => number
}

class CrowdSoak {
  readonly #size: CrowdSize
  readonly #start: StartTool
  readonly #folder: string
  readonly #note: (line: string) => void
  readonly #pairs = new CallbackPairs()
  readonly #clock = new World(new RealClock(), new CrowdNetwork({ rtmp: 0, http: 0 }, false), new RecordingLog())
  readonly #lives: number[] = []
  readonly #burstFaults: string[] = []
  readonly #minuteEndsMs: number[] = []

  constructor(size: CrowdSize, start: StartTool, folder: string, note: (line: string) => void) {
    this.#size = size
    this.#start = start
    this.#folder = folder
    this.#note = note
  }

  async run(): Promise<CrowdReport> {
    const secure = { rtmp: await freePort(), http: await freePort() }
    const server = await this.#server(secure)
    const networks = { plain: new CrowdNetwork(server, false), tls: new CrowdNetwork(secure, true) }
    const crowd = new Crowd(networks, this.#size.seed)
    const delays = new RunDelays(server.pid)
    const inspector = await Inspector.open(() => server.errors)
    const { attackers, seed } = this.#size
    const victim = { rtmp: server.rtmp, http: server.http, rtmps: secure.rtmp, https: secure.http }
    const hostile = new HostileCrowd(this.#start, victim, attackers, seed)
    try {
      await this.#sleep(3_000)
      const before = await server.held()
      crowd.start()
      hostile.resume()
      const healthy = (): number => networks.plain.open + networks.tls.open
      await this.#minutes({ server, crowd, hostile, inspector, delays, healthy })
      hostile.kill()
      await crowd.stop()
      const after = await this.#untilReleased(server, before)
      const { frames, segments } = crowd
      const { calls: callbacks } = this.#pairs
      const gaps = crowd.gaps.worst.map((gap) => this.#describeGap(gap, delays))
      const faults = this.#faults(server, crowd, before, after)
      return {
        before,
        after,
        attacks: hostile.total,
        frames,
        segments,
        callbacks,
        gaps,
        liveHeapMb: this.#lives,
        faults,
      }
    } finally {
      delays.stop()
      inspector.close()
      this.#pairs.stop()
    }
  }

  #faults(server: SoakServer, crowd: Crowd, before: Held, after: Held): string[] {
    const errors = server.log.split('\n').filter((line) => line.includes('"level":50'))
    const callbacks = [...this.#pairs.faults, ...this.#pairs.openExamples]
    return [...crowd.faults, ...this.#burstFaults, ...this.#left(before, after), ...callbacks, ...errors]
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
       publish { http on; }
       hls { enabled on; hls_path ${this.#folder}/hls; hls_fragment 2; hls_window 20; hls_dispose 5; }`,
      `https { enabled on; listen 127.0.0.1:${secure.http}; ${tls} }`,
      `vhost ${PLAIN_HOST} { hls { enabled off; } http_hooks { enabled on; ${hooks} } publish { http on; } http_remux { enabled on; } }`,
    )
    await server.start(['--inspect=127.0.0.1:0'])
    return server
  }

  /** A line of figures for each minute, until all are over. */
  async #minutes(scene: Scene): Promise<void> {
    const { server, delays } = scene
    let told = 0
    for (let minute = 1; minute <= this.#size.minutes; minute++) {
      const endMs = this.#nowMs + MINUTE_MS
      const burst = minute % BURST_MINUTES === 0 ? this.#burst(minute, scene) : null
      const samples: Held[] = []
      while (this.#nowMs < endMs) {
        await this.#sleep(SAMPLE_MS)
        const held = await server.held()
        samples.push(held)
        delays.sample(this.#nowMs, held.delayMs)
      }
      await burst
      this.#minuteEndsMs.push(this.#nowMs)
      const liveMb = await scene.inspector.liveHeapMb()
      this.#note(this.#line(minute, samples, scene, liveMb))
      for (const fault of scene.crowd.faults.slice(told)) this.#note(`minute ${minute}: ${fault}`)
      told = scene.crowd.faults.length
      const { snapshots } = this.#size
      if (snapshots !== null && minute % 10 === 0)
        await scene.inspector.snapshot(join(snapshots, `${minute}.heapsnapshot`))
    }
  }

  async #burst(minute: number, { server, hostile, inspector, healthy }: Scene): Promise<void> {
    const scene = { hostile, inspector, healthy, held: () => server.held(), sleep: (ms: number) => this.#sleep(ms) }
    const { text, faults, liveHeapMb } = await runBurst(scene, this.#size.burst)
    this.#note(`minute ${minute}, burst of ${this.#size.burst}: ${text}`)
    this.#burstFaults.push(...faults.map((fault) => `minute ${minute}: ${fault}`))
    this.#lives.push(liveHeapMb)
  }

  #describeGap({ player, sinceMs, forMs }: Gap, delays: RunDelays): string {
    const { serverMs, serverWaitedMs, ownMs } = delays.between(sinceMs, sinceMs + forMs)
    const minute = 1 + this.#minuteEndsMs.filter((endMs) => endMs < sinceMs).length
    const late = `server's loop late by ${serverMs} ms, without a CPU for ${serverWaitedMs} ms of 2 s; clients' loop late by ${ownMs} ms`
    return `${Math.round(forMs)} ms in minute ${minute} (${player}): ${late}`
  }

  #line(minute: number, samples: readonly Held[], { crowd, hostile }: Scene, liveMb: number): string {
    const range = (name: keyof Held): string => {
      const values = samples.map((held) => held[name])
      return `${Math.min(...values)}-${Math.max(...values)}`
    }
    const { frames, segments, mostGapMs, faults } = crowd.minute()
    const figures = {
      'live heap': `${liveMb.toFixed(1)} MB`,
      heap: `${range('heapMb')} MB`,
      buffers: `${range('buffersMb')} MB`,
      RSS: `${range('residentMb')} MB`,
      files: range('files'),
      threads: range('threads'),
      connections: range('connections'),
      streams: range('streams'),
      failures: range('failures'),
      'callbacks open': this.#pairs.open,
      attacks: hostile.total,
      frames,
      segments,
      'most gap': `${Math.round(mostGapMs)} ms`,
      'server late by at most': `${Math.max(...samples.map(({ delayMs }) => delayMs))} ms`,
      faults: faults + this.#pairs.faults.length + this.#burstFaults.length,
    }
    const texts = Object.entries(figures).map(([name, value]) => `${name} ${value}`)
    return `minute ${minute}: ${texts.join(', ')}`
  }

  get #nowMs(): number {
    return this.#clock.clock.nowMs()
  }

  #sleep(ms: number): Promise<void> {
    return runThread(this.#clock, (thread: Thread) => thread.sleep(ms))
  }

  async #untilReleased(server: SoakServer, before: Held): Promise<Held> {
    const untilMs = this.#nowMs + LAST_MS
    for (;;) {
      const after = await server.held()
      const isReleased = this.#left(before, after).length === 0 && this.#pairs.open === 0
      if (isReleased || this.#nowMs > untilMs) return after
      await this.#sleep(500)
    }
  }

  #left(before: Held, after: Held): string[] {
    const counts = ['threads', 'connections', 'streams', 'files', 'failures'] as const
    return counts.filter((name) => after[name] > before[name]).map((name) => `${after[name]} ${name} are left`)
  }
}
