import { type Config, loadConfig } from '../../../src/control/config.ts'
import { makeIdentity } from '../../../src/control/identity.ts'
import type { HousePart } from '../../../src/cores.ts'
import { edgeConfig } from '../../../src/edge-config.ts'
import { House } from '../../../src/house.ts'
import { encodeRequest, type HttpResponse, ResponseParser } from '../../../src/http/client.ts'
import { connect } from '../../../src/st/socket.ts'
import type { Thread } from '../../../src/st/thread.ts'
import type { SimHost } from '../../../src/st/sim/network.ts'
import type { World } from '../../../src/st/world.ts'
import { RecordingLog } from '../../support/world.ts'
import { BackEnd } from '../../sim/back-end.ts'
import { SimStage } from '../sim-stage.ts'

const INNER_PORT = 7000
const TIMEOUT_MS = 10_000
const HOOKS = ['connect', 'close', 'publish', 'unpublish', 'play', 'stop']

/** A process of the server, on a machine of its own. */
export interface SimMember {
  readonly host: SimHost
  world: World
  house: House
  log: RecordingLog
}

/** A server of several processes in virtual time: an origin, edges, and the back end of a website that hears of clients. */
export class SimFamily {
  readonly stage: SimStage
  readonly backEnd = new BackEnd()
  readonly origin: SimMember
  readonly edges: SimMember[] = []
  /** Directives of the root and of the default vhost. */
  root = ''
  vhost = ''
  /** The port of the API. */
  apiPort = 1985
  #life = 0

  private constructor(stage: SimStage) {
    this.stage = stage
    this.origin = this.#member('origin')
  }

  static async start(
    seed: number,
    edges: number,
    conf: { root?: string; vhost?: string; api?: number } = {},
  ): Promise<SimFamily> {
    const family = new SimFamily(new SimStage(seed))
    Object.assign(family, { root: conf.root ?? '', vhost: conf.vhost ?? '', apiPort: conf.api ?? 1985 })
    await family.backEnd.start(family.stage.machine('backend').boot(new RecordingLog()))
    await family.boot(family.origin)
    for (let number = 1; number <= edges; number++) {
      const edge = family.#member(`edge${number}`)
      family.edges.push(edge)
      await family.boot(edge)
    }
    await family.stage.run(500)
    return family
  }

  /** Starts a process; what ran there before is gone. */
  async boot(member: SimMember): Promise<void> {
    const number = this.edges.indexOf(member) + 1
    const inner = { host: this.origin.host.address, port: INNER_PORT }
    let whole: Config | null = null
    const load = (): Config => {
      whole = loadConfig({ file: 'a.conf', readFile: () => this.#conf(), env: {} })
      return number > 0 ? edgeConfig(whole, inner) : whole
    }
    const config = load()
    const part: HousePart = {
      name: number > 0 ? 'edge' : 'origin',
      number,
      inner,
      token: 'secret',
      whole: () => whole ?? config,
    }
    member.log = new RecordingLog()
    member.world = member.host.boot(member.log)
    const identity = makeIdentity(member.world, `vid-${++this.#life}`)
    const { world } = member
    member.house = new House({ world, config, identity, version: '1', page: new Map(), load, onReload: () => {}, part })
    await member.house.open()
  }

  /** Asks the API; returns what it answered, after some virtual time. */
  async api(path: string, method: 'GET' | 'DELETE' = 'GET', host = 'origin', port = 1985): Promise<Answer> {
    const answers: HttpResponse[] = []
    this.stage.program(`asker ${path} ${this.#life++}`, async (thread) => {
      answers.push(await ask(thread, host, port, method, path))
    })
    for (let tries = 0; answers.length === 0 && tries < 40; tries++) await this.stage.run(250)
    const [{ status, body } = { status: 0, body: Buffer.alloc(0) }] = answers
    return { status, text: body.toString() }
  }

  /** Threads of all that failed. */
  get failures(): number {
    return [this.origin, ...this.edges].reduce((sum, { world }) => sum + world.failures, 0)
  }

  #member(name: string): SimMember {
    const host = this.stage.machine(name)
    const log = new RecordingLog()
    return { host, log } as SimMember
  }

  #conf(): string {
    const hooks = HOOKS.map((name) => `on_${name} http://backend:8085/;`).join(' ')
    return `listen 1935; http_server { enabled on; listen 8080; }
      http_api { enabled on; listen ${this.apiPort}; raw_api { enabled on; allow_reload on; } }
      stats { enabled off; } circuit_breaker { enabled off; } exporter { enabled on; listen 9972; } ${this.root}
      vhost __defaultVhost__ {
        ${this.vhost.includes('min_latency') ? '' : 'min_latency on;'} http_remux { enabled on; } http_hooks { enabled on; ${hooks} } ${this.vhost}
      }`
  }
}

export interface Answer {
  readonly status: number
  readonly text: string
}

async function ask(thread: Thread, host: string, port: number, method: string, path: string): Promise<HttpResponse> {
  const socket = await connect(thread, { host, port }, TIMEOUT_MS)
  try {
    const head = encodeRequest({ method: 'GET', target: path, headers: { Host: host, Connection: 'close' }, body: '' })
    socket.write(Buffer.from(head.toString().replace(/^GET/, method)))
    const parser = new ResponseParser(1_000_000)
    for (;;) {
      const answer = parser.read()
      if (answer) return answer
      const bytes = await socket.read(thread, TIMEOUT_MS)
      if (!bytes) return parser.end()
      parser.push(bytes)
    }
  } finally {
    socket.close()
  }
}
