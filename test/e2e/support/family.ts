import { parseLines, Program } from '../../support/program.ts'
import { until } from '../../support/until.ts'
import { freePort } from '../../support/port.ts'

/** The server as a supervisor, an origin and two edges. */
export class Family {
  readonly program: Program
  readonly rtmp: string
  readonly http: string
  readonly api: string

  /** Its configuration. */
  readonly conf: string

  private constructor(program: Program, conf: string, [rtmp, http, api]: readonly number[]) {
    this.program = program
    this.conf = conf
    this.rtmp = `rtmp://127.0.0.1:${rtmp}/live/`
    this.http = `http://127.0.0.1:${http}/live/`
    this.api = `http://127.0.0.1:${api}/api/v1/`
  }

  /** @param vhost directives of the default vhost @param root of the root @param secure of the HTTP server */
  static async start(vhost = '', root = '', secure = ''): Promise<Family> {
    // The origin opens it, and again when it is started again.
    const apiPort = await freePort()
    const conf = `listen 127.0.0.1:0; edges 2; pid FOLDER/a.pid; ${root}
      http_server { enabled on; listen 127.0.0.1:0; ${secure} } http_api { enabled on; listen 127.0.0.1:${apiPort}; }
      exporter { enabled on; listen 127.0.0.1:0; }
      vhost __defaultVhost__ { http_remux { enabled on; wait_publisher 60; } ${vhost} }`
    const program = await Program.start(conf)
    await program.says('all processes have started')
    const ports = await Promise.all((['RTMP', 'HTTP'] as const).map((name) => program.port(name)))
    return new Family(program, conf, [...ports, apiPort])
  }

  /** Ids of the processes of one kind that were started, the newest last. */
  pids(part: 'origin' | 'edge'): number[] {
    const started = parseLines(this.program.out).filter(({ msg }) => msg === 'process is started')
    return started.flatMap((line) => (line['part'] === part ? [Number(line['child'])] : []))
  }

  /** Kills the newest process of a kind, or the one with this id. */
  kill(part: 'origin' | 'edge', pid = this.pids(part).at(-1)): void {
    // 0 would be this process and all its own.
    if (!pid) throw new Error(`no ${part} was started`)
    process.kill(pid, 'SIGKILL')
  }

  /** The id of the first process, which has started the others. */
  get supervisor(): number {
    return Number(parseLines(this.program.out).find(({ msg }) => msg === 'process is started')?.['pid'])
  }

  /** The id of an edge that has players: the few clients of a test may all be at one. */
  edgeOfPlayers(): number {
    const edges = this.pids('edge')
    const playing = parseLines(this.program.out).find(
      ({ msg, pid }) => msg === 'playing' && edges.includes(Number(pid)),
    )
    return Number(playing?.['pid'])
  }

  async get<T>(path: string): Promise<T | null> {
    try {
      return (await (await fetch(this.api + path)).json()) as T
    } catch (error) {
      if (error instanceof TypeError) return null
      throw error
    }
  }

  async clients(): Promise<readonly { readonly type: string }[]> {
    return (await this.get<{ clients: { type: string }[] }>('clients?count=100'))?.clients ?? []
  }

  hasPlayers(count: number): Promise<true> {
    return until(`${count} players`, async () => {
      const players = (await this.clients()).filter(({ type }) => type.endsWith('-play'))
      return players.length === count
    })
  }
}
