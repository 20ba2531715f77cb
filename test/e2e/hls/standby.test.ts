import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { parseLines, Program } from '../../support/program.ts'
import { until } from '../../support/until.ts'
import { Clips, DECODED_LIST, parseDecoded } from '../support/clips.ts'
import { freePort } from '../../support/port.ts'
import { Redis } from '../support/redis.ts'
import { type StartTool, type Tool, withTools } from '../support/tool.ts'

const CLIP = 'B-frames and AAC'
const LEASE_S = 1
/** The encoder goes on when a server is gone, and comes back to it at a key frame. */
const RECOVER =
  'attempt_recovery=1:recover_any_error=1:restart_with_keyframe=1:drop_pkts_on_overflow=1:recovery_wait_time=0.5'
const LOOK_MS = 100
const ANSWER_MS = 500
const WRITES = 'this server writes'

const clips = Clips.use(CLIP)

/** A server of two, over its lives. */
class Server {
  readonly name: string
  readonly ports: { readonly rtmp: number; readonly http: number; readonly api: number }
  readonly #conf: string
  program: Program

  private constructor(name: string, ports: Server['ports'], conf: string, program: Program) {
    this.name = name
    this.ports = ports
    this.#conf = conf
    this.program = program
  }

  static async start(name: string, folder: string, redis: Redis, priority: number): Promise<Server> {
    const ports = { rtmp: await freePort(), http: await freePort(), api: await freePort() }
    const conf = `listen 127.0.0.1:${ports.rtmp};
http_server { enabled on; listen 127.0.0.1:${ports.http}; }
http_api { enabled on; listen 127.0.0.1:${ports.api}; }
redis { server 127.0.0.1:${redis.port}; }
vhost __defaultVhost__ {
  hls { enabled on; hls_fragment 2; hls_window 30; hls_path ${folder}; hls_ctx off; }
  hls_backup { enabled on; name ${name}; lease ${LEASE_S}; priority ${priority}; redis on; }
}
`
    return new Server(name, ports, conf, await Program.start(conf))
  }

  async restart(): Promise<void> {
    this.program = await Program.start(this.#conf)
    await this.program.says('started')
  }

  get playlist(): string {
    return `http://127.0.0.1:${this.ports.http}/live/cam.m3u8`
  }

  /** How often it has begun to write in this life. */
  get turns(): number {
    return parseLines(this.program.out).filter(({ msg }) => String(msg).includes(WRITES)).length
  }

  async ask(method = 'GET', id = ''): Promise<{ status: number; backups: readonly Backup[] }> {
    const response = await fetch(`http://127.0.0.1:${this.ports.api}/api/v1/backups${id}`, { method })
    const { backups = [] } = (await response.json()) as { backups?: Backup[] }
    return { status: response.status, backups }
  }
}

interface Backup {
  readonly id: string
  readonly role: string
  readonly writer: string | null
  readonly sides: readonly { readonly name: string; readonly role: string }[]
}

function publish(start: StartTool, servers: readonly Server[]): Tool {
  const outputs = servers.map(({ ports }) => `[f=flv]rtmp://127.0.0.1:${ports.rtmp}/live/cam`).join('|')
  const input = ['-v', 'error', '-re', '-stream_loop', '-1', '-i', clips.get(CLIP).path]
  const tee = ['-map', '0', '-c', 'copy', '-f', 'tee', '-use_fifo', '1', '-fifo_options', RECOVER, outputs]
  return start('ffmpeg', [...input, ...tee])
}

async function isWriter(server: Server, standby: Server | null): Promise<boolean> {
  const [backup] = (await server.ask()).backups
  return backup?.role === 'writer' && (standby === null || backup.sides.some(({ name }) => name === standby.name))
}

/** Segments of both servers' playlists by their numbers: a number has one name, a name one body. */
class Playlists {
  readonly #names = new Map<number, string>()
  readonly #bodies = new Map<string, string>()
  #end = -1

  /** Looks at one after the other, again and again: what comes later is never less. */
  lookAt(servers: readonly Server[]): { stop(): Promise<void> } {
    const state = { goesOn: true }
    const looking = (async () => {
      for (let turn = 0; state.goesOn; turn++) {
        const server = servers[turn % servers.length]
        if (server) await this.#look(server).catch(unlessAway)
        await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
      }
    })()
    return {
      stop: () => {
        state.goesOn = false
        return looking
      },
    }
  }

  async #look(server: Server): Promise<void> {
    const response = await fetch(server.playlist, { signal: AbortSignal.timeout(ANSWER_MS) })
    if (response.status !== 200) return
    const lines = (await response.text()).split('\n')
    const first = Number(lines.find((line) => line.startsWith('#EXT-X-MEDIA-SEQUENCE:'))?.slice(22))
    const names = lines.filter((line) => line !== '' && !line.startsWith('#'))
    for (const [index, name] of names.entries()) {
      expect(this.#names.get(first + index) ?? name).toBe(name)
      this.#names.set(first + index, name)
    }
    expect(first + names.length).toBeGreaterThanOrEqual(this.#end)
    this.#end = first + names.length
    const last = names.at(-1)
    if (last === undefined) return
    const body = await (
      await fetch(new URL(last, server.playlist), { signal: AbortSignal.timeout(ANSWER_MS) })
    ).arrayBuffer()
    const text = Buffer.from(body).toString('base64')
    expect(this.#bodies.get(last) ?? text).toBe(text)
    this.#bodies.set(last, text)
  }
}

test('ffmpeg sees every picture while the writer is killed, changed by hand, stopped, and Redis dies', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-standby-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  await withTools(async (start) => {
    const redis = await Redis.start(start)
    const east = await Server.start('east', folder, redis, 0)
    const west = await Server.start('west', folder, redis, 10)
    const playlists = new Playlists()
    const looking = playlists.lookAt([east, west])
    onTestFinished(() => looking.stop())
    await east.program.says('started')
    await west.program.says('started')
    publish(start, [east, west])
    await until('west stands by', () => isWriter(east, west))
    const player = start('ffmpeg', ['-v', 'error', '-i', west.playlist, ...DECODED_LIST, '-'])
    await until('a picture', () => parseDecoded(player.stdout).pictures.length > 0)

    east.program.signal('SIGKILL')
    await until('west writes', () => west.turns > 0)
    await east.restart()
    await until('east stands by', () => isWriter(west, east))

    const [backup] = (await east.ask()).backups
    expect((await east.ask('POST', `/${backup?.id}`)).status).toBe(200)
    await until('east writes', () => east.turns > 0)
    await redis.kill()
    await until('west stands by again', () => isWriter(east, west))

    east.program.signal('SIGSTOP')
    await until('west writes again', () => west.turns > 1)
    east.program.signal('SIGCONT')
    await east.program.says('another server writes now')

    const before = parseDecoded(player.stdout).pictures.length
    await until('four seconds more', () => parseDecoded(player.stdout).pictures.length > before + 100)
    await looking.stop()
    player.kill('SIGINT')
    const { stdout, stderr } = await player.ended()
    expect(stderr).toBe('')
    const { pictures } = parseDecoded(stdout)
    const clip = clips.get(CLIP).decoded.pictures
    const from = clip.indexOf(pictures[0] ?? '')
    const wrong = pictures.findIndex((crc, index) => crc !== clip[(from + index) % clip.length])
    expect({ from: from >= 0, wrong }).toEqual({ from: true, wrong: -1 })
  })
})

/** A server that is killed or stopped does not answer. */
function unlessAway(error: unknown): void {
  const isAway = error instanceof TypeError || (error instanceof Error && error.name === 'TimeoutError')
  if (!isAway) throw error
}
