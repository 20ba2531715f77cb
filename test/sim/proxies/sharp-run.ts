import { SharpServers } from '../../../src/cluster/sharp/servers.ts'
import { FlvReader } from '../../../src/format/flv/reader.ts'
import { Sharp } from '../../../src/sharp.ts'
import { StError } from '../../../src/st/errors.ts'
import { connect } from '../../../src/st/socket.ts'
import type { Thread } from '../../../src/st/thread.ts'
import type { World } from '../../../src/st/world.ts'
import { ChunkedBody } from '../chunked-body.ts'
import { ConnectionCheck, inTime, type LiveStream, type PlayPlan, publishTo, type Seen } from '../edge/peers.ts'
import { Violation } from '../violation.ts'
import { BUSY_MS, type Machine, openHouse, type ProxyOutcome, ProxyStage, type Running } from './stage.ts'

const SERVERS = ['one', 'two', 'three']
const STREAMS = 3
const PLAYERS = 6
const ANSWER_MS = 8_000
const READ_MS = 500
const RECOVERY_MS = 45_000
const STEADY_MS = 15_000
const SILENCE_MS = 4_000
const LAST_MS = 60_000
const LAST_AFTER_MACHINE_CRASH_MS = 900_000
const FLV_HEAD = Buffer.from('FLV\x01', 'latin1')

/** What is seen of one player, over its connections. */
interface Viewer {
  readonly name: string
  readonly plan: PlayPlan
  readonly seen: Seen
  /** Those on which a stream came. */
  connections: number
}

/** Servers that all have the streams, a sharp in front, players, and faults. */
export async function runSharp(
  seed: number,
  onLine: ((line: string) => void) | null = null,
): Promise<ProxyOutcome & { readonly moves: number }> {
  const run = new SharpRun(new ProxyStage(seed, onLine))
  return { ...(await run.outcome()), moves: run.moves }
}

class SharpRun {
  readonly #stage: ProxyStage
  readonly #streams = new Map<string, LiveStream>()
  readonly #viewers: Viewer[] = []
  #sharp: Sharp | null = null
  /** Connections to servers behind beyond the first of each stream. */
  moves = 0

  constructor(stage: ProxyStage) {
    this.#stage = stage
  }

  async outcome(): Promise<ProxyOutcome> {
    const stop = this.#watchFinds()
    try {
      return await this.#stage.outcome(
        () => this.#play(),
        () => this.#viewers.reduce((sum, { seen }) => sum + seen.frames, 0),
      )
    } finally {
      stop()
    }
  }

  async #play(): Promise<void> {
    const stage = this.#stage
    const behind = await Promise.all(
      SERVERS.map((name) => stage.machine(name, async (world) => stopping(await openHouse(world, name, 0)))),
    )
    const endMs = stage.simulation.nowMs + 6_000 + BUSY_MS + RECOVERY_MS
    this.#startPublishers(endMs)
    const front = await stage.machine('proxy', (world) => this.#proxy(world))
    await stage.simulation.run(6_000)
    // In each second run one server is left alone, and the proxy too: then nobody may be cut off.
    const isMild = stage.random.chance(0.5)
    const struck = isMild ? behind.slice(0, 2) : [...behind, ...behind, front]
    this.#startViewers(endMs)
    stage.planFaults(front, behind, struck)
    await stage.simulation.runUntil(endMs - 1_000)
    this.#checkRecovery()
    if (isMild) this.#checkStayed()
    await stage.simulation.run(stage.hasMachineCrash ? LAST_AFTER_MACHINE_CRASH_MS : LAST_MS)
    this.#checkIdle()
    this.moves = (this.#sharp?.servers ?? []).reduce((sum, { total }) => sum + total, -STREAMS)
    for (const machine of [front, ...behind] satisfies Machine[]) await stage.close(machine)
  }

  async #proxy(world: World): Promise<Running> {
    const options = {
      http: [{ host: '', port: 8080 }],
      servers: SERVERS.map((name) => ({ name, rtmp: null, http: { host: name, port: 8080 }, start: [] })),
      maxConnections: 1000,
      connectTimeoutMs: 2_000,
      checkIntervalMs: 2_000,
      proxyProtocol: false,
      mediaTimeoutMs: 3_000,
      waitPublisherMs: 10_000,
      lingerMs: this.#stage.random.pick([0, 100, 2_000]),
      outageMs: 60_000,
    }
    const sharp = new Sharp(world, options, '1')
    this.#sharp = sharp
    await sharp.start()
    return sharp
  }

  /** At every server: they are edges of one origin, or twins. */
  #startPublishers(endMs: number): void {
    for (let index = 0; index < STREAMS; index++) {
      for (const [place, at] of SERVERS.entries()) {
        const live: LiveStream = { sinceMs: null, publishes: place * 1_000 }
        this.#streams.set(`${at} s${index}`, live)
        const name = `publisher of s${index} at ${at}`
        const random = this.#stage.random.fork(name)
        this.#stage.client(name, (thread) => publishTo(thread, at, `s${index}`, live, endMs, random))
      }
    }
  }

  #startViewers(endMs: number): void {
    const { random } = this.#stage
    for (let index = 0; index < PLAYERS; index++) {
      const name = `player ${index}`
      const plan: PlayPlan = {
        host: 'proxy',
        stream: `s${random.below(STREAMS)}`,
        mayRepeat: false,
        protocol: 'flv',
        playMs: random.pick([0, 0, 0, 500, 10_000]),
        pauseMs: random.pick([20, 200, 4_000]),
      }
      const viewer: Viewer = { name, plan, seen: { lastFrameMs: 0, frames: 0 }, connections: 0 }
      this.#viewers.push(viewer)
      const own = random.fork(name)
      this.#stage.client(
        name,
        async (thread) => {
          const { clock } = thread.world
          while (clock.nowMs() < endMs) {
            const lastMs = plan.playMs === 0 ? endMs : Math.min(endMs, clock.nowMs() + own.between(20, plan.playMs))
            try {
              await view(thread, viewer, lastMs)
            } catch (error) {
              if (!(error instanceof StError)) throw error
            }
            await thread.sleep(plan.playMs === 0 ? own.between(200, 2_000) : own.between(10, plan.pauseMs))
          }
        },
        index === 0 && random.chance(0.5),
      )
    }
  }

  /** Each time a stream is to be asked for, the first server is one that is up, and none that is up has less to do. */
  #watchFinds(): () => void {
    const original = SharpServers.prototype.find
    const stage = this.#stage
    SharpServers.prototype.find = async function (this: SharpServers) {
      // As it is now: while the caller waits for the answer others ask too.
      const up = new Map(this.all.filter(({ isUp }) => isUp).map(({ name, open }) => [name, open]))
      const found = await original.call(this)
      const first = found[0]?.host ?? ''
      const open = up.get(first) ?? Infinity
      if (first === '' || (up.size > 0 && open > Math.min(...up.values()))) {
        stage.report(new Violation('choice', `${first} is asked first`))
      }
      return found
    }
    return () => {
      SharpServers.prototype.find = original
    }
  }

  #checkRecovery(): void {
    const { nowMs } = this.#stage.simulation
    for (const { plan, name, seen } of this.#viewers) {
      const sources = [...this.#streams].filter(([key]) => key.endsWith(` ${plan.stream}`))
      const isThere = sources.some(([, { sinceMs }]) => sinceMs !== null && nowMs - sinceMs >= STEADY_MS)
      const silentMs = Math.round(nowMs - seen.lastFrameMs)
      if (plan.playMs > 0 || !isThere || silentMs <= SILENCE_MS) continue
      throw new Violation('recovery', `${name} has got nothing of ${plan.stream} for ${silentMs} ms`)
    }
    const open = (this.#sharp?.servers ?? []).reduce((sum, server) => sum + server.open, 0)
    if (open > STREAMS) throw new Violation('once', `${open} connections to servers for ${STREAMS} streams`)
  }

  #checkStayed(): void {
    for (const { name, plan, connections } of this.#viewers) {
      if (plan.playMs > 0 || connections <= 1) continue
      throw new Violation('stay', `${name} was cut off ${connections - 1} times though a server was well`)
    }
  }

  #checkIdle(): void {
    const sharp = this.#sharp
    if (!sharp) throw new Error('there is no proxy')
    const open = sharp.servers.reduce((sum, server) => sum + server.open, 0)
    if (sharp.connections > 0 || sharp.streams > 0 || open !== 0) {
      throw new Violation('leak', `${sharp.connections} connections, ${sharp.streams} streams, ${open} pulls are left`)
    }
  }
}

function stopping(house: { close(thread: Thread): Promise<unknown> }): Running {
  return {
    async stop(thread) {
      await house.close(thread)
    },
  }
}

/** One connection: whatever happens behind, what comes is one FLV file in order. @throws Violation */
async function view(thread: Thread, viewer: Viewer, untilMs: number): Promise<void> {
  const { plan, seen } = viewer
  const socket = await connect(thread, { host: plan.host, port: 8080 }, ANSWER_MS)
  const check = new ConnectionCheck(thread, plan, seen)
  const body = new ChunkedBody()
  const flv = new FlvReader()
  let heads = 0
  try {
    socket.write(Buffer.from(`GET /live/${plan.stream}.flv HTTP/1.1\r\nHost: ${plan.host}\r\n\r\n`))
    while (check.goesOn(untilMs)) {
      const bytes = await inTime(socket.read(thread, READ_MS))
      if (bytes === null) return
      if (!bytes) continue
      const parts = body.push(bytes)
      if (body.status !== 0 && body.status !== 200) return
      for (const part of parts) {
        if (part.includes(FLV_HEAD) && ++heads === 1) viewer.connections++
        if (heads > 1) throw new Violation('header', `${viewer.name} got a second FLV header`)
        flv.push(part)
      }
      for (let tag = flv.read(); tag; tag = flv.read()) check.take(tag.typeId, tag.timestampMs, tag.payload)
    }
  } finally {
    socket.close()
  }
}
