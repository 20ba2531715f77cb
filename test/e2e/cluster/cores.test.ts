import { chmodSync, mkdirSync } from 'node:fs'
import * as net from 'node:net'
import { expect, test } from 'vitest'
import { parseLines, Program } from '../../support/program.ts'
import { until } from '../../support/until.ts'
import { CallbackServer } from '../../support/callback-server.ts'
import { Clips, PACKET_LIST, readDecoded } from '../support/clips.ts'
import { asLines, parseFrames, sameSpan } from '../support/frames.ts'
import { freePort } from '../../support/port.ts'
import { isRunning } from '../support/processes.ts'
import { publishFile, withTools } from '../support/tool.ts'
import { startVlc } from '../support/vlc.ts'

const CLIP = 'B-frames and AAC'
const clips = Clips.use(CLIP)

/** The server as three processes. */
class Family {
  readonly program: Program
  readonly rtmp: string
  readonly http: string
  readonly api: string

  private constructor(program: Program, [rtmp, http, api]: readonly number[]) {
    this.program = program
    this.rtmp = `rtmp://127.0.0.1:${rtmp}/live/`
    this.http = `http://127.0.0.1:${http}/live/`
    this.api = `http://127.0.0.1:${api}/api/v1/`
  }

  static async start(vhost = ''): Promise<Family> {
    // The origin opens it, and again when it is started again.
    const apiPort = await freePort()
    const program = await Program.start(`listen 127.0.0.1:0; edges 2; pid FOLDER/a.pid;
      http_server { enabled on; listen 127.0.0.1:0; } http_api { enabled on; listen 127.0.0.1:${apiPort}; }
      exporter { enabled on; listen 127.0.0.1:0; }
      vhost __defaultVhost__ { http_remux { enabled on; } ${vhost} }`)
    await program.says('all processes have started')
    const ports = await Promise.all((['RTMP', 'HTTP'] as const).map((name) => program.port(name)))
    return new Family(program, [...ports, apiPort])
  }

  /** Ids of the processes of one kind that were started, the newest last. */
  pids(part: 'origin' | 'edge'): number[] {
    const started = parseLines(this.program.out).filter(({ msg }) => msg === 'process is started')
    return started.flatMap((line) => (line['part'] === part ? [Number(line['child'])] : []))
  }

  /** Kills the newest process of a kind. */
  kill(part: 'origin' | 'edge', pid = this.pids(part).at(-1)): void {
    // 0 would be this process and all its own.
    if (!pid) throw new Error(`no ${part} was started`)
    process.kill(pid, 'SIGKILL')
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

/** Opens connections that say nothing, all at once. @returns how many each edge has of them */
async function spread(family: Family, count: number): Promise<number[]> {
  const port = Number(new URL(family.rtmp).port)
  const sockets = Array.from({ length: count }, () => net.connect(port, '127.0.0.1'))
  const counts = await until('all are accepted', async () => {
    const text = await (await fetch(new URL('/metrics', family.api))).text()
    const all = [...text.matchAll(/^sluice_edge_connections\{.*\} (\d+)$/gm)].map(([, number]) => Number(number))
    return all.reduce((sum, number) => sum + number, 0) === count && all
  })
  for (const socket of sockets) socket.destroy()
  return counts
}

test('ffmpeg and VLC play at all edges what ffmpeg publishes at one, and HLS comes from the origin', async () => {
  const family = await Family.start('hls { enabled on; hls_fragment 1; hls_ctx off; hls_path FOLDER; }')
  const folder = clips.output('vlc')
  mkdirSync(folder)
  chmodSync(folder, 0o777)
  await withTools(async (start) => {
    const vlcs = [
      startVlc(start, folder, `${family.rtmp}cam`, 'rtmp.mkv'),
      startVlc(start, folder, `${family.http}cam.flv`, 'http.mkv'),
    ]
    const urls = [`${family.rtmp}cam`, `${family.rtmp}cam`, `${family.http}cam.flv`, `${family.http}cam.flv`]
    const players = urls.map((url) => start('ffmpeg', ['-v', 'error', '-i', url, ...PACKET_LIST, '-']))
    await family.hasPlayers(6)
    await publishFile(start, clips.get(CLIP).path, `${family.rtmp}cam`).succeeded()
    const last = clips.get(CLIP).packets.video.at(-1)?.crc ?? ''
    for (const player of players) {
      await until('the last picture', () => player.lines.includes(last))
      const played = parseFrames(player.lines)
      expect(asLines(played).video).toEqual(asLines(sameSpan(clips.get(CLIP).packets, played)).video)
    }
    const media = await (await fetch(`${family.http}cam.m3u8`)).text()
    expect(media).toContain('#EXTINF')
    const segment = await fetch(family.http + (/^cam-.*$/m.exec(media)?.[0] ?? ''))
    expect((await segment.arrayBuffer()).byteLength).toBeGreaterThan(10_000)
    for (const vlc of vlcs) await vlc.succeeded()
    for (const name of ['rtmp', 'http']) {
      const { pictures } = await readDecoded(`${folder}/${name}.mkv`)
      expect(pictures).toEqual(clips.get(CLIP).decoded.pictures)
    }
  })
  // The origin writes HLS until it has ended, also when only the supervisor is killed.
  family.program.signal('SIGTERM')
  expect(await family.program.ended()).toBe(0)
})

test('clients are spread evenly; kill -9 of the origin leaves them, kill -9 of an edge takes its own, and each end is told once', async () => {
  const backEnd = await CallbackServer.start()
  const hooks = ['on_publish', 'on_unpublish', 'on_play', 'on_stop'].map((name) => `${name} ${backEnd.url()};`)
  const family = await Family.start(`http_hooks { enabled on; ${hooks.join(' ')} }`)
  const counts = await spread(family, 200)
  expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(16)
  const heard = (action: string): number => backEnd.calls.filter(({ body }) => body['action'] === action).length
  await withTools(async (start) => {
    const input = ['-re', '-stream_loop', '-1', '-i', clips.get(CLIP).path, '-c', 'copy']
    start('ffmpeg', ['-v', 'error', ...input, '-f', 'flv', `${family.rtmp}cam`])
    // Else ffmpeg keeps ten seconds of its list to itself.
    const flush = ['-flush_packets', '1']
    const players = Array.from({ length: 4 }, () =>
      start('ffmpeg', ['-v', 'error', '-i', `${family.rtmp}cam`, ...PACKET_LIST, ...flush, '-']),
    )
    await family.hasPlayers(4)
    // A question to the back end that is out when the origin dies is asked again: who has pictures has its answer.
    await until('pictures', () => players.every(({ stdout }) => stdout.length > 0))
    family.kill('origin')
    await until('a new origin', () => family.pids('origin').length === 2)
    await family.hasPlayers(4)
    const pictures = players.map(({ stdout }) => stdout.length)
    await until('more pictures', () => players.every(({ stdout }, index) => stdout.length > (pictures[index] ?? 0)))
    expect(players.some(({ isOver }) => isOver)).toBe(false)
    expect([heard('on_publish'), heard('on_play'), heard('on_stop')]).toEqual([1, 4, 0])
    family.kill('edge', family.edgeOfPlayers())
    await until('a new edge', () => family.pids('edge').length === 3)
    // Those of the edge, whichever they were, and nobody else's.
    await until('the ends', async () => {
      const living = (await family.clients()).length
      const ends = heard('on_stop') + heard('on_unpublish')
      return ends > 0 && living + ends === 5
    })
    family.program.signal('SIGTERM')
    expect(await family.program.ended()).toBe(0)
    expect(heard('on_stop')).toBe(4)
    expect([...family.pids('edge'), ...family.pids('origin')].filter(isRunning)).toEqual([])
  })
})
