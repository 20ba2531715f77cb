import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { until } from '../../support/until.ts'
import { publishForever, type Tool, withTools } from '../support/tool.ts'

const SAMPLE = resolve('test/fixtures/media/h264-aac.flv')
/** Beyond it something has come along that the server does not need. */
const LIMIT_BYTES = 4 * 1024 * 1024
/** Any port of this machine; and patience, however busy it is. */
const SETTINGS = {
  SRS_LISTEN: '127.0.0.1:0',
  SRS_HTTP_SERVER_LISTEN: '127.0.0.1:0',
  SRS_HTTP_API_LISTEN: '127.0.0.1:0',
  SRS_VHOST_PUBLISH_NORMAL_TIMEOUT: '60000',
}

let folder = ''

/** The package as it is published, installed into an empty folder without a network. */
beforeAll(() => {
  if (!existsSync('dist/index.js')) throw new Error('dist/index.js is missing: run "npm run build" first')
  folder = mkdtempSync(join(tmpdir(), 'sluice-package-'))
  const [tarball = ''] = npm(['pack', '--ignore-scripts', '--silent', '--pack-destination', folder], '.').split('\n')
  writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }')
  npm(['install', '--offline', '--ignore-scripts', '--no-audit', '--no-fund', `./${tarball}`], folder)
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

function npm(args: readonly string[], cwd: string): string {
  return execFileSync('npm', args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
}

describe('the package', () => {
  test('brings no other package and no more than the server needs', () => {
    const installed = readdirSync(join(folder, 'node_modules')).filter((name) => !name.startsWith('.'))
    expect(installed).toEqual(['sluice'])
    const home = join(folder, 'node_modules', 'sluice')
    const files = readdirSync(home, { recursive: true, encoding: 'utf8' }).filter((name) =>
      statSync(join(home, name)).isFile(),
    )
    expect(files.filter((name) => /\.map$|test|\.ts$/.test(name)).toSorted()).toEqual([
      'dist/types/embed/api.d.ts',
      'dist/types/index.d.ts',
    ])
    expect(files.reduce((sum, name) => sum + statSync(join(home, name)).size, 0)).toBeLessThan(LIMIT_BYTES)
    // What the build makes for other uses than running.
    const notRun = new Set(['types', 'modules', 'simulate'])
    const parts = readdirSync('dist').filter((name) => !notRun.has(name) && !name.endsWith('.map'))
    expect(readdirSync(join(home, 'dist'))).toEqual(expect.arrayContaining(parts))
    const licenses = readFileSync(join(home, 'dist/THIRD-PARTY-LICENSES.txt'), 'utf8')
    for (const name of ['node-media-server', 'amf0-ts', 'pino', '@redis/client']) expect(licenses).toContain(name)
  })

  test('shows its sample at once by every protocol, and takes streams beside it', async () => {
    await withTools(async (start) => {
      // What npx runs; npx itself would pass no signal on.
      const demo = start(join(folder, 'node_modules/.bin/sluice'), ['demo'], { cwd: folder, env: SETTINGS })
      const urls = await until('the demo says where it is', () => urlsOf(demo))
      const own = urls.rtmp.replace('livestream', 'own')
      const played = Object.values(urls).map((url) => start('ffprobe', ['-v', 'error', ...SHOW, url]))
      const publisher = publishForever(start, SAMPLE, own)
      const copy = start('ffprobe', ['-v', 'error', ...SHOW, own])
      for (const player of [...played, copy]) {
        const { stdout } = await player.succeeded()
        expect([player.name, ...new Set(stdout.split('\n').filter(Boolean))].toSorted()).toEqual([
          'aac',
          'ffprobe',
          'h264',
        ])
      }
      publisher.kill('SIGKILL')
      demo.kill('SIGTERM')
      expect(await demo.ended()).toMatchObject({ code: 0, stderr: '' })
    })
  })

  test('is a module with types', async () => {
    const program = [
      "import { createServer, type MediaPacket } from 'sluice'",
      "const server = await createServer({ config: 'listen 127.0.0.1:0; vhost __defaultVhost__ { }' })",
      'const port: number = server.addresses.rtmp[0]?.port ?? 0',
      'const first = server.read("live/a").next()',
      'const publisher = await server.publish("live/a")',
      'publisher.write({ kind: "audio", dtsMs: 0, payload: Uint8Array.of(0x2f, 1) })',
      'const { value } = await first',
      'const packet: MediaPacket | void = value',
      'await server.stop()',
      'globalThis.process.stdout.write(`${port > 0} ${packet?.codec}`)',
    ]
    const types = ['declare global { var process: { stdout: { write(text: string): void } } }']
    writeFileSync(join(folder, 'program.ts'), [...program, ...types].join('\n'))
    await withTools(async (start) => {
      const options = [
        '--strict',
        '--module',
        'nodenext',
        '--target',
        'es2022',
        '--types',
        '',
        '--skipLibCheck',
        'false',
      ]
      const tsc = start(resolve('node_modules/.bin/tsc'), [...options, 'program.ts'], { cwd: folder })
      await tsc.succeeded()
      const run = start(process.execPath, ['program.js'], { cwd: folder })
      expect((await run.succeeded()).stdout).toBe('true .mp3')
    })
  })
})

const SHOW = ['-analyzeduration', '500000', '-show_entries', 'stream=codec_name', '-of', 'default=nw=1:nk=1']

/** Where the demo says that its sample is. */
function urlsOf(demo: Tool): { rtmp: string; flv: string; hls: string } | null {
  const [rtmp, flv, hls] = [/rtmp:\S+livestream/, /http:\S+\.flv/, /http:\S+\.m3u8/].map(
    (url) => url.exec(demo.stdout)?.[0],
  )
  return rtmp && flv && hls ? { rtmp, flv, hls } : null
}
