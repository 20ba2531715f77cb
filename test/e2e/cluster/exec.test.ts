import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { Program } from '../../support/program.ts'
import { until } from '../../support/until.ts'
import { Clips, readPackets } from '../support/clips.ts'
import { isRunning } from '../support/processes.ts'
import { publishForever, withTools } from '../support/tool.ts'

const clips = Clips.use('H.264 and AAC')

test("SRS's example records a stream with ffmpeg, which ends with the stream", async () => {
  await withTools(async (start) => {
    const server = await Program.start(`listen 127.0.0.1:0;
ff_log_dir FOLDER;
vhost __defaultVhost__ {
  min_latency on;
  exec {
    enabled on;
    publish ./objs/ffmpeg/bin/ffmpeg -f flv -i [url] -c copy -y FOLDER/[stream].flv 2>FOLDER/[stream].err;
    publish sh -c 'echo "$@"; exec sleep 600' sh [vhost] [app] [stream] [tcUrl] > FOLDER/[app]-[stream].txt;
  }
}
`)
    const port = await server.port('RTMP')
    const url = `rtmp://127.0.0.1:${port}/live/cam?who=me`
    const clip = clips.get('H.264 and AAC')
    const publisher = publishForever(start, clip.path, url)
    await until('both programs', () => (server.out.match(/"program started"/g)?.length ?? 0) === 2)
    const pids = [...server.out.matchAll(/"child":(\d+),"command"/g)].map(([, pid]) => Number(pid))
    const sizeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0
    await until('three seconds', () => sizeOf(join(server.folder, 'cam.flv')) > 0.6 * sizeOf(clip.path))
    publisher.kill('SIGTERM')
    await until('the programs to be gone', () => !pids.some(isRunning))
    const { video, audio } = await readPackets(join(server.folder, 'cam.flv'))
    expect([video.length > 50, audio.length > 50]).toEqual([true, true])
    expect(readFileSync(join(server.folder, 'cam.err'), 'utf8')).toContain('Output #0, flv')
    expect(readFileSync(join(server.folder, 'live-cam.txt'), 'utf8')).toBe(
      `__defaultVhost__ live cam rtmp://127.0.0.1:${port}/live\n`,
    )
  })
})
