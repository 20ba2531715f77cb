import { expect, test } from 'vitest'
import { Program } from '../../support/program.ts'
import { until } from '../../support/until.ts'
import { Clips, PACKET_LIST, parseDecoded } from '../support/clips.ts'
import { backwardSteps, parseFrames } from '../support/frames.ts'
import { type StartTool, type Tool, withTools } from '../support/tool.ts'

const CLIP = 'H.264 and AAC'
const clips = Clips.use(CLIP)

const SERVER = `listen 127.0.0.1:0; http_server { enabled on; listen 127.0.0.1:0; }
vhost __defaultVhost__ { min_latency on; http_remux { enabled on; wait_publisher 0; } }
`

/** A server with the stream, which an ffmpeg publishes there over and over. */
async function serverWithStream(start: StartTool): Promise<{ server: Program; httpPort: number }> {
  const server = await Program.start(SERVER)
  const [rtmpPort, httpPort] = [await server.port('RTMP'), await server.port('HTTP')]
  const loop = ['-v', 'error', '-re', '-stream_loop', '-1', '-i', clips.get(CLIP).path, '-c', 'copy', '-f', 'flv']
  start('ffmpeg', [...loop, `rtmp://127.0.0.1:${rtmpPort}/live/cam`])
  await server.says('publishing')
  return { server, httpPort }
}

function play(start: StartTool, url: string): Tool {
  return start('ffmpeg', ['-v', 'error', '-i', url, ...PACKET_LIST, '-'])
}

function pictures(player: Tool): number {
  return player.lines.split('\n').filter((line) => line.startsWith('0,')).length
}

test('ffmpeg plays on when the server behind is killed: in order, and what comes decodes', async () => {
  await withTools(async (start) => {
    const servers = [await serverWithStream(start), await serverWithStream(start)]
    const behind = servers.map(({ httpPort }, index) => `server s${index} { http 127.0.0.1:${httpPort}; }`).join(' ')
    const conf = `sharp { listen 127.0.0.1:0; metrics_listen 127.0.0.1:0; check_interval 200ms; ${behind} }`
    const sharp = await Program.start(conf, {}, 'sharp')
    const url = `http://127.0.0.1:${await sharp.port('HTTP')}/live/cam.flv`
    const players = [play(start, url), play(start, url)]
    const decoder = start('ffmpeg', ['-v', 'error', '-i', url, '-t', '6', '-map', '0', '-f', 'framecrc', '-'])
    await until('the stream plays', () => players.every((player) => pictures(player) > 25))
    const { origin } = await sharp.says('pulling')
    const serving = servers.find(({ httpPort }) => String(origin).endsWith(`:${httpPort}`))
    serving?.server.signal('SIGKILL')
    const before = players.map(pictures)
    await until('it plays on', () => players.every((player, index) => pictures(player) > (before[index] ?? 0) + 50))
    for (const player of players) {
      expect(player.isOver).toBe(false)
      const played = parseFrames(player.lines)
      expect(backwardSteps(played.video)).toEqual([])
      expect(backwardSteps(played.audio)).toEqual([])
    }
    const { stdout, stderr } = await decoder.succeeded()
    expect(stderr).toBe('')
    expect(parseDecoded(stdout).pictures.length).toBeGreaterThan(60)
    const metrics = `${/http\S+\/metrics/.exec(String((await sharp.says('metrics:'))['msg']))?.[0]}`
    await until('one server is known to be down, and only the players are left', async () => {
      const text = await (await fetch(metrics)).text()
      const up = [...text.matchAll(/sluice_proxy_server_up\{server="s\d"\} (\d)/g)].map(([, value]) => Number(value))
      return up.length === 2 && up[0] !== up[1] && /^sluice_proxy_connections 2$/m.test(text)
    })
  })
})
