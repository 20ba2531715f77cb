import { expect, test } from 'vitest'
import { parseLines, Program } from '../../support/program.ts'
import { until } from '../../support/until.ts'
import { Clips, DECODED_LIST, PACKET_LIST, parseDecoded } from '../support/clips.ts'
import { asLines, backwardSteps, parseFrames, sameSpan } from '../support/frames.ts'
import { NginxRtmp } from '../support/nginx-rtmp.ts'
import { publishFile, publishForever, withTools } from '../support/tool.ts'

const CLIP = 'B-frames and AAC'
const clips = Clips.use(CLIP)
/** Pictures behind the last key frame of the clip, with it. */
const LAST_GROUP = 25

/** A server with all ways to play. @param vhost directives of its vhost */
function server(vhost = ''): Promise<Program> {
  return Program.start(`listen 127.0.0.1:0;
http_server { enabled on; listen 127.0.0.1:0; }
http_api { enabled on; listen 127.0.0.1:0; }
vhost __defaultVhost__ {
  min_latency on; http_remux { enabled on; } ${vhost}
}
`)
}

/** An edge of one origin. */
function edgeOf(port: number, more = ''): Promise<Program> {
  return server(`cluster { mode remote; origin 127.0.0.1:${port}; ${more} }`)
}

async function rtmpUrl(at: Program): Promise<string> {
  return `rtmp://127.0.0.1:${await at.port('RTMP')}/live/cam`
}

async function httpUrl(at: Program, ending: string): Promise<string> {
  return `http://127.0.0.1:${await at.port('HTTP')}/live/cam${ending}`
}

test('our edge pulls from nginx, and ffmpeg plays it packet by packet over RTMP and HTTP-FLV', async () => {
  await withTools(async (start) => {
    const nginx = await NginxRtmp.start(start, clips.output('nginx'))
    const edge = await edgeOf(nginx.port)
    const urls = [await rtmpUrl(edge), await httpUrl(edge, '.flv')]
    const players = urls.map((url) => start('ffmpeg', ['-v', 'error', '-i', url, ...PACKET_LIST, '-']))
    await edge.says('asking an origin')
    const clip = clips.get(CLIP)
    await publishFile(start, clip.path, nginx.url('cam')).succeeded()
    const last = clip.packets.video.at(-1)?.crc ?? ''
    for (const player of players) {
      await until('the last picture', () => player.lines.includes(last))
      const played = parseFrames(player.lines)
      // From a key frame on, whichever was the next one when the edge had come.
      expect(played.video.length).toBeGreaterThanOrEqual(LAST_GROUP)
      const published = asLines(sameSpan(clip.packets, played))
      expect(asLines(played).video).toEqual(published.video)
      expect(asLines(played).audio).toEqual(published.audio.slice(0, played.audio.length))
    }
  })
})

test('nginx pulls from us', async () => {
  await withTools(async (start) => {
    const origin = await server()
    const port = await origin.port('RTMP')
    const nginx = await NginxRtmp.start(start, clips.output('nginx-edge'), `pull rtmp://127.0.0.1:${port}/live;`)
    publishForever(start, clips.get(CLIP).path, await rtmpUrl(origin))
    const player = start('ffmpeg', ['-v', 'error', '-i', nginx.url('cam'), '-t', '3', ...PACKET_LIST, '-'])
    const played = parseFrames((await player.succeeded()).stdout)
    expect(played.video.length).toBeGreaterThan(50)
    expect(backwardSteps(played.video)).toEqual([])
  })
})

test('what is published on our edge is played from nginx, its origin', async () => {
  await withTools(async (start) => {
    const nginx = await NginxRtmp.start(start, clips.output('nginx-origin'))
    const edge = await edgeOf(nginx.port)
    publishForever(start, clips.get(CLIP).path, await rtmpUrl(edge))
    await edge.says('publishing at the origin')
    const player = start('ffmpeg', ['-v', 'error', '-i', nginx.url('cam'), '-t', '3', ...PACKET_LIST, '-'])
    const played = parseFrames((await player.succeeded()).stdout)
    expect(played.video.length).toBeGreaterThan(25)
    expect(backwardSteps(played.video)).toEqual([])
  })
})

test('ffmpeg plays HLS of an edge, which pulls for it', async () => {
  await withTools(async (start) => {
    const origin = await server()
    const hls = 'hls { enabled on; hls_fragment 2; hls_path FOLDER/hls; }'
    const flv = `cluster { mode remote; origin 127.0.0.1:${await origin.port('HTTP')}; protocol flv; }`
    const edge = await server(`${hls} ${flv}`)
    publishForever(start, clips.get(CLIP).path, await rtmpUrl(origin))
    await origin.says('publishing')
    const player = start('ffmpeg', ['-v', 'error', '-i', await httpUrl(edge, '.m3u8'), '-t', '4', ...DECODED_LIST, '-'])
    const { stdout, stderr } = await player.succeeded()
    expect(parseDecoded(stdout).pictures.length).toBeGreaterThan(75)
    expect(stderr).toBe('')
  })
})

test.each(['rtmp', 'flv'] as const)('one id is found in the logs of edge and origin over %s', async (protocol) => {
  await withTools(async (start) => {
    const origin = await server()
    const port = await origin.port(protocol === 'rtmp' ? 'RTMP' : 'HTTP')
    const edge = await edgeOf(port, `protocol ${protocol};`)
    publishForever(start, clips.get(CLIP).path, await rtmpUrl(origin))
    await origin.says('publishing')
    const player = start('ffmpeg', ['-v', 'error', '-i', await rtmpUrl(edge), '-t', '1', ...PACKET_LIST, '-'])
    await player.succeeded()
    const id = String(parseLines(edge.out).find(({ msg }) => msg === 'playing')?.['cid'])
    expect(id).toMatch(/^\w{8}$/)
    const upnodes = parseLines(origin.out).flatMap(({ upnode }) => (typeof upnode === 'string' ? [upnode] : []))
    expect(upnodes.map((upnode) => upnode.split('/').at(-1))).toContain(id)
  })
})
