import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { expect, test } from 'vitest'
import { until } from '../../support/until.ts'
import { allCommands, allSnippets, type Command, whyNotRun } from '../../docs/snippets.ts'
import { Clips } from '../support/clips.ts'
import { freePort } from '../../support/port.ts'
import { type StartTool, type Tool, withTools } from '../support/tool.ts'

const PROGRAM = resolve('dist/main.js')
const STREAM = '/live/livestream'
const clips = Clips.use()

test('the examples of the module compile as they are, and run', async () => {
  const folder = clips.output('examples')
  mkdirSync(join(folder, 'node_modules'), { recursive: true })
  symlinkSync(resolve('.'), join(folder, 'node_modules', 'sluice'))
  symlinkSync(resolve('node_modules/@types'), join(folder, 'node_modules', '@types'))
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  const examples = allSnippets().filter(({ language }) => language === 'ts')
  expect(examples.length).toBeGreaterThan(4)
  for (const [index, { text }] of examples.entries()) writeFileSync(join(folder, `${index}.ts`), text)
  const options = ['--strict', '--module', 'nodenext', '--target', 'es2022', '--types', 'node']
  await withTools(async (start) => {
    const sources = examples.map((_example, index) => `${index}.ts`)
    const args = [...options, ...sources]
    await start(resolve('node_modules/.bin/tsc'), args, { cwd: folder }).succeeded()
    const runs = examples.map((_example, index) => {
      const file = join(folder, `${index}.js`)
      const text = readFileSync(file, 'utf8').replaceAll(/listen (1935|8080|8000)/g, 'listen 127.0.0.1:0')
      writeFileSync(file, text.includes('.stop()') ? text : `${text}\nawait server.stop()`)
      return start(process.execPath, [file])
    })
    for (const run of runs) expect((await run.succeeded()).stderr).toBe('')
  })
})

/** A server with all services on ports that the commands are told instead of the usual ones. */
async function startServer(start: StartTool): Promise<(line: string) => string> {
  const ports = { 1935: await freePort(), 8080: await freePort(), 1985: await freePort(), 9972: await freePort() }
  const env = {
    SRS_LISTEN: `127.0.0.1:${ports[1935]}`,
    SRS_HTTP_SERVER_LISTEN: `127.0.0.1:${ports[8080]}`,
    SRS_HTTP_API_LISTEN: `127.0.0.1:${ports[1985]}`,
    SRS_EXPORTER_ENABLED: 'on',
    SRS_VHOST_PUBLISH_HTTP: 'on',
    // However busy the machine is, which makes the picture.
    SRS_VHOST_PUBLISH_NORMAL_TIMEOUT: '60000',
    SRS_EXPORTER_LISTEN: `127.0.0.1:${ports[9972]}`,
  }
  const server = start(process.execPath, [PROGRAM], { env })
  await until('the server runs', () => server.stdout.includes('"started"'))
  return (line) =>
    line
      .replaceAll(/rtmp:\/\/localhost(?=\/)/g, `rtmp://127.0.0.1:${ports[1935]}`)
      .replaceAll(
        /http:\/\/localhost:(8080|1985|9972)/g,
        (_all, port: keyof typeof ports) => `http://127.0.0.1:${ports[port]}`,
      )
}

/** Runs one of the program itself; a server is not started, its configuration is tested. */
function runOwn(start: StartTool, line: string): Tool {
  const args = line.split(/\s+/).slice(1)
  const isServer = !args.some((arg) => /^(-t|-v|-h|-g|--.*)$/.test(arg))
  return start(process.execPath, [PROGRAM, ...args, ...(isServer ? ['-t'] : [])])
}

/** A folder with the files that commands publish. */
async function filmFolder(start: StartTool): Promise<string> {
  const folder = clips.output('films')
  mkdirSync(folder)
  const copy = ['-v', 'error', '-t', '1', '-i', resolve('test/fixtures/media/h264-aac.flv'), '-c', 'copy']
  for (const name of ['film.mp4', 'film.flv']) await start('ffmpeg', [...copy, join(folder, name)]).succeeded()
  return folder
}

test('the commands do what they say', async () => {
  if (!existsSync(PROGRAM)) throw new Error(`${PROGRAM} is missing: run "npm run build" first`)
  const commands = allCommands().filter(({ line }) => whyNotRun(line) === null)
  const of = (program: RegExp): Command[] => commands.filter(({ line }) => program.test(line))
  await withTools(async (start) => {
    const here = await startServer(start)
    const cwd = await filmFolder(start)
    const shell = (line: string): Tool => start('sh', ['-c', `exec ${here(line)}`], { cwd })
    const lines = (program: RegExp): Set<string> => new Set(of(program).map(({ line }) => line))
    // Small: to see that it goes on is not to wait for an encoder.
    const live = [...lines(/^ffmpeg .*lavfi/)].map((line) => shell(line.replace(/size=\d+x\d+/, 'size=320x180')))
    expect(live).toHaveLength(1)
    const tools: Tool[] = [...lines(/^sluice /)].map((line) => runOwn(start, line))
    for (const line of lines(/^E=/)) tools.push(start('sh', ['-c', line], { env: { SECRET: 'a' } }))
    for (const line of lines(/^(ffplay|vlc) /)) {
      expect(line).toContain(STREAM)
      tools.push(shell(line.replace(/^\w+/, 'ffprobe -v error -analyzeduration 500000')))
    }
    for (const tool of tools) await tool.succeeded()
    // One after the other: some publish the same stream.
    const others = [...lines(/^ffmpeg (?!.*lavfi)/), ...lines(/^curl /)]
    for (const line of others) await shell(line.replace(/^curl/, 'curl --silent --show-error --fail')).succeeded()
    live[0]?.kill('SIGKILL')
  })
})
