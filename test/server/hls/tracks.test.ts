import { describe, expect, test } from 'vitest'
import { readTs } from '../../format/mpegts/demux.ts'
import { readMaster, readMedia } from './parser.ts'
import { fixtureMessages, HlsStage, type Message, synthetic } from './support.ts'

const OPTIONS = { hlsFragmentMs: 2_000, hlsWindowMs: 600_000, hlsCtx: false }
const FORMS = [
  ['MPEG-TS', {}],
  ['fMP4', { hlsUseFmp4: true }],
] as const

function discontinuities(text: string): number {
  return (text.match(/#EXT-X-DISCONTINUITY\n/g) ?? []).length
}

function merged(...streams: Iterable<Message>[]): Message[] {
  return streams.flatMap((messages) => [...messages]).toSorted((one, other) => one.timestampMs - other.timestampMs)
}

async function master(stage: HlsStage): Promise<ReturnType<typeof readMaster>['variants'][number] | undefined> {
  stage.options = { ...stage.options, hlsCtx: true }
  return readMaster(await stage.playlist()).variants[0]
}

describe.each(FORMS)('in %s', (form, hls) => {
  const isTs = form === 'MPEG-TS'

  test('a header that says the same again is no discontinuity', async () => {
    const stage = new HlsStage({ ...OPTIONS, ...hls })
    const publisher = stage.publish()
    for (let second = 0; second < 12; second += 2) {
      await publisher.send(synthetic(2_000, { fromMs: second * 1_000 }), 0)
    }
    expect(discontinuities(await stage.playlist())).toBe(0)
    expect(readMedia(await stage.playlist()).maps).toHaveLength(isTs ? 0 : 1)
  })

  test('a real change of the codec is one, and has its own initialization segment', async () => {
    const stage = new HlsStage({ ...OPTIONS, ...hls })
    const publisher = stage.publish()
    await publisher.send(synthetic(6_000))
    const other = [...synthetic(6_000, { fromMs: 6_000 })].map((message) => {
      if (message.kind === 'audio' || message.payload[1] !== 0) return message
      const payload = Buffer.from(message.payload)
      payload[8] = 40
      return { ...message, payload }
    })
    await publisher.send(other, 0)
    expect(discontinuities(await stage.playlist())).toBe(1)
    const { maps, uris } = readMedia(await stage.playlist())
    expect(maps).toHaveLength(isTs ? 0 : 2)
    for (const uri of [...maps, ...uris]) expect((await stage.ask(`/live/${uri}`)).status).toBe(200)
  })

  test('sound that comes late is one, at a key frame', async () => {
    const stage = new HlsStage({ ...OPTIONS, ...hls })
    const sound = [...synthetic(9_500, { fps: 0, fromMs: 2_500 })]
    await stage.publish().send(merged(synthetic(12_000, { audio: false }), sound))
    expect(discontinuities(await stage.playlist())).toBe(1)
    expect(await stage.playlist()).toContain('INDEPENDENT-SEGMENTS')
    expect((await master(stage))?.codecs).toBe('avc1.64001e,mp4a.40.2')
  })

  test.each([
    ['sound alone', { fps: 0 }, 'mp4a.40.2'],
    ['a picture alone', { audio: false }, 'avc1.64001e'],
  ])('%s has a playlist within twice hls_fragment, which tells no more than there is', async (_what, media, codecs) => {
    const stage = new HlsStage({ ...OPTIONS, ...hls })
    await stage.publish().send(synthetic(4_000, media))
    const { uris } = readMedia(await stage.playlist())
    const { bytes } = await stage.ask(`/live/${uris[0]}`)
    if (isTs) expect(readTs(bytes).tables[0]?.streams).toHaveLength(1)
    expect((await master(stage))?.codecs).toBe(codecs)
  })

  test('sound whose header comes and whose frames never do is not announced', async () => {
    const stage = new HlsStage({ ...OPTIONS, ...hls })
    const media = [...synthetic(6_000)].filter(({ kind, payload }) => kind === 'video' || payload[1] === 0)
    await stage.publish().send(media)
    expect((await master(stage))?.codecs).toBe('avc1.64001e')
  })

  test('a damaged frame is left out and the stream goes on', async () => {
    const stage = new HlsStage({ ...OPTIONS, ...hls })
    const media = [...synthetic(8_000)].map((message, index) =>
      index % 50 === 49 && message.kind === 'video'
        ? { ...message, payload: Buffer.concat([message.payload.subarray(0, 5), Buffer.of(0xff, 0xff, 0xff, 0xff)]) }
        : message,
    )
    const publisher = stage.publish()
    await publisher.send(media)
    await publisher.end()
    expect(readMedia(await stage.playlist()).uris.length).toBeGreaterThanOrEqual(3)
  })

  test('a damaged header of the sound does not take the picture with it', async () => {
    const stage = new HlsStage({ ...OPTIONS, ...hls })
    const media = [...synthetic(6_000)].map((message) =>
      message.kind === 'audio' && message.payload[1] === 0
        ? { ...message, payload: Buffer.of(0xaf, 0, 0xff) }
        : message,
    )
    await stage.publish().send(media)
    expect((await master(stage))?.codecs).toBe('avc1.64001e')
  })

  test('times that wrap at 32 bits and at 33 are no discontinuity', async () => {
    for (const fromMs of [2 ** 32 - 5_000, Math.floor(2 ** 33 / 90) - 5_000]) {
      const stage = new HlsStage({ ...OPTIONS, ...hls })
      await stage.publish().send(synthetic(12_000, { fromMs }))
      const { durations } = readMedia(await stage.playlist())
      expect(discontinuities(await stage.playlist())).toBe(0)
      expect(durations).toEqual([2, 2, 2, 2, 2])
    }
  })
})

test('what a container does not carry is left out and told, the rest goes on', async () => {
  const stage = new HlsStage(OPTIONS)
  await stage.publish().send(fixtureMessages('av1-opus', 6_000, 6_000))
  expect((await master(stage))?.codecs).toBe('opus')
  expect(stage.log.lines.filter(({ text }) => text.includes('does not carry'))).toHaveLength(1)
})

test.each([
  ['h264-aac', {}, 'avc1.64001e,mp4a.40.2', 640],
  ['hevc-aac', {}, /^hvc1\..*,mp4a\.40\.2$/, 0],
  ['hevc-aac', { hlsUseFmp4: true }, /^hvc1\..*,mp4a\.40\.2$/, 0],
  ['av1-opus', { hlsUseFmp4: true }, /^av01\..*,opus$/, 0],
  ['vp9-flac', { hlsUseFmp4: true }, /^vp09\..*,flac$/, 0],
])('the master playlist of %s (%j) tells the truth', async (name, hls, codecs, width) => {
  const stage = new HlsStage({ ...OPTIONS, ...hls })
  await stage.publish().send(fixtureMessages(name, 6_000, 12_000))
  const { segments } = stage.live().stream
  const variant = await master(stage)
  if (typeof codecs === 'string') expect(variant?.codecs).toBe(codecs)
  else expect(variant?.codecs).toMatch(codecs)
  expect(variant?.resolution?.width).toBeGreaterThan(width === 0 ? 1 : width - 1)
  const peak = Math.max(...segments.map(({ bytes, durationMs }) => (bytes * 8_000) / durationMs))
  expect(Math.abs((variant?.bandwidth ?? 0) - peak)).toBeLessThan(2)
  expect(variant?.averageBandwidth).toBeLessThanOrEqual(variant?.bandwidth ?? 0)
  expect(variant?.frameRate).toBeGreaterThan(20)
})

test('two containers by a reload: the next segment is of the other one, behind a discontinuity', async () => {
  const stage = new HlsStage(OPTIONS)
  const publisher = stage.publish()
  await publisher.send(synthetic(5_000))
  stage.options = { ...stage.options, hlsUseFmp4: true }
  await publisher.send(synthetic(8_000, { fromMs: 5_000 }), 0)
  const { uris } = readMedia(await stage.playlist())
  expect(discontinuities(await stage.playlist())).toBe(1)
  expect([uris[0]?.slice(-3), uris.at(-1)?.slice(-4)]).toEqual(['.ts', '.m4s'])
})

test('HLS that is switched off by a reload ends with the segment, and on again begins at once', async () => {
  const stage = new HlsStage(OPTIONS)
  const publisher = stage.publish()
  await publisher.send(synthetic(5_000))
  stage.options = { ...stage.options, enabled: false }
  await publisher.send(synthetic(5_000, { fromMs: 5_000 }), 0)
  const count = stage.live().stream.segments.length
  stage.options = { ...stage.options, enabled: true }
  stage.service.reload()
  await publisher.send(synthetic(6_000, { fromMs: 10_000 }), 0)
  expect(stage.live().stream.segments.length).toBeGreaterThan(count)
  expect(discontinuities(await stage.playlist())).toBe(1)
})
