import { existsSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { until } from '../../support/until.ts'
import { Clips, PACKET_LIST } from '../support/clips.ts'
import { asLines, parseFrames } from '../support/frames.ts'
import { publishFile, type Tool, withTools } from '../support/tool.ts'

const PROGRAM = fileURLToPath(new URL('../../../dist/main.js', import.meta.url))
const CONFIGURATION = `
listen 127.0.0.1:0;
http_server { enabled on; listen 127.0.0.1:0; }
vhost __defaultVhost__ {
  http_remux { enabled on; wait_publisher 60; mount [vhost]/[app]/[stream].flv; }
}
`
const clips = Clips.use('B-frames and AAC')

test('the program serves what its configuration says, and SIGTERM ends it in order', async () => {
  if (!existsSync(PROGRAM)) throw new Error(`${PROGRAM} is missing: run "npm run build" first`)
  const file = clips.output('sluice.conf')
  writeFileSync(file, CONFIGURATION)
  const clip = clips.get('B-frames and AAC')
  await withTools(async (start) => {
    const server = start(process.execPath, [PROGRAM, '-c', file])
    const rtmpUrl = `rtmp://127.0.0.1:${await port(server, 'RTMP')}/live/show`
    const flvUrl = `http://127.0.0.1:${await port(server, 'HTTP')}/live/show.flv`
    const players = [rtmpUrl, flvUrl].map((url) => start('ffmpeg', ['-v', 'error', '-i', url, ...PACKET_LIST, '-']))
    await until('both players wait', () => logged(server, 'playing').length === players.length)
    await publishFile(start, clip.path, rtmpUrl).succeeded()
    for (const player of players) {
      const { stdout, stderr } = await player.succeeded()
      expect(stderr).toBe('')
      expect(asLines(parseFrames(stdout))).toEqual(asLines(clip.packets))
    }
    // With a connection that is open: it is closed, not waited for.
    const waiting = start('ffmpeg', ['-v', 'error', '-i', rtmpUrl, ...PACKET_LIST, '-'])
    await until('the last player waits', () => logged(server, 'playing').length === players.length + 1)
    server.kill('SIGTERM')
    expect(await server.ended()).toMatchObject({ code: 0, signal: null, stderr: '' })
    expect(logged(server, 'stopped')).toHaveLength(1)
    await waiting.ended()
  })
})

/** The lines of the log whose text begins so. */
function logged(server: Tool, text: string): string[] {
  // Behind the last line break is a line that has not come whole.
  const lines = server.stdout.split('\n').slice(0, -1)
  return lines.map((line) => String(JSON.parse(line).msg)).filter((message) => message.startsWith(text))
}

/** The port on which the program says that it listens. */
function port(server: Tool, protocol: 'RTMP' | 'HTTP'): Promise<string> {
  return until(`${protocol} listens`, () => {
    if (server.isOver) throw new Error(`the program ended: ${server.stdout}`)
    const [line] = logged(server, `${protocol} listens on `)
    return line?.match(/127\.0\.0\.1:(\d+)/)?.[1]
  })
}
