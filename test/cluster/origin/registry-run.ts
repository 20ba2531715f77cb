import { isDeepStrictEqual } from 'node:util'
import { publish, type Publish, SimCluster, type SimOrigin } from './support.ts'

const STEPS = 60
const NAMES = ['a', 'b', 'c']
/** After so long without trouble nobody may disagree: a lease and a renewal. */
const CALM_MS = 15_000

interface Publishing {
  readonly at: string
  readonly stream: string
  readonly publish: Publish
}

/** Publishers at three origins, origins that are killed, a Redis that comes and goes or cannot be reached: by one seed. */
export class RegistryRun {
  readonly #sim: SimCluster
  readonly #origins: Map<string, SimOrigin>
  #publishes: Publishing[] = []
  #troubleMs = 0

  constructor(seed: number) {
    this.#sim = new SimCluster(seed)
    this.#origins = new Map(NAMES.map((name) => [name, this.#sim.start(name)]))
  }

  /** @returns which rule was broken; null: none */
  async run(): Promise<string | null> {
    const random = this.#sim.simulation.random.fork('run')
    await this.#sim.startRedis()
    for (let step = 0; step < STEPS; step++) {
      const broken = await this.#step(random.below(10), random.pick(NAMES), `s${random.below(4)}`)
      if (broken !== null) return `step ${step}: ${broken}`
      await this.#sim.run(random.between(10, 6_000))
      for (const { host } of this.#origins.values()) this.#sim.network.heal(host, this.#sim.redisHost)
    }
    // One that has run all the time must have forgotten what nobody renews.
    if (this.#sim.redisHost.life === null) await this.#sim.startRedis()
    await this.#sim.run(40_000)
    return this.#end()
  }

  async #step(what: number, at: string, stream: string): Promise<string | null> {
    if (what < 5) this.#toggle(at, stream)
    else if (what < 7) return this.#race(stream)
    else await this.#trouble(what, at)
    return null
  }

  #toggle(at: string, stream: string): void {
    const mine = this.#live().find((one) => one.at === at && one.stream === stream)
    if (mine) mine.publish.leave()
    else this.#begin(at, stream)
  }

  /** All origins get a publisher of one stream in the same moment. */
  async #race(stream: string): Promise<string | null> {
    for (const at of NAMES) {
      this.#begin(at, stream)
    }
    await this.#sim.run(200)
    const here = this.#live().filter((one) => one.stream === stream)
    const { simulation, redisHost } = this.#sim
    const isCalm = redisHost.life !== null && simulation.nowMs - this.#troubleMs > CALM_MS
    return isCalm && here.length !== 1
      ? `${stream} has ${here.length} publishers: ${here.map(({ at }) => at).join()}`
      : null
  }

  async #trouble(what: number, at: string): Promise<void> {
    const { network, redisHost } = this.#sim
    const origin = this.#origins.get(at)
    if (what === 7) {
      this.#publishes = this.#publishes.filter((one) => one.at !== at)
      this.#origins.set(at, this.#sim.start(at))
    } else if (what === 8) redisHost.crash('process')
    else if (origin) network.cut(origin.host, redisHost)
    await this.#sim.run(500)
    if (what === 8 && this.#sim.simulation.random.chance(0.7)) await this.#sim.startRedis()
    // Until the step is over.
    this.#troubleMs = this.#sim.simulation.nowMs + 6_000
  }

  #end(): string | null {
    const live = this.#live()
    const publishers: Record<string, string> = Object.fromEntries(live.map(({ stream, at }) => [stream, at]))
    if (Object.keys(publishers).length < live.length) return `two publishers of one stream, of ${live.length}`
    const { announced } = this.#sim
    if (!isDeepStrictEqual(announced, publishers)) {
      return `announced ${JSON.stringify(announced)}, published ${JSON.stringify(publishers)}`
    }
    const leases = [...this.#origins.values()].reduce((sum, { registry }) => sum + registry.leases, 0)
    if (leases !== live.length) return `${leases} leases of ${live.length} streams`
    const failures = [...this.#origins.values()].reduce((sum, { world }) => sum + world.failures, 0)
    return failures > 0 ? `${failures} threads failed` : null
  }

  #begin(at: string, stream: string): void {
    const origin = this.#origins.get(at)
    // Of two at one server, the server itself lets only one ask.
    const isThere = this.#publishes.some(
      (one) => one.at === at && one.stream === stream && /^asks|publishes$/.test(one.publish.state),
    )
    if (origin && !isThere) this.#publishes.push({ at, stream, publish: publish(origin, stream) })
  }

  #live(): Publishing[] {
    return this.#publishes.filter(({ publish: { state } }) => state === 'publishes')
  }
}
