import { existsSync, readdirSync, readFileSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { HttpProbe } from './server/http-probe.ts'
import { sendMovie } from './server/movie.ts'
import { RtmpProbe, startPlayer, startPublisher } from './server/rtmp-probe.ts'
import { eventually, RawClient } from './server/support.ts'
import { parseLines, Program } from './support/program.ts'

const LISTEN = 'listen 127.0.0.1:0;\n'
const API = 'http_api { enabled on; listen 127.0.0.1:0; }\n'
const VHOST = 'vhost __defaultVhost__ { min_latency on; publish { normal_timeout 60000; } }\n'
const GRACEFUL = 'grace_final_wait 0; grace_max_wait'

/** Somebody who publishes and somebody who plays. */
async function clients(
  program: Program,
): Promise<{ publisher: RawClient; player: RawClient; watch: () => Promise<void> }> {
  const server = { rtmpPort: await program.port('RTMP') }
  const publisher = await startPublisher(server)
  const player = await startPlayer(server)
  let count = 0
  const watch = async (): Promise<void> => {
    publisher.media('video inter', 40 * ++count, `frame ${count}`)
    await player.next(`video inter frame ${count}`)
  }
  await watch()
  return { publisher: publisher.raw, player: player.raw, watch }
}

/** Waits until nobody listens there any more. */
async function untilClosed(port: number): Promise<void> {
  while (!(await isRefused(port))) await pause(1)
}

async function isRefused(port: number): Promise<boolean> {
  const client = await RawClient.open(port)
  await eventually('an answer', () => client.socket.readyState === 'open' || client.closed)
  const isOpen = client.socket.readyState === 'open'
  client.reset()
  return !isOpen
}

describe('SIGQUIT', () => {
  test('closes the ports at once, serves who is there, and ends with 0 when they have gone', async () => {
    const program = await Program.start(`${LISTEN}${API}${GRACEFUL} 3600000;\n${VHOST}`)
    const { publisher, player, watch } = await clients(program)
    const apiPort = await program.port('HTTP API')
    program.signal('SIGQUIT')
    await program.says('stopping when all have gone')
    await untilClosed(await program.port('RTMP'))
    expect((await HttpProbe.ask({ httpPort: apiPort }, '/api/v1/ready')).status).toBe(503)
    await watch()
    publisher.end()
    player.end()
    expect(await program.ended()).toBe(0)
    await program.says('stopped')
    expect(program.out).not.toContain('grace_max_wait is over')
  })

  test('ends who is still there after grace_max_wait, also with 0', async () => {
    const program = await Program.start(`${LISTEN}${GRACEFUL} 300;\n${VHOST}`)
    const { player } = await clients(program)
    program.signal('SIGQUIT')
    await program.says('grace_max_wait is over')
    await player.untilOver()
    expect(await program.ended()).toBe(0)
  })

  test.each(['SIGINT', 'SIGTERM', 'SIGQUIT'] as const)(
    'and a %s behind it ends the process at once',
    async (second) => {
      const program = await Program.start(`${LISTEN}${GRACEFUL} 3600000;\n${VHOST}`)
      const { player } = await clients(program)
      program.signal('SIGQUIT')
      await program.says('stopping when all have gone')
      program.signal(second)
      expect(await program.ended()).toBe(1)
      await player.untilOver()
      expect(program.out).not.toContain('"stopped"')
    },
  )
})

describe('SIGTERM', () => {
  test.each(['SIGTERM', 'SIGINT'] as const)('%s ends the server with clients at once, with 0', async (signal) => {
    const program = await Program.start(`${LISTEN}${GRACEFUL} 3600000;\n${VHOST}`)
    const { player } = await clients(program)
    program.signal(signal)
    expect(await program.ended()).toBe(0)
    await player.untilOver()
    await program.says('stopped')
  })

  test('with force_grace_quit waits for the clients, however often it comes', async () => {
    const program = await Program.start(`${LISTEN}force_grace_quit on; ${GRACEFUL} 3600000;\n${VHOST}`)
    const { publisher, player, watch } = await clients(program)
    program.signal('SIGTERM')
    await program.says('stopping when all have gone')
    program.signal('SIGTERM')
    await untilClosed(await program.port('RTMP'))
    await watch()
    publisher.end()
    player.end()
    expect(await program.ended()).toBe(0)
  })
})

describe('SIGHUP', () => {
  test('reloads; a file with a mistake changes nothing; nobody is touched', async () => {
    const base = `${LISTEN}srs_log_level_v2 info;\n${VHOST}`
    const program = await Program.start(base)
    const { watch } = await clients(program)
    program.rewrite(`nonsense;\n${base}`)
    program.signal('SIGHUP')
    const { problems } = await program.says('reload failed: nothing has changed')
    expect(problems).toEqual([expect.stringContaining('a.conf:1: nonsense is not known')])
    program.rewrite(base.replace('info', 'debug'))
    program.signal('SIGHUP')
    expect(await program.says('setting changed')).toMatchObject({
      path: 'srs_log_level_v2',
      before: 'info',
      after: 'debug',
    })
    await program.says('configuration reloaded')
    await watch()
    program.signal('SIGTERM')
    expect(await program.ended()).toBe(0)
  })
})

describe('SIGUSR1', () => {
  test('opens the log file again: after renames all lines are in one of the files', async () => {
    const log = 'srs_log_tank file; srs_log_file FOLDER/log/a.log;\n'
    const program = await Program.start(`${LISTEN}${log}${VHOST}`)
    const current = join(program.folder, 'log', 'a.log')
    const read = (file: string): string => (existsSync(file) ? readFileSync(file, 'utf8') : '')
    const port = await eventually('the port', () =>
      Number(/RTMP listens on 127\.0\.0\.1:(\d+)/.exec(read(current))?.[1]),
    )
    const rotated: string[] = []
    const rotations = 4
    const perRotation = 25
    for (let round = 0; round < rotations; round++) {
      const before = await Promise.all(Array.from({ length: perRotation }, () => RawClient.open(port)))
      rotated.push(`${current}.${round}`)
      renameSync(current, `${current}.${round}`)
      program.signal('SIGUSR1')
      const after = await Promise.all(Array.from({ length: perRotation }, () => RawClient.open(port)))
      await eventually('the new file', () => read(current).includes('log file has been opened again'))
      for (const client of [...before, ...after]) client.end()
    }
    const all = (): string => [...rotated, current].map(read).join('')
    const count = rotations * perRotation * 2
    const said = (text: string): number => parseLines(all()).filter(({ msg }) => msg === text).length
    await eventually('the end of all', () => said('connection ended') === count)
    expect([said('connected'), said('log file is opened again')]).toEqual([count, rotations])
    program.signal('SIGTERM')
    expect(await program.ended()).toBe(0)
    expect(read(current)).toContain('"stopped"')
  })
})

describe('SIGUSR2', () => {
  test('writes into the log what each thread waits for', async () => {
    const program = await Program.start(`${LISTEN}${VHOST}`)
    const { watch } = await clients(program)
    program.signal('SIGUSR2')
    expect(await program.says('threads, and what they wait for')).toMatchObject({
      groups: expect.any(Number) as number,
    })
    expect(await program.says('group of threads')).toHaveProperty('count')
    expect(await program.says('thread waits')).toHaveProperty('waitsFor')
    await watch()
  })
})

function isRecording(name: string): boolean {
  return /^cam\.\d+\.flv$/.test(name)
}

/** Somebody who publishes a real stream. */
async function publishMovie(program: Program): Promise<RtmpProbe> {
  const publisher = await RtmpProbe.connected({ rtmpPort: await program.port('RTMP') })
  await publisher.publish('cam')
  await sendMovie(publisher)
  return publisher
}

describe('a container', () => {
  test('starts from the environment alone, with the variables that people set', async () => {
    const program = await Program.start(null, {
      SRS_LISTEN: '127.0.0.1:0',
      SRS_MAX_CONNECTIONS: '100',
      SRS_DAEMON: 'off',
      SRS_IN_DOCKER: 'on',
      SRS_LOG_TANK: 'console',
      SRS_WORK_DIR: 'FOLDER',
      SRS_PID: './run/srs.pid',
      SRS_SERVER_ID: 'vid-container',
      SRS_HTTP_API_ENABLED: 'on',
      SRS_HTTP_API_LISTEN: '127.0.0.1:0',
      SRS_HTTP_SERVER_ENABLED: 'on',
      SRS_HTTP_SERVER_LISTEN: '127.0.0.1:0',
      SRS_EXPORTER_ENABLED: 'on',
      SRS_EXPORTER_LISTEN: '127.0.0.1:0',
      SRS_VHOST_HLS_ENABLED: 'on',
      SRS_VHOST_HLS_HLS_PATH: './hls',
      SRS_VHOST_HLS_HLS_FRAGMENT: '0.5',
      SRS_VHOST_HTTP_REMUX_ENABLED: 'on',
      SRS_VHOST_HTTP_REMUX_MOUNT: '[vhost]/[app]/[stream].flv',
      SRS_VHOST_DVR_ENABLED: 'on',
      SRS_VHOST_DVR_DVR_PLAN: 'session',
      SRS_VHOST_DVR_DVR_PATH: './dvr/[app]/[stream].[timestamp].flv',
      SRS_VHOST_PLAY_GOP_CACHE: 'off',
      SRS_RTC_SERVER_ENABLED: 'off',
    })
    const publisher = await publishMovie(program)
    const httpPort = await program.port('HTTP API')
    const streams = JSON.parse((await HttpProbe.ask({ httpPort }, '/api/v1/streams/')).body) as Record<string, unknown>
    expect(streams).toMatchObject({ code: 0, server: 'vid-container', streams: [{ name: 'cam', app: 'live' }] })
    const head = await HttpProbe.open({ httpPort: await program.port('HTTP') })
    head.request('/live/cam.flv', 'HEAD')
    expect((await head.response(true)).status).toBe(200)
    const hls = await HttpProbe.ask({ httpPort: await program.port('HTTP') }, '/live/cam.m3u8')
    expect([hls.status, hls.body.split('\n')[0]]).toEqual([200, '#EXTM3U'])
    expect((await program.says('metrics: http')).msg).toContain('/metrics')
    publisher.raw.end()
    await program.says('unpublished')
    await eventually('the recording', () => readdirSync(join(program.folder, 'dvr', 'live')).some(isRecording))
    await eventually('the playlist', () => readdirSync(join(program.folder, 'hls', 'live')).includes('cam.m3u8'))
    expect(readFileSync(join(program.folder, 'run', 'srs.pid'), 'utf8')).toMatch(/^\d+\n$/)
    program.signal('SIGTERM')
    expect(await program.ended()).toBe(0)
    expect(existsSync(join(program.folder, 'run', 'srs.pid'))).toBe(false)
  })
})
