import { expect, test } from 'vitest'
import { CallbackServer } from '../../support/callback-server.ts'
import { parseLines } from '../../support/program.ts'
import { until } from '../../support/until.ts'
import { Clips } from '../support/clips.ts'
import { Family } from '../support/family.ts'
import { isOpen } from '../../support/port.ts'
import { isRunning } from '../support/processes.ts'
import { type StartTool, type Tool, withTools } from '../support/tool.ts'

const CLIP = 'B-frames and AAC'
const clips = Clips.use(CLIP)

function publish(start: StartTool, url: string): Tool {
  const input = ['-re', '-stream_loop', '-1', '-i', clips.get(CLIP).path, '-c', 'copy']
  return start('ffmpeg', ['-v', 'error', ...input, '-f', 'flv', url])
}

function play(start: StartTool, url: string): Tool {
  return start('ffmpeg', ['-v', 'error', '-i', url, '-c', 'copy', '-f', 'null', '-'])
}

/** How many processes have written a line that begins so. */
function saidBy({ program }: Family, text: string): number {
  const lines = parseLines(program.out).filter(({ msg }) => String(msg).startsWith(text))
  return new Set(lines.map(({ pid }) => pid)).size
}

test('SIGHUP and SIGUSR2 reach all processes; SIGQUIT ends them when the last player has gone', async () => {
  const family = await Family.start('', 'max_connections 900;')
  const { program } = family
  program.rewrite(family.conf.replace('max_connections 900', 'max_connections 901'))
  program.signal('SIGHUP')
  await until('three have reloaded', () => saidBy(family, 'setting changed') === 3)
  program.signal('SIGUSR2')
  await until('four tell their threads', () => saidBy(family, 'threads, and what') === 4)
  await withTools(async (start) => {
    const publisher = publish(start, `${family.rtmp}cam`)
    const players = [play(start, `${family.rtmp}cam`), play(start, `${family.http}cam.flv`)]
    await until('all three are in', async () => (await family.clients()).length === 3)
    program.signal('SIGQUIT')
    await until('nobody is let in', async () => !(await isOpen('127.0.0.1', Number(new URL(family.rtmp).port))))
    expect((await family.clients()).length).toBe(3)
    expect([publisher, ...players].some(({ isOver }) => isOver)).toBe(false)
    publisher.kill('SIGTERM')
    for (const player of players) player.kill('SIGTERM')
    expect(await program.ended()).toBe(0)
  })
})

test('when the supervisor is killed all processes end, and the ends of all clients are told', async () => {
  const backEnd = await CallbackServer.start()
  const hooks = ['on_publish', 'on_unpublish', 'on_play', 'on_stop'].map((name) => `${name} ${backEnd.url()};`)
  const family = await Family.start(`http_hooks { enabled on; ${hooks.join(' ')} }`)
  await withTools(async (start) => {
    publish(start, `${family.rtmp}cam`)
    const player = play(start, `${family.rtmp}cam`)
    await until('both are in', () => backEnd.calls.length === 2)
    await family.hasPlayers(1)
    expect(family.supervisor).toBeGreaterThan(1)
    process.kill(family.supervisor, 'SIGKILL')
    await player.ended()
    await until('all have ended', () => ![...family.pids('edge'), ...family.pids('origin')].some(isRunning))
    const heard = backEnd.calls.map(({ body }) => String(body['action']))
    expect(heard.toSorted()).toEqual(['on_play', 'on_publish', 'on_stop', 'on_unpublish'])
  })
})
