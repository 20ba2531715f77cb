import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { RtmpProbe } from './server/rtmp-probe.ts'
import { CallbackServer } from './support/callback-server.ts'

const PROGRAM = 'dist/main.js'

/** What a run of the program printed, and its exit code. */
interface Run {
  code: number | null
  out: string
  err: string
}

let folder = ''

beforeAll(() => {
  if (!existsSync(PROGRAM)) throw new Error(`${PROGRAM} is missing: run "npm run build" first`)
  folder = mkdtempSync(join(tmpdir(), 'sluice-main-'))
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Runs the program; `onOut` sees all output so far and may send signals. */
function run(
  args: string[],
  onOut: (out: string, kill: (signal: NodeJS.Signals) => void) => void = () => {},
  env: Record<string, string> = {},
): Promise<Run> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [PROGRAM, ...args], { env: { ...process.env, ...env } })
    const result: Run = { code: null, out: '', err: '' }
    child.stdout.on('data', (bytes: Buffer) => {
      result.out += bytes.toString()
      onOut(result.out, (signal) => child.kill(signal))
    })
    child.stderr.on('data', (bytes: Buffer) => {
      result.err += bytes.toString()
    })
    child.on('error', reject)
    child.on('close', (code) => resolve({ ...result, code }))
  })
}

function config(name: string, text: string): string {
  const file = join(folder, name)
  writeFileSync(file, text)
  return file
}

describe('the command line', () => {
  test('-v prints the version of the package', async () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }
    expect(await run(['-v'])).toEqual({ code: 0, out: `sluice ${version}\n`, err: '' })
  })

  test.each(['-h', '-?'])('%s prints the usage', async (option) => {
    const { code, out } = await run([option])
    expect(code).toBe(0)
    for (const known of ['-c FILE', '-e', '-t', '-v', '-h', '--full-conf']) expect(out).toContain(known)
  })

  test('-V and -G are version and signature, as with SRS', async () => {
    expect((await run(['-V'])).out).toMatch(/^sluice \d+\.\d+\.\d+\n$/)
    expect((await run(['-G'])).out).toMatch(/^Sluice\/\d+\.\d+\.\d+\n$/)
  })

  test('--full-conf prints conf/full.conf', async () => {
    expect(await run(['--full-conf'])).toEqual({ code: 0, out: readFileSync('conf/full.conf', 'utf8'), err: '' })
  })

  test('-t -e tests the environment alone', async () => {
    expect(await run(['-t', '-e'], undefined, { SRS_LISTEN: '' })).toMatchObject({
      code: 1,
      err: expect.stringContaining('environment: listen is missing'),
    })
    expect(await run(['-t'], undefined, { SRS_ENV_ONLY: 'on', SRS_LISTEN: '1935' })).toMatchObject({ code: 0 })
  })

  test('SRS_CONFIG_FILE names the file', async () => {
    const file = config('named.conf', 'nonsense;')
    expect(await run(['-t'], undefined, { SRS_CONFIG_FILE: file })).toMatchObject({
      code: 1,
      err: expect.stringContaining(`${file}:1: nonsense is not known`),
    })
  })

  test('an unknown option is an error that shows the usage', async () => {
    const { code, err } = await run(['--wrong'])
    expect(code).toBe(2)
    expect(err).toContain('--wrong')
    expect(err).toContain('usage:')
  })

  test.each(['dolphin', 'sharp'])('%s -c tests and wants a configuration of its own', async (proxy) => {
    expect(await run([proxy, '-t', '-c', `conf/${proxy}.conf`])).toMatchObject({
      code: 0,
      out: 'The configuration is valid.\n',
    })
    expect(await run([proxy])).toMatchObject({ code: 2, err: expect.stringContaining(`${proxy} needs -c FILE`) })
    const file = config(`${proxy}.conf`, `${proxy} { listen nowhere; }`)
    expect(await run([proxy, '-c', file])).toMatchObject({
      code: 1,
      err: expect.stringContaining(`${file}:1: ${proxy}.listen "nowhere" is not allowed`),
    })
  })

  test('-t accepts the default configuration', async () => {
    const { code, out, err } = await run(['-t'])
    expect({ code, out }).toEqual({ code: 0, out: 'The configuration is valid.\n' })
    // Where few files may be open, it says so.
    expect(err.replace(/^.*needs \d+ open files.*\n/m, '')).toBe('')
  })

  test('-t names file and line of every problem, and exits with 1', async () => {
    const file = config('bad.conf', 'listen 1935;\nnonsense on;\nvhost a { play { gop_cache maybe; } }\n')
    const { code, err } = await run(['-t', '-c', file])
    expect(code).toBe(1)
    expect(err).toContain(`${file}:2`)
    expect(err).toContain('nonsense')
    expect(err).toContain(`${file}:3`)
    expect(err).toContain('maybe')
  })

  test('a configuration that is not there is an error without a stack', async () => {
    const { code, err } = await run(['-c', join(folder, 'none.conf')])
    expect(code).toBe(1)
    expect(err).toContain('none.conf')
    expect(err).not.toContain('    at ')
  })
})

async function publishTo(port: number): Promise<void> {
  const probe = await RtmpProbe.open(port)
  probe.connect()
  await probe.publish('cam')
}
describe('--sign', () => {
  const SECRET = 'a-secret-of-the-test'
  const CONF = `listen 1935;\nvhost __defaultVhost__ { token { enabled on; secret ${SECRET}; } }\n`

  test('prints the query that openssl computes too', async () => {
    const args = ['--sign', 'publish', 'live/cam', '--expires', '2h', '-c', config('sign.conf', CONF)]
    const { code, out, err } = await run(args)
    expect({ code, err }).toEqual({ code: 0, err: '' })
    const [, expire, token] = /^expire=(\d+)&token=([0-9a-f]{64})\n$/.exec(out) ?? []
    const input = `publish\n/live/cam\n${expire}`
    const digest = execFileSync('openssl', ['dgst', '-sha256', '-hmac', SECRET, '-r'], { input, encoding: 'utf8' })
    expect(digest.split(' ')[0]).toBe(token)
  })

  test.each([
    [['--sign', 'record', 'live/cam'], 'only publish or play'],
    [['--sign', 'play'], 'is no stream'],
    [['--sign', 'play', 'live/cam', 'more'], '"more" is not understood'],
    [['live/cam'], '"live/cam" is not understood'],
  ])('%j is an error', async (args, why) => {
    const { code, out, err } = await run([...args, '-c', config('sign.conf', CONF)])
    expect({ code, out }).toEqual({ code: 2, out: '' })
    expect(err).toContain(why)
  })
})

describe('a run', () => {
  const CONF = 'listen 127.0.0.1:0;\nhttp_server { enabled on; listen 127.0.0.1:0; }\nvhost __defaultVhost__ { }\n'

  test('tells where it listens and how to publish, and ends in order at SIGTERM', async () => {
    let isTold = false
    const { code, out } = await run(['-c', config('run.conf', CONF)], (text, kill) => {
      if (isTold || !text.includes('ffplay')) return
      isTold = true
      kill('SIGTERM')
    })
    expect(out).toMatch(/RTMP listens on 127\.0\.0\.1:\d+/)
    expect(out).toMatch(/HTTP listens on 127\.0\.0\.1:\d+/)
    expect(out).toMatch(/ffmpeg .* rtmp:\/\/localhost:\d+\/live\/livestream/)
    expect(out).toContain('stopped')
    expect(code).toBe(0)
  })

  test('holds its pid file, in work_dir, and keeps its id beside it', async () => {
    const text = `${CONF}work_dir ${folder};\npid ./run/a.pid;\n`
    const pidFile = join(folder, 'run', 'a.pid')
    let pid = ''
    const { out } = await run(['-c', config('pid.conf', text)], (soFar, kill) => {
      if (pid !== '' || !soFar.includes('ffplay')) return
      pid = readFileSync(pidFile, 'utf8')
      kill('SIGTERM')
    })
    expect(pid).toMatch(/^\d+\n$/)
    expect(existsSync(pidFile)).toBe(false)
    const id = readFileSync(join(folder, 'run', 'a.id'), 'utf8')
    expect(id).toMatch(/^vid-[0-9a-z]{7}$/)
    expect(out).toContain(id)
  })

  test('a work_dir that is not there is an error', async () => {
    const { code, err } = await run(['-c', config('dir.conf', `${CONF}work_dir ${join(folder, 'none')};\n`)])
    expect(code).toBe(1)
    expect(err).toContain('work_dir')
  })

  test('starts from the environment alone', async () => {
    let isTold = false
    const env = { SRS_LISTEN: '127.0.0.1:0', SRS_HTTP_SERVER_ENABLED: 'on', SRS_HTTP_SERVER_LISTEN: '127.0.0.1:0' }
    const { code, out } = await run(
      ['-e'],
      (text, kill) => {
        if (isTold || !text.includes('ffplay')) return
        isTold = true
        kill('SIGTERM')
      },
      env,
    )
    expect(out).toMatch(/HTTP listens on 127\.0\.0\.1:\d+/)
    expect(code).toBe(0)
  })

  test('makes the callbacks of its configuration, and at SIGTERM tells the end of all before it goes', async () => {
    const backEnd = await CallbackServer.start()
    const urls = ['connect', 'close', 'publish', 'unpublish'].map((name) => `on_${name} ${backEnd.url()};`).join(' ')
    const vhost = `vhost __defaultVhost__ { http_hooks { enabled on; ${urls} } }`
    let hasBegun = false
    const { code, out } = await run(['-c', config('hooks.conf', `listen 127.0.0.1:0;\n${vhost}\n`)], (text, kill) => {
      const port = /RTMP listens on 127\.0\.0\.1:(\d+)/.exec(text)?.[1]
      if (hasBegun || !port) return
      hasBegun = true
      void publishTo(Number(port)).then(() => kill('SIGTERM'))
    })
    expect([code, out.includes('"stopped"')]).toEqual([0, true])
    expect(backEnd.actions).toEqual(['on_connect', 'on_publish', 'on_unpublish', 'on_close'])
    expect(backEnd.calls[0]?.headers['user-agent']).toMatch(/^Sluice\/\d/)
  })

  test('believes the PROXY header of a trusted proxy, and nobody beyond max_connections_per_address', async () => {
    const text = `${CONF}trusted_proxies 127.0.0.1;\nproxy_protocol on;\nmax_connections_per_address 1;\n`
    const sockets: Socket[] = []
    let isTold = false
    const { code, out } = await run(['-c', config('proxy.conf', text)], (log, kill) => {
      const port = /RTMP listens on 127\.0\.0\.1:(\d+)/.exec(log)?.[1]
      if (!port || isTold || !log.includes('ffplay')) return
      if (log.includes('refused_address')) {
        isTold = true
        kill('SIGTERM')
      } else if (sockets.length === 0 || (sockets.length === 1 && log.includes('203.0.113.9:4711'))) {
        sockets.push(connect(Number(port), '127.0.0.1').on('error', () => {}))
        sockets.at(-1)?.write('PROXY TCP4 203.0.113.9 127.0.0.1 4711 1935\r\n')
      }
    })
    for (const socket of sockets) socket.destroy()
    expect(out).toContain('"peer":"203.0.113.9:4711"')
    expect(out).toContain('max_connections_per_address 1 is reached')
    expect(code).toBe(0)
  })

  test('tells where API and metrics are, and both answer', async () => {
    const api = 'http_api { enabled on; listen 127.0.0.1:0; }\nexporter { enabled on; listen 127.0.0.1:0; }\n'
    const answers: string[] = []
    const { code, out } = await run(['-c', config('api.conf', CONF + api)], (text, kill) => {
      const port = /HTTP API listens on 127\.0\.0\.1:(\d+)/.exec(text)?.[1]
      const metrics = /metrics: (http:\S+\/metrics)/.exec(text)?.[1]
      if (!port || !metrics || answers.length > 0 || !text.includes('ffplay')) return
      answers.push('')
      const ask = async (): Promise<void> => {
        for (const url of [`http://127.0.0.1:${port}/api/v1/versions`, metrics]) {
          answers.push(await (await fetch(url, { signal: AbortSignal.timeout(10_000) })).text())
        }
      }
      void ask().finally(() => kill('SIGTERM'))
    })
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }
    expect(JSON.parse(answers[1] ?? '')).toMatchObject({ code: 0, data: { version } })
    expect(answers[2]).toContain('srs_clients 0\n')
    expect(out).toContain('stopped')
    expect(code).toBe(0)
  })

  test('a port of the API that is taken ends it with a clear error', async () => {
    let second: Promise<Run> | null = null
    const first = await run(['-c', config('first.conf', CONF)], (text, kill) => {
      const port = /RTMP listens on 127\.0\.0\.1:(\d+)/.exec(text)?.[1]
      if (!port || second || !text.includes('ffplay')) return
      second = run(['-c', config('taken.conf', `${CONF}http_api { enabled on; listen 127.0.0.1:${port}; }\n`)])
      void second.finally(() => kill('SIGTERM'))
    })
    const { code, out } = await (second as unknown as Promise<Run>)
    expect([code, first.code]).toEqual([1, 0])
    expect(out).toContain('EADDRINUSE')
  })

  test('a port that is taken ends it with a clear error', async () => {
    let second: Promise<Run> | null = null
    const first = await run(['-c', config('first.conf', CONF)], (text, kill) => {
      const port = /RTMP listens on 127\.0\.0\.1:(\d+)/.exec(text)?.[1]
      if (!port || second || !text.includes('ffplay')) return
      second = run(['-c', config('second.conf', `listen 127.0.0.1:${port};\nvhost __defaultVhost__ { }\n`)])
      void second.finally(() => kill('SIGTERM'))
    })
    const { code, out } = await (second as unknown as Promise<Run>)
    expect(code).toBe(1)
    expect(out).toContain('EADDRINUSE')
    expect(first.code).toBe(0)
  })
})
