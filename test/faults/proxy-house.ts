import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isRunning } from '../e2e/support/processes.ts'
import type { StartTool, Tool } from '../e2e/support/tool.ts'
import type { ClientPorts } from '../soak/cluster-clients.ts'
import { freePort, isOpen } from '../support/port.ts'
import { until } from '../support/until.ts'
import type { Scene } from './proxy-scenes.ts'

const HOST = '127.0.0.1'
const FILL_CONNECTIONS = 8
const NAMES = ['one', 'two']

export type Policy = 'fill' | 'least' | 'hash'

/** A process, over its lives. */
interface Part extends ClientPorts {
  readonly name: string
  readonly args: readonly string[]
  tool: Tool | null
}

/**
 * A proxy in front of two servers. By stream these are origins, and encoders come through the proxy. Otherwise they are
 * edges of one origin, which nothing happens to, and encoders come through the dolphin too; those of a sharp go to the origin.
 */
export class ProxyHouse {
  readonly front: ClientPorts
  readonly publishAt: readonly ClientPorts[]
  readonly #scene: Scene
  readonly #start: StartTool
  readonly #proxy: Part
  readonly #servers: readonly Part[]
  /** The proxy in all its lives. */
  readonly #proxies: Tool[] = []

  private constructor(scene: Scene, start: StartTool, proxy: Part, servers: readonly Part[], origin: Part | null) {
    this.#scene = scene
    this.#start = start
    this.#proxy = proxy
    this.#servers = servers
    this.front = proxy
    this.publishAt = [scene.proxy === 'sharp' && origin ? origin : proxy]
  }

  static async open(scene: Scene, start: StartTool, folder: string): Promise<ProxyHouse> {
    const hasOrigin = scene.policy !== 'hash'
    const origin = hasOrigin ? await part('origin', folder, []) : null
    if (origin) write(folder, origin, '')
    const servers = await Promise.all(NAMES.map((name) => part(name, folder, [])))
    const remote = origin ? `cluster { mode remote; origin ${HOST}:${origin.rtmp}; origin_timeout 2s; }` : ''
    for (const server of servers) write(folder, server, remote)
    const proxy = await part('proxy', folder, [scene.proxy])
    writeFileSync(join(folder, 'proxy.conf'), proxyConfig(scene, folder, proxy, servers))
    const house = new ProxyHouse(scene, start, proxy, servers, origin)
    for (const one of [...(origin ? [origin] : []), ...(scene.starts ? [] : servers), proxy]) await house.#run(one)
    for (const { rtmp } of servers) await until('a server listens', () => isOpen(HOST, rtmp))
    return house
  }

  /** kill -9. @returns whose end it is */
  async kill(what: Scene['victim'], round: number): Promise<Part> {
    if (what === 'proxy') {
      this.#proxy.tool?.kill('SIGKILL')
      await this.#proxy.tool?.ended()
      return this.#proxy
    }
    // With fill nearly all are at the first one; a sharp's are where its streams are.
    const victim = (this.#servers[this.#scene.policy === 'fill' ? 0 : round % 2] ?? this.#servers[0]) as Part
    if (this.#scene.starts) process.kill(this.#childPid(victim.name), 'SIGKILL')
    else {
      victim.tool?.kill('SIGKILL')
      await victim.tool?.ended()
    }
    return victim
  }

  /** Starts it again after a while, unless the proxy does so; returns when it listens. */
  async restart(victim: Part, afterMs: number): Promise<void> {
    if (victim === this.#proxy || !this.#scene.starts) {
      await new Promise((resolve) => setTimeout(resolve, afterMs))
      await this.#run(victim)
      return
    }
    await until(`${victim.name} is gone`, async () => !(await isOpen(HOST, victim.http)))
    await until(`${victim.name} listens again`, () => isOpen(HOST, victim.http))
  }

  /** Servers that a killed proxy has left behind are nobody's children any more. */
  async close(): Promise<void> {
    this.#proxy.tool?.kill('SIGTERM')
    await this.#proxy.tool?.ended()
    for (const pid of this.#started) {
      try {
        process.kill(pid, 'SIGKILL')
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
      }
    }
  }

  async #run(one: Part): Promise<void> {
    const tool = this.#start(process.execPath, ['dist/main.js', ...one.args])
    one.tool = tool
    if (one === this.#proxy) this.#proxies.push(tool)
    await until(`${one.name} listens`, async () => {
      if (tool.isOver) throw new Error(`${one.name} ended: ${tool.stdout.slice(-1_000)}${tool.stderr.slice(-1_000)}`)
      return isOpen(HOST, one.http)
    })
  }

  /** Of the program that is there for a server: the newest that lives, whichever proxy started it. */
  #childPid(name: string): number {
    const pids = this.#proxies
      .flatMap(({ stdout }) => stdout.split('\n'))
      .filter((line) => line.includes('program started') && line.includes(`${name}.conf`))
      .map((line) => Number(/"child":(\d+)/.exec(line)?.[1]))
    return pids.findLast(isRunning) ?? NaN
  }

  /** All that proxies have started and that lives. */
  get #started(): number[] {
    const lines = this.#proxies.flatMap(({ stdout }) => stdout.split('\n'))
    const pids = lines.filter((line) => line.includes('program started')).map((line) => /"child":(\d+)/.exec(line)?.[1])
    return pids.map(Number).filter(isRunning)
  }
}

async function part(name: string, folder: string, command: readonly string[]): Promise<Part> {
  const args = [...command, '-c', join(folder, `${name}.conf`)]
  return { name, rtmp: await freePort(), http: await freePort(), args, tool: null }
}

function write(folder: string, { name, rtmp, http }: Part, ofVhost: string): void {
  writeFileSync(
    join(folder, `${name}.conf`),
    `listen ${HOST}:${rtmp};
srs_log_tank console; srs_log_level_v2 warn;
pid ${folder}/${name}.pid;
http_server { enabled on; listen ${HOST}:${http}; }
vhost __defaultVhost__ { min_latency on; http_remux { enabled on; } ${ofVhost} }
`,
  )
}

function proxyConfig(scene: Scene, folder: string, { rtmp, http }: Part, servers: readonly Part[]): string {
  const { proxy, policy, starts } = scene
  const lines = servers.map((server) => {
    const start = starts ? `start ${process.execPath} dist/main.js -c ${folder}/${server.name}.conf;` : ''
    const at = proxy === 'sharp' ? '' : `rtmp ${HOST}:${server.rtmp};`
    return `server ${server.name} { ${at} http ${HOST}:${server.http}; ${start} }`
  })
  const listen =
    proxy === 'sharp'
      ? `listen ${HOST}:${http};`
      : `listen ${HOST}:${rtmp}; http_listen ${HOST}:${http}; policy ${policy}; fill_connections ${FILL_CONNECTIONS};`
  return `srs_log_tank console; pid ${folder}/proxy.pid;
${proxy === 'sharp' ? '' : `ff_log_dir ${folder};`}
${proxy} { ${listen} ${lines.join(' ')} }
`
}
