import { loadConfig } from '../../src/control/config.ts'
import { makeIdentity } from '../../src/control/identity.ts'
import { House } from '../../src/house.ts'
import type { Log } from '../../src/st/log.ts'
import type { CrashKind, SimHost } from '../../src/st/sim/network.ts'
import type { World } from '../../src/st/world.ts'
import { PLAYLISTS, RECORDINGS } from './disk-check.ts'
import type { PlanSettings } from './plan.ts'

/** Of callbacks that come with a segment or a file, and of those that come in pairs. */
const CALLS = 'on_connect on_close on_publish on_unpublish on_play on_stop on_hls on_dvr'.split(' ')

/** A server of a run, over its crashes and starts. */
export class SimServer {
  readonly host: SimHost
  readonly #settings: PlanSettings
  readonly #log: Log
  #world: World | null = null
  #house: House | null = null
  #reloads = 0
  /** Threads of the server when nobody is there. */
  idle: { readonly threads: readonly string[] } = { threads: [] }
  /** Callbacks of clients that were there at a crash end with it. */
  crashes = 0

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

  /** Its threads, those of them that wait for some time, and timers: there is at most one for each wait. */
  now(): { threads: string[]; waits: number; timers: number } {
    const all = [...(this.#world?.threads ?? [])]
    const waits = all.filter(({ waiter }) => waiter !== null && waiter.timeoutMs !== Infinity).length
    return { threads: all.map(({ name }) => name).toSorted(), waits, timers: this.host.life?.timers ?? 0 }
  }

  crash(kind: CrashKind): void {
    this.crashes++
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
  const isOther = reloads % 2 === 1
  const urls = CALLS.map((name) => `${name} http://backend:8085/hook;`).join(' ')
  return `listen 1935;
max_connections ${1000 + reloads};
http_server { enabled on; listen 8080; }
http_api { enabled on; listen 1985; }
exporter { enabled on; listen 9972; }
stats { disk sda; }
vhost __defaultVhost__ {
  min_latency ${flag(minLatency)};
  play { gop_cache ${flag(gopCache !== isOther)}; queue_length ${queueSeconds}; mw_latency ${mwLatencyMs}; }
  http_remux { enabled on; }
  http_hooks { enabled ${flag(hooks)}; timeout 4s; retries 3; ${urls} }
  ${hlsConf(settings, isOther)}
  ${dvrConf(settings, isOther)}
}
`
}

function hlsConf({ hls }: PlanSettings, isOther: boolean): string {
  if (!hls) return ''
  const { isOnDisk, form, fragmentSeconds, ctx, recover } = hls
  const forms = { ts: '', fmp4: 'hls_use_fmp4 on;', 'low latency': 'hls_use_fmp4 on; hls_low_latency on;' }
  const place = isOnDisk ? `hls_path ./${PLAYLISTS}; hls_recover ${flag(recover)};` : ''
  return `hls { enabled on; hls_fragment ${isOther ? 3 : fragmentSeconds}; hls_window 12; hls_dispose 20;
    ${forms[form]} ${place} hls_ctx ${flag(ctx)}; }`
}

/** Who is asked to record by hand needs a path too. */
function dvrConf({ dvr }: PlanSettings, isOther: boolean): string {
  const { ending, plan } = dvr ?? { ending: 'flv', plan: 'session' }
  return `dvr { enabled ${flag(dvr !== null && !isOther)}; dvr_path ./${RECORDINGS}/[app]/[stream].[timestamp].${ending};
    dvr_plan ${plan}; dvr_duration 10; }`
}

function flag(value: boolean): string {
  return value ? 'on' : 'off'
}
