import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { resolve } from 'node:path'
import { validate } from 'dockerfile-utils'
import { describe, expect, onTestFinished, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { loadConfig } from '../../../src/control/config.ts'
import { until } from '../../support/until.ts'
import { Clips } from '../support/clips.ts'
import { freePort, isOpen } from '../../support/port.ts'
import { publishForever, type StartTool, type Tool, withTools } from '../support/tool.ts'

const SAMPLE = 'test/fixtures/media/h264-aac.flv'
const PATH = { PATH: `${process.env['PATH'] ?? ''}:/usr/sbin` }
const PROBE = ['-v', 'error', '-analyzeduration', '500000', '-show_entries', 'stream=codec_name', '-of', 'csv=p=0']
const clips = Clips.use()

function read(name: string): string {
  return readFileSync(`conf/deploy/${name}`, 'utf8')
}

/** Every change must find what it changes: the example may have become another. */
function change(text: string, changes: Readonly<Record<string, string>>): string {
  return Object.entries(changes).reduce((changed, [from, to]) => {
    if (!changed.includes(from)) throw new Error(`"${from}" is not in the example`)
    return changed.replaceAll(from, to)
  }, text)
}

function stopped(tool: Tool): false {
  if (tool.isOver) throw new Error(`${tool.name} has ended: ${tool.stdout}`)
  return false
}

/** The built server with conf/behind-proxy.conf, on ports that proxies can be told. */
async function startServer(start: StartTool): Promise<Record<'rtmp' | 'http' | 'api', number>> {
  const ports = { rtmp: await freePort(), http: await freePort(), api: await freePort() }
  const env = {
    SRS_LISTEN: `127.0.0.1:${ports.rtmp}`,
    SRS_HTTP_SERVER_LISTEN: `127.0.0.1:${ports.http}`,
    SRS_HTTP_API_LISTEN: `127.0.0.1:${ports.api}`,
    SRS_VHOST_HLS_HLS_FRAGMENT: '1',
    SRS_VHOST_PUBLISH_NORMAL_TIMEOUT: '60000',
  }
  const server = start(process.execPath, ['dist/main.js', '-c', 'conf/behind-proxy.conf'], { env })
  await until('the server runs', () => server.stdout.includes('"started"') || stopped(server))
  return ports
}

async function startHaproxy(start: StartTool, ports: Record<'rtmp' | 'http' | 'api', number>) {
  const [rtmp, http] = [await freePort(), await freePort()]
  const file = clips.output('haproxy.cfg')
  const text = change(read('haproxy.cfg'), {
    'bind :1935': `bind 127.0.0.1:${rtmp}`,
    'bind :80': `bind 127.0.0.1:${http}`,
    'port 1985': `port ${ports.api}`,
    '127.0.0.1:19350': `127.0.0.1:${ports.rtmp}`,
    '127.0.0.1:8081': `127.0.0.1:${ports.http}`,
  })
  writeFileSync(file, text)
  await start('haproxy', ['-c', '-f', file], { env: PATH }).succeeded()
  const haproxy = start('haproxy', ['-db', '-f', file], { env: PATH })
  await until('HAProxy listens', async () => stopped(haproxy) || (await isOpen('127.0.0.1', http)))
  return { rtmp, http }
}

async function startNginx(start: StartTool, http: number): Promise<number> {
  const front = await freePort()
  const folder = clips.output('nginx')
  mkdirSync(folder)
  const text = change(read('nginx.conf'), {
    'listen 80;': `listen 127.0.0.1:${front};`,
    '127.0.0.1:8081': `127.0.0.1:${http}`,
    '/var/cache/nginx/hls': `${folder}/hls`,
    'proxy_cache hls;': 'proxy_cache hls; add_header X-Cache $upstream_cache_status;',
    'http {': 'http { access_log off;',
  })
  const user = process.getuid?.() === 0 ? 'user root;' : ''
  const file = `${folder}/nginx.conf`
  writeFileSync(file, `daemon off; master_process off; pid ${folder}/pid; error_log stderr; ${user}\n${text}`)
  await start('nginx', ['-t', '-p', folder, '-c', file], { env: PATH }).succeeded()
  const nginx = start('nginx', ['-p', folder, '-c', file], { env: PATH })
  await until('nginx listens', async () => stopped(nginx) || (await isOpen('127.0.0.1', front)))
  return front
}

/** The port of a server that gives this answer; null: none; undefined: a port at which nobody is. */
async function answering(status: number | null | undefined): Promise<number> {
  if (status === undefined) return freePort()
  const server = createServer((_, response) => void (status === null || response.writeHead(status).end()))
  onTestFinished(() => {
    server.close()
    server.closeAllConnections()
  })
  await new Promise<void>((listens) => void server.listen(0, '127.0.0.1', listens))
  const address = server.address()
  return typeof address === 'object' && address ? address.port : 0
}

/** The last line of a playlist that names something. */
async function lastOf(playlist: string): Promise<string | undefined> {
  const answer = await fetch(playlist)
  const text = answer.ok ? await answer.text() : ''
  return text.split('\n').findLast((line) => line !== '' && !line.startsWith('#'))
}

test('HAProxy and nginx in front: publish, play, health checks, and a segment that is asked for twice is sent once', async () => {
  await withTools(async (start) => {
    const ports = await startServer(start)
    const [haproxy, nginx] = [await startHaproxy(start, ports), await startNginx(start, ports.http)]
    const url = `rtmp://127.0.0.1:${haproxy.rtmp}/live/show`
    const publisher = publishForever(start, SAMPLE, url)
    const flv = [haproxy.http, nginx].map((port) => `http://127.0.0.1:${port}/live/show.flv`)
    const players = [url, ...flv].map((from) => start('ffprobe', [...PROBE, from]))
    for (const player of players) expect((await player.succeeded()).stdout).toContain('h264')
    const base = `http://127.0.0.1:${nginx}/live/`
    const segment = await until('a segment', () => lastOf(`${base}show.m3u8`))
    const answers = [await fetch(base + segment), await fetch(base + segment)]
    expect(answers.map(({ status, headers }) => [status, headers.get('X-Cache')])).toEqual([
      [200, 'MISS'],
      [200, 'HIT'],
    ])
    const [first, second] = await Promise.all(answers.map(async (answer) => Buffer.from(await answer.arrayBuffer())))
    expect(first?.equals(second ?? Buffer.alloc(0))).toBe(true)
    const health = /CMD \["node", "-e", "(.*)"\]/.exec(read('Dockerfile'))?.[1] ?? ''
    const check = (port: number): Tool =>
      start(process.execPath, ['-e', change(health, { '127.0.0.1:1985': `127.0.0.1:${port}` })])
    expect((await check(ports.api).ended()).code).toBe(0)
    expect((await check(await freePort()).ended()).code).toBe(1)
    publisher.kill('SIGKILL')
  })
})

describe('nginx in front of a hot backup of HLS asks the other server', () => {
  const ANSWERS = { 'says 404': 404, 'says 503': 503, hangs: null, 'is not there': undefined }
  test.each(Object.entries(ANSWERS))('when one %s', async (_, status) => {
    await withTools(async (start) => {
      const [good, bad, front] = [await answering(200), await answering(status), await freePort()]
      const folder = clips.output(`nginx-${status}`)
      mkdirSync(folder)
      const text = change(read('nginx-hls-backup.conf'), {
        'listen 80;': `listen 127.0.0.1:${front};`,
        '10.0.0.11:8080': `127.0.0.1:${good}`,
        '10.0.0.12:8080': `127.0.0.1:${bad}`,
        // What is tried is who is asked: a busy machine must not be taken for a server that hangs.
        'read_timeout 1s': `read_timeout ${status === null ? '1s' : '60s'}`,
        'http {': 'http { access_log off;',
      })
      const user = process.getuid?.() === 0 ? 'user root;' : ''
      writeFileSync(
        `${folder}/nginx.conf`,
        `daemon off; master_process off; pid ${folder}/pid; error_log stderr; ${user}\n${text}`,
      )
      const nginx = start('nginx', ['-p', folder, '-c', `${folder}/nginx.conf`], { env: PATH })
      await until('nginx listens', async () => stopped(nginx) || (await isOpen('127.0.0.1', front)))
      const asked = Array.from({ length: 8 }, () => fetch(`http://127.0.0.1:${front}/live/show.m3u8`))
      expect((await Promise.all(asked)).map((answer) => answer.status)).toEqual(asked.map(() => 200))
    })
  })
})

test('the Dockerfile has no fault that its linter knows, and runs as nobody', () => {
  expect(validate(read('Dockerfile')).map(({ message }) => message)).toEqual([])
  expect(read('Dockerfile')).toMatch(/^USER node$/m)
})

test('the unit of systemd is valid', async () => {
  await withTools(async (start) => {
    const { code, stderr } = await start('systemd-analyze', ['verify', 'conf/deploy/sluice.service']).ended()
    expect([code, stderr]).toEqual([0, ''])
  })
})

interface Resource {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string }
  readonly data?: Readonly<Record<string, string>>
}

/** What the schema of its kind says against it; null: nothing. */
async function faultOf(resource: Resource): Promise<string | null> {
  const models = (await import(moduleOf(resource))) as Readonly<Record<string, Model>>
  const model = models[resource.kind]
  if (!model) return `${resource.apiVersion} has no ${resource.kind}`
  try {
    new model(resource).validate()
    return null
  } catch (error) {
    return String(error)
  }
}

type Model = new (resource: Resource) => { validate(): void }

function moduleOf({ apiVersion, kind }: Resource): string {
  return `kubernetes-models/${apiVersion}/${kind}`
}

describe('the resources for Kubernetes', () => {
  const resources = parseAllDocuments(read('kubernetes.yaml')).map((document): Resource => document.toJS())

  test('are what its API takes, with no member that it does not know', async () => {
    const lines = resources.map(
      (resource, index) =>
        `export const r${index}: import('${moduleOf(resource)}').I${resource.kind} = ${JSON.stringify(resource)}`,
    )
    const file = resolve(clips.output('resources.ts'))
    writeFileSync(file, lines.join('\n'))
    const options = {
      compilerOptions: {
        strict: true,
        noEmit: true,
        skipLibCheck: true,
        types: [],
        module: 'esnext',
        moduleResolution: 'bundler',
        paths: { 'kubernetes-models/*': [resolve('node_modules/kubernetes-models/*')] },
      },
      files: [file],
    }
    const project = clips.output('tsconfig.json')
    writeFileSync(project, JSON.stringify(options))
    await withTools((start) => start('node_modules/.bin/tsc', ['-p', project]).succeeded())
    expect(resources.length).toBeGreaterThan(8)
  })

  test('pass the schemas of its API, which a value that is not allowed does not', async () => {
    for (const resource of resources) expect(await faultOf(resource)).toBeNull()
    const [origin] = resources.filter(({ kind, metadata }) => kind === 'Deployment' && metadata.name === 'origin')
    const wrong = JSON.parse(JSON.stringify(origin).replace('"replicas":2', '"replicas":"two"')) as Resource
    expect(await faultOf(wrong)).toMatch(/replicas.*integer/)
    const nameless = JSON.parse(JSON.stringify(origin).replace('"name":"sluice",', '')) as Resource
    expect(await faultOf(nameless)).toMatch(/containers.0 must have required property name/)
  })

  test('the configurations in them load without a warning', () => {
    const files = resources.flatMap(({ kind, data }) => (kind === 'ConfigMap' ? Object.entries(data ?? {}) : []))
    const env = { SRS_REDIS_ADDRESS: '10.0.0.1', SRS_HTTP_API_AUTH_PASSWORD: 'a' }
    const warnings = files.flatMap(([file, text]) => loadConfig({ file, readFile: () => text, env }).warnings)
    expect([files.map(([name]) => name), warnings]).toEqual([['origin.conf', 'edge.conf'], []])
  })
})
