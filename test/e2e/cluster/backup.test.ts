import { createHash } from 'node:crypto'
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

/** A server that tells both coordinators of its segments, the one beside it first; and one more, that is alone. */
function startServer(side: string, control: readonly number[], alone: number): Promise<Program> {
  const own = side === SIDES[0] ? control : control.toReversed()
  const urls = [...own, alone].map((port) => `http://127.0.0.1:${port}/on_hls/${side}`).join(' ')
  return Program.start(`listen 127.0.0.1:0; http_server { enabled on; listen 127.0.0.1:0; }
    vhost __defaultVhost__ { hls { enabled on; hls_fragment 1; hls_ctx off; }
      http_hooks { enabled on; on_hls ${urls}; } }`)
}

/** A coordinator. @param peer the control port of the other one; undefined: it is alone */
function startCoordinator(
  index: number,
  http: readonly number[],
  control: number | undefined,
  peer?: number,
): Promise<Program> {
  const servers = SIDES.map((side, at) => `server ${side} { http http://127.0.0.1:${http[at]}; priority ${at + 1}; }`)
  const other = peer === undefined ? '' : `peer http://127.0.0.1:${peer};`
  const conf = `backup { name c${index + 1}; priority ${index + 1}; listen 127.0.0.1:0; dir FOLDER/copies;
    control_listen 127.0.0.1:${control}; ${other} ${servers.join(' ')} }`
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
    const alone = await freePort()
    const servers = await Promise.all(SIDES.map((side) => startServer(side, control, alone)))
    const http = await Promise.all(servers.map((server) => server.port('HTTP')))
    const coordinators = await Promise.all(
      [0, 1].map((index) => startCoordinator(index, http, control[index], control[1 - index])),
    )
    const single = await startCoordinator(2, http, alone)
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
    const restarted = goesOnAfterItsEnd(single)
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
    await restarted
  })
})

/** A coordinator without another one is killed and started again: its players are told the same as before, and what follows. */
async function goesOnAfterItsEnd(single: Program): Promise<void> {
  const list = async (port: number): Promise<string> => (await fetch(`http://127.0.0.1:${port}/live/cam.m3u8`)).text()
  const port = await single.port('HTTP')
  await until('it lists some segments', async () => segments(await list(port)).length >= 3)
  const before = await list(port)
  const bodies = await bodiesOf(port, segments(before))
  single.signal('SIGKILL')
  const again = single.again()
  const newPort = await again.port('HTTP')
  const after = await list(newPort)
  const told = segments(before)
  // What was told between the two looks is there too.
  expect(told.filter((name) => segments(after).includes(name)).length).toBeGreaterThanOrEqual(told.length - 2)
  expect(numbered(after)).toMatchObject(numbered(before, segments(after)))
  const kept = told.filter((name) => segments(after).includes(name))
  expect(await bodiesOf(newPort, kept)).toMatchObject(kept.map((name) => bodies[told.indexOf(name)]))
  await until('it goes on', async () => segments(await list(newPort)).at(-1) !== segments(after).at(-1))
  const last = numbered(after)
  const next = Object.entries(numbered(await list(newPort))).filter(([name]) => !(name in last))
  expect(next[0]?.[1]).toBe(Math.max(...Object.values(last)) + 1)
}

/** Numbers by name. @param among of those that are in it too */
function numbered(text: string, among: readonly string[] | null = null): Record<string, number> {
  const first = Number(/MEDIA-SEQUENCE:(\d+)/.exec(text)?.[1])
  const all = segments(text).map((name, index) => [name, first + index] as const)
  return Object.fromEntries(all.filter(([name]) => among === null || among.includes(name)))
}

function bodiesOf(port: number, names: readonly string[]): Promise<string[]> {
  return Promise.all(
    names.map(async (name) => {
      const answer = await fetch(`http://127.0.0.1:${port}/live/${name}`)
      return createHash('sha256')
        .update(Buffer.from(await answer.arrayBuffer()))
        .digest('hex')
    }),
  )
}

/** At one moment one of the two may be a segment ahead. */
function segments(text: string): string[] {
  return text.split('\n').filter((line) => line.endsWith('.ts'))
}
