import { describe, expect, test } from 'vitest'
import { MSG } from '../../src/rtmp/message.ts'
import { timesOf } from './media.ts'
import { FlvPlayer } from './http-probe.ts'
import { sendMovie } from './movie.ts'
import { RtmpProbe, startPlayer, startPublisher } from './rtmp-probe.ts'
import { eventually, serve } from './support.ts'
import { StillServer } from './still-world.ts'

describe('time_jitter zero', () => {
  test('lets each player of RTMP and FLV begin at 0, whenever it comes, and over republishes', async () => {
    const server = await serve({ play: { timeJitter: 'zero' } })
    const publisher = await RtmpProbe.connected(server)
    await publisher.publish('cam')
    await publisher.begin(70_000, '1')
    const early = await startPlayer(server)
    await early.next('video key k1')
    publisher.media('video key', 74_000, 'k2')
    publisher.media('audio frame', 74_010, 'a2')
    await publisher.ping()
    const late = await startPlayer(server)
    const flv = await FlvPlayer.playing(server, '/live/cam.flv')
    publisher.media('video inter', 74_040, 'i')
    for (const player of [early, late, flv]) await player.next('video inter i')
    const times = (probe: RtmpProbe): number[] => timesOf(probe.mediaMessages, MSG.VIDEO)
    expect(times(early)).toEqual([0, 0, 4_000, 4_040])
    expect(times(late)).toEqual([0, 0, 40])
    expect(timesOf(late.mediaMessages, MSG.AUDIO)).toEqual([0, 10])
    expect(flv.seen.tags.filter(({ typeId }) => typeId === MSG.VIDEO).map((tag) => tag.timestampMs)).toEqual([0, 0, 40])
    publisher.raw.end()
    await late.next('onStatus NetStream.Play.UnpublishNotify')
    await startPublisher(server)
    await late.next('video key k1')
    expect(times(late).at(-1)).toBeGreaterThanOrEqual(40)
    expect(times(late).at(-1)).toBeLessThan(1_000)
  })

  test('is not the default: players see the times of the stream', async () => {
    const server = await serve()
    const publisher = await RtmpProbe.connected(server)
    await publisher.publish('cam')
    await publisher.begin(70_000)
    const player = await startPlayer(server)
    await player.next('video key k1')
    expect(timesOf(player.mediaMessages, MSG.VIDEO)).toEqual([70_000, 70_000])
  })
})

describe('send_min_interval', () => {
  test('sends message after message with a pause between them', async () => {
    const server = new StillServer({ minLatency: false, play: { sendMinIntervalMs: 100 } })
    const publisher = await server.rtmp()
    await publisher.connectToApp()
    await publisher.command(1, 'publish', null, 'cam', 'live')
    await publisher.media('video key', 0)
    await publisher.media('audio frame', 0)
    const [rtmp, http] = [await server.rtmp(), await server.http()]
    await rtmp.connectToApp()
    await rtmp.command(1, 'play', null, 'cam')
    await http.send('GET /live/cam.flv HTTP/1.1\r\nHost: h\r\n\r\n')
    await server.clock.pass(1_000)
    for (let number = 1; number <= 5; number++) await publisher.media('video inter', number * 10)
    await server.clock.pass(0)
    for (const player of [rtmp, http]) {
      const before = player.pipe.written.length
      await server.clock.pass(250)
      const after = player.pipe.written.length
      expect(after - before).toBeGreaterThanOrEqual(2)
      expect(after - before).toBeLessThanOrEqual(3)
    }
    await server.clock.pass(1_000)
    const counts = [rtmp, http].map(({ pipe }) => pipe.written.length)
    await server.clock.pass(1_000)
    expect([rtmp, http].map(({ pipe }) => pipe.written.length)).toEqual(counts)
  })
})

describe('reduce_sequence_header', () => {
  test.each([true, false])('%s: a header that is the same again', async (reduceSequenceHeader) => {
    const server = await serve({ play: { reduceSequenceHeader } })
    const publisher = await startPublisher(server)
    const player = await startPlayer(server)
    await player.next('video key k1')
    for (const name of ['h1', 'h1', 'h2', 'h2']) {
      publisher.media('video header', 40, name)
      publisher.media('audio header', 40, name)
    }
    publisher.media('video inter', 40, 'last')
    await player.next('video inter last')
    const headers = player.labels.filter((label) => label.includes(' header '))
    const once = ['audio header h1', 'video header h1', 'video header h2', 'audio header h2']
    if (reduceSequenceHeader) expect(headers).toEqual(once)
    else expect(headers).toHaveLength(2 + 8)
  })
})

describe('kickoff_for_idle', () => {
  const LIMIT = { publish: { kickoffForIdleMs: 10_000, normalTimeoutMs: 60_000 } }

  test('closes a publisher that nobody has watched for so long', async () => {
    const server = new StillServer(LIMIT)
    const publisher = await server.rtmp()
    await publisher.connectToApp()
    await publisher.command(1, 'publish', null, 'cam', 'live')
    for (let second = 0; second < 10; second++) {
      await publisher.media('video key', second * 1_000)
      await server.clock.pass(1_000)
    }
    expect(publisher.isClosed).toBe(false)
    await publisher.media('video key', 10_000)
    expect([publisher.isClosed, server.lastReason]).toEqual([true, 'nobody watched for 10 s'])
  })

  test('counts from the last player on, and lets a stream be that is watched', async () => {
    const server = new StillServer(LIMIT)
    const publisher = await server.rtmp()
    await publisher.connectToApp()
    await publisher.command(1, 'publish', null, 'cam', 'live')
    const player = await server.http()
    await player.send('GET /live/cam.flv HTTP/1.1\r\nHost: h\r\n\r\n')
    const pass = async (seconds: number): Promise<void> => {
      for (let second = 0; second < seconds; second++) {
        await publisher.media('video key', second * 1_000)
        await server.clock.pass(1_000)
      }
    }
    await pass(30)
    expect(publisher.isClosed).toBe(false)
    await player.end()
    await pass(9)
    expect(publisher.isClosed).toBe(false)
    await pass(3)
    expect(publisher.isClosed).toBe(true)
  })

  test('a viewer of HLS watches too', async () => {
    const hls = { enabled: true, hlsFragmentMs: 1_000, hlsWindowMs: 60_000 }
    const server = await serve({ publish: { kickoffForIdleMs: 1 }, hls })
    const publisher = await RtmpProbe.connected(server)
    const waiting = await startPlayer(server)
    await publisher.publish('cam')
    await sendMovie(publisher)
    const response = await fetch(`http://127.0.0.1:${server.httpPort}/live/cam.m3u8`)
    expect([response.status, server.server.clients.size]).toEqual([200, 3])
    waiting.raw.end()
    await eventually('the end of the RTMP player', () => server.server.clients.size === 2)
    await publisher.begin(60_000)
    for (const { id, type } of server.server.clients.all()) {
      if (type === 'hls-play')
        server.world.spawn('kick', async (thread) => {
          await server.server.clients.kick(thread, id, 10_000)
        })
    }
    await eventually('the end of the viewer', () => server.server.clients.size === 1)
    publisher.media('video inter', 60_040, 'i')
    await publisher.raw.untilOver()
  })
})
