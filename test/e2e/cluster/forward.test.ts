import { expect, test } from 'vitest'
import { Program } from '../../support/program.ts'
import { until } from '../../support/until.ts'
import { asLines, backwardSteps, parseFrames, sameSpan } from '../support/frames.ts'
import { Clips, PACKET_LIST } from '../support/clips.ts'
import { NginxRtmp } from '../support/nginx-rtmp.ts'
import { publishFile, withTools } from '../support/tool.ts'

const clips = Clips.use('B-frames and AAC')

/** A server that forwards to nginx. */
function origin(port: number): Promise<Program> {
  return Program.start(`listen 127.0.0.1:0;
vhost __defaultVhost__ { min_latency on; forward { enabled on; destination 127.0.0.1:${port}; } }
`)
}

test('ffmpeg plays from nginx what was published here, packet by packet', async () => {
  await withTools(async (start) => {
    const nginx = await NginxRtmp.start(start, clips.output('nginx'))
    const server = await origin(nginx.port)
    const clip = clips.get('B-frames and AAC')
    const player = start('ffmpeg', ['-v', 'error', '-i', nginx.url('cam'), ...PACKET_LIST, '-'])
    const publisher = publishFile(start, clip.path, `rtmp://127.0.0.1:${await server.port('RTMP')}/live/cam?token=x`)
    await server.says('forwarding')
    await publisher.succeeded()
    // nginx keeps its players when the publisher has gone.
    const last = clip.packets.video.at(-1)?.crc ?? ''
    await until('the last picture', () => player.lines.includes(last))
    const played = parseFrames(player.lines)
    // From a key frame on, whichever was the next one when both had come to nginx: the last one at the latest.
    expect(played.video.length).toBeGreaterThanOrEqual(25)
    const published = asLines(sameSpan(clip.packets, played))
    expect(asLines(played).video).toEqual(published.video)
    expect(asLines(played).audio).toEqual(published.audio.slice(0, played.audio.length))
  })
})

test('a destination that is restarted gets the stream again, from a key frame on', async () => {
  await withTools(async (start) => {
    const nginx = await NginxRtmp.start(start, clips.output('nginx-again'))
    const server = await origin(nginx.port)
    const url = `rtmp://127.0.0.1:${await server.port('RTMP')}/live/cam`
    const loop = ['-v', 'error', '-re', '-stream_loop', '-1', '-i', clips.get('B-frames and AAC').path]
    start('ffmpeg', [...loop, '-c', 'copy', '-f', 'flv', url])
    await server.says('forwarding')
    await nginx.kill()
    await server.says('forward failed')
    await nginx.restart()
    const seconds = ['-t', '2', ...PACKET_LIST, '-']
    const { stdout } = await start('ffmpeg', ['-v', 'error', '-i', nginx.url('cam'), ...seconds]).succeeded()
    const played = parseFrames(stdout)
    expect(played.video.length).toBeGreaterThan(25)
    expect(backwardSteps(played.video)).toEqual([])
  })
})
