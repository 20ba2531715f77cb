import { spawn } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { eventually } from './server/support.ts'
import { parseLines, Program } from './support/program.ts'

const LISTEN = 'listen 127.0.0.1:0;\n'
const VHOST = 'vhost __defaultVhost__ { }\n'

function conf(root: string): string {
  return `${LISTEN}${root}\n${VHOST}`
}

/** How often the log has said it. */
function said(program: Program, text: string): number {
  return parseLines(program.out).filter(({ msg }) => msg === text).length
}

describe.each(['inotify_auto_reload on;', 'in_docker on;'])('%s', (setting) => {
  test('reloads when the file is written and when another one takes its place, once each', async () => {
    const program = await Program.start(conf(setting))
    await program.says('play:')
    program.rewrite(conf(`${setting} max_connections 7;`))
    await eventually('the first reload', () => said(program, 'configuration reloaded') === 1)
    writeFileSync(join(program.folder, 'next'), conf(`${setting} max_connections 8;`))
    renameSync(join(program.folder, 'next'), join(program.folder, 'a.conf'))
    await eventually('the second one', () => said(program, 'configuration reloaded') === 2)
    program.rewrite(conf('nonsense on;'))
    await program.says('reload failed: nothing has changed')
    program.rewrite(conf(`${setting} max_connections 9;`))
    await eventually('the last one', () => said(program, 'configuration reloaded') === 3)
    expect(said(program, 'the configuration file has changed')).toBe(4)
    program.signal('SIGTERM')
    expect(await program.ended()).toBe(0)
  })
})

test('without inotify_auto_reload, or when a container does not want it, nothing is watched', async () => {
  const program = await Program.start(conf('in_docker on; auto_reload_for_docker off;'))
  await program.says('play:')
  program.rewrite(conf('max_connections 7;'))
  program.signal('SIGHUP')
  await program.says('configuration reloaded')
  expect(said(program, 'the configuration file has changed')).toBe(0)
})

test('a file that Kubernetes replaces by a link to another folder is reloaded', async () => {
  const program = await Program.start(conf('inotify_auto_reload on;'))
  await program.says('play:')
  const path = (name: string): string => join(program.folder, name)
  for (const [folder, limit] of [
    ['first', 7],
    ['second', 8],
  ] as const) {
    mkdirSync(path(folder))
    writeFileSync(path(`${folder}/a.conf`), conf(`inotify_auto_reload on; max_connections ${limit};`))
  }
  symlinkSync('first', path('..data'))
  symlinkSync('..data/a.conf', path('link'))
  renameSync(path('link'), path('a.conf'))
  await eventually('the first reload', () => said(program, 'configuration reloaded') === 1)
  symlinkSync('second', path('new'))
  renameSync(path('new'), path('..data'))
  await eventually('the second one', () => said(program, 'configuration reloaded') === 2)
})

describe('asprocess', () => {
  test('ends the server in order when its parent has gone', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'sluice-parent-'))
    const [file, log, pid] = [join(folder, 'a.conf'), join(folder, 'log'), join(folder, 'pid')]
    writeFileSync(file, conf(`asprocess on; pid ${pid}; srs_log_tank file; srs_log_file ${log};`))
    const parent = spawn('sh', ['-c', `'${process.execPath}' dist/main.js -c '${file}' & wait`], { stdio: 'ignore' })
    onTestFinished(() => {
      parent.kill('SIGKILL')
      if (existsSync(pid)) process.kill(Number(readFileSync(pid, 'utf8')), 'SIGKILL')
      rmSync(folder, { recursive: true, force: true })
    })
    const text = (): string => (existsSync(log) ? readFileSync(log, 'utf8') : '')
    await eventually('the server', () => text().includes('play:'))
    expect(existsSync(pid)).toBe(true)
    parent.kill('SIGKILL')
    await eventually('its end', () => text().includes('"stopped"'))
    await eventually('the end of its pid file', () => !existsSync(pid))
    expect(text()).toContain('the parent process has gone')
  })
})
