import { onTestFinished } from 'vitest'
import { Registry, type RegistryOptions } from '../../../src/cluster/origin/registry.ts'
import type { Origin } from '../../../src/cluster/origin/origin.ts'
import type { SimHost } from '../../../src/st/sim/network.ts'
import { SimNetwork } from '../../../src/st/sim/network.ts'
import { Simulation } from '../../../src/st/sim/simulation.ts'
import type { Thread } from '../../../src/st/thread.ts'
import type { World } from '../../../src/st/world.ts'
import type { AmfObject } from '../../../src/rtmp/amf0.ts'
import { asObject } from '../../../src/rtmp/amf-value.ts'
import { RtmpProbe } from '../../server/rtmp-probe.ts'
import { TestHouse } from '../../support/house.ts'
import { MemoryRedis } from '../../support/memory-redis.ts'
import { makeWorld, RecordingLog, runThread } from '../../support/world.ts'

const OPTIONS: RegistryOptions = {
  server: [{ host: 'redis', port: null }],
  username: '',
  password: '',
  database: 0,
  tls: false,
  prefix: 'test:',
  timeoutMs: 1_000,
  leaseMs: 10_000,
}

/** One process of an origin, with nothing but its registry. */
export interface SimOrigin {
  readonly host: SimHost
  readonly world: World
  readonly registry: Registry
  /** Streams that it publishes itself, by their keys. */
  readonly own: Map<string, Thread>
  readonly log: RecordingLog
}

/** Redis and origins, each on a machine of its own, in virtual time. */
export class SimCluster {
  readonly simulation: Simulation
  readonly network: SimNetwork
  readonly redisHost: SimHost
  redis: MemoryRedis | null = null

  constructor(seed = 1) {
    this.simulation = new Simulation(seed)
    const path = { latencyMs: 5, jitterMs: 0, bytesPerMs: 1_000, bufferBytes: 65_536, splits: 0.5 }
    this.network = new SimNetwork(this.simulation, () => path)
    this.redisHost = this.network.add('redis', '10.0.0.100')
  }

  async startRedis(): Promise<MemoryRedis> {
    const redis = new MemoryRedis(this.redisHost.boot(new RecordingLog()))
    this.redis = redis
    await redis.start(6379, '')
    return redis
  }

  /** Starts an origin's process; one that is there is killed. */
  start(name: string, options: Partial<RegistryOptions> = {}): SimOrigin {
    const host = this.network.find(name) ?? this.network.add(name, `10.0.0.${name.length + name.charCodeAt(0) - 60}`)
    const log = new RecordingLog()
    const world = host.boot(log)
    const own = new Map<string, Thread>()
    const self: Origin = { host: name, port: 1935, httpPort: 8080, api: `${name}:1985` }
    const registry = new Registry(
      world,
      { ...OPTIONS, ...options },
      { self: () => self, published: () => own.entries() },
    )
    registry.start()
    return { host, world, registry, log, own }
  }

  run(durationMs: number): Promise<void> {
    return this.simulation.run(durationMs)
  }

  /** Streams and who has them, by Redis. */
  get announced(): Record<string, string> {
    const entries = Object.entries(this.redis?.live ?? {})
    return Object.fromEntries(
      entries.map(([key, value]) => [key.slice('test:stream:v/live/'.length), (JSON.parse(value) as Origin).host]),
    )
  }
}

/** What a publisher came to. */
export interface Publish {
  thread: Thread
  state: string
  leave: () => void
}

/** Somebody who publishes `v/live/STREAM` at an origin until the test lets go, or until it is interrupted. */
export function publish({ world, registry }: SimOrigin, stream: string): Publish {
  const result: Publish = { thread: world.spawn('publisher', (thread) => body(thread)), state: 'asks', leave: () => {} }
  const body = async (thread: Thread): Promise<void> => {
    try {
      const leave = await registry.claim(thread, `v/live/${stream}`)
      result.state = 'publishes'
      result.leave = () => {
        leave()
        result.state = 'left'
      }
      await thread.sleep(3_600_000)
    } catch (error) {
      if (result.state === 'publishes') result.leave()
      result.state = error instanceof Error ? error.message : String(error)
    }
  }
  return result
}

/** Asks where a stream is; the answer is there when time has passed. */
export function ask({ world, registry }: SimOrigin, stream: string): { hosts: string[] | null } {
  const answer: { hosts: string[] | null } = { hosts: null }
  world.spawn('asker', async (thread) => {
    const found = await registry.find(thread, `v/live/${stream}`, 2_000)
    answer.hosts = found.map(({ host }) => host)
  })
  return answer
}

/** Asks to play, without waiting for what comes of it. */
export async function asking(house: TestHouse, name: string, tcUrl = 'rtmp://127.0.0.1/live'): Promise<RtmpProbe> {
  const probe = await RtmpProbe.connected(house, 'live', { tcUrl })
  const streamId = await probe.createStream()
  probe.commandOn(streamId, 'play', 0, null, name)
  return probe
}

/** The status that ends a play or a publish. */
export async function refused(probe: RtmpProbe): Promise<AmfObject> {
  const isEnd = (label: string): boolean => label.startsWith('onStatus') && !label.endsWith('.Start')
  const { args, message } = await probe.next(({ label }) => isEnd(label))
  await probe.raw.untilOver()
  return { ...asObject(args[1]), streamId: message.streamId }
}

/** What a test may say of servers that know each other. */
interface MeshSettings {
  /** More directives of the root, of `cluster { }`, and of the vhosts. */
  readonly root?: string
  readonly cluster?: string
  readonly vhost?: string
  /** Further coworkers, first in the list. */
  readonly others?: readonly string[]
  /** false: they do not know each other. */
  readonly isMesh?: boolean
}

/** Whole servers in this process that know each other's API. */
export async function startMesh(count: number, settings: MeshSettings = {}): Promise<TestHouse[]> {
  const { root = '', cluster = '', vhost = '', others = [], isMesh = true } = settings
  const conf = (coworkers: readonly string[]): string =>
    `listen 127.0.0.1:0; http_server { enabled on; listen 127.0.0.1:0; } http_api { enabled on; listen 127.0.0.1:0; }
${root}
vhost __defaultVhost__ {
  min_latency on; http_remux { enabled on; } publish { normal_timeout 60000; } ${vhost}
  cluster { origin_cluster on; ${coworkers.length > 0 ? `coworkers ${coworkers.join(' ')};` : ''} ${cluster} }
}
vhost named.example { }
`
  const houses: TestHouse[] = []
  for (let index = 0; index < count; index++) houses.push(await TestHouse.open(conf([])))
  // The system has chosen the ports only now.
  for (const house of houses) {
    const mates = houses.filter((other) => isMesh && other !== house).map(({ apiPort }) => `127.0.0.1:${apiPort}`)
    await house.reload(conf([...others, ...mates]))
  }
  return houses
}

/** A Redis for servers in this process, in a world of its own; gone when the test is over. */
export async function startRedis(): Promise<{ redis: MemoryRedis; root: string }> {
  const { world } = makeWorld()
  const redis = new MemoryRedis(world)
  const port = await redis.start()
  onTestFinished(() => runThread(world, (thread) => redis.kill(thread)))
  return { redis, root: `redis { enabled on; server 127.0.0.1:${port}; }` }
}
