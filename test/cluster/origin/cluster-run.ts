import { CodecError } from '../../../src/codec/errors.ts'
import { RtmpClient } from '../../../src/rtmp/client.ts'
import { MSG } from '../../../src/rtmp/message.ts'
import { StError } from '../../../src/st/errors.ts'
import type { SimHost } from '../../../src/st/sim/network.ts'
import type { SeededRandom } from '../../../src/st/sim/random.ts'
import type { Thread } from '../../../src/st/thread.ts'
import { media, mediaLabel } from '../../server/media.ts'
import { MemoryRedis } from '../../support/memory-redis.ts'
import { RecordingLog } from '../../support/world.ts'
import { type SimHouse, SimStage } from '../sim-stage.ts'

const ORIGINS = ['o0', 'o1', 'o2']
const EDGES = ['e0', 'e1']
const STREAMS = ['s0', 's1', 's2', 's3']
const PLAYERS = 8
const FAULTS = 8
const FRAME_MS = 100
const ANSWER_MS = 5_000
/** Until everything that a fault began has ended: a lease, an origin's timeout, pauses of edges and encoders. */
const SETTLE_MS = 40_000
const STUCK_MS = 3_000
/** What is worth a note. */
const GAP_MS = 1_000
/** Until a machine that is silently gone is given up by its peers' kernels. */
const LAST_MS = 900_000

interface PlayerState {
  readonly stream: string
  lastMs: number
}

/**
 * Origins with a registry, edges, encoders that go to any origin, players that go to any edge, in virtual time; servers and
 * machines die, stand still or cannot reach each other, as one seed says.
 */
export class ClusterRun {
  readonly #stage: SimStage
  readonly #random: SeededRandom
  readonly #servers = new Map<string, SimHouse>()
  readonly #players: PlayerState[] = []
  readonly #wrong: string[] = []
  readonly #clients: SimHost[] = []
  readonly #note: (line: string) => void
  #redis: MemoryRedis | null = null
  #publishes = 0

  constructor(seed: number, note: (line: string) => void = () => {}) {
    this.#stage = new SimStage(seed)
    this.#random = this.#stage.simulation.random.fork('cluster')
    this.#note = note
  }

  /** @returns which rule was broken; null: none */
  async run(): Promise<string | null> {
    for (const name of ['redis', ...ORIGINS, ...EDGES]) this.#stage.machine(name)
    await this.#startRedis()
    for (const name of [...ORIGINS, ...EDGES]) await this.#serve(name)
    await this.#stage.run(5_000)
    const idle = new Map([...this.#servers].map(([name, server]) => [name, threadsOf(server)]))
    for (const stream of STREAMS) this.#client(stream, (thread, random) => this.#publish(thread, stream, random))
    for (let at = 0; at < PLAYERS; at++) this.#addPlayer(STREAMS[at % STREAMS.length] ?? '', at)
    await this.#stage.run(10_000)
    for (let fault = 0; fault < FAULTS; fault++) await this.#strike()
    await this.#stage.run(SETTLE_MS)
    return this.#stuck() ?? this.#wrong[0] ?? (await this.#leftovers(idle))
  }

  #stuck(): string | null {
    const { nowMs } = this.#stage.simulation
    const stuck = this.#players.filter(({ lastMs }) => nowMs - lastMs > STUCK_MS)
    return stuck.length > 0 ? `stuck: ${stuck.map(({ stream }) => stream).join(' ')}` : null
  }

  async #leftovers(idle: ReadonlyMap<string, string>): Promise<string | null> {
    for (const host of this.#clients) host.crash('process')
    await this.#stage.run(LAST_MS)
    for (const [name, server] of this.#servers) {
      const { house, world } = server
      const threads = threadsOf(server)
      if (house.streams + house.connections > 0)
        return `${name} has ${house.streams} streams, ${house.connections} connections`
      if (threads !== idle.get(name)) return `${name} has threads ${threads} and had ${idle.get(name)}`
      if (world.failures > 0)
        return `${name}: ${JSON.stringify(server.log.lines.filter(({ level }) => level === 'error'))}`
    }
    const keys = Object.keys(this.#redis?.live ?? {})
    return keys.length > 0 ? `left in Redis: ${keys.join(' ')}` : null
  }

  async #strike(): Promise<void> {
    const { network } = this.#stage
    const forMs = this.#random.between(200, 12_000)
    const origin = this.#random.pick(ORIGINS)
    const other = this.#random.pick(['redis', ...EDGES])
    const what = this.#random.pick(['kill', 'kill', 'power', 'stall', 'cut', 'cut', 'redis', 'edge'] as const)
    this.#note(`${Math.round(this.#stage.simulation.nowMs)} ${what} ${origin} ${other} for ${Math.round(forMs)} ms`)
    if (what === 'kill' || what === 'power' || what === 'edge') {
      const name = what === 'edge' ? this.#random.pick(EDGES) : origin
      this.#host(name).crash(what === 'power' ? 'machine' : 'process')
      await this.#stage.run(forMs)
      await this.#serve(name)
      // Who had connections there is told by the machine that is back, within 3 s: not if it goes again before.
      if (what === 'power') await this.#stage.run(4_000)
    } else if (what === 'stall') {
      this.#host(origin).life?.stall(forMs)
      await this.#stage.run(forMs)
    } else if (what === 'cut') {
      network.cut(this.#host(origin), this.#host(other))
      await this.#stage.run(forMs)
      network.heal(this.#host(origin), this.#host(other))
    } else {
      this.#host('redis').crash('process')
      await this.#stage.run(forMs)
      await this.#startRedis()
    }
    await this.#stage.run(this.#random.between(0, 8_000))
  }

  async #startRedis(): Promise<void> {
    this.#redis = new MemoryRedis(this.#host('redis').boot(new RecordingLog()))
    await this.#redis.start(6379, '')
  }

  async #serve(name: string): Promise<void> {
    const mates = ORIGINS.filter((other) => other !== name)
    const cluster = EDGES.includes(name)
      ? `mode remote; origin ${ORIGINS.join(' ')}; linger 2; outage 120;`
      : `origin_cluster on; coworkers ${mates.join(' ')};`
    const root = `redis { enabled on; server redis; address ${name}; lease 5s; }`
    this.#servers.set(
      name,
      await this.#stage.serve(this.#host(name), `cluster { ${cluster} }`, undefined, undefined, root),
    )
  }

  #host(name: string): SimHost {
    const host = this.#stage.network.find(name)
    if (!host) throw new Error(`there is no ${name}`)
    return host
  }

  #client(name: string, once: (thread: Thread, random: SeededRandom) => Promise<void>): void {
    const random = this.#random.fork(name)
    this.#stage.program(name, async (thread) => {
      for (;;) {
        try {
          await once(thread, random)
        } catch (error) {
          if (!(error instanceof StError || error instanceof CodecError)) throw error
        }
        await thread.sleep(random.between(200, 1_500))
      }
    })
    this.#clients.push(this.#host(name))
  }

  #addPlayer(stream: string, index: number): void {
    const state = { stream, lastMs: 0 }
    this.#players.push(state)
    const edge = this.#random.pick(EDGES)
    this.#client(`player ${index}`, (thread) => this.#play(thread, edge, state))
  }

  #heard(state: PlayerState): void {
    const { nowMs } = this.#stage.simulation
    const gapMs = nowMs - state.lastMs
    if (state.lastMs > 0 && gapMs > GAP_MS)
      this.#note(`${Math.round(nowMs)} gap of ${Math.round(gapMs)} ms: ${state.stream}`)
    state.lastMs = nowMs
  }

  async #publish(thread: Thread, stream: string, random: SeededRandom): Promise<void> {
    const client = await open(thread, random.pick(ORIGINS))
    const { socket } = client.connection
    // Of another publish, a frame is another one.
    const number = ++this.#publishes
    const text = (frame: number): string => `${stream} ${number}.${frame} `
    try {
      await client.publish(stream)
      client.sendMedia(MSG.VIDEO, 0, media('video header', `${stream} `))
      for (let frame = 0; !socket.closed && !socket.ended; frame++) {
        const kind = frame % 10 === 0 ? 'video key' : 'video inter'
        client.sendMedia(MSG.VIDEO, frame * FRAME_MS, media(kind, text(frame), 400))
        await socket.drain(thread, ANSWER_MS)
        await thread.sleep(FRAME_MS)
      }
    } finally {
      client.close()
    }
  }

  async #play(thread: Thread, edge: string, state: PlayerState): Promise<void> {
    const client = await open(thread, edge)
    let expected = 'video header'
    let lastTimeMs = 0
    try {
      await client.play(state.stream)
      for (let message = await client.read(60_000); message; message = await client.read(60_000)) {
        if (message.typeId !== MSG.VIDEO) continue
        const label = mediaLabel(message.typeId, message.payload)
        const isRight = label.startsWith(expected) && label.split(' ')[2] === state.stream
        if (!isRight) this.#wrong.push(`${state.stream}: ${label} instead of ${expected}`)
        if (message.timestampMs < lastTimeMs)
          this.#wrong.push(`${state.stream}: ${lastTimeMs} -> ${message.timestampMs}`)
        lastTimeMs = message.timestampMs
        expected = label.startsWith('video header') ? 'video key' : 'video '
        this.#heard(state)
      }
    } finally {
      client.close()
    }
  }
}

function open(thread: Thread, host: string): Promise<RtmpClient> {
  return RtmpClient.open(thread, { host, port: 1935, tcUrl: `rtmp://${host}/live`, app: 'live' }, ANSWER_MS)
}

function threadsOf({ world }: SimHouse): string {
  return [...world.threads]
    .map(({ name }) => name)
    .toSorted()
    .join(' ')
}
