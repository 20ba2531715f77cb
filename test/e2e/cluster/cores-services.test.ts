import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { Program } from '../../support/program.ts'
import { TestCertificate } from '../../support/tls.ts'
import { until } from '../../support/until.ts'
import { Clips, PACKET_LIST } from '../support/clips.ts'
import { Family } from '../support/family.ts'
import { asLines, parseFrames, sameSpan } from '../support/frames.ts'
import { publishFile, withTools } from '../support/tool.ts'

const CLIP = 'B-frames and AAC'
const clips = Clips.use(CLIP)

test('edges take and serve RTMPS, HTTPS, FLV by POST and by WebSocket; the origin forwards and records what came there', async () => {
  const secure = `enabled on; listen 127.0.0.1:0; ${TestCertificate.make().directives}`
  const other = await Program.start('listen 127.0.0.1:0; pid FOLDER/a.pid; vhost __defaultVhost__ { }')
  const vhost = `min_latency on; publish { http on; } dvr { enabled on; dvr_path FOLDER/[stream].flv; }
    forward { enabled on; destination 127.0.0.1:${await other.port('RTMP')}; }`
  const family = await Family.start(vhost, `rtmps { ${secure} }`, `https { ${secure} }`)
  const { program } = family
  const rtmps = `rtmps://127.0.0.1:${await program.port('RTMPS')}/live/`
  const https = `https://127.0.0.1:${await program.port('HTTPS')}/live/`
  await withTools(async (start) => {
    const urls = [`${rtmps}post`, `${https}post.flv`, `${family.http}cam.flv`, `${family.rtmp}cam`]
    const players = urls.map((url) => start('ffmpeg', ['-v', 'error', '-i', url, ...PACKET_LIST, '-']))
    let received = 0
    const socket = new WebSocket(`${family.http.replace('http', 'ws')}cam.flv`, [], {})
    socket.on('message', (bytes: Buffer) => (received += bytes.length))
    await family.hasPlayers(urls.length + 1)
    const { path, packets } = clips.get(CLIP)
    const publishers = [
      publishFile(start, path, `${rtmps}cam`),
      publishFile(start, path, `${family.http}post.flv`, ['-method', 'POST']),
    ]
    for (const publisher of publishers) await publisher.succeeded()
    const last = packets.video.at(-1)?.crc ?? ''
    for (const player of players) {
      await until('the last picture', () => player.lines.includes(last))
      const played = parseFrames(player.lines)
      expect(asLines(played).video).toEqual(asLines(sameSpan(packets, played)).video)
    }
    await until('media over WebSocket', () => received > 10_000)
    socket.close()
  })
  for (const stream of ['cam', 'post']) {
    await until(`a whole ${stream}`, () => size(`${program.folder}/${stream}.flv`) > 10_000)
  }
  expect(other.out.split('\n').filter((line) => line.includes('"msg":"publishing"'))).toHaveLength(2)
})

/** 0: there is no such file. */
function size(path: string): number {
  try {
    return readFileSync(path).length
  } catch {
    return 0
  }
}
