import { describe, expect, test } from 'vitest'
import { TestDisk } from '../../st/support/disk.ts'
import { readMedia as read, type ReadMedia } from './parser.ts'
import { fixtureMessages, HlsStage, type Message, synthetic } from './support.ts'

const OPTIONS = { hlsFragmentMs: 2_000, hlsWindowMs: 10_000, hlsCtx: false, hlsDisposeMs: 30_000 }
const ON_DISK = { ...OPTIONS, hlsPath: './html' }

/** hls.js has an array with a place for each number up to it, and walks through it for each segment. */
const SMALL = 2_000

function expectOtherLife(after: ReadMedia, before: ReadMedia): void {
  expect(after.discontinuitySequence).not.toBe(before.discontinuitySequence)
  expect(after.discontinuitySequence).toBeLessThan(SMALL)
}

describe('over a republish', () => {
  test('numbers go on and one discontinuity says where', async () => {
    const stage = new HlsStage(OPTIONS)
    const first = stage.publish()
    await first.send(synthetic(9_000))
    await first.end()
    const before = read(await stage.playlist())
    await stage.clock.pass(5_000)
    await stage.publish().send(synthetic(7_000))
    const after = read(await stage.playlist())
    const last = before.numbers.at(-1) ?? 0
    expect(after.numbers).toEqual([...before.numbers, last + 1, last + 2, last + 3].slice(-6))
    expect(after.discontinuities).toHaveLength(1)
    expect(after.discontinuities[0]).toBe(last + 1)
    // Nothing said before the first segment of all (SRS: there is one).
    expect(before.discontinuities).toEqual([])
    expect(after.discontinuitySequence).toBe(before.discontinuitySequence)
  })

  test('a publish that brings nothing changes nothing', async () => {
    const stage = new HlsStage(OPTIONS)
    const first = stage.publish()
    await first.send(synthetic(9_000))
    await first.end()
    const before = await stage.playlist()
    await stage.publish().end()
    expect(await stage.playlist()).toBe(before)
    await stage.publish().send(synthetic(5_000))
    expect(read(await stage.playlist()).discontinuities).toHaveLength(1)
  })

  test('a publisher that replaces another one needs not wait for it', async () => {
    const stage = new HlsStage(OPTIONS)
    const first = stage.publish()
    await first.send(synthetic(5_000))
    const second = stage.publish()
    expect(first.publication.ended).toBe(true)
    await second.send(synthetic(5_000))
    const { discontinuities, numbers } = read(await stage.playlist())
    expect([discontinuities.length, numbers.length]).toEqual([1, 5])
  })

  test('discontinuities that slide out are counted', async () => {
    const stage = new HlsStage(OPTIONS)
    let last: { numbers: readonly number[]; discontinuitySequence: number } = { numbers: [0], discontinuitySequence: 0 }
    let slid = 0
    for (let round = 0; round < 6; round++) {
      const publisher = stage.publish()
      await publisher.send(synthetic(5_000))
      await publisher.end()
      const now = read(await stage.playlist())
      expect(now.numbers[0]).toBeGreaterThanOrEqual(last.numbers[0] ?? 0)
      expect(now.discontinuitySequence).toBeGreaterThanOrEqual(last.discontinuitySequence)
      if (round > 0) slid += now.discontinuitySequence - last.discontinuitySequence
      last = now
    }
    expect(slid).toBeGreaterThan(0)
    // Five in all: those that are told and those that are counted.
    expect(slid + read(await stage.playlist()).discontinuities.length).toBe(5)
  })
})

describe('after the publisher has gone', () => {
  test('the playlist stays for hls_dispose and is 404 then', async () => {
    const stage = new HlsStage(OPTIONS)
    const publisher = stage.publish()
    await publisher.send(synthetic(9_000))
    await publisher.end()
    const [segment = ''] = read(await stage.playlist()).uris
    await stage.clock.pass(29_000)
    expect((await stage.ask('/live/cam.m3u8')).status).toBe(200)
    expect((await stage.ask(`/live/${segment}`)).status).toBe(200)
    await stage.clock.pass(2_000)
    const gone = await stage.send('/live/cam.m3u8')
    await stage.clock.pass(11_000)
    expect(gone.answer()).toMatchObject({ status: 404, headers: { 'cache-control': 'no-store' } })
    expect((await stage.ask(`/live/${segment}`)).status).toBe(404)
    await stage.clock.pass(20_000)
    expect([stage.service.files.size, stage.hub.size, stage.world.threads.size]).toEqual([0, 0, 0])
  })

  test('a stream that comes back after that has higher numbers all the same', async () => {
    const stage = new HlsStage(OPTIONS)
    const first = stage.publish()
    await first.send(synthetic(9_000))
    await first.end()
    const before = read(await stage.playlist())
    await stage.clock.pass(31_000)
    await stage.publish().send(synthetic(9_000))
    const after = read(await stage.playlist())
    expect(after.numbers[0]).toBeGreaterThan(before.numbers.at(-1) ?? 0)
    expectOtherLife(after, before)
  })
})

describe('over a restart of the process', () => {
  test('in memory numbers are higher than before, since they come from the clock', async () => {
    const stage = new HlsStage(OPTIONS)
    // As many segments as there can be: ten a second.
    await stage.publish().send(synthetic(30_000, { gopMs: 200, audio: false }))
    const before = read(await stage.playlist())
    const next = new HlsStage({ ...OPTIONS, hlsFragmentMs: 10_000 }, { laterMs: 31_000 })
    await next.publish().send(synthetic(25_000))
    const after = read(await next.playlist())
    expect(after.numbers[0]).toBeGreaterThan(before.numbers.at(-1) ?? 0)
    expectOtherLife(after, before)
  })

  test('in memory a life of a second is told apart from the next one', async () => {
    const stage = new HlsStage(OPTIONS)
    await stage.publish().send(synthetic(3_000))
    const next = new HlsStage(OPTIONS, { laterMs: 1_000 })
    await next.publish().send(synthetic(3_000))
    expectOtherLife(read(await next.playlist()), read(await stage.playlist()))
  })

  test('in memory the initialization segment of another codec has another name, and caches keep both', async () => {
    const form = { ...OPTIONS, hlsUseFmp4: true }
    const stage = new HlsStage(form)
    await stage.publish().send(fixtureMessages('h264-aac', 5_000, 5_000))
    const next = new HlsStage(form, { laterMs: 60_000 })
    await next.publish().send(fixtureMessages('hevc-aac', 5_000, 5_000))
    const maps = [read(await stage.playlist()).maps[0], read(await next.playlist()).maps[0]]
    expect(maps[0]).toMatch(/^cam\/init-\d+\.mp4$/)
    expect(maps[1]).not.toBe(maps[0])
    const [before, after] = [await stage.ask(`/live/${maps[0]}`), await next.ask(`/live/${maps[1]}`)]
    for (const { headers } of [before, after]) expect(headers['cache-control']).toContain('immutable')
    const known = { 'If-None-Match': before.headers['etag'] ?? '' }
    expect((await stage.ask(`/live/${maps[0]}`, known)).status).toBe(304)
  })

  test.each([
    ['.ts', {}],
    ['.m4s', { hlsUseFmp4: true }],
  ])('on disk the playlist with its %s goes on', async (ending, form) => {
    const disk = new TestDisk()
    const stage = new HlsStage({ ...ON_DISK, ...form }, { disk })
    const publisher = stage.publish()
    await publisher.send(synthetic(9_000))
    await publisher.end()
    const before = read(await stage.playlist())
    await stage.stop()
    expect([...disk.files.keys()].filter((name) => name.endsWith(ending))).toHaveLength(5)
    const next = new HlsStage({ ...ON_DISK, ...form }, { disk, laterMs: 20_000 })
    const again = next.publish()
    await again.send(synthetic(5_000))
    const after = read(await next.playlist())
    const last = before.numbers.at(-1) ?? 0
    expect(after.numbers).toEqual([...before.numbers, last + 1, last + 2].slice(-6))
    expect(after.discontinuities).toEqual([(before.numbers.at(-1) ?? 0) + 1])
    expect(after.target).toBe(before.target)
    // What was there before is served.
    for (const uri of [...after.uris, ...after.maps]) expect((await next.ask(`/live/${uri}`)).status).toBe(200)
    // And goes when it has left the window.
    await again.send(synthetic(30_000, { fromMs: 5_000 }), 0)
    const names = [...disk.files.keys()].filter((name) => name.endsWith(ending))
    expect(names.length).toBeLessThanOrEqual(10)
    await again.end()
    await next.clock.pass(31_000)
    expect([...disk.files.keys()]).toEqual([])
  })

  test('on disk, after a crash nothing comes back that players could have seen: numbers and names are new', async () => {
    const disk = new TestDisk()
    const stage = new HlsStage({ ...ON_DISK, hlsUseFmp4: true }, { disk })
    await stage.publish().send(synthetic(9_000))
    const before = read(await stage.playlist())
    // Not stopped: what it had in memory is gone.
    const next = new HlsStage({ ...ON_DISK, hlsUseFmp4: true }, { disk, laterMs: 20_000 })
    await next.publish().send(synthetic(5_000))
    const after = read(await next.playlist())
    expect(after.numbers[0]).toBeGreaterThan(before.numbers.at(-1) ?? 0)
    for (const name of [...after.uris, ...after.maps]) expect([...before.uris, ...before.maps]).not.toContain(name)
    expect(after.discontinuities).toEqual(after.numbers.slice(0, 1))
    expect([...disk.files.keys()].filter((name) => name.endsWith('.m4s'))).toHaveLength(after.numbers.length)
  })

  test('an initialization segment never has the name of another one', async () => {
    const stage = new HlsStage({ ...OPTIONS, hlsUseFmp4: true })
    const publisher = stage.publish()
    await publisher.send(synthetic(9_000))
    await publisher.end()
    const [before = ''] = read(await stage.playlist()).maps
    await stage.clock.pass(31_000)
    await stage.publish().send(synthetic(9_000, { audio: false }))
    const [after = ''] = read(await stage.playlist()).maps
    expect(after).toMatch(/^cam\/init-\d+\.mp4$/)
    expect(after).not.toBe(before)
  })

  test('on disk, what was over long ago is removed, and its numbers go on', async () => {
    const disk = new TestDisk()
    const stage = new HlsStage(ON_DISK, { disk })
    const publisher = stage.publish()
    await publisher.send(synthetic(9_000))
    await publisher.end()
    const before = read(await stage.playlist())
    await stage.stop()
    const next = new HlsStage(ON_DISK, { disk, laterMs: 3_600_000 })
    await next.publish().send(synthetic(5_000))
    const after = read(await next.playlist())
    expect(after.numbers).toEqual([1, 2].map((n) => (before.numbers.at(-1) ?? 0) + n))
    expect([...disk.files.keys()].filter((name) => name.endsWith('.ts'))).toHaveLength(2)
  })

  test('hls_recover off removes the files when the server stops; hls_dispose 0 keeps them', async () => {
    for (const [hlsDisposeMs, count] of [
      [30_000, 0],
      [0, 6],
    ] as const) {
      const stage = new HlsStage({ ...ON_DISK, hlsRecover: false, hlsDisposeMs })
      const publisher = stage.publish()
      await publisher.send(synthetic(9_000))
      await publisher.end()
      await stage.stop()
      expect(stage.disk.files.size).toBe(count)
    }
  })

  test.each([
    '',
    'nonsense',
    '#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:x\n#EXTINF:y\n../../../etc/passwd\n',
    '#EXTM3U\n%zz\n\0\n',
  ])('a playlist that is none (%j) does no harm', async (text) => {
    const disk = new TestDisk()
    for (const folder of ['./html', 'html', 'html/live']) disk.folders.add(folder)
    disk.files.set('html/live/cam.m3u8', Buffer.from(text))
    disk.files.set('etc/passwd', Buffer.from('secret'))
    const stage = new HlsStage({ ...ON_DISK, hlsDisposeMs: 0 }, { disk })
    await stage.publish().send(synthetic(5_000))
    expect(await stage.playlist()).not.toContain('passwd')
    expect((await stage.ask('/etc/passwd')).status).toBe(404)
  })
})

test('on disk, each file is written aside and renamed, and the playlist names what is there', async () => {
  const stage = new HlsStage(ON_DISK)
  const publisher = stage.publish()
  await publisher.send(synthetic(9_000))
  const { files, renamed } = stage.disk
  const listed = read((files.get('html/live/cam.m3u8') ?? '').toString())
  for (const uri of listed.uris) expect(files.has(`html/live/${uri}`)).toBe(true)
  expect([...files.keys()].filter((name) => /\.te?mp$/.test(name))).toEqual([])
  expect(renamed.filter((name) => name.endsWith('.m3u8'))).toHaveLength(4)
  // A segment is there before the playlist that names it.
  expect(renamed.slice(0, 2).map((name) => name.slice(-3))).toEqual(['.ts', '3u8'])
  expect((await stage.ask(`/live/${listed.uris[0]}`)).bytes).toEqual(files.get(`html/live/${listed.uris[0]}`))
})

test('a disk that fails costs its files, and players nothing', async () => {
  const stage = new HlsStage(ON_DISK)
  stage.disk.errno = 'ENOSPC'
  await stage.publish().send(synthetic(9_000))
  expect(read(await stage.playlist()).numbers).toHaveLength(4)
  expect(stage.log.lines.filter(({ level }) => level === 'warn').length).toBeGreaterThan(0)
})

test('hls_on_error disconnect ends the publisher when the disk fails', async () => {
  const stage = new HlsStage({ ...ON_DISK, hlsOnError: 'disconnect' })
  stage.disk.errno = 'ENOSPC'
  const publisher = stage.publish()
  await publisher.burst([...synthetic(9_000)])
  await stage.clock.settle()
  expect(publisher.publication.publisher.ended).toBe(true)
})

test('hls_cleanup off keeps the files', async () => {
  const stage = new HlsStage({ ...ON_DISK, hlsCleanup: false })
  const publisher = stage.publish()
  await publisher.send(synthetic(60_000, { audio: false }))
  await publisher.end()
  await stage.clock.pass(31_000)
  expect([...stage.disk.files.keys()].filter((name) => name.endsWith('.ts'))).toHaveLength(30)
})

test('a stream of two hours: the window is right, memory is flat and files are cleaned', async () => {
  const stage = new HlsStage({ ...ON_DISK, hlsWindowMs: 20_000, hlsFragmentMs: 4_000 })
  const publisher = stage.publish()
  const sizes: number[] = []
  const media = (fromMs: number): Message[] => [...synthetic(120_000, { fps: 5, gopMs: 2_000, audio: false, fromMs })]
  let last = { numbers: [0] as readonly number[] }
  for (let minutes = 0; minutes < 120; minutes += 2) {
    await publisher.send(media(minutes * 60_000), 0)
    const now = read(await stage.playlist())
    expect(now.numbers[0]).toBeGreaterThan(last.numbers[0] ?? 0)
    expect(now.numbers).toHaveLength(6)
    sizes.push(stage.live().stream.bytes)
    expect(stage.service.files.size).toBeLessThan(12)
    expect(stage.disk.files.size).toBeLessThan(12)
    last = now
  }
  const late = sizes.slice(5)
  expect(Math.max(...late) / Math.min(...late)).toBeLessThan(1.5)
  expect(read(await stage.playlist()).discontinuities).toEqual([])
})
