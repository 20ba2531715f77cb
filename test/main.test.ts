import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

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
): Promise<Run> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [PROGRAM, ...args])
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

  test('-h prints the usage', async () => {
    const { code, out } = await run(['-h'])
    expect(code).toBe(0)
    for (const option of ['-c FILE', '-t', '-v', '-h']) expect(out).toContain(option)
  })

  test('an unknown option is an error that shows the usage', async () => {
    const { code, err } = await run(['--wrong'])
    expect(code).toBe(2)
    expect(err).toContain('--wrong')
    expect(err).toContain('usage:')
  })

  test('-t accepts the default configuration', async () => {
    expect(await run(['-t'])).toEqual({ code: 0, out: 'The configuration is valid.\n', err: '' })
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
