import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { CallbackServer } from '../../support/callback-server.ts'
import { parseLines } from '../../support/program.ts'
import { until } from '../../support/until.ts'
import { Clips, DECODED_LIST, parseDecoded, readDecoded } from '../support/clips.ts'
import { publishFile, type StartTool, type Tool, withTools } from '../support/tool.ts'

const PROGRAM = fileURLToPath(new URL('../../../dist/main.js', import.meta.url))
const CLIP = 'H.264 and AAC'
/** Some seconds of the clip, twice. */
const SMALL_KB = 160
const clips = Clips.use(CLIP)

interface Running {
  readonly tool: Tool
  readonly rtmpPort: string
}

/** Runs the server with `command` in front, recording `live` as MP4 and, in another vhost, as FLV. */
async function startProgram(start: StartTool, folder: string, more: string, ...command: string[]): Promise<Running> {
  if (!existsSync(PROGRAM)) throw new Error(`${PROGRAM} is missing: run "npm run build" first`)
  mkdirSync(folder, { recursive: true })
  const file = `${folder}.conf`
  const dvr = (ending: string): string => `dvr { enabled on; dvr_path ${folder}/[stream]${ending}; }`
  const vhosts = `vhost __defaultVhost__ { ${dvr('.mp4')} ${more} } vhost flv.example { ${dvr('.flv')} }`
  writeFileSync(file, `listen 127.0.0.1:0; ${vhosts}`)
  const tool = start('env', [...command, process.execPath, PROGRAM, '-c', file])
  const rtmpPort = await until('RTMP listens', () => /RTMP listens on 127\.0\.0\.1:(\d+)/.exec(tool.stdout)?.[1])
  return { tool, rtmpPort }
}

const urlOf = ({ rtmpPort }: Running, vhost = ''): string =>
  `rtmp://127.0.0.1:${rtmpPort}/live/show${vhost === '' ? '' : `?vhost=${vhost}`}`

test('on_dvr names a finished file that plays', async () => {
  const folder = clips.output('told')
  const backEnd = await CallbackServer.start()
  const hooks = `http_hooks { enabled on; on_dvr ${backEnd.url('/dvrs')}; }`
  await withTools(async (start) => {
    const program = await startProgram(start, folder, hooks)
    const { path, decoded } = clips.get(CLIP)
    await publishFile(start, path, urlOf(program)).succeeded()
    const { url, body } = await until('on_dvr', () => backEnd.calls[0])
    expect([url, body['action'], body['app'], body['stream']]).toEqual(['/dvrs', 'on_dvr', 'live', 'show'])
    const file = resolve(String(body['cwd']), String(body['file']))
    expect(file).toBe(`${folder}/show.mp4`)
    expect(await readDecoded(file)).toEqual(decoded)
    expect(backEnd.calls).toHaveLength(1)
  })
})

/**
 * A command that gives the program a small disk in `folder`, and where that is seen from here: a tmpfs of its own; where
 * none may be mounted, files may not be larger, which the system says in nearly the same way.
 */
async function smallDisk(
  start: StartTool,
  folder: string,
): Promise<{ command: string[]; seen: (pid: number) => string }> {
  mkdirSync(folder, { recursive: true })
  const mount = `mount -t tmpfs -o size=${SMALL_KB}k none ${folder} && exec "$0" "$@"`
  const mounting = ['unshare', '--mount', 'sh', '-c', mount]
  const { code } = await start('unshare', [...mounting.slice(1), 'true']).ended()
  if (code === 0) return { command: mounting, seen: (pid) => `/proc/${pid}/root${folder}` }
  const limit = `--fsize=${(SMALL_KB / 2) * 1024}`
  return { command: ['prlimit', limit], seen: () => folder }
}

test('a disk that is full stops the recordings with a clear error; what is on it plays, and so does the stream', async () => {
  const folder = clips.output('full')
  await withTools(async (start) => {
    const { command, seen } = await smallDisk(start, folder)
    const program = await startProgram(start, folder, '', ...command)
    const { path, decoded } = clips.get(CLIP)
    const looped = ['-v', 'error', '-re', '-stream_loop', '-1', '-i', path, '-c', 'copy', '-f', 'flv']
    for (const vhost of ['', 'flv.example']) start('ffmpeg', [...looped, urlOf(program, vhost)])
    const stopped = await until('both recordings to stop', () => {
      const lines = parseLines(program.tool.stdout).filter(({ msg }) => msg === 'recording stopped')
      return lines.length === 2 && lines
    })
    for (const { code, reason } of stopped) {
      expect(code).toBe('st_disk')
      expect(reason).toMatch(/no space left on device|file too large/i)
    }
    const onDisk = seen(program.tool.pid)
    const names = ['show.flv', 'show.mp4']
    await until('the files', () => names.every((name) => readdirSync(onDisk).includes(name)))
    for (const name of names) {
      const probe = await start('ffprobe', ['-v', 'error', `${onDisk}/${name}`]).succeeded()
      expect([name, probe.stderr]).toEqual([name, ''])
      const { pictures } = await readDecoded(`${onDisk}/${name}`)
      expect(pictures.length).toBeGreaterThan(25)
      expect(pictures).toEqual(decoded.pictures.slice(0, pictures.length))
    }
    const { stdout } = await start('ffmpeg', [
      '-v',
      'error',
      '-i',
      urlOf(program),
      '-t',
      '2',
      ...DECODED_LIST,
      '-',
    ]).succeeded()
    expect(parseDecoded(stdout).pictures.length).toBeGreaterThan(40)
  })
})
