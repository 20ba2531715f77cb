import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { PageFile } from '../../src/server/page.ts'
import { RealDisk } from '../../src/st/real/disk.ts'
import { readAll } from '../format/flv/read-all.ts'
import { startServer, type TestServer, type VhostChanges } from '../support/server.ts'
import { FlvPlayer, HttpProbe, type Response } from './http-probe.ts'
import { startPublisher } from './rtmp-probe.ts'

const MOVIE = readFileSync('test/fixtures/media/h264-aac.flv')
const PAGE = new Map<string, PageFile>([['/index.html', { contentType: 'text/html', bytes: Buffer.from('built in') }]])

interface Files {
  readonly server: TestServer
  readonly folder: string
  readonly get: (path: string, ...headers: string[]) => Promise<Response>
}

/** A server whose `http_server.dir` has these files. */
async function serve(files: Readonly<Record<string, Buffer | string>>, changes: VhostChanges = {}): Promise<Files> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-static-'))
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(join(folder, name, '..'), { recursive: true })
    writeFileSync(join(folder, name), content)
  }
  const publish = { normalTimeoutMs: 60_000 }
  const vhost = { minLatency: true, publish, httpRemux: { waitPublisherMs: 0 }, ...changes }
  const server = await startServer(vhost, { httpDir: folder }, PAGE, () => ({}), undefined, new RealDisk())
  onTestFinished(async () => {
    await server.stop()
    rmSync(folder, { recursive: true, force: true })
  })
  return { server, folder, get: (path, ...headers) => HttpProbe.ask(server, path, 'GET', ...headers) }
}

describe('files of http_server.dir', () => {
  test('are served by their path, with a type by their ending', async () => {
    const { get } = await serve({
      'a.html': 'hello',
      'hls/live/cam.m3u8': '#EXTM3U',
      'x.TS': 't',
      'x.unknown': '?',
      'ü.css': 'c',
    })
    const seen = async (path: string): Promise<unknown[]> => {
      const { status, headers, body } = await get(path)
      return [status, headers['content-type'], body]
    }
    expect(await seen('/a.html')).toEqual([200, 'text/html; charset=utf-8', 'hello'])
    expect(await seen('/hls/live/cam.m3u8')).toEqual([200, 'application/vnd.apple.mpegurl', '#EXTM3U'])
    expect(await seen('/x.TS')).toEqual([200, 'video/mp2t', 't'])
    expect(await seen('/x.unknown')).toEqual([200, 'application/octet-stream', '?'])
    expect(await seen('/%c3%bc.css')).toEqual([200, 'text/css; charset=utf-8', 'c'])
    expect((await get('/none.html')).status).toBe(404)
    expect((await get('/a.html/b')).status).toBe(404)
    expect((await get(`/${'x'.repeat(300)}.html`)).status).toBe(404)
  })

  test('a folder is its index.html; without its slash it is sent to it', async () => {
    const { get } = await serve({ 'player/index.html': 'the player', 'empty/a.txt': 'a' })
    expect(await get('/player/')).toMatchObject({ status: 200, body: 'the player' })
    expect(await get('/player?stream=a')).toMatchObject({ status: 302, headers: { location: '/player/?stream=a' } })
    for (const path of ['/empty', '/empty/']) expect((await get(path)).status).toBe(404)
  })

  test('an index.html of its own stands for the built-in page, which is there else', async () => {
    const { get } = await serve({ 'index.html': 'my own' })
    expect((await get('/')).body).toBe('my own')
    expect((await (await serve({})).get('/')).body).toBe('built in')
  })

  test('are served in parts, by header and as players of MP4 ask, and not again when they are known', async () => {
    const { get } = await serve({ 'a.mp4': '0123456789', 'a.txt': '0123456789' })
    const whole = await get('/a.txt')
    expect(whole.headers).toMatchObject({ 'accept-ranges': 'bytes', 'content-length': '10' })
    expect(await get('/a.txt', 'Range: bytes=2-4')).toMatchObject({
      status: 206,
      body: '234',
      headers: { 'content-range': 'bytes 2-4/10' },
    })
    for (const query of ['range=7-8', 'bytes=7-8']) {
      expect(await get(`/a.mp4?${query}`)).toMatchObject({ status: 206, body: '78' })
      expect(await get(`/a.txt?${query}`)).toMatchObject({ status: 200 })
    }
    expect((await get('/a.txt', 'Range: bytes=10-')).status).toBe(416)
    expect((await get('/a.txt', `If-None-Match: ${whole.headers['etag']}`)).status).toBe(304)
  })

  test('FLV from a place on is a file of its own: headers first, then what was asked for', async () => {
    const { server } = await serve({ 'movie.flv': MOVIE })
    const { tags } = readAll(MOVIE, () => MOVIE.length)
    const isHeader = ({ typeId, payload }: (typeof tags)[number]): boolean =>
      (typeId === 8 || typeId === 9) && payload[1] === 0
    const first = tags.findLastIndex(({ typeId, payload }) => typeId === 9 && payload[0] === 0x17 && payload[1] === 1)
    const bytesOf = (part: typeof tags): number => part.reduce((sum, { payload }) => sum + 15 + payload.length, 0)
    const start = 13 + bytesOf(tags.slice(0, first))
    const probe = await HttpProbe.open(server)
    probe.request(`/movie.flv?start=${start}`)
    await probe.response()
    const body = probe.raw.bytes.subarray(probe.raw.bytes.indexOf('\r\n\r\n') + 4)
    const played = readAll(body, () => body.length).tags
    expect(played).toEqual([...tags.filter(isHeader), ...tags.slice(first)])
    probe.request(`/movie.flv?start=${MOVIE.length}`)
    expect((await probe.head()).headers['content-length']).toBe(String(MOVIE.length))
  })

  test('no name leads out of the folder or to what is hidden', async () => {
    const { folder, get } = await serve({ 'a.txt': 'a', '.htpasswd': 'secret', '.git/config': 'secret' })
    symlinkSync('/etc/passwd', join(folder, 'link.txt'))
    symlinkSync('/etc', join(folder, 'etc'))
    for (const path of ['/link.txt', '/etc/passwd', '/etc/hostname', '/.htpasswd', '/.git/config', '/%2egit/config']) {
      expect([path, (await get(path)).status]).toEqual([path, 404])
    }
    for (const path of ['/../a.txt', '/x/../../a.txt', '/%2e%2e/a.txt', '/..%2fa.txt', '/x%5c..%5ca.txt']) {
      expect([path, (await get(path)).status]).toEqual([path, 400])
    }
    expect((await get('/./a.txt')).status).toBe(200)
  })

  test('a stream that is live comes before a file of its name; a stream that is not, after it', async () => {
    const { server, get } = await serve({ 'live/cam.flv': MOVIE, 'live/old.flv': 'a recording' })
    expect((await get('/live/cam.flv')).headers['content-length']).toBe(String(MOVIE.length))
    await startPublisher(server)
    const player = await FlvPlayer.playing(server, '/live/cam.flv')
    expect(player.seen.labels).toContain('video key k1')
    expect((await get('/live/old.flv')).body).toBe('a recording')
    expect((await get('/live/none.flv')).status).toBe(404)
  })

  test('HEAD says what GET would', async () => {
    const { server } = await serve({ 'a.txt': '0123456789' })
    const { status, headers } = await HttpProbe.ask(server, '/a.txt', 'HEAD')
    expect([status, headers['content-length'], headers['content-type']]).toEqual([
      200,
      '10',
      'text/plain; charset=utf-8',
    ])
  })
})

describe('files of a vhost (http_static)', () => {
  test.each(['[vhost]/hls', '[vhost]/hls/', '/hls', 'a.example/hls/'])('are below its mount %s', async (mount) => {
    const own = mkdtempSync(join(tmpdir(), 'sluice-static-'))
    onTestFinished(() => rmSync(own, { recursive: true, force: true }))
    writeFileSync(join(own, 'a.txt'), 'of the vhost')
    writeFileSync(join(own, 'index.html'), 'its index')
    const { get } = await serve(
      { 'a.txt': 'of all', 'hls/b.txt': 'below' },
      { httpStatic: { enabled: true, mount, dir: own } },
    )
    expect((await get('/hls/a.txt')).body).toBe('of the vhost')
    expect((await get('/hls/')).body).toBe('its index')
    expect(await get('/hls')).toMatchObject({ status: 302, headers: { location: '/hls/' } })
    expect((await get('/a.txt')).body).toBe('of all')
    expect((await get('/hls/b.txt')).body).toBe('below')
    expect((await get('/hlsx/a.txt')).status).toBe(404)
  })

  test('at its root they come before those of http_server.dir; switched off they are not there', async () => {
    const own = mkdtempSync(join(tmpdir(), 'sluice-static-'))
    onTestFinished(() => rmSync(own, { recursive: true, force: true }))
    writeFileSync(join(own, 'a.txt'), 'of the vhost')
    for (const enabled of [true, false]) {
      const { get } = await serve({ 'a.txt': 'of all' }, { httpStatic: { enabled, mount: '[vhost]/', dir: own } })
      expect((await get('/a.txt')).body).toBe(enabled ? 'of the vhost' : 'of all')
    }
  })
})
