import { Dolphin } from '../../../src/cluster/dolphin/dolphin.ts'
import type { Policy } from '../../../src/cluster/dolphin/options.ts'
import type { World } from '../../../src/st/world.ts'
import { type LiveStream, playFrom, type PlayPlan, publishTo, type Seen } from '../edge/peers.ts'
import { Violation } from '../violation.ts'
import { BYTES_PORT, type Exchanges, exchangeBytes, serveBytes } from './bytes.ts'
import { ChoiceWatch } from './choice-watch.ts'
import { BUSY_MS, openHouse, type ProxyOutcome, ProxyStage, type Running } from './stage.ts'

const SERVERS = ['one', 'two', 'three']
const STREAMS = 3
const PLAYERS = 6
const BYTE_CLIENTS = 3
const FILL_CONNECTIONS = 3
const FRONT_BYTES_PORT = 9000
/** Within this time after the last fault every player plays again. */
const RECOVERY_MS = 45_000
const STEADY_MS = 15_000
const SILENCE_MS = 4_000
/** Until all that clients left has ended; where a peer is silently gone, until it has been idle for too long. */
const LAST_MS = 40_000

/** Servers, a dolphin in front, publishers, players and exchanges of bytes through it, and faults. */
export async function runDolphin(
  seed: number,
  onLine: ((line: string) => void) | null = null,
): Promise<ProxyOutcome & { readonly exchanges: number }> {
  const run = new DolphinRun(new ProxyStage(seed, onLine))
  return { ...(await run.outcome()), exchanges: run.exchanges.whole }
}

class DolphinRun {
  readonly #stage: ProxyStage
  readonly #policy: Policy
  readonly #streams = new Map<string, LiveStream>()
  readonly #players: { name: string; plan: PlayPlan; seen: Seen }[] = []
  readonly #watch: ChoiceWatch
  readonly exchanges: Exchanges = { whole: 0, broken: 0 }
  #dolphins: readonly Dolphin[] = []

  constructor(stage: ProxyStage) {
    this.#stage = stage
    this.#policy = stage.random.pick(['fill', 'least', 'hash', 'hash'] as const)
    this.#watch = new ChoiceWatch(
      { policy: this.#policy, fillConnections: FILL_CONNECTIONS },
      () => this.#dolphins,
      (violation) => stage.report(violation),
    )
  }

  async outcome(): Promise<ProxyOutcome> {
    try {
      return await this.#stage.outcome(
        () => this.#play(),
        () => this.#players.reduce((sum, { seen }) => sum + seen.frames, 0),
      )
    } finally {
      this.#watch.end()
    }
  }

  async #play(): Promise<void> {
    const stage = this.#stage
    const behind = await Promise.all(SERVERS.map((name) => stage.machine(name, (world) => this.#server(world, name))))
    const front = await stage.machine('proxy', (world) => this.#proxy(world))
    await stage.simulation.run(3_000)
    const endMs = stage.simulation.nowMs + BUSY_MS + RECOVERY_MS
    this.#startPublishers(endMs)
    this.#startPlayers(endMs)
    this.#startBytes(endMs)
    stage.planFaults(front, behind, [...behind, ...behind, front])
    await stage.simulation.runUntil(endMs - 1_000)
    this.#checkRecovery()
    await stage.simulation.run(LAST_MS)
    this.#checkIdle()
    for (const machine of [front, ...behind]) await stage.close(machine)
  }

  async #server(world: World, name: string): Promise<Running> {
    const house = await openHouse(world, name, 10)
    const bytes = await serveBytes(world)
    return {
      async stop(thread) {
        await bytes.stop(thread)
        await house.close(thread)
      },
    }
  }

  /** One for media and one for bytes, of the same process. */
  async #proxy(world: World): Promise<Running> {
    const options = {
      policy: this.#policy,
      fillConnections: FILL_CONNECTIONS,
      maxConnections: 1000,
      connectTimeoutMs: 2_000,
      idleTimeoutMs: 20_000,
      checkIntervalMs: 2_000,
      proxyProtocol: false,
      programLogDir: null,
    }
    const any = (port: number) => [{ host: '', port }]
    const servers = (rtmp: number | null, http: number) =>
      SERVERS.map((name) => ({
        name,
        rtmp: rtmp === null ? null : { host: name, port: rtmp },
        http: { host: name, port: http },
        start: [],
      }))
    this.#dolphins = [
      new Dolphin(world, { ...options, rtmp: any(1935), http: any(8080), servers: servers(1935, 8080) }),
      new Dolphin(world, { ...options, rtmp: [], http: any(FRONT_BYTES_PORT), servers: servers(null, BYTES_PORT) }),
    ]
    const dolphins = this.#dolphins
    this.#watch.forget()
    for (const dolphin of dolphins) await dolphin.start()
    return {
      async stop(thread) {
        for (const dolphin of dolphins) await dolphin.stop(thread)
      },
    }
  }

  /** By stream through the proxy; else every server has every stream, as edges do. */
  #startPublishers(endMs: number): void {
    const stage = this.#stage
    for (let index = 0; index < STREAMS; index++) {
      const stream = `s${index}`
      for (const [place, at] of (this.#policy === 'hash' ? ['proxy'] : SERVERS).entries()) {
        const live: LiveStream = { sinceMs: null, publishes: place * 1_000 }
        this.#streams.set(`${at} ${stream}`, live)
        const name = `publisher of ${stream} at ${at}`
        const random = stage.random.fork(name)
        stage.client(name, (thread) => publishTo(thread, at, stream, live, endMs, random))
      }
    }
  }

  #startPlayers(endMs: number): void {
    const { random } = this.#stage
    for (let index = 0; index < PLAYERS; index++) {
      const name = `player ${index}`
      const plan: PlayPlan = {
        host: 'proxy',
        stream: `s${random.below(STREAMS)}`,
        mayRepeat: false,
        protocol: random.pick(['rtmp', 'flv'] as const),
        playMs: random.pick([0, 0, 0, 500, 10_000]),
        pauseMs: random.pick([20, 200, 4_000]),
      }
      const seen: Seen = { lastFrameMs: 0, frames: 0 }
      this.#players.push({ plan, name, seen })
      const own = random.fork(name)
      this.#stage.client(name, (thread) => playFrom(thread, plan, endMs, seen, own))
    }
  }

  #startBytes(endMs: number): void {
    const { random } = this.#stage
    for (let index = 0; index < BYTE_CLIENTS; index++) {
      const name = `bytes ${index}`
      const isSlow = index === 0
      const plan = {
        isHalfOpen: random.chance(0.5),
        pauseMs: random.pick([0, 0, 5, 100]),
        downBytes: isSlow ? 2_000_000 : random.pick([1_000, 200_000, 800_000]),
        isFull: isSlow,
      }
      const own = random.fork(name)
      const at = { host: 'proxy', port: FRONT_BYTES_PORT }
      this.#stage.client(name, (thread) => exchangeBytes(thread, at, plan, endMs - 20_000, this.exchanges, own), isSlow)
    }
  }

  #checkRecovery(): void {
    const { nowMs } = this.#stage.simulation
    const isSteady = (live: LiveStream): boolean => live.sinceMs !== null && nowMs - live.sinceMs >= STEADY_MS
    for (const { plan, name, seen } of this.#players) {
      const sources = [...this.#streams].filter(([key]) => key.endsWith(` ${plan.stream}`))
      if (!sources.every(([, live]) => isSteady(live))) continue
      const silentMs = Math.round(nowMs - seen.lastFrameMs)
      if (plan.playMs > 0 || silentMs <= SILENCE_MS) continue
      throw new Violation('recovery', `${name} has got nothing of ${plan.stream} for ${silentMs} ms (${this.#policy})`)
    }
    for (const [key, live] of this.#streams) {
      if (!isSteady(live)) throw new Violation('recovery', `${key} is not published (${this.#policy})`)
    }
    const { broken } = this.exchanges
    if (this.#stage.faults === 0 && broken > 0) {
      throw new Violation('whole', `${broken} exchanges of bytes came to nothing though all was well`)
    }
  }

  #checkIdle(): void {
    for (const { connections, servers } of this.#dolphins) {
      const open = servers.map((server) => `${server.name} ${server.open}`)
      if (connections > 0 || servers.some((server) => server.open !== 0)) {
        throw new Violation('leak', `${connections} connections are left at the proxy: ${open.join(', ')}`)
      }
      if (servers.some(({ isUp }) => !isUp)) throw new Violation('up', 'a server that answers is down')
    }
  }
}
