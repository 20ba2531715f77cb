import { expect, test } from 'vitest'
import { Program } from '../../support/program.ts'
import { backwardSteps, parseFrames } from '../support/frames.ts'
import { Clips, PACKET_LIST } from '../support/clips.ts'
import { isRunning } from '../support/processes.ts'
import { type StartTool, Tool, withTools } from '../support/tool.ts'

const clips = Clips.use('B-frames and AAC')
const CLIP_SECONDS = 5
const FRAME_MS = 40

function ingest(url: string, ffmpeg: string): Promise<Program> {
  return Program.start(`listen 127.0.0.1:0;
ff_log_dir FOLDER/logs;
vhost __defaultVhost__ {
  min_latency on;
  ingest livestream {
    enabled on;
    input { type file; url "${url}"; }
    ffmpeg ${ffmpeg};
    engine { enabled off; output rtmp://127.0.0.1:[port]/live/livestream?vhost=[vhost]; }
  }
}
`)
}

async function play(start: StartTool, server: Program, seconds: number): Promise<ReturnType<typeof parseFrames>> {
  const url = `rtmp://127.0.0.1:${await server.port('RTMP')}/live/livestream`
  const args = ['-v', 'error', '-i', url, '-t', String(seconds), ...PACKET_LIST, '-']
  return parseFrames((await start('ffmpeg', args).succeeded()).stdout)
}

test('an FLV file is a stream without end, and no program is needed for it', async () => {
  await withTools(async (start) => {
    const server = await ingest(clips.get('B-frames and AAC').path, '/no/ffmpeg/here')
    await server.says('ingesting')
    const { video, audio } = await play(start, server, CLIP_SECONDS + 2)
    expect(video.length).toBeGreaterThan((CLIP_SECONDS + 1) * 25)
    expect([...backwardSteps(video), ...backwardSteps(audio)]).toEqual([])
    const steps = video.slice(1).map(({ dtsMs }, index) => dtsMs - (video[index]?.dtsMs ?? 0))
    // Sound and picture of the file are not of the same length: the longer one counts where it begins again.
    expect(Math.max(...steps)).toBeLessThan(5 * FRAME_MS)
    expect(server.out).not.toContain('program started')
  })
})

test('another file is played by ffmpeg, which ends with the server', async () => {
  await withTools(async (start) => {
    const mp4 = clips.output('clip.mp4')
    await new Tool('ffmpeg', ['-v', 'error', '-i', clips.get('B-frames and AAC').path, '-c', 'copy', mp4]).succeeded()
    const server = await ingest(mp4, './objs/ffmpeg/bin/ffmpeg')
    const { child } = await server.says('program started')
    const { video } = await play(start, server, 2)
    expect(video.length).toBeGreaterThan(25)
    server.signal('SIGTERM')
    expect(await server.ended()).toBe(0)
    expect(isRunning(Number(child))).toBe(false)
  })
})
