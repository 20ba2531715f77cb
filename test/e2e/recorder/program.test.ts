import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { until } from '../../support/until.ts'
import { Clips, readDecoded, readPackets } from '../support/clips.ts'
import { publishFile, publishForever, type StartTool, Tool, withTools } from '../support/tool.ts'

const PROGRAM = fileURLToPath(new URL('../../../dist/main.js', import.meta.url))
const clips = Clips.use('B-frames and AAC', 'H.264 and AAC')

interface Program {
  readonly tool: Tool
  readonly rtmpPort: string
}

/** Runs the server with recordings of both containers: `live` as MP4 in one folder, `flv` as FLV in another. */
async function startProgram(start: StartTool, folder: string): Promise<Program> {
  if (!existsSync(PROGRAM)) throw new Error(`${PROGRAM} is missing: run "npm run build" first`)
  mkdirSync(folder, { recursive: true })
  const file = `${folder}.conf`
  writeFileSync(
    file,
    `listen 127.0.0.1:0;
vhost __defaultVhost__ { dvr { enabled on; dvr_path ${folder}/[stream].mp4; } }
vhost flv.example { dvr { enabled on; dvr_path ${folder}/[stream].flv; } }
`,
  )
  const tool = start(process.execPath, [PROGRAM, '-c', file])
  const rtmpPort = await until('RTMP listens', () => /RTMP listens on 127\.0\.0\.1:(\d+)/.exec(tool.stdout)?.[1])
  return { tool, rtmpPort }
}

const urlOf = ({ rtmpPort }: Program, stream: string, vhost = ''): string =>
  `rtmp://127.0.0.1:${rtmpPort}/live/${stream}${vhost === '' ? '' : `?vhost=${vhost}`}`

/** What ffprobe says of the length, seconds; it must find no fault. */
async function durationOf(path: string): Promise<number> {
  const args = ['-v', 'error', '-show_entries', 'format=duration', '-of', 'csv=p=0', path]
  const { stdout, stderr } = await new Tool('ffprobe', args).succeeded()
  expect(stderr).toBe('')
  return Number(stdout)
}

test.each([
  ['MP4', '.mp4', ''],
  ['FLV', '.flv', 'flv.example'],
])('%s: every packet, the right length, no complaint', async (_name, ending, vhost) => {
  const folder = clips.output(`whole${ending.slice(1)}`)
  await withTools(async (start) => {
    const program = await startProgram(start, folder)
    const clip = clips.get('B-frames and AAC')
    await publishFile(start, clip.path, urlOf(program, 'show', vhost)).succeeded()
    await until('the recording', () => readdirSync(folder).includes(`show${ending}`))
    const file = `${folder}/show${ending}`
    expect(await readDecoded(file)).toEqual(clip.decoded)
    expect(Math.abs((await durationOf(file)) - 5)).toBeLessThan(0.15)
    if (ending === '.flv') {
      const { video, audio } = await readPackets(file)
      expect([video, audio]).toEqual([clip.packets.video, clip.packets.audio])
    }
  })
})

test('kill -9 in the middle: the files play to their last fragment, and the next start finishes them', async () => {
  const folder = clips.output('killed')
  const clip = clips.get('H.264 and AAC')
  const parts = ['show.flv.tmp', 'show.mp4.tmp']
  await withTools(async (start) => {
    const program = await startProgram(start, folder)
    for (const vhost of ['', 'flv.example']) publishForever(start, clip.path, urlOf(program, 'show', vhost))
    await until('three seconds', () => parts.every((part) => sizeOf(`${folder}/${part}`) > 0.6 * sizeOf(clip.path)))
    program.tool.kill('SIGKILL')
    expect(await program.tool.ended()).toMatchObject({ signal: 'SIGKILL' })
    expect(readdirSync(folder).toSorted()).toEqual(parts)
    for (const part of parts) {
      const { pictures } = await readDecoded(`${folder}/${part}`)
      expect(pictures.length).toBeGreaterThan(60)
      expect(pictures).toEqual(looped(clip.decoded.pictures, pictures.length))
    }
  })
  await withTools(async (start) => {
    await startProgram(start, folder)
    await until('both finished', () => readdirSync(folder).every((name) => !name.endsWith('.tmp')))
    for (const file of ['show.flv', 'show.mp4']) {
      const { pictures } = await readDecoded(`${folder}/${file}`)
      expect(pictures).toEqual(looped(clip.decoded.pictures, pictures.length))
      expect(Math.abs((await durationOf(`${folder}/${file}`)) - pictures.length / 25)).toBeLessThan(0.3)
    }
  })
})

/** 0 while there is no such file. */
function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0
}

/** The first pictures of a clip that plays over and over. */
function looped(pictures: readonly string[], count: number): (string | undefined)[] {
  return Array.from({ length: count }, (_, index) => pictures[index % pictures.length])
}
