import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort, isOpen } from '../support/port.ts'
import type { StartTool, Tool } from '../e2e/support/tool.ts'
import { until } from '../support/until.ts'

const HOST = '127.0.0.1'

/** What a server holds, by its API. */
export interface Held {
  readonly threads: number
  readonly connections: number
  readonly streams: number
  /** Of HLS: who has not asked for a while is one for some seconds more. */
  readonly viewers: number
  readonly announced: number
  readonly sought: number
  /** Open files of the process. */
  readonly files: number
  readonly failures: number
  readonly residentMb: number
  readonly heapMb: number
  readonly buffersMb: number
  /** How late the event loop came at most in the last seconds. */
  readonly delayMs: number
}

/** A server in a process of its own, at the same ports over all its lives. */
export class SoakServer {
  readonly name: string
  readonly rtmp: number
  readonly http: number
  readonly api: number
  readonly #start: StartTool
  readonly #folder: string
  #tool: Tool | null = null
  starts = 0

  private constructor(name: string, ports: readonly number[], start: StartTool, folder: string) {
    const [rtmp = 0, http = 0, api = 0] = ports
    this.name = name
    this.rtmp = rtmp
    this.http = http
    this.api = api
    this.#start = start
    this.#folder = folder
  }

  static async make(name: string, start: StartTool, folder: string): Promise<SoakServer> {
    return new SoakServer(name, [await freePort(), await freePort(), await freePort()], start, folder)
  }

  /**
   * @param more directives of the root
   * @param ofHttp in `http_server { }`
   * @param ofVhost in the default vhost
   * @param vhosts more of them
   */
  write(more: string, ofVhost: string, ofHttp = '', vhosts = ''): void {
    writeFileSync(
      join(this.#folder, `${this.name}.conf`),
      `listen ${HOST}:${this.rtmp};
max_connections 5000;
srs_log_level_v2 warn;
pid ${this.#folder}/${this.name}.pid;
http_server { enabled on; listen ${HOST}:${this.http}; ${ofHttp} }
http_api { enabled on; listen ${HOST}:${this.api}; }
exporter { enabled on; listen ${HOST}:${this.api}; }
${more}
vhost __defaultVhost__ {
  http_remux { enabled on; }
  play { mw_latency 100; }
  ${ofVhost}
}
${vhosts}
`,
    )
  }

  get isUp(): boolean {
    return this.#tool !== null && !this.#tool.isOver
  }

  /** @param ofNode options of Node itself */
  async start(ofNode: readonly string[] = []): Promise<void> {
    this.starts++
    const tool = this.#start(process.execPath, [
      ...ofNode,
      'dist/main.js',
      '-c',
      join(this.#folder, `${this.name}.conf`),
    ])
    this.#tool = tool
    await until(`${this.name} listens`, async () => {
      if (tool.isOver) await tool.succeeded()
      return isOpen(HOST, this.api)
    })
  }

  signal(name: NodeJS.Signals): void {
    this.#tool?.kill(name)
  }

  async kill(): Promise<void> {
    this.signal('SIGKILL')
    await this.#tool?.ended()
  }

  /** Its lines of a level of warnings and errors. */
  get log(): string {
    return this.#tool?.stdout ?? ''
  }

  /** What it and Node said besides. */
  get errors(): string {
    return this.#tool?.stderr ?? ''
  }

  get pid(): number {
    if (!this.#tool) throw new Error(`${this.name} has not been started`)
    return this.#tool.pid
  }

  async held(): Promise<Held> {
    const text = await (await fetch(`http://${HOST}:${this.api}/metrics`)).text()
    const value = (name: string, labels = '[^}]*'): number =>
      Number(new RegExp(`^${name}(?:\\{${labels}\\})? (\\S+)$`, 'm').exec(text)?.[1] ?? NaN)
    return {
      threads: value('sluice_threads'),
      connections: value('sluice_connections'),
      streams: value('srs_streams'),
      viewers: value('sluice_clients', 'protocol="hls",role="play"') || 0,
      announced: value('sluice_registry_streams'),
      sought: value('sluice_streams_sought'),
      files: readdirSync(`/proc/${this.pid}/fd`).length,
      failures: value('sluice_thread_failures_total'),
      residentMb: Math.round(value('sluice_resident_memory_bytes') / 1e6),
      heapMb: Math.round(value('sluice_heap_used_bytes') / 1e6),
      delayMs: Math.round(value('sluice_event_loop_delay_seconds', 'quantile="1"') * 1000),
      buffersMb: Math.round(value('sluice_buffers_bytes') / 1e6),
    }
  }
}
