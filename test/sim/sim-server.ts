import { loadConfig } from '../../src/control/config.ts'
import { makeIdentity } from '../../src/control/identity.ts'
import { House } from '../../src/house.ts'
import type { SimHost } from '../../src/st/sim/network.ts'
import type { World } from '../../src/st/world.ts'
import type { Log } from '../../src/st/log.ts'
import type { PlanSettings } from './plan.ts'

/** The server of a run, over its crashes and starts. */
export class SimServer {
  readonly host: SimHost
  readonly #settings: PlanSettings
  readonly #log: Log
  #world: World | null = null
  #house: House | null = null
  #reloads = 0
  /** Threads and timers of the server when nobody is there. */
  idle = { threads: [''], timers: 0 }
  /** Callbacks of clients that were there at a crash end with it. */
  crashesAtMs: number[] = []

  constructor(host: SimHost, settings: PlanSettings, log: Log) {
    this.host = host
    this.#settings = settings
    this.#log = log
  }

  get world(): World | null {
    return this.#world
  }

  get house(): House | null {
    return this.#house
  }

  async start(): Promise<void> {
    const world = this.host.boot(this.#log)
    const load = (): ReturnType<typeof loadConfig> =>
      loadConfig({ file: 'sim.conf', readFile: () => conf(this.#settings, this.#reloads), env: {} })
    this.#world = world
    this.#house = new House({
      world,
      config: load(),
      identity: makeIdentity(world, 'vid-sim'),
      version: 'sim',
      page: new Map(),
      load,
      onReload: () => {},
    })
    await this.#house.open()
  }

  /** What is to be there again when everybody has gone. */
  remember(): void {
    this.idle = this.now()
  }

  now(): { threads: string[]; timers: number } {
    const threads = [...(this.#world?.threads ?? [])].map(({ name }) => name).toSorted()
    return { threads, timers: this.host.life?.timers ?? 0 }
  }

  crash(kind: 'process' | 'machine', nowMs: number): void {
    this.crashesAtMs.push(nowMs)
    this.host.crash(kind)
    this.#world = null
    this.#house = null
  }

  reload(): void {
    const house = this.#house
    this.#reloads++
    if (house) this.#world?.spawn('reload', async (thread) => void (await house.reload(thread)))
  }

  /** Ends it in order. @returns whether it has ended; looked at later */
  stop(): { isOver: boolean } {
    const state = { isOver: false }
    const house = this.#house
    if (house) {
      this.#world?.spawn('stop', async (thread) => {
        await house.close(thread)
        state.isOver = true
      })
    }
    return state
  }
}

function conf(settings: PlanSettings, reloads: number): string {
  const { minLatency, gopCache, queueSeconds, mwLatencyMs, hooks } = settings
  const flag = (value: boolean): string => (value ? 'on' : 'off')
  const calls = ['on_connect', 'on_close', 'on_publish', 'on_unpublish', 'on_play', 'on_stop']
  const urls = calls.map((name) => `${name} http://backend:8085/hook;`).join(' ')
  return `listen 1935;
max_connections ${1000 + reloads};
http_server { enabled on; listen 8080; }
http_api { enabled on; listen 1985; }
stats { enabled off; }
circuit_breaker { enabled off; }
vhost __defaultVhost__ {
  min_latency ${flag(minLatency)};
  play { gop_cache ${flag(gopCache !== (reloads % 2 === 1))}; queue_length ${queueSeconds}; mw_latency ${mwLatencyMs}; }
  http_remux { enabled on; }
  http_hooks { enabled ${flag(hooks)}; timeout 4s; retries 3; ${urls} }
}
`
}
