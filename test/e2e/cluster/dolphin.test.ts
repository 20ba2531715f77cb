import { chmodSync, mkdirSync } from 'node:fs'
import { expect, test } from 'vitest'
import { Program } from '../../support/program.ts'
import { until } from '../../support/until.ts'
import { Clips, PACKET_LIST, readDecoded } from '../support/clips.ts'
import { asLines, parseFrames, sameSpan } from '../support/frames.ts'
import { LiveServer } from '../support/live-server.ts'
import { NginxRtmp } from '../support/nginx-rtmp.ts'
import { freePort } from '../../support/port.ts'
import { isRunning } from '../support/processes.ts'
import { publishFile, withTools } from '../support/tool.ts'
import { startVlc } from '../support/vlc.ts'

const CLIP = 'B-frames and AAC'
const clips = Clips.use(CLIP)
const live = LiveServer.use()

const LISTEN = 'listen 127.0.0.1:0; http_listen 127.0.0.1:0;'

function dolphin(block: string): Promise<Program> {
  return Program.start(`ff_log_dir FOLDER; dolphin { ${block} }`, {}, 'dolphin')
}

test('in front of nginx, by stream: ffmpeg plays what ffmpeg publishes, packet by packet', async () => {
  await withTools(async (start) => {
    const servers = await Promise.all(['a', 'b'].map((name) => NginxRtmp.start(start, clips.output(name))))
    const behind = servers.map(({ port }, index) => `server s${index} { rtmp 127.0.0.1:${port}; }`).join(' ')
    const proxy = await dolphin(`listen 127.0.0.1:0; policy hash; ${behind}`)
    const url = `rtmp://127.0.0.1:${await proxy.port('RTMP')}/live/`
    const clip = clips.get(CLIP)
    // Of three streams two at least have another server: each publisher and its player must meet.
    const names = ['cam1', 'cam2', 'cam3']
    const players = names.map((name) => start('ffmpeg', ['-v', 'error', '-i', url + name, ...PACKET_LIST, '-']))
    await Promise.all(names.map((name) => publishFile(start, clip.path, `${url}${name}`).succeeded()))
    const last = clip.packets.video.at(-1)?.crc ?? ''
    for (const player of players) {
      await until('the last picture', () => player.lines.includes(last))
      const played = parseFrames(player.lines)
      expect(asLines(played).video).toEqual(asLines(sameSpan(clip.packets, played)).video)
      // From a key frame on, whichever was the next one when it had come: the last one at the latest.
      expect(played.video.length).toBeGreaterThanOrEqual(25)
    }
  })
})

test('VLC records over RTMP and HTTP-FLV, and through sharp, what was published', async () => {
  const { rtmpPort, httpPort } = live.server
  const server = `server one { rtmp 127.0.0.1:${rtmpPort}; http 127.0.0.1:${httpPort}; }`
  const proxy = await dolphin(`${LISTEN} policy hash; ${server}`)
  const rtmp = `rtmp://127.0.0.1:${await proxy.port('RTMP')}/live/vlc`
  const http = `http://127.0.0.1:${await proxy.port('HTTP')}/live/vlc.flv`
  const merging = await Program.start(
    `sharp { listen 127.0.0.1:0; outage 2; server one { http 127.0.0.1:${httpPort}; } }`,
    {},
    'sharp',
  )
  const merged = `http://127.0.0.1:${await merging.port('HTTP')}/live/vlc.flv`
  const folder = clips.output('vlc')
  mkdirSync(folder)
  chmodSync(folder, 0o777)
  await withTools(async (start) => {
    const urls = { rtmp, http, merged }
    const players = Object.entries(urls).map(([name, url]) => startVlc(start, folder, url, `${name}.mkv`))
    await live.hasPlayers('vlc', players.length)
    await publishFile(start, clips.get(CLIP).path, rtmp).succeeded()
    for (const player of players) await player.succeeded()
    for (const name of Object.keys(urls)) {
      const { pictures } = await readDecoded(`${folder}/${name}.mkv`)
      expect(pictures).toEqual(clips.get(CLIP).decoded.pictures)
    }
  })
})

test('servers that it starts come back when they are killed, and end with it', async () => {
  const env = 'env SRS_LISTEN=[rtmp] SRS_PID=/dev/null'
  const ports = [await freePort(), await freePort()]
  const servers = ports.map(
    (port, index) => `server s${index} { rtmp 127.0.0.1:${port}; start ${env} ${process.execPath} dist/main.js -e; }`,
  )
  const proxy = await dolphin(`listen 127.0.0.1:0; check_interval 500ms; ${servers.join(' ')}`)
  const url = `rtmp://127.0.0.1:${await proxy.port('RTMP')}/live/cam`
  await proxy.says('server is up')
  const pids = (): number[] =>
    proxy.out.split('\n').flatMap((line) => {
      const [, pid] = /"child":(\d+),"command":.*"msg":"program started"/.exec(line) ?? []
      return pid === undefined ? [] : [Number(pid)]
    })
  await until('both are started', () => pids().length >= 2)
  process.kill(pids()[0] ?? NaN, 'SIGKILL')
  await until('a new one', () => pids().length >= 3)
  await withTools(async (start) => {
    await until('a server answers', async () => {
      const { code } = await publishFile(start, clips.get(CLIP).path, url).ended()
      return code === 0
    })
  })
  proxy.signal('SIGTERM')
  expect(await proxy.ended()).toBe(0)
  await until('all have gone', () => !pids().some(isRunning))
})
