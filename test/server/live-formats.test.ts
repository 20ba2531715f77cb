import { describe, expect, test } from 'vitest'
import type { FlvTag } from '../../src/format/flv/reader.ts'
import { type ReadTs, readTs } from '../format/mpegts/demux.ts'
import type { TestServer } from '../support/server.ts'
import { fixtureTags, isKey, isPicture, isSound, mp3Tags, sendTags, tagType } from './fixture.ts'
import { dechunk, HttpProbe, readFlv, type ResponseHead } from './http-probe.ts'
import { RtmpProbe } from './rtmp-probe.ts'
import { eventually, players, serve } from './support.ts'

/** The tests send faster than a stream runs. */
const PATIENT = { play: { queueLengthMs: 60_000 } }
const AVC_AAC = fixtureTags('h264-aac')

async function publisher(server: TestServer, name = 'cam'): Promise<RtmpProbe> {
  const probe = await RtmpProbe.connected(server)
  await probe.publish(name)
  return probe
}

/** Plays from before the publish to its end. */
async function playWhole(
  server: TestServer,
  path: string,
  tags: readonly FlvTag[],
): Promise<{ head: ResponseHead; data: Buffer }> {
  const player = await HttpProbe.open(server)
  player.request(path)
  await eventually('the player to wait', () => players(server) === 1)
  const probe = await publisher(server)
  // What comes before the player is let in is kept for two seconds of the stream.
  const begin = tags.findIndex(({ timestampMs }) => timestampMs > 1_500)
  await sendTags(probe, tags.slice(0, begin))
  const head = await player.head()
  await sendTags(probe, tags.slice(begin))
  probe.raw.end()
  await player.raw.untilOver()
  const { data, isLast, rest } = dechunk(player.rest)
  expect([isLast, rest.length]).toEqual([true, 0])
  return { head, data }
}

/** Times in ticks of 90 kHz of one kind, as they went in. */
function sentTimes(tags: readonly FlvTag[], isWanted: (tag: FlvTag) => boolean): number[] {
  return tags.filter((tag) => isWanted(tag) && tagType(tag) === 'frame').map(({ timestampMs }) => timestampMs * 90)
}

const times = ({ pes }: ReadTs, pid: number): number[] => pes.filter((one) => one.pid === pid).map(({ dts }) => dts)
const PICTURE = 0x100
const SOUND = 0x101

describe('MPEG-TS', () => {
  test('is every frame at its time, in whole packets, with the tables before each key frame', async () => {
    const server = await serve(PATIENT)
    const { head, data } = await playWhole(server, '/live/cam.ts', AVC_AAC)
    expect(head.headers).toMatchObject({ 'content-type': 'video/mp2t', 'cache-control': 'no-store' })
    const ts = readTs(data)
    expect(times(ts, PICTURE)).toEqual(sentTimes(AVC_AAC, isPicture))
    expect(times(ts, SOUND)).toEqual(sentTimes(AVC_AAC, isSound))
    expect(ts.tables).toHaveLength(AVC_AAC.filter(isKey).length)
    expect(ts.tables[0]?.streams.map(({ pid }) => pid)).toEqual([PICTURE, SOUND])
  })

  test('who comes in the middle begins at the newest key frame, tables first', async () => {
    const server = await serve(PATIENT)
    const probe = await publisher(server)
    await sendTags(probe, AVC_AAC)
    const player = await HttpProbe.open(server)
    player.request('/live/cam.ts')
    await player.head()
    probe.raw.end()
    await player.raw.untilOver()
    const ts = readTs(dechunk(player.rest).data)
    const lastKeyMs = AVC_AAC.findLast(isKey)?.timestampMs ?? 0
    expect(times(ts, PICTURE)[0]).toBe(lastKeyMs * 90)
    expect(ts.pes.find(({ pid }) => pid === PICTURE)?.randomAccess).toBe(true)
    expect(players(server)).toBe(0)
  })

  test('two players share one muxing, and each can decode from its first packet', async () => {
    const server = await serve(PATIENT)
    const probe = await publisher(server)
    const middle = AVC_AAC.findLastIndex(isKey) + 10
    await sendTags(probe, AVC_AAC.slice(0, middle))
    const [one, two] = [await HttpProbe.open(server), await HttpProbe.open(server)]
    for (const player of [one, two]) {
      player.request('/live/cam.ts')
      await player.head()
    }
    await sendTags(probe, AVC_AAC.slice(middle))
    probe.raw.end()
    await one.raw.untilOver()
    await two.raw.untilOver()
    expect(dechunk(one.rest).data.equals(dechunk(two.rest).data)).toBe(true)
    readTs(dechunk(two.rest).data)
  })

  test('sound alone has its tables every half second, and whoever joins gets them at once', async () => {
    const server = await serve(PATIENT)
    const tags = AVC_AAC.filter(isSound)
    const { data } = await playWhole(server, '/live/cam.ts', tags)
    const ts = readTs(data)
    const seconds = ((tags.at(-1)?.timestampMs ?? 0) - (tags[0]?.timestampMs ?? 0)) / 1000
    expect(ts.tables.length).toBeGreaterThanOrEqual(Math.floor(seconds / 0.55))
    expect(ts.tables[0]).toMatchObject({ pcrPid: SOUND, streams: [{ pid: SOUND }] })
    const probe = await publisher(server, 'late')
    await sendTags(probe, tags.slice(0, 60))
    const player = await HttpProbe.open(server)
    player.request('/live/late.ts')
    await player.head()
    // Not on a frame that brings the tables.
    await sendTags(probe, tags.slice(60, 62))
    probe.raw.end()
    await player.raw.untilOver()
    expect(times(readTs(dechunk(player.rest).data), SOUND).at(-1)).toBe((tags[61]?.timestampMs ?? 0) * 90)
  })

  test('sound that comes late is announced when it comes', async () => {
    const server = await serve(PATIENT)
    const late = AVC_AAC.filter((tag) => !isSound(tag) || tagType(tag) === 'header' || tag.timestampMs >= 2_000)
    const ts = readTs((await playWhole(server, '/live/cam.ts', late)).data)
    expect(ts.tables[0]?.streams.map(({ pid }) => pid)).toEqual([PICTURE])
    expect(ts.tables.at(-1)?.streams.map(({ pid }) => pid)).toEqual([PICTURE, SOUND])
    expect(times(ts, SOUND)).toEqual(sentTimes(late, isSound))
  })

  test('HEVC is carried; of AV1 and Opus the sound alone, and the player does not wait for a picture', async () => {
    const server = await serve(PATIENT)
    const hevc = readTs((await playWhole(server, '/live/cam.ts', fixtureTags('hevc-aac'))).data)
    expect(hevc.tables[0]?.streams.map(({ streamType }) => streamType)).toEqual([0x24, 0x0f])
    const opus = readTs((await playWhole(server, '/live/cam.ts', fixtureTags('av1-opus'))).data)
    expect(opus.tables[0]?.streams.map(({ pid }) => pid)).toEqual([0x107])
  })

  test('of a stream that it carries nothing of is a clear 404', async () => {
    const server = await serve(PATIENT)
    const probe = await publisher(server)
    await sendTags(probe, fixtureTags('vp9-flac'))
    const response = await HttpProbe.ask(server, '/live/cam.ts')
    expect(response).toMatchObject({
      status: 404,
      body: 'Stream __defaultVhost__/live/cam has nothing for video/mp2t.\n',
    })
  })

  test('a damaged frame is left out', async () => {
    const server = await serve(PATIENT)
    const victim = AVC_AAC.findIndex((tag) => isPicture(tag) && tagType(tag) === 'frame' && !isKey(tag))
    const damaged = AVC_AAC.map((tag, index) => {
      return index === victim ? { ...tag, payload: Buffer.concat([tag.payload.subarray(0, 5), Buffer.of(9, 9)]) } : tag
    })
    const { data } = await playWhole(server, '/live/cam.ts', damaged)
    expect(times(readTs(data), PICTURE)).toEqual(
      sentTimes(
        AVC_AAC.filter((_, index) => index !== victim),
        isPicture,
      ),
    )
  })

  test('is not served beside HLS, whose segments have such names', async () => {
    const server = await serve({ hls: { enabled: true } })
    expect((await HttpProbe.ask(server, '/live/cam-0.ts')).status).toBe(404)
    expect(players(server)).toBe(0)
  })
})

describe('sound alone', () => {
  test('.aac is every frame behind its ADTS header', async () => {
    const server = await serve(PATIENT)
    const { head, data } = await playWhole(server, '/live/cam.aac', AVC_AAC)
    expect(head.headers['content-type']).toBe('audio/aac')
    const bodies: Buffer[] = []
    for (let at = 0; at < data.length; ) {
      expect(data.readUInt16BE(at)).toBe(0xfff1)
      const bytes = (data.readUInt32BE(at + 2) >> 5) & 0x1fff
      bodies.push(data.subarray(at + 7, at + bytes))
      at += bytes
    }
    // Without its picture a stream is not played from its first picture on, but from now on.
    const sent = AVC_AAC.filter((tag) => isSound(tag) && tagType(tag) === 'frame').slice(-bodies.length)
    expect(bodies.length).toBeGreaterThan(400)
    expect(Buffer.concat(bodies).equals(Buffer.concat(sent.map(({ payload }) => payload.subarray(2))))).toBe(true)
  })

  test('.mp3 is the frames as they are', async () => {
    const server = await serve(PATIENT)
    const tags = mp3Tags(100)
    const { head, data } = await playWhole(server, '/live/cam.mp3', tags)
    expect(head.headers['content-type']).toBe('audio/mpeg')
    expect(data.equals(Buffer.concat(tags.map(({ payload }) => payload.subarray(1))))).toBe(true)
  })

  test('a new player gets the newest sound at once, as much as fast_cache says, and so does a later one', async () => {
    const server = await serve({ ...PATIENT, httpRemux: { fastCacheMs: 3_000 } })
    const probe = await publisher(server)
    const tags = mp3Tags(500)
    const first = await HttpProbe.open(server)
    const later = await HttpProbe.open(server)
    await sendTags(probe, tags.slice(0, 300))
    first.request('/live/cam.mp3')
    await first.head()
    await sendTags(probe, tags.slice(300, 400))
    later.request('/live/cam.mp3')
    await later.head()
    await sendTags(probe, tags.slice(400))
    probe.raw.end()
    for (const [player, sent] of [
      [first, 300],
      [later, 400],
    ] as const) {
      await player.raw.untilOver()
      const count = dechunk(player.rest).data.length / 384
      // Frames of 24 ms; a batch more or less.
      expect(Math.abs(count - (tags.length - sent) - 3_000 / 24)).toBeLessThan(500 / 24)
    }
  })

  test('of another codec is a clear 404', async () => {
    const server = await serve(PATIENT)
    const probe = await publisher(server)
    await sendTags(probe, AVC_AAC)
    expect((await HttpProbe.ask(server, '/live/cam.mp3')).status).toBe(404)
    expect((await HttpProbe.ask(server, '/live/cam.aac', 'HEAD')).headers['content-type']).toBe('audio/aac')
  })
})

describe('a vhost that leaves a kind out', () => {
  test.each([
    ['sound', { hasAudio: false }, false, true],
    ['picture', { hasVideo: false }, true, false],
  ])('%s: FLV and MPEG-TS have none of it, and do not promise any', async (_kind, changes, hasAudio, hasVideo) => {
    const server = await serve({ ...PATIENT, httpRemux: changes })
    const { data } = await playWhole(server, '/live/cam.flv', AVC_AAC)
    const flv = readFlv(data)
    expect(flv).toMatchObject({ hasAudio, hasVideo })
    expect(flv?.scripts[0]?.[0]).toMatchObject({ hasAudio, hasVideo })
    expect(flv?.tags.some(isSound)).toBe(hasAudio)
    expect(flv?.tags.some(isPicture)).toBe(hasVideo)
    const ts = readTs((await playWhole(server, '/live/cam.ts', AVC_AAC)).data)
    expect(ts.tables[0]?.streams.map(({ pid }) => pid)).toEqual([hasVideo ? PICTURE : SOUND])
  })
})

test('players are told apart in the register and in the log by what they play', async () => {
  const server = await serve(PATIENT)
  const probe = await publisher(server)
  await sendTags(probe, AVC_AAC)
  const player = await HttpProbe.open(server)
  player.request('/live/cam.ts')
  await player.head()
  expect([...server.server.clients.all()].map(({ type }) => type).toSorted()).toEqual(['flash-publish', 'ts-play'])
  expect(server.lines.some(({ text, fields }) => text === 'connected' && fields['protocol'] === 'http-ts')).toBe(true)
})
