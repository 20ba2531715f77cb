import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { Program } from '../../support/program.ts'
import { until } from '../../support/until.ts'
import { Clips } from '../support/clips.ts'
import { isRunning } from '../support/processes.ts'
import { publishForever, withTools } from '../support/tool.ts'

const clips = Clips.use('H.264 and AAC')

/** SRS's ffmpeg.transcode.conf, with an encoder of sound that Debian has, and a smaller picture. */
const CONF = `listen 127.0.0.1:0;
ff_log_dir FOLDER/logs;
vhost __defaultVhost__ {
  min_latency on;
  transcode {
    enabled on;
    ffmpeg ./objs/ffmpeg/bin/ffmpeg;
    engine ff {
      enabled on;
      vfilter { }
      vcodec libx264; vwidth 160; vheight 120; vfps 25; vthreads 1; vprofile baseline; vpreset ultrafast;
      vparams { g 25; }
      acodec aac; abitrate 32; asample_rate 44100; achannels 1;
      aparams { }
      output rtmp://127.0.0.1:[port]/[app]/[stream]_[engine]?vhost=[vhost];
    }
  }
}
`

test('makes another stream of a stream, once, for as long as it is published', async () => {
  await withTools(async (start) => {
    const server = await Program.start(CONF)
    const base = `rtmp://127.0.0.1:${await server.port('RTMP')}/live`
    const publisher = publishForever(start, clips.get('H.264 and AAC').path, `${base}/cam`)
    const { child } = await server.says('program started')
    const entries = ['-show_entries', 'stream=codec_name,width,height,channels', '-of', 'csv=p=0']
    const probe = await start('ffprobe', ['-v', 'error', ...entries, `${base}/cam_ff`]).succeeded()
    expect(probe.stdout.trim().split('\n').toSorted()).toEqual(['aac,1', 'h264,160,120'])
    publisher.kill('SIGTERM')
    await until('the transcoder to be gone', () => !isRunning(Number(child)))
    expect(server.out.match(/"program started"/g)?.length).toBe(1)
    const logs = readdirSync(join(server.folder, 'logs'))
    expect(logs).toEqual(['ffmpeg-encoder-__defaultVhost__-live-cam-ff.log'])
    expect(readFileSync(join(server.folder, 'logs', logs[0] ?? ''), 'utf8')).toContain('Output #0, flv')
  })
})

test('its children do not outlive a server that is killed', async () => {
  await withTools(async (start) => {
    const server = await Program.start(
      CONF.replace('transcode {', 'exec { enabled on; publish sleep 600; } transcode {'),
    )
    publishForever(start, clips.get('H.264 and AAC').path, `rtmp://127.0.0.1:${await server.port('RTMP')}/live/cam`)
    await until('both programs', () => (server.out.match(/"program started"/g)?.length ?? 0) === 2)
    const pids = [...server.out.matchAll(/"child":(\d+),"command"/g)].map(([, pid]) => Number(pid))
    expect(pids.map(isRunning)).toEqual([true, true])
    server.signal('SIGKILL')
    await server.ended()
    await until('the programs to be gone', () => !pids.some(isRunning))
  })
})
