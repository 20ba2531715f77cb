import { expect, test } from 'vitest'
import { Program } from '../../support/program.ts'
import { until } from '../../support/until.ts'
import { PACKET_LIST } from '../support/clips.ts'
import { parseFrames } from '../support/frames.ts'
import { freePort } from '../../support/port.ts'
import { type StartTool, type Tool, withTools } from '../support/tool.ts'

const SIDES = ['one', 'two'] as const
const PICTURE = ['-re', '-f', 'lavfi', '-i', 'testsrc=size=320x240:rate=25']
const SOUND = ['-re', '-f', 'lavfi', '-i', 'sine=frequency=440:sample_rate=44100']
/** A key frame each second. */
const CODECS = '-c:v libx264 -preset ultrafast -pix_fmt yuv420p -b:v 200k -g 25 -sc_threshold 0 -c:a aac -b:a 48k'
/** Of a picture, by the clock of MPEG-TS; encoders round to milliseconds. */
const FRAME_TICKS = 3_600
const ROUNDING_TICKS = 90

interface Backups {
  readonly role: string
  readonly streams: readonly {
    served: string
    switches: number
    last_number: number
    sides: readonly { healthy: boolean; lag_ms: number }[]
  }[]
}

/** A server that tells both coordinators of its segments, the one beside it first. */
function startServer(side: string, control: readonly number[]): Promise<Program> {
  const own = side === SIDES[0] ? control : control.toReversed()
  const urls = own.map((port) => `http://127.0.0.1:${port}/on_hls/${side}`).join(' ')
  return Program.start(`listen 127.0.0.1:0; http_server { enabled on; listen 127.0.0.1:0; }
    vhost __defaultVhost__ { hls { enabled on; hls_fragment 1; hls_ctx off; }
      http_hooks { enabled on; on_hls ${urls}; } }`)
}

/** A coordinator; the first server is read from it by HTTP. */
function startCoordinator(index: number, control: readonly number[], http: readonly number[]): Promise<Program> {
  const servers = SIDES.map((side, at) => `server ${side} { http http://127.0.0.1:${http[at]}; priority ${at + 1}; }`)
  const conf = `backup { name c${index + 1}; priority ${index + 1}; listen 127.0.0.1:0; dir FOLDER/copies;
    control_listen 127.0.0.1:${control[index]}; peer http://127.0.0.1:${control[1 - index]}; ${servers.join(' ')} }`
  return Program.start(conf, {}, 'backup')
}

function encode(start: StartTool, rtmp: readonly number[]): Tool {
  const places = rtmp.map((port) => `[f=flv:onfail=ignore]rtmp://127.0.0.1:${port}/live/cam`).join('|')
  const tee = ['-flags', '+global_header', '-map', '0:v', '-map', '1:a', '-f', 'tee', places]
  return start('ffmpeg', ['-v', 'error', ...PICTURE, ...SOUND, ...CODECS.split(' '), ...tee])
}

function pictures(player: Tool): readonly { readonly dtsMs: number }[] {
  return parseFrames(player.lines).video
}

test('players miss no picture when the server that is served is killed, nor when the leading coordinator is', async () => {
  await withTools(async (start) => {
    const control = [await freePort(), await freePort()]
    const servers = await Promise.all(SIDES.map((side) => startServer(side, control)))
    const http = await Promise.all(servers.map((server) => server.port('HTTP')))
    const coordinators = await Promise.all([0, 1].map((index) => startCoordinator(index, control, http)))
    const ports = await Promise.all(coordinators.map((coordinator) => coordinator.port('HTTP')))
    const backups = async (index: number): Promise<Backups> =>
      (await (await fetch(`http://127.0.0.1:${control[index]}/api/v1/backups`)).json()) as Backups
    const playlist = async (index: number): Promise<string> =>
      (await fetch(`http://127.0.0.1:${ports[index]}/live/cam.m3u8`)).text()
    encode(start, await Promise.all(servers.map((server) => server.port('RTMP'))))
    await until('both serve the first server', async () => {
      const [one, two] = [await backups(0), await backups(1)]
      return one.role === 'leader' && two.role === 'follower' && (two.streams[0]?.served ?? '') !== ''
    })
    await until('there is enough to play', async () => (await playlist(1)).split('#EXTINF').length > 3)
    const url = `http://127.0.0.1:${ports[1]}/live/cam.m3u8`
    const player = start('ffmpeg', ['-v', 'error', '-i', url, ...PACKET_LIST, '-flush_packets', '1', '-'])
    await until('it plays', () => pictures(player).length > 25)
    // On a busy machine a server may have been late before.
    const begun = (await backups(1)).streams[0]
    const served = begun?.served === 'two' ? 1 : 0
    servers[served]?.signal('SIGKILL')
    await until('the other server is served', async () => {
      const [stream] = (await backups(1)).streams
      return stream !== undefined && stream.served === SIDES[1 - served] && stream.sides[served]?.healthy === false
    })
    await until('both tell of the same segments', async () => {
      const [one, two] = [segments(await playlist(0)), segments(await playlist(1))]
      return one.length > 2 && one.join() === two.join()
    })
    const before = pictures(player).length
    coordinators[0]?.signal('SIGKILL')
    await until('the other coordinator leads', async () => (await backups(1)).role === 'leader')
    await until('it plays on', () => pictures(player).length > before + 100)
    const steps = pictures(player).map(
      ({ dtsMs }, index, all) => dtsMs - (all[index - 1]?.dtsMs ?? dtsMs - FRAME_TICKS),
    )
    expect(steps.filter((step) => Math.abs(step - FRAME_TICKS) > ROUNDING_TICKS)).toEqual([])
    expect(player.isOver).toBe(false)
    const switches = (begun?.switches ?? NaN) + 1
    const metrics = await (await fetch(`http://127.0.0.1:${control[1]}/metrics`)).text()
    expect(metrics).toContain(`\nsluice_backup_switches_total{stream="__defaultVhost__/live/cam"} ${switches}\n`)
    expect(metrics).toContain('sluice_backup_leader 1')
  })
})

/** At one moment one of the two may be a segment ahead. */
function segments(text: string): string[] {
  return text.split('\n').filter((line) => line.endsWith('.ts'))
}
