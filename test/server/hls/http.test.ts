import { createDecipheriv } from 'node:crypto'
import { gunzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { readTs } from '../../format/mpegts/demux.ts'
import { readMedia } from './parser.ts'
import { HlsStage, synthetic } from './support.ts'

const OPTIONS = { hlsFragmentMs: 2_000, hlsCtx: false }
const LOW = { ...OPTIONS, hlsUseFmp4: true, hlsLowLatency: true, hlsPartMs: 200 }

async function live(hls: object = {}, untilMs = 9_000): Promise<HlsStage> {
  const stage = new HlsStage({ ...OPTIONS, ...hls })
  await stage.publish().send(synthetic(untilMs))
  return stage
}

describe('a playlist', () => {
  test('may be kept by caches for half a target duration, and is told apart by its tag', async () => {
    const stage = await live()
    const { headers, status } = await stage.ask('/live/cam.m3u8')
    expect(status).toBe(200)
    expect(headers).toMatchObject({
      'content-type': 'application/vnd.apple.mpegurl',
      'cache-control': 'public, max-age=1',
      vary: 'Accept-Encoding',
    })
    const tag = headers['etag'] ?? ''
    expect(await stage.ask('/live/cam.m3u8', { 'If-None-Match': tag })).toMatchObject({ status: 304, text: '' })
    const other = await live({}, 11_000)
    expect((await other.ask('/live/cam.m3u8', { 'If-None-Match': tag })).status).toBe(200)
  })

  test('is compressed for those who say so', async () => {
    const stage = await live()
    const plain = await stage.ask('/live/cam.m3u8')
    for (const coding of ['gzip', 'deflate, gzip;q=0.5, br', 'br,GZIP']) {
      const { headers, bytes } = await stage.ask('/live/cam.m3u8', { 'Accept-Encoding': coding })
      expect(headers['content-encoding']).toBe('gzip')
      expect(gunzipSync(bytes).toString()).toBe(plain.text)
    }
    for (const coding of ['identity', 'gzip;q=0', 'xgzip']) {
      expect((await stage.ask('/live/cam.m3u8', { 'Accept-Encoding': coding })).headers).not.toHaveProperty(
        'content-encoding',
      )
    }
  })

  test('can be read by pages of other sites', async () => {
    const stage = await live()
    const { headers } = await stage.ask('/live/cam.m3u8', { Origin: 'http://a.example' })
    expect(headers['access-control-allow-origin']).toBe('*')
  })

  test('to HEAD says whether the stream is there, at once', async () => {
    const stage = await live()
    expect(await stage.ask('/live/cam.m3u8', {}, 'HEAD')).toMatchObject({ status: 200, text: '' })
    expect(await stage.ask('/live/none.m3u8', {}, 'HEAD')).toMatchObject({ status: 404, text: '' })
  })

  test('is not there where hls is off', async () => {
    const stage = await live()
    stage.options = { ...stage.options, enabled: false }
    expect((await stage.ask('/live/cam.m3u8')).status).toBe(404)
  })

  test.each([
    '/live/..%2f/cam.m3u8',
    '/live/%00.m3u8',
    `/live/${'x'.repeat(300)}.m3u8`,
    '/live/a%5cb.m3u8',
    '/cam.m3u8',
  ])('of the name %s is refused at once', async (target) => {
    const stage = await live()
    expect([400, 404]).toContain((await stage.ask(target)).status)
  })
})

describe('a viewer that comes before the publisher', () => {
  test('waits for wait_publisher, and then for the first segment', async () => {
    const stage = new HlsStage(OPTIONS)
    const early = await stage.send('/live/cam.m3u8')
    await stage.clock.pass(5_000)
    expect(early.answer()).toBeNull()
    await stage.publish().send(synthetic(3_000))
    expect(early.answer()?.status).toBe(200)
    expect(readMedia(early.answer()?.text ?? '').numbers).toHaveLength(1)
  })

  test('is told 404 when nobody comes', async () => {
    const stage = new HlsStage(OPTIONS)
    const early = await stage.send('/live/cam.m3u8')
    await stage.clock.pass(10_001)
    expect(early.answer()?.status).toBe(404)
  })

  test('is told 404 at once with wait_publisher 0', async () => {
    const stage = new HlsStage(OPTIONS, { vhost: { httpRemux: { waitPublisherMs: 0 } } })
    expect((await stage.ask('/live/cam.m3u8')).status).toBe(404)
  })
})

describe('a segment', () => {
  test('may be kept for ever', async () => {
    const stage = await live()
    const [uri] = readMedia(await stage.playlist()).uris
    const { headers, bytes, status } = await stage.ask(`/live/${uri}`)
    expect(status).toBe(200)
    expect(headers).toMatchObject({
      'content-type': 'video/mp2t',
      'cache-control': 'public, max-age=31536000, immutable',
      'accept-ranges': 'bytes',
      'content-length': String(bytes.length),
    })
    expect(await stage.ask(`/live/${uri}`, { 'If-None-Match': headers['etag'] ?? '' })).toMatchObject({ status: 304 })
    expect(await stage.ask(`/live/${uri}`, {}, 'HEAD')).toMatchObject({ status: 200, text: '' })
  })

  test('is served in parts', async () => {
    const stage = await live()
    const [uri] = readMedia(await stage.playlist()).uris
    const { bytes } = await stage.ask(`/live/${uri}`)
    const part = await stage.ask(`/live/${uri}`, { Range: 'bytes=188-375' })
    expect(part).toMatchObject({ status: 206, headers: { 'content-range': `bytes 188-375/${bytes.length}` } })
    expect(part.bytes).toEqual(bytes.subarray(188, 376))
    const outside = await stage.ask(`/live/${uri}`, { Range: `bytes=${bytes.length}-` })
    expect(outside).toMatchObject({ status: 416, headers: { 'content-range': `bytes */${bytes.length}` } })
  })

  test('that is being made is not there', async () => {
    const stage = await live()
    const { making } = stage.live().stream
    expect((await stage.ask(`/${making?.file?.name}`)).status).toBe(404)
  })

  test('that has left the playlist is there for two target durations more', async () => {
    const stage = new HlsStage({ ...OPTIONS, hlsWindowMs: 6_000 })
    const publisher = stage.publish()
    await publisher.send(synthetic(9_000))
    const [uri] = readMedia(await stage.playlist()).uris
    await publisher.send(synthetic(2_000, { fromMs: 9_000 }), 0)
    expect(readMedia(await stage.playlist()).uris).not.toContain(uri)
    expect((await stage.ask(`/live/${uri}`)).status).toBe(200)
    await publisher.send(synthetic(6_000, { fromMs: 11_000 }), 0)
    expect((await stage.ask(`/live/${uri}`)).status).toBe(404)
  })
})

describe('names', () => {
  test('are filled in and percent-encoded', async () => {
    const stage = new HlsStage({
      ...OPTIONS,
      hlsTsFile: '[vhost]/[app]/[2006]/[stream] [seq]-[timestamp]-[duration].ts',
    })
    await stage.publish('live/a b ü').send(synthetic(5_000))
    const { uris } = readMedia(await stage.playlist('/live/a%20b%20%C3%BC.m3u8'))
    expect(uris[0]).toMatch(/^\.\.\/__defaultVhost__\/live\/2023\/a%20b%20%C3%BC%20\d+-\d{13}-2000\.ts$/)
    expect((await stage.ask(`/live/${uris[0]}`.replace('/live/..', ''))).status).toBe(200)
  })

  test.each([
    ['http://cdn.example', 'http://cdn.example/live/cam-'],
    ['http://cdn.example/x/', 'http://cdn.example/x/cam-'],
  ])('stand behind hls_entry_prefix %s', async (hlsEntryPrefix, start) => {
    const stage = await live({ hlsEntryPrefix })
    expect(readMedia(await stage.playlist()).uris[0]?.startsWith(start)).toBe(true)
  })

  test('that would be the same twice get their number', async () => {
    const stage = await live({ hlsTsFile: '[app]/[stream].ts' })
    const { uris, numbers } = readMedia(await stage.playlist())
    expect(uris.slice(0, 2)).toEqual(['cam.ts', `cam-${numbers[1]}.ts`])
  })

  test('by the clock (hls_ts_floor) follow each other and stay near it', async () => {
    const stage = new HlsStage({ ...OPTIONS, hlsTsFloor: true, hlsTsFile: '[app]/[stream]-[timestamp].ts' })
    await stage.publish().send(synthetic(60_000, { gopMs: 1_000, audio: false }))
    const numbers = readMedia(await stage.playlist()).uris.map((uri) => Number(/-(\d+)\.ts/.exec(uri)?.[1]))
    for (const [index, number] of numbers.entries()) if (index > 0) expect(number).toBe((numbers[index - 1] ?? 0) + 1)
    expect(Math.abs((numbers.at(-1) ?? 0) - stage.clock.wallMs() / 2_000)).toBeLessThan(4)
  })

  test('of a vhost are found by its host and by ?vhost=, which its URIs carry on', async () => {
    const stage = new HlsStage(OPTIONS)
    await stage.publish('live/cam', 'a.example').send(synthetic(5_000))
    const byHost = await stage.ask('/live/cam.m3u8', { Host: 'a.example' })
    expect(readMedia(byHost.text).uris[0]).not.toContain('?')
    const [uri] = readMedia((await stage.ask('/live/cam.m3u8?vhost=a.example')).text).uris
    expect(uri).toMatch(/\.ts\?vhost=a\.example$/)
    expect((await stage.ask(`/live/${uri}`)).status).toBe(200)
  })
})

test('two streams with one playlist: the first one has it', async () => {
  const stage = new HlsStage({ ...OPTIONS, hlsM3u8File: '[app].m3u8' })
  const first = stage.publish('live/a')
  const second = stage.publish('live/b')
  await first.send(synthetic(5_000))
  await second.send(synthetic(5_000))
  expect(stage.service.get('__defaultVhost__/live/b')).toBeNull()
  expect(stage.log.lines.some(({ text }) => text.includes('the playlist is taken'))).toBe(true)
})

test('hls_keys: each segment is decrypted by the key that stands before it, also when older ones have slid out', async () => {
  const stage = new HlsStage({ ...OPTIONS, hlsKeys: true, hlsFragmentsPerKey: 3, hlsWindowMs: 8_000 })
  await stage.publish().send(synthetic(30_000))
  const { playlist } = readMedia(await stage.playlist())
  const keys = new Set<string>()
  for (const { uri, key } of playlist.segments) {
    if (!key?.uri || !key.iv) throw new Error('a segment has no key')
    keys.add(key.uri)
    const secret = await stage.ask(`/live/${key.uri}`)
    expect(secret.bytes).toHaveLength(16)
    const decipher = createDecipheriv('aes-128-cbc', secret.bytes, Buffer.from(key.iv))
    const { bytes } = await stage.ask(`/live/${uri}`)
    expect(readTs(Buffer.concat([decipher.update(bytes), decipher.final()])).pes.length).toBeGreaterThan(50)
  }
  expect(keys.size).toBe(2)
  // No more keys are kept than segments need.
  expect(stage.service.files.size).toBeLessThan(14)
})

test('hls_key_url stands before the name of the key', async () => {
  const stage = await live({
    hlsKeys: true,
    hlsKeyUrl: 'https://keys.example/',
    hlsPath: './html',
    hlsKeyFilePath: './keys',
  })
  expect(await stage.playlist()).toMatch(/URI="https:\/\/keys\.example\/live\/cam-\d+\.key"/)
  expect([...stage.disk.files.keys()].some((name) => /^keys\/live\/cam-\d+\.key$/.test(name))).toBe(true)
})

describe('Low-Latency HLS', () => {
  test('parts and a hint stand at the end, and no part is longer than announced', async () => {
    const stage = await live(LOW, 9_500)
    const { playlist } = readMedia(await stage.playlist())
    expect(playlist.lowLatencyCompatibility).toMatchObject({ canBlockReload: true, canSkipUntil: 12 })
    const parts = playlist.segments.flatMap((segment) => segment.parts).filter((part) => !part.hint)
    expect(parts.length).toBeGreaterThan(20)
    for (const { duration } of parts) expect(duration).toBeLessThanOrEqual(playlist.partTargetDuration ?? 0)
    const last = playlist.segments.at(-1)?.parts ?? []
    expect(last.at(-1)?.hint).toBe(true)
    // Parts and segments are the same bytes.
    const whole = playlist.segments.at(-2)
    const pieces = await Promise.all((whole?.parts ?? []).map(({ uri }) => stage.ask(`/live/${uri}`)))
    expect(Buffer.concat(pieces.map(({ bytes }) => bytes))).toEqual((await stage.ask(`/live/${whole?.uri}`)).bytes)
  })

  test('a playlist is waited for until its part is there', async () => {
    const stage = new HlsStage(LOW)
    const publisher = stage.publish()
    await publisher.send(synthetic(9_050))
    const { making } = stage.live().stream
    const part = making?.parts.length ?? 0
    const blocked = await stage.send(`/live/cam.m3u8?_HLS_msn=${making?.sequence}&_HLS_part=${part}`)
    expect(blocked.answer()).toBeNull()
    await publisher.send(synthetic(400, { fromMs: 9_050 }), 0)
    const { text, headers } = blocked.answer() ?? {}
    expect(text).toContain(`cam-${making?.sequence}.${part}.m4s"`)
    expect(headers?.['cache-control']).toBe('public, max-age=12')
  })

  test('a part behind the last one of its segment means the first one of the next', async () => {
    const stage = await live(LOW, 8_050)
    const { newestSequence } = stage.live().stream
    const blocked = await stage.send(`/live/cam.m3u8?_HLS_msn=${newestSequence - 1}&_HLS_part=10`)
    expect(blocked.answer()).toBeNull()
    await stage.clock.pass(7_000)
    // The publisher is silent: after three target durations what is there is the answer.
    expect(blocked.answer()?.status).toBe(200)
  })

  test('a playlist that is too far ahead is refused', async () => {
    const stage = await live(LOW)
    const { newestSequence } = stage.live().stream
    expect((await stage.ask(`/live/cam.m3u8?_HLS_msn=${newestSequence + 3}`)).status).toBe(400)
  })

  test('a hinted part is waited for', async () => {
    const stage = new HlsStage(LOW)
    const publisher = stage.publish()
    await publisher.send(synthetic(9_050))
    const hint = /PRELOAD-HINT:TYPE=PART,URI="([^"]+)"/.exec(await stage.playlist())?.[1] ?? ''
    const asked = await stage.send(`/live/${hint}`)
    expect(asked.answer()).toBeNull()
    await publisher.send(synthetic(400, { fromMs: 9_050 }), 0)
    expect(asked.answer()?.status).toBe(200)
    expect((asked.answer()?.bytes.length ?? 0) > 100).toBe(true)
  })

  test('a hinted part that never comes is 404 when the publisher has gone', async () => {
    const stage = new HlsStage(LOW)
    const publisher = stage.publish()
    // The last part ends with the segment: nothing is left for the hint.
    await publisher.send(synthetic(9_050))
    await publisher.end()
    const asked = await stage.ask('/live/cam-1.99.m4s')
    expect(asked.status).toBe(404)
    expect(await stage.playlist()).not.toContain('PRELOAD-HINT')
  })

  test('a delta update leaves out what is known', async () => {
    const stage = await live(LOW, 40_000)
    const { newestSequence } = stage.live().stream
    const text = await stage.playlist(`/live/cam.m3u8?_HLS_msn=${newestSequence - 1}&_HLS_skip=YES`)
    const skipped = Number(/EXT-X-SKIP:SKIPPED-SEGMENTS=(\d+)/.exec(text)?.[1])
    const whole = readMedia(await stage.playlist()).numbers.length
    expect(skipped).toBeGreaterThan(5)
    expect((text.match(/#EXTINF/g) ?? []).length + skipped).toBe(whole)
  })

  test('a delta update is not for those who were there before the server was started anew', async () => {
    const stage = await live(LOW, 40_000)
    const text = await stage.playlist('/live/cam.m3u8?_HLS_msn=17&_HLS_part=3&_HLS_skip=YES')
    expect(text).not.toContain('EXT-X-SKIP')
  })

  test('a playlist on the disk has no parts: they are not there', async () => {
    const stage = await live({ ...LOW, hlsPath: './html' })
    const text = (stage.disk.files.get('html/live/cam.m3u8') ?? '').toString()
    expect(text).not.toContain('PART')
    expect(readMedia(text).numbers.length).toBeGreaterThan(2)
  })
})

test('Low-Latency HLS whose publisher has gone: something stands behind the last segment, no part is of sound alone', async () => {
  const stage = new HlsStage(LOW)
  const publisher = stage.publish()
  await publisher.send(synthetic(9_500))
  await publisher.end()
  const text = await stage.playlist()
  // hls.js takes the last segment for one that is being made when nothing stands behind it.
  expect(text.trim().split('\n').at(-1)).toMatch(/^#/)
  const { parts, durationMs } = stage.live().stream.segments.at(-1) ?? { parts: [], durationMs: 0 }
  expect(parts.filter(({ isIndependent }) => isIndependent)).toHaveLength(1)
  const partsMs = parts.reduce((sum, part) => sum + part.durationMs, 0)
  expect(Math.abs(partsMs - durationMs)).toBeLessThan(1)
})
