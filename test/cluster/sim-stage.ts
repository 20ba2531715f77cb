import { loadConfig } from '../../src/control/config.ts'
import { makeIdentity } from '../../src/control/identity.ts'
import { CodecError } from '../../src/codec/errors.ts'
import { House } from '../../src/house.ts'
import { RtmpClient } from '../../src/rtmp/client.ts'
import { MSG } from '../../src/rtmp/message.ts'
import type { Disk } from '../../src/st/disk.ts'
import { StError } from '../../src/st/errors.ts'
import type { Programs } from '../../src/st/programs.ts'
import { type SimHost, SimNetwork } from '../../src/st/sim/network.ts'
import type { Path } from '../../src/st/sim/path.ts'
import { Simulation } from '../../src/st/sim/simulation.ts'
import type { Thread } from '../../src/st/thread.ts'
import type { World } from '../../src/st/world.ts'
import { media, mediaLabel } from '../server/media.ts'
import { RecordingLog } from '../support/world.ts'

const PATH: Path = { latencyMs: 1, jitterMs: 1, bytesPerMs: 10_000, bufferBytes: 256 * 1024, splits: 0.1 }
const ANSWER_MS = 5_000
const AGAIN_MS = 200
/** A player that gets nothing for so long comes again: its server's machine may have gone in silence. */
const PATIENCE_MS = 15_000
const SURROUNDINGS = `listen 1935;
http_api { enabled on; listen 1985; }
stats { enabled off; }
circuit_breaker { enabled off; }
`

/** A server on a machine of its own. */
export interface SimHouse {
  readonly host: SimHost
  readonly world: World
  readonly house: House
  readonly log: RecordingLog
  /** Directives of the default vhost, for the next reload. */
  vhost: string
}

/** What a player got. */
export interface Seen {
  readonly atMs: number
  readonly timestampMs: number
  /** Which of its connections, from 1. */
  readonly connection: number
  /** `video key 17`. */
  readonly label: string
}

/** Machines with servers, encoders and players, in virtual time. */
export class SimStage {
  readonly simulation: Simulation
  readonly network: SimNetwork
  #addresses = 0

  constructor(seed: number, path: (from: SimHost, to: SimHost) => Partial<Path> = () => ({})) {
    this.simulation = new Simulation(seed)
    this.network = new SimNetwork(this.simulation, (from, to) => ({ ...PATH, ...path(from, to) }))
  }

  machine(name: string): SimHost {
    return this.network.add(name, `10.0.0.${++this.#addresses}`)
  }

  /** Starts a server. @param vhost directives of the default vhost @param root of the root */
  async serve(host: SimHost, vhost = '', disk?: Disk, programs?: Programs, root = ''): Promise<SimHouse> {
    const log = new RecordingLog()
    const world = host.boot(log, disk, programs)
    const settings = { vhost }
    const readFile = (): string =>
      `${SURROUNDINGS}${root}\nvhost __defaultVhost__ { min_latency on; ${settings.vhost} }\n`
    const load = () => loadConfig({ file: 'a.conf', readFile, env: {} })
    const identity = makeIdentity(world, `vid-${host.name}`)
    const house = new House({
      world,
      config: load(),
      identity,
      version: '1',
      page: new Map(),
      load,
      onReload: () => {},
    })
    await house.open()
    return Object.assign(settings, { host, world, house, log })
  }

  /** Starts a program. */
  program(name: string, body: (thread: Thread) => Promise<void>): void {
    this.machine(name)
    const host = this.network.find(name)
    host?.boot(new RecordingLog()).spawn(name, body)
  }

  /** An encoder: 25 pictures a second, numbered, a key frame each second, and a sound with each. */
  publish(server: string, stream: string, bytes = 0): void {
    this.program(`encoder of ${stream}`, (thread) => again(thread, () => publishOnce(thread, server, stream, bytes)))
  }

  /** A player that comes again whenever it is cut off. @returns what it gets */
  play(server: string, stream: string): Seen[] {
    const seen: Seen[] = []
    let connection = 0
    this.program(`player of ${server}`, (thread) =>
      again(thread, async () => {
        connection++
        await playOnce(thread, server, stream, ({ atMs, timestampMs, label }) =>
          seen.push({ atMs, timestampMs, label, connection }),
        )
      }),
    )
    return seen
  }

  run(durationMs: number): Promise<void> {
    return this.simulation.run(durationMs)
  }
}

/** Lets a server read its configuration again. */
export async function reload(stage: SimStage, server: SimHouse, vhost: string): Promise<void> {
  server.vhost = vhost
  server.world.spawn('reload', async (thread) => {
    const { err, msg } = await server.house.reload(thread)
    if (err !== 0) throw new Error(msg)
  })
  await stage.run(100)
}

/** Ends a server in order; nothing of it may be left. @returns names of threads that are */
export async function close(stage: SimStage, { world, house }: SimHouse): Promise<string[]> {
  world.spawn('stop', (thread) => house.close(thread))
  await stage.run(20_000)
  return [...world.threads].map(({ name }) => name)
}

/** The numbers of the pictures. */
export function pictures(seen: readonly Seen[]): number[] {
  return seen.filter(({ label }) => /^video (key|inter)/.test(label)).map(({ label }) => Number(label.split(' ')[2]))
}

async function again(thread: Thread, once: () => Promise<void>): Promise<void> {
  for (;;) {
    try {
      await once()
    } catch (error) {
      if (!(error instanceof StError || error instanceof CodecError)) throw error
    }
    await thread.sleep(AGAIN_MS)
  }
}

async function publishOnce(thread: Thread, server: string, stream: string, bytes: number): Promise<void> {
  const { clock } = thread.world
  const client = await open(thread, server)
  try {
    await client.publish(stream)
    const startMs = clock.nowMs()
    client.sendMedia(MSG.VIDEO, 0, media('video header', 'h'))
    client.sendMedia(MSG.AUDIO, 0, media('audio header', 'h'))
    for (let frame = 0; ; frame++) {
      const kind = frame % 25 === 0 ? 'video key' : 'video inter'
      client.sendMedia(MSG.VIDEO, frame * 40, media(kind, `${frame} `, bytes))
      client.sendMedia(MSG.AUDIO, frame * 40, media('audio frame', `${frame} `))
      await client.connection.socket.drain(thread, ANSWER_MS)
      await thread.sleep(Math.max(1, startMs + (frame + 1) * 40 - clock.nowMs()))
    }
  } finally {
    client.close()
  }
}

async function playOnce(
  thread: Thread,
  server: string,
  stream: string,
  take: (seen: Omit<Seen, 'connection'>) => void,
): Promise<void> {
  const { clock } = thread.world
  const client = await open(thread, server)
  try {
    await client.play(stream)
    for (let message = await client.read(PATIENCE_MS); message; message = await client.read(PATIENCE_MS)) {
      const { typeId, timestampMs, payload } = message
      const isMedia = typeId === MSG.AUDIO || typeId === MSG.VIDEO
      if (isMedia) take({ atMs: clock.nowMs(), timestampMs, label: mediaLabel(typeId, payload).trim() })
      else if (typeId === MSG.DATA_AMF0) take({ atMs: clock.nowMs(), timestampMs, label: 'data' })
    }
  } finally {
    client.close()
  }
}

function open(thread: Thread, server: string): Promise<RtmpClient> {
  const where = { host: server, port: 1935, tcUrl: `rtmp://${server}/live`, app: 'live' }
  return RtmpClient.open(thread, where, ANSWER_MS)
}
