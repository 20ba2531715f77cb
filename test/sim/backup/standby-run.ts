import { loadConfig } from '../../../src/control/config.ts'
import { makeIdentity } from '../../../src/control/identity.ts'
import { House } from '../../../src/house.ts'
import { HttpPool } from '../../../src/http/pool.ts'
import { StError } from '../../../src/st/errors.ts'
import type { Log } from '../../../src/st/log.ts'
import { SimDisk } from '../../../src/st/sim/disk.ts'
import type { Life } from '../../../src/st/sim/life.ts'
import { type SimHost, SimNetwork } from '../../../src/st/sim/network.ts'
import type { SeededRandom } from '../../../src/st/sim/random.ts'
import { Simulation } from '../../../src/st/sim/simulation.ts'
import type { Thread } from '../../../src/st/thread.ts'
import type { World } from '../../../src/st/world.ts'
import { MemoryRedis } from '../../support/memory-redis.ts'
import { RecordingLog } from '../../support/world.ts'
import { HlsCheck } from '../hls-check.ts'
import { Violation } from '../violation.ts'
import { Encoder } from './encoder.ts'
import { PlaylistWatch, SideDisk, type SideState } from './shared-disk.ts'
import { FrontViewer } from './viewer.ts'

/** What may happen to two servers, their storage and what is around them. */
export const FAULTS = [
  'kill',
  'power',
  'stop',
  'cut peers',
  'cut redis',
  'kill redis',
  'disk full',
  'disk away',
  'encoder restart',
  'encoder reset',
  'switch',
] as const

export type FaultKind = (typeof FAULTS)[number]

/** Something that happens. `side` is the server that it happens to. */
export interface Fault {
  readonly what: FaultKind
  readonly atMs: number
  readonly forMs: number
  readonly side: number | 'writer' | 'other'
}

/** A history. */
export interface StandbyPlan {
  readonly seed: number
  readonly hasRedis: boolean
  readonly leaseMs: number
  readonly busyMs: number
  readonly faults: readonly Fault[]
}

/** What came of it. */
export interface StandbyOutcome {
  readonly violation: Violation | null
  readonly segments: number
  readonly frames: number
  /** The longest time in which a viewer got no new segment, ms. */
  readonly longestMs: number
  readonly discontinuities: number
  /** Pictures that a viewer did not get, of one encoder that was not restarted in between. */
  readonly lostPictures: number
  /** Playlists that were written, by server. */
  readonly written: ReadonlyMap<string, number>
  readonly simulatedMs: number
}

const SIDES = ['a', 'b'] as const
const FRAGMENT_MS = 2_000
const DISPOSE_MS = 20_000
/** Until everybody plays again after the last fault. */
const RECOVERY_MS = 30_000
const FRESH_MS = 8_000
const PLAYLIST = 'shared/live/s.m3u8'
/** A kernel does not tell a publisher that its server's machine is gone: how long the encoder takes to notice. */
const BOOT_MS = 500

/** A history by chance. */
export function makeStandbyPlan(seed: number): StandbyPlan {
  const random = new Simulation(seed).random.fork('plan')
  const busyMs = 40_000
  const faults: Fault[] = []
  for (let count = random.below(6); count > 0; count--) {
    const atMs = random.between(6_000, busyMs)
    const forMs = random.between(300, random.chance(0.3) ? 12_000 : 5_000)
    faults.push({ what: random.pick(FAULTS), atMs, forMs, side: random.pick([0, 1, 'writer', 'writer', 'other']) })
  }
  return { seed, hasRedis: random.chance(0.5), leaseMs: random.pick([1_000, 2_000, 3_000]), busyMs, faults }
}

/** Two servers that share a storage, one encoder that sends to both, viewers at both: what the plan says happens. */
export function runStandby(plan: StandbyPlan, onLine: ((line: string) => void) | null = null): Promise<StandbyOutcome> {
  return new StandbyRun(plan, onLine).run()
}

interface Side {
  readonly name: string
  readonly host: SimHost
  readonly state: SideState
  house: House | null
  world: World | null
  life: Life | null
}

class StandbyRun {
  readonly #plan: StandbyPlan
  readonly #onLine: ((line: string) => void) | null
  readonly #simulation: Simulation
  readonly #network: SimNetwork
  readonly #random: SeededRandom
  readonly #storage: SimDisk
  readonly #sides: Side[]
  readonly #redisHost: SimHost
  readonly #encoder: Encoder
  readonly #check: HlsCheck
  readonly #watch: PlaylistWatch
  readonly #viewers: FrontViewer[] = []
  #violation: Violation | null = null

  constructor(plan: StandbyPlan, onLine: ((line: string) => void) | null) {
    this.#plan = plan
    this.#onLine = onLine
    this.#simulation = new Simulation(plan.seed)
    this.#random = this.#simulation.random.fork('standby')
    const paths = this.#simulation.random.fork('paths')
    this.#network = new SimNetwork(this.#simulation, () => ({
      latencyMs: paths.between(0.1, 40),
      jitterMs: paths.between(0, 20),
      bytesPerMs: paths.between(1_000, 10_000),
      bufferBytes: 128 * 1024,
      splits: paths.pick([0, 0.1]),
    }))
    this.#storage = new SimDisk(this.#random.fork('storage'))
    this.#sides = SIDES.map((name, index) => ({
      name,
      host: this.#network.add(name, `10.0.0.${index + 1}`),
      state: { disk: 'ok' },
      house: null,
      world: null,
      life: null,
    }))
    this.#redisHost = this.#network.add('redis', '10.0.0.9')
    this.#encoder = new Encoder('s', plan.seed, this.#random.fork('encoder'))
    this.#check = new HlsCheck('s', this.#encoder.publishes)
    this.#watch = new PlaylistWatch(this.#storage, PLAYLIST)
    this.#simulation.watch = () => {
      if (this.#violation) throw this.#violation
      this.#watch.look()
    }
  }

  async run(): Promise<StandbyOutcome> {
    try {
      await this.#play()
    } catch (error) {
      if (!(error instanceof Violation)) throw error
      this.#violation = error
    }
    const viewed = this.#viewers.map((viewer) => viewer.viewed)
    return {
      violation: this.#violation,
      segments: viewed.reduce((sum, { segments }) => sum + segments, 0),
      frames: viewed.reduce((sum, { frames }) => sum + frames, 0),
      longestMs: Math.max(0, ...viewed.map(({ longestMs }) => longestMs)),
      discontinuities: Math.max(0, ...viewed.map(({ discontinuities }) => discontinuities)),
      lostPictures: Math.max(0, ...viewed.map(({ lostPictures }) => lostPictures)),
      written: this.#watch.written,
      simulatedMs: this.#simulation.nowMs,
    }
  }

  async #play(): Promise<void> {
    if (this.#plan.hasRedis) await this.#startRedis()
    for (const side of this.#sides) await this.#start(side)
    const { busyMs, faults } = this.#plan
    const untilMs = busyMs + RECOVERY_MS
    this.#startEncoder()
    this.#startViewer(SIDES, untilMs)
    this.#startViewer(['a', 'b'], untilMs)
    for (const fault of faults) this.#simulation.after(fault.atMs, () => this.#strike(fault))
    await this.#simulation.runUntil(untilMs - 500)
    this.#checkRecovery()
    this.#encoder.stop()
    await this.#simulation.run(DISPOSE_MS + 40_000)
    this.#checkFiles()
    await this.#stop()
  }

  async #start(side: Side): Promise<void> {
    const { host, name, state } = side
    const world = host.boot(this.#log(name), (life) => {
      side.life = life
      return new SideDisk(this.#storage, life, state)
    })
    const load = (): ReturnType<typeof loadConfig> =>
      loadConfig({ file: 'sim.conf', readFile: () => this.#conf(name), env: {} })
    side.world = world
    side.house = new House({
      world,
      config: load(),
      identity: makeIdentity(world, `vid-${name}`),
      version: 'sim',
      page: new Map(),
      load,
      onReload: () => {},
    })
    await side.house.open()
  }

  #conf(name: string): string {
    const { hasRedis, leaseMs } = this.#plan
    return `listen 1935;
http_server { enabled on; listen 8080; }
http_api { enabled on; listen 1985; }
stats { enabled off; }
circuit_breaker { enabled off; }
redis { server redis; timeout 500ms; }
vhost __defaultVhost__ {
  publish { normal_timeout 5s; takeover_after 2s; }
  hls { enabled on; hls_fragment ${FRAGMENT_MS}ms; hls_window 12; hls_dispose ${DISPOSE_MS}ms; hls_ctx off; hls_path shared; }
  hls_backup { enabled on; name ${name}; lease ${leaseMs}ms; redis ${hasRedis ? 'on' : 'off'}; }
}
`
  }

  async #startRedis(): Promise<void> {
    await new MemoryRedis(this.#redisHost.boot(new RecordingLog())).start(6379, '')
  }

  #startEncoder(): void {
    const world = this.#network.add('encoder', '10.1.0.1').boot(new RecordingLog())
    world.spawn('encoder', (thread) => this.#encoder.run(thread))
    for (const name of SIDES) world.spawn(`to ${name}`, (thread) => this.#encoder.send(thread, name))
  }

  #startViewer(hosts: readonly string[], untilMs: number): void {
    const name = `viewer${this.#viewers.length}`
    const world = this.#network.add(name, `10.2.0.${this.#viewers.length + 1}`).boot(new RecordingLog())
    world.spawn(name, async (thread) => {
      const seen = { check: this.#check, publishes: this.#encoder.publishes }
      const viewer = new FrontViewer(thread, hosts, seen, this.#random.fork(name))
      this.#viewers.push(viewer)
      try {
        await viewer.watch(untilMs)
      } catch (error) {
        if (!(error instanceof Violation)) throw error
        this.#violation ??= error
      }
    })
  }

  #sideOf({ side }: Fault): Side {
    const writer = Math.max(
      0,
      this.#sides.findIndex(({ name }) => name === this.#watch.writer),
    )
    const index = typeof side === 'number' ? side : side === 'writer' ? writer : 1 - writer
    const found = this.#sides[index] ?? this.#sides[0]
    if (!found) throw new Error('there are no servers')
    return found
  }

  #strike(fault: Fault): void {
    const { what, forMs } = fault
    const side = this.#sideOf(fault)
    this.#line(`fault: ${what} at ${side.name} for ${Math.round(forMs)} ms`)
    const later = (run: () => void): void => void this.#simulation.after(forMs, run)
    switch (what) {
      case 'kill':
      case 'power':
        if (side.life) this.#storage.leave(side.life)
        side.host.crash(what === 'kill' ? 'process' : 'machine')
        side.house = null
        side.life = null
        this.#simulation.after(forMs + BOOT_MS, () => {
          if (!side.house) void this.#start(side)
        })
        break
      case 'stop':
        side.life?.stall(forMs)
        break
      case 'cut peers':
        this.#cut(this.#sides[0]?.host, this.#sides[1]?.host, later)
        break
      case 'cut redis':
        this.#cut(side.host, this.#redisHost, later)
        break
      case 'kill redis':
        this.#redisHost.crash('process')
        later(() => void (this.#plan.hasRedis ? this.#startRedis() : null))
        break
      case 'disk full':
      case 'disk away':
        side.state.disk = what === 'disk full' ? 'full' : 'away'
        later(() => {
          side.state.disk = 'ok'
        })
        break
      case 'encoder restart':
        this.#encoder.restart()
        break
      case 'encoder reset':
        for (const pipe of side.host.pipes) if (pipe.remote.host === '10.1.0.1') pipe.sever()
        break
      case 'switch':
      default:
        this.#askSwitch(side)
    }
  }

  #cut(one: SimHost | undefined, other: SimHost | undefined, later: (run: () => void) => void): void {
    if (!one || !other) return
    this.#network.cut(one, other)
    later(() => this.#network.heal(one, other))
  }

  #asks = 0

  #askSwitch(side: Side): void {
    const world = this.#network.add(`admin${this.#asks}`, `10.3.0.${++this.#asks}`).boot(new RecordingLog())
    world.spawn('admin', async (thread) => {
      const pool = new HttpPool(world)
      try {
        await this.#switchAt(thread, pool, side.host.name)
      } catch (error) {
        if (!(error instanceof StError)) throw error
        this.#line(`switch: ${error.message}`)
      }
      await pool.stop(thread)
    })
  }

  async #switchAt(thread: Thread, pool: HttpPool, host: string): Promise<void> {
    const url = new URL(`http://${host}:1985/api/v1/backups`)
    const listed = await pool.request(thread, { method: 'GET', url, headers: {}, body: '' }, 5_000)
    const { backups } = JSON.parse(listed.body.toString()) as { backups?: { id: string }[] }
    const id = backups?.[0]?.id
    if (id === undefined) return
    const target = new URL(`http://${host}:1985/api/v1/backups/${id}`)
    const { status } = await pool.request(thread, { method: 'POST', url: target, headers: {}, body: '' }, 5_000)
    this.#line(`switch at ${host}: ${status}`)
  }

  #checkRecovery(): void {
    for (const { viewed } of this.#viewers) {
      const ageMs = this.#simulation.nowMs - viewed.newestMs
      if (ageMs <= FRESH_MS) continue
      throw new Violation('recovery', `a viewer has got no segment for ${Math.round(ageMs)} ms`)
    }
  }

  /** Nobody publishes any more: what is left over belongs to a server that died. */
  #checkFiles(): void {
    const crashes = this.#plan.faults.filter(
      ({ what }) => what === 'kill' || what === 'power' || what.startsWith('disk'),
    )
    const isLeft = (path: string): boolean => path.startsWith('shared/') && path !== 'shared/.standby-storage'
    const left = this.#storage.files.paths.filter(isLeft)
    if (crashes.length === 0 && left.length > 0) throw new Violation('files', `these are left: ${left.join(' ')}`)
  }

  async #stop(): Promise<void> {
    const stopped = new Set<Side>()
    for (const side of this.#sides) {
      this.#spawnStop(side, stopped)
    }
    await this.#simulation.run(30_000)
    for (const side of this.#sides) {
      if (!stopped.has(side)) throw new Violation('stop', `${side.name} has not stopped`)
    }
  }

  #spawnStop(side: Side, stopped: Set<Side>): void {
    const { house, world } = side
    if (!house || !world) return
    world.spawn('stop', async (thread) => {
      await house.close(thread)
      stopped.add(side)
      const left = [...world.threads].map(({ name }) => name).filter((name) => name !== 'stop')
      if (left.length > 0) this.#violation ??= new Violation('leak', `threads are left: ${left.join(' ')}`)
    })
  }

  #log(name: string): Log {
    const put = (level: string, fields: object, text: string): void => {
      const shown = JSON.stringify(fields, (_key, value: unknown) => (value instanceof Error ? value.stack : value))
      this.#line(`${name} ${level} ${text} ${shown}`)
      if (level === 'error') this.#violation ??= new Violation('failure', `${name}: ${text} ${shown}`)
    }
    return {
      debug: (fields, text) => put('debug', fields, text),
      info: (fields, text) => put('info', fields, text),
      warn: (fields, text) => put('warn', fields, text),
      error: (fields, text) => put('error', fields, text),
    }
  }

  #line(text: string): void {
    this.#onLine?.(`${this.#simulation.nowMs.toFixed(3)} ${text}`)
  }
}
