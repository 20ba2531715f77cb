import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { Backup, type BackupOptions } from '../../../src/backup.ts'
import { hashOf, shortHash } from '../../../src/cluster/backup/coordinator/shelf.ts'
import { eventually } from '../../server/support.ts'
import { makeSegment } from '../../sim/backup/coord-ts.ts'
import { makeWorld, type RecordingLog, runThread } from '../../support/world.ts'
import { loadFixture, mux } from '../../format/mp4/media.ts'

interface TestBackup {
  readonly backup: Backup
  readonly folder: string
  readonly players: string
  readonly control: string
  readonly log: RecordingLog
}

/** A coordinator whose first server is a folder. When the test is over, nothing of it may be left. */
async function startBackup(changes: Partial<BackupOptions> = {}): Promise<TestBackup> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-backup-'))
  const { world, log } = makeWorld()
  const any = [{ host: '127.0.0.1', port: 0 }]
  const options: BackupOptions = {
    name: 'c',
    priority: 1,
    peer: null,
    dir: join(folder, 'copies'),
    sides: [
      { name: 'one', http: null, dir: join(folder, 'one'), priority: 1 },
      { name: 'two', http: new URL('http://127.0.0.1:1/'), dir: '', priority: 2 },
    ],
    window: 3,
    late: 2,
    holdMs: 1_000,
    heartbeatMs: 100,
    peerTimeoutMs: 400,
    fetchTimeoutMs: 5_000,
    maxSegmentBytes: 1024 * 1024,
    maxStreams: 2,
    disposeMs: 600_000,
    players: any,
    control: any,
    maxConnections: 100,
    ...changes,
  }
  const backup = new Backup(world, options, 'test')
  await runThread(world, (thread) => backup.start(thread))
  onTestFinished(async () => {
    const listed = backup.coordinator.streams.flatMap(({ log: { kept } }) => kept.slice(-options.window))
    const files = listed.flatMap(({ file, initFile }) => [file?.path, initFile?.path])
    await runThread(world, (thread) => backup.stop(thread))
    await eventually('the last thread to end', () => world.threads.size === 0)
    expect(world.failures).toBe(0)
    expect(log.lines.filter(({ level }) => level === 'error')).toEqual([])
    // What was copied goes with it, but for what its next life has to know and to give.
    const left = filesIn(join(folder, 'copies')).filter((path) => !path.endsWith('.told0') && !path.endsWith('.told1'))
    expect(left.filter((path) => !files.includes(path))).toEqual([])
    rmSync(folder, { recursive: true })
  })
  const at = (port: number | undefined): string => `http://127.0.0.1:${port}`
  const { players, control } = backup.addresses
  return { backup, folder, players: at(players[0]?.port), control: at(control[0]?.port), log }
}

function filesIn(folder: string): string[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { recursive: true, withFileTypes: true }).flatMap((one) =>
    one.isFile() ? [join(one.parentPath, one.name)] : [],
  )
}

function write(path: string, bytes: Buffer | string): void {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, bytes)
}

function ts(beginMs: number, side = 'one'): Buffer {
  return makeSegment({ side, encoder: 0, beginMs, endMs: beginMs + 2_000, startMs: beginMs }, 0, 200)
}

async function tell(
  { control }: TestBackup,
  changes: Readonly<Record<string, unknown>>,
  side = 'one',
): Promise<string> {
  const body = {
    action: 'on_hls',
    client_id: 'abc',
    vhost: '__defaultVhost__',
    app: 'live',
    stream: 'cam',
    duration: 2,
    url: 'live/cam-0.ts',
    m3u8_url: 'live/cam.m3u8',
    seq_no: 0,
    ...changes,
  }
  const answer = await fetch(`${control}/on_hls/${side}`, { method: 'POST', body: JSON.stringify(body) })
  return `${answer.status} ${await answer.text()}`
}

/** The URIs of a playlist that is there in the end. */
async function segmentsOf({ players }: TestBackup, count: number): Promise<{ text: string; uris: string[] }> {
  for (;;) {
    const text = await (await fetch(`${players}/live/cam.m3u8`)).text()
    const uris = text.split('\n').filter((line) => /\.(ts|m4s)$/.test(line))
    if (uris.length >= count) return { text, uris }
  }
}

test('serves copies of what its server has told of, under names that never mean anything else', async () => {
  const backup = await startBackup()
  for (const [seq, beginMs] of [0, 2_000].entries()) {
    write(join(backup.folder, `one/live/cam-${seq}.ts`), ts(beginMs))
    // SRS takes nothing but this for a yes.
    expect(await tell(backup, { seq_no: seq, url: `live/cam-${seq}.ts` })).toBe('200 0')
  }
  const { text, uris } = await segmentsOf(backup, 2)
  expect(text).not.toContain('DISCONTINUITY\n')
  expect(uris[0]).toMatch(/^cam-\d+-[0-9a-f]{16}\.ts$/)
  const answer = await fetch(`${backup.players}/live/${uris[0]}`)
  expect(Buffer.from(await answer.arrayBuffer()).equals(ts(0))).toBe(true)
  expect(Object.fromEntries(answer.headers)).toMatchObject({
    'content-type': 'video/mp2t',
    'cache-control': 'public, max-age=31536000, immutable',
    'access-control-allow-origin': '*',
  })
  const playlist = await fetch(`${backup.players}/live/cam.m3u8`)
  expect(playlist.headers.get('content-type')).toBe('application/vnd.apple.mpegurl')
  expect(playlist.headers.get('cache-control')).toBe('public, max-age=1')
  const tag = playlist.headers.get('etag') ?? ''
  expect((await fetch(playlist.url, { headers: { 'If-None-Match': tag } })).status).toBe(304)
  const part = await fetch(`${backup.players}/live/${uris[0]}`, { headers: { Range: 'bytes=188-375' } })
  expect([part.status, part.headers.get('content-range')]).toEqual([206, `bytes 188-375/${ts(0).length}`])
  expect((await fetch(`${backup.players}/live/cam-1-0000000000000000.ts`)).status).toBe(404)
  expect((await fetch(`${backup.players}/live/none.m3u8`)).status).toBe(404)
  expect(filesIn(join(backup.folder, 'copies', 'one'))).toHaveLength(2)
})

test('a server that has the same number and name again for something else gets another name for it', async () => {
  const backup = await startBackup()
  write(join(backup.folder, 'one/live/cam-0.ts'), ts(0))
  await tell(backup, {})
  await segmentsOf(backup, 1)
  write(join(backup.folder, 'one/live/cam-0.ts'), ts(50_000))
  await tell(backup, { client_id: 'again' })
  const { text, uris } = await segmentsOf(backup, 2)
  expect(new Set(uris).size).toBe(2)
  expect(text).toContain(`#EXT-X-DISCONTINUITY\n#EXTINF:2.000,\n${uris[1]}`)
})

test('copies fragmented MP4 with the initialization segment that the playlist of its server names', async () => {
  const { init, fragments } = mux(loadFixture('h264-aac'))
  const backup = await startBackup()
  write(join(backup.folder, 'one/live/init.mp4'), init)
  write(join(backup.folder, 'one/live/cam-0.m4s'), fragments[0] ?? '')
  write(
    join(backup.folder, 'one/live/cam.m3u8'),
    '#EXTM3U\n#EXT-X-MAP:URI="init.mp4"\n#EXTINF:1,\ncam-0.m4s?hls_ctx=1\n',
  )
  await tell(backup, { url: 'live/cam-0.m4s', duration: 0 })
  const { text } = await segmentsOf(backup, 1)
  const [, uri = ''] = /#EXT-X-MAP:URI="(cam-[0-9a-f]{16}\.mp4)"/.exec(text) ?? []
  const answer = await fetch(`${backup.players}/live/${uri}`)
  expect(answer.headers.get('content-type')).toBe('video/mp4')
  expect(Buffer.from(await answer.arrayBuffer()).equals(init)).toBe(true)
})

test('a server that calls on_hls and on_hls_notify is told so once, and no segment is there twice', async () => {
  const backup = await startBackup()
  const notify = (ts_url: string): Promise<Response> =>
    fetch(
      `${backup.control}/on_hls_notify/one?${new URLSearchParams({ app: 'live', stream: 'cam', ts_url }).toString()}`,
    )
  for (const seq of [0, 1, 2]) {
    write(join(backup.folder, `one/live/cam-${seq}.ts`), ts(seq * 2_000))
    expect((await notify(`cam-${seq}.ts`)).status).toBe(200)
    if (seq === 0) await segmentsOf(backup, 1)
    expect(await tell(backup, { seq_no: seq, url: `live/cam-${seq}.ts` })).toBe('200 0')
    expect((await notify(`cam-${seq}.ts`)).status).toBe(200)
  }
  const hashes = (await segmentsOf(backup, 3)).uris.map((uri) => uri.split(/[-.]/)[2])
  expect(hashes).toEqual([0, 2_000, 4_000].map((beginMs) => shortHash(hashOf(ts(beginMs)))))
  expect(backup.log.lines.filter((line) => line.text.includes('one of them is enough'))).toHaveLength(1)
})

test('what is not whole, too large, not what was told, or elsewhere is not copied', async () => {
  const backup = await startBackup({ maxSegmentBytes: 10_000 })
  write(join(backup.folder, 'secret.ts'), ts(0))
  write(join(backup.folder, 'one/live/cut.ts'), ts(0).subarray(0, 1_000))
  write(join(backup.folder, 'one/live/large.ts'), Buffer.concat(Array.from({ length: 9 }, () => ts(0))))
  write(join(backup.folder, 'one/live/cam-0.ts'), ts(0))
  for (const url of ['../secret.ts', 'live/..\\secret.ts', 7, '', 'x'.repeat(3_000)]) {
    expect(await tell(backup, { url })).toMatch(/^400 /)
  }
  for (const changes of [{ stream: '../x' }, { app: 'a//b' }, { stream: '.x' }, { seq_no: -1 }, { action: 'on_dvr' }]) {
    expect(await tell(backup, changes)).toMatch(/^400 /)
  }
  expect(await tell(backup, {}, 'three')).toMatch(/^404 /)
  for (const [seq_no, url] of [
    'live/cut.ts',
    'live/large.ts',
    'live/none.ts',
    'live/%2e%2e%2f%2e%2e%2fsecret.ts',
  ].entries()) {
    expect(await tell(backup, { seq_no, url })).toBe('200 0')
  }
  await tell(backup, { seq_no: 4, duration: 30 })
  const [stream] = backup.backup.coordinator.streams
  await eventually('all were looked at', () => stream?.sides[0]?.missing === 5)
  expect(stream?.sides[0]?.copied).toBe(0)
  expect((await fetch(`${backup.players}/live/cam.m3u8`)).status).toBe(404)
}, 20_000)

test('streams beyond the most, long bodies and what nobody understands are refused', async () => {
  const backup = await startBackup()
  for (const stream of ['a', 'b']) expect(await tell(backup, { stream })).toBe('200 0')
  expect(await tell(backup, { stream: 'c' })).toMatch(/^404 /)
  const post = async (path: string, body: string): Promise<number> =>
    (await fetch(`${backup.control}${path}`, { method: 'POST', body })).status
  expect(await post('/on_hls/one', 'no JSON')).toBe(400)
  expect(await post('/on_hls/one', `"${'x'.repeat(5 * 1024 * 1024)}"`)).toBe(413)
  for (const path of ['state', 'append', 'have']) expect(await post(`/peer/${path}`, '{"entries":[{}]}')).toBe(400)
  expect(await post('/api/v1/backups?side=three', '')).toBe(404)
  expect(await post('/api/v1/backups?side=one&stream=none', '')).toBe(404)
  expect(await post('/other', '')).toBe(405)
  expect((await fetch(`${backup.control}/peer/files/${'0'.repeat(64)}`)).status).toBe(404)
  expect((await fetch(`${backup.players}/api/v1/backups`)).status).toBe(404)
})

test('tells people and Prometheus who is served, since when, and what is missing; on_hls_notify will do too', async () => {
  const backup = await startBackup()
  write(join(backup.folder, 'one/live/cam-3.ts'), ts(0))
  const notify = await fetch(`${backup.control}/on_hls_notify/one?app=live&stream=cam&ts_url=cam-3.ts`)
  expect([notify.status, await notify.text()]).toEqual([200, '0'])
  await segmentsOf(backup, 1)
  const view: unknown = await (await fetch(`${backup.control}/api/v1/backups`)).json()
  expect(view).toMatchObject({
    code: 0,
    name: 'c',
    role: 'leader',
    peer: null,
    streams: [
      {
        stream: '__defaultVhost__/live/cam',
        served: 'one',
        since_ms: expect.any(Number),
        switches: 0,
        sides: [
          { name: 'one', healthy: true, lag_ms: 0, copied: 1, missing: 0 },
          { name: 'two', healthy: false, lag_ms: null, copied: 0, missing: 0 },
        ],
      },
    ],
  })
  const metrics = await (await fetch(`${backup.control}/metrics`)).text()
  expect(metrics).toContain('sluice_backup_served{stream="__defaultVhost__/live/cam",server="one"} 1\n')
  const asked = await fetch(`${backup.control}/api/v1/backups?side=two`, { method: 'POST' })
  expect(await asked.json()).toMatchObject({ side: 'two', streams: ['__defaultVhost__/live/cam'] })
})
