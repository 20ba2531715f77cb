import { createHmac } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { fill } from '../../src/cluster/programs/template.ts'
import { CodecError } from '../../src/codec/errors.ts'
import { readBoxes } from '../../src/format/mp4/read-box.ts'
import { RecordingReader } from '../../src/format/mp4/recording-reader.ts'
import { RequestParser } from '../../src/http/message.ts'
import { readPlaylist } from '../../src/server/hls/recover.ts'
import { RealDisk } from '../../src/st/real/disk.ts'
import { load, problems } from '../control/load.ts'
import { serveApi } from '../control/api/support.ts'
import { serveWithHooks } from '../control/hooks/support.ts'
import { RtmpProbe, startPublisher } from '../server/rtmp-probe.ts'
import { eventually, RawClient, serve } from '../server/support.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { makeWorld, runThread } from '../support/world.ts'
import { BAD_PATHS } from './attacks.ts'

// The second half of the list: what is written, served and told to others.

/** Nobody waits for a stream that is not there. */
const AT_ONCE = { httpRemux: { waitPublisherMs: 0 } }
const SECRET = 'this is not for you'

/** A folder with a secret beside it, in the way of a careless comparison of names. */
function folders(): { readonly root: string; readonly served: string } {
  const root = mkdtempSync(join(tmpdir(), 'sluice-hostile-'))
  onTestFinished(() => rmSync(root, { recursive: true, force: true }))
  const served = join(root, 'html')
  for (const folder of [served, join(root, 'html-secret')]) mkdirSync(folder)
  writeFileSync(join(served, 'a.html'), 'hello')
  writeFileSync(join(root, 'html-secret', 'a.html'), SECRET)
  writeFileSync(join(root, 'secret.html'), SECRET)
  return { root, served }
}

/** Sends a request as it stands. */
async function ask(port: number, target: string, ...headers: readonly string[]): Promise<string> {
  const client = await RawClient.open(port)
  client.write(
    `GET ${target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${headers.map((one) => `${one}\r\n`).join('')}\r\n`,
  )
  await client.untilOver()
  return client.text
}

async function stop(server: TestServer): Promise<void> {
  await server.stop()
}

describe('Over-long app, stream or Host into a fixed buffer or log line', () => {
  // The log line itself: test/control/log.test.ts.
  test('names over 255 bytes are refused, over RTMP and HTTP', async () => {
    const server = await serve()
    for (const name of ['n'.repeat(256), `${'a/'.repeat(128)}b`]) {
      const probe = await RtmpProbe.connected(server)
      await probe.createStream()
      probe.commandOn(1, 'publish', 0, null, name)
      await probe.raw.untilOver()
    }
    expect(await ask(server.httpPort, `/live/${'n'.repeat(256)}.flv`)).toContain(' 404 ')
    const long = await RawClient.open(server.httpPort)
    long.write(`GET /live/cam.flv HTTP/1.1\r\nHost: ${'h'.repeat(300)}\r\nConnection: close\r\n\r\n`)
    await long.untilOver()
    expect(long.text).toContain(' 404 ')
    expect(server.server.limits.totals.get('max_name_bytes')).toBe(4)
  })
})

test('Stream or app name as a path: `../` (unauthenticated file write)', async () => {
  const { root, served } = folders()
  const before = readdirSync(root).toSorted()
  const dvr = { enabled: true, dvrPath: join(served, '[app]', '[stream].flv') }
  const hls = { enabled: true, hlsPath: served }
  const changes = {
    publish: { normalTimeoutMs: 60_000 },
    dvr,
    hls,
    httpStatic: { enabled: true, dir: served },
    ...AT_ONCE,
  }
  const server = await startServer(changes, {}, new Map(), () => ({}), undefined, new RealDisk())
  onTestFinished(() => stop(server))
  const names = [
    '../../x',
    '..',
    'a/../../../x',
    '..\\..\\x',
    'x\0.flv',
    '/etc/passwd',
    '%2e%2e%2fx',
    'n'.repeat(300),
    '.',
  ]
  const refused: string[] = []
  for (const name of names) {
    const probe = await RtmpProbe.connected(server)
    await probe.createStream()
    probe.commandOn(1, 'publish', 0, null, name, 'live')
    probe.media('video header', 0, 'h')
    probe.media('video key', 0, 'k')
    await eventually('the answer', () => probe.raw.isOver || probe.labels.includes('onStatus NetStream.Publish.Start'))
    if (probe.raw.isOver) refused.push(name)
    else probe.raw.end()
  }
  // The two others are names: a folder `etc` below ours, and a file whose name has percent signs.
  expect(names.filter((name) => !refused.includes(name))).toEqual(['/etc/passwd', '%2e%2e%2fx'])
  await eventually('the end of the recordings', () => server.server.connections === 0)
  for (const name of names)
    expect(await ask(server.httpPort, `/live/${encodeURIComponent(name)}.m3u8`)).not.toContain(SECRET)
  await server.stop()
  expect(readdirSync(root).toSorted()).toEqual(before)
})

test('HTTP path: `..%2f`, prefix collision of sibling directory: none of 30 payloads leads out', async () => {
  const { served } = folders()
  const server = await startServer(AT_ONCE, { httpDir: served }, new Map(), () => ({}), undefined, new RealDisk())
  onTestFinished(() => stop(server))
  const payloads = [
    ...BAD_PATHS,
    '/../secret.html',
    '/..%2fsecret.html',
    '/%2e%2e/secret.html',
    '/../html-secret/a.html',
    '/..%2fhtml-secret%2fa.html',
    '-secret/a.html',
    '/-secret/a.html',
    '/a.html/../../secret.html',
    '/a.html%00.png',
  ]
  expect(payloads.length).toBeGreaterThanOrEqual(30)
  for (const payload of payloads) {
    const answer = await ask(server.httpPort, payload)
    expect([payload, answer.split(' ')[1]]).toEqual([payload, expect.stringMatching(/^4/)])
    expect(answer).not.toContain(SECRET)
    expect(answer).not.toContain('root:')
  }
  expect(await ask(server.httpPort, '/a.html')).toContain('hello')
})

test('Command injection from a stream name or URL: one argument, and no shell', async () => {
  const { root } = folders()
  const name = `$(touch ${root}/owned);\`touch ${root}/owned\`|touch "${root}/owned" '&`
  const values = { stream: name }
  const words = ['-e', 'process.stdout.write(JSON.stringify(process.argv.slice(1)))', 'rtmp://h/live/[stream]']
  const args = words.map((word) => fill(word, values))
  const { world } = makeWorld()
  const said = await runThread(world, async (thread) => {
    const what = { program: process.execPath, args, stdout: null, stderr: null }
    const program = await world.programs.start(thread, what, 10_000)
    const parts: Buffer[] = []
    for (let part = await program.output(thread, 10_000); part; part = await program.output(thread, 10_000))
      parts.push(part)
    return Buffer.concat(parts).toString()
  })
  expect(JSON.parse(said)).toEqual([`rtmp://h/live/${name}`])
  expect(existsSync(join(root, 'owned'))).toBe(false)
})

test('JSONP callback not filtered (XSS): no JSONP; JSON with nosniff', async () => {
  const api = await serveApi()
  const port = api.services.addresses.api[0]?.port ?? 0
  const evil = await ask(port, '/api/v1/versions?callback=alert(1)//&method=GET')
  expect(evil).not.toContain('alert')
  expect(evil).toContain('Content-Type: application/json')
  expect(evil).toContain('X-Content-Type-Options: nosniff')
  const missing = await ask(port, '/api/v1/%3Cscript%3Ealert(1)%3C/script%3E')
  expect(missing).toMatch(/X-Content-Type-Options: nosniff|400/)
})

test('Default or hard-coded secret: there is none, and what needs one does not start without', () => {
  const config = load('listen 1935;\nvhost v { }')
  const vhost = config.vhosts.get('v')
  expect([config.httpApi.auth.username, config.httpApi.auth.password]).toEqual(['', ''])
  expect([vhost?.httpHooks.secret, config.redis.password]).toEqual(['', ''])
  expect(problems('listen 1935;\nhttp_api { enabled on; auth { enabled on; } }').join()).toContain('password')
  expect(problems('listen 1935;\nvhost v { token { enabled on; } }').join()).toContain('secret')
})

test('Callback endpoint without auth (stop any stream): hooks carry an HMAC signature', async () => {
  const server = await serveWithHooks((url) => ({ onPublish: [url], onUnpublish: [url], secret: 's3cret' }))
  const publisher = await startPublisher(server)
  publisher.raw.end()
  await eventually('both calls', () => server.backEnd.calls.length === 2)
  for (const { headers, text } of server.backEnd.calls) {
    const [, seconds = '', digest] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(String(headers['x-sluice-signature'])) ?? []
    expect(digest).toBe(createHmac('sha256', 's3cret').update(`${seconds}.${text}`).digest('hex'))
  }
  await server.end()
})

test('WebSocket upgrade with too many headers: 431, alive', async () => {
  const server = await serve()
  const headers = Array.from({ length: 2_001 }, (_, at) => `h${at}: v`)
  const upgrade = ['Upgrade: websocket', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', 'Sec-WebSocket-Version: 13']
  expect(await ask(server.httpPort, '/live/cam.flv', ...upgrade, ...headers)).toContain(' 431 ')
  expect(await ask(server.httpPort, '/none')).toContain(' 404 ')
})

test('MP4/sample tables in files served or ingested: a count of 2^32-1 makes nothing', () => {
  const box = (type: string, ...parts: Buffer[]): Buffer => {
    const head = Buffer.alloc(8)
    head.writeUInt32BE(8 + Buffer.concat(parts).length)
    head.write(type, 4)
    return Buffer.concat([head, ...parts])
  }
  const trun = box('trun', Buffer.from('00000f01ffffffff00000000', 'hex'))
  const tfhd = box('tfhd', Buffer.from('0002000000000001', 'hex'))
  const file = Buffer.concat([box('ftyp'), box('moov', box('trak')), box('moof', box('traf', tfhd, trun)), box('mdat')])
  expect(readBoxes(file).map(({ type }) => type)).toEqual(['ftyp', 'moov', 'moof', 'mdat'])
  const before = process.memoryUsage().arrayBuffers
  const reading = new RecordingReader(file.length)
  expect(() => {
    for (let range = reading.wanted; range; range = reading.wanted) {
      reading.push(file.subarray(range.offset, range.offset + range.length))
    }
  }).toThrow(CodecError)
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1 << 20)
})

test('m3u8 from others (HLS source): the only one that is read is that on the own disk, and it is bounded', () => {
  const huge = `#EXTM3U\n${'#EXTINF:1,\na.ts\n'.repeat(200_000)}`
  expect(readPlaylist(huge)?.entries.length).toBeLessThanOrEqual(50_000)
  expect(readPlaylist('<html>')).toBeNull()
  expect(readPlaylist(`#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:1e309\n#EXT-X-TARGETDURATION:-5\n`)).toMatchObject({
    sequence: 0,
    targetSeconds: 1,
  })
})

test.each(['-1', '+1', '1e3', '0x10', '99999999999999999999', '1, 1', ' ', '1\u00a0'])(
  'RTSP-side siblings (same lesson: content-length, tokens): a Content-Length of %j is refused',
  (length) => {
    const parser = new RequestParser()
    parser.push(Buffer.from(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\n\r\n`, 'latin1'))
    expect(() => parser.read()).toThrow(CodecError)
  },
)
