import { describe, expect, test } from 'vitest'
import { MSG } from '../../src/rtmp/message.ts'
import type { TestServer } from '../support/server.ts'
import { timesOf } from './media.ts'
import { RtmpProbe, startPlayer, startPublisher } from './rtmp-probe.ts'
import { eventually, serve } from './support.ts'

describe('pause', () => {
  test('is told, stops the media, and unpause goes on where the stream was left', async () => {
    const server = await serve()
    const publisher = await startPublisher(server)
    const player = await startPlayer(server)
    const witness = await startPlayer(server)
    await player.next('audio frame a1')
    player.commandOn(1, 'pause', 0, null, true, 0)
    await player.next('onStatus NetStream.Pause.Notify')
    await player.next('streamEof 1')
    publisher.media('video inter', 40, 'i1')
    publisher.media('video inter', 80, 'i2')
    await witness.next('video inter i2')
    await player.ping()
    expect(player.rest()).toEqual([])

    player.commandOn(1, 'pause', 0, null, false, 0)
    await player.next('onStatus NetStream.Unpause.Notify')
    await player.next('streamBegin 1')
    await player.next('video inter i2')
    expect(player.labels.slice(-2)).toEqual(['video inter i1', 'video inter i2'])
  })

  test('over a key frame resumes at the newest one, with headers', async () => {
    const server = await serve()
    const publisher = await startPublisher(server)
    const player = await startPlayer(server)
    const witness = await startPlayer(server)
    await player.next('audio frame a1')
    player.commandOn(1, 'pause', 0, null, true, 0)
    await player.next('streamEof 1')
    for (const gop of [2, 3, 4]) {
      publisher.media('video key', gop * 1000, `k${gop}`)
      publisher.media('video inter', gop * 1000 + 40, `i${gop}`)
    }
    await witness.next('video inter i4')
    player.commandOn(1, 'pause', 0, null, false, 0)
    await player.next('streamBegin 1')
    await player.next('video inter i4')
    expect(player.labels.slice(-4)).toEqual(['audio header h1', 'video header h1', 'video key k4', 'video inter i4'])
  })

  test('over the end of the publish and a new one ends in the new one', async () => {
    const server = await serve()
    const publisher = await startPublisher(server)
    const player = await startPlayer(server)
    await player.next('audio frame a1')
    player.commandOn(1, 'pause', 0, null, true, 0)
    await player.next('streamEof 1')
    publisher.command('FCUnpublish', 0, null, 'cam')
    await publisher.publish('cam')
    await publisher.begin(0, '2')
    player.commandOn(1, 'pause', 0, null, false, 0)
    await player.next('onStatus NetStream.Play.UnpublishNotify')
    await player.next('onStatus NetStream.Play.PublishNotify')
    await player.next('video key k2')
  })

  test('of a paused player that goes away leaves nothing', async () => {
    const server = await serve()
    await startPublisher(server)
    const player = await startPlayer(server)
    player.commandOn(1, 'pause', 0, null, true, 0)
    await player.next('onStatus NetStream.Pause.Notify')
    player.raw.end()
    await eventually('the player to be gone', () => [...server.server.hub.sources][0]?.players === 0)
  })
})

describe('receiveAudio and receiveVideo', () => {
  /** Frames of both kinds at each 40 ms of `fromMs`..`toMs`, named by their times. */
  function frames(publisher: RtmpProbe, fromMs: number, toMs: number): void {
    for (let atMs = fromMs; atMs <= toMs; atMs += 40) {
      publisher.media('video inter', atMs, String(atMs))
      publisher.media('audio frame', atMs, String(atMs))
    }
  }

  async function bothComing(server: TestServer): Promise<{ publisher: RtmpProbe; player: RtmpProbe }> {
    const publisher = await startPublisher(server)
    const player = await startPlayer(server)
    frames(publisher, 40, 400)
    await player.next('audio frame 400')
    return { publisher, player }
  }

  test.each([
    ['receiveVideo', MSG.VIDEO, MSG.AUDIO],
    ['receiveAudio', MSG.AUDIO, MSG.VIDEO],
  ] as const)('%s false stops that kind; the other goes on without a gap or a repetition', async (verb, off, on) => {
    const server = await serve()
    const { publisher, player } = await bothComing(server)
    player.commandOn(1, verb, 7, null, false)
    expect((await player.next('_result')).transactionId).toBe(7)
    for (let atMs = 440; atMs <= 1000; atMs += 40) frames(publisher, atMs, atMs)
    await player.next(({ message }) => message.typeId === on && message.timestampMs === 1000)
    const frameTimes = timesOf(
      player.mediaMessages.filter(({ payload }) => payload[1] === 1),
      on,
    )
    expect(frameTimes).toEqual(Array.from({ length: 26 }, (_, at) => at * 40))
    expect(timesOf(player.mediaMessages, off).at(-1)).toBeLessThan(1000)
  })

  test('receiveAudio true brings the sound back at once, and the picture is not repeated', async () => {
    const server = await serve()
    const { publisher, player } = await bothComing(server)
    player.commandOn(1, 'receiveAudio', 0, null, false)
    await player.ping()
    frames(publisher, 440, 440)
    await player.next('video inter 440')
    player.commandOn(1, 'receiveAudio', 0, null, true)
    await player.ping()
    frames(publisher, 480, 480)
    await player.next('video inter 480')
    frames(publisher, 520, 520)
    await player.next('audio frame 520')
    const inters = player.labels.filter((label) => label.startsWith('video inter'))
    expect(new Set(inters).size).toBe(inters.length)
  })

  test('receiveVideo true brings the picture back at a key frame, and time does not go back', async () => {
    const server = await serve()
    const { publisher, player } = await bothComing(server)
    player.commandOn(1, 'receiveVideo', 0, null, false)
    await player.ping()
    for (const atMs of [440, 480]) {
      frames(publisher, atMs, atMs)
      await player.next(`audio frame ${atMs}`)
    }
    player.commandOn(1, 'receiveVideo', 0, null, true)
    await player.ping()
    frames(publisher, 520, 600)
    await publisher.ping()
    publisher.media('video key', 640, 'k2')
    frames(publisher, 640, 680)
    await player.next('video header h1')
    await player.next('video key k2')
    await player.next('video inter 680')
    await player.next('audio frame 680')
    for (const typeId of [MSG.AUDIO, MSG.VIDEO]) {
      const times = timesOf(player.mediaMessages, typeId)
      expect(times).toEqual(times.toSorted((a, b) => a - b))
    }
  })
})

describe('the duration of play', () => {
  test('counts from the first frame; then Play.Stop, and the connection stays', async () => {
    const server = await serve()
    const publisher = await RtmpProbe.connected(server)
    await publisher.publish('cam')
    await publisher.begin(500_000)
    const player = await startPlayer(server, 'cam', -2000, 1000, true)
    await player.next('audio frame a1')
    for (let atMs = 200; atMs <= 2000; atMs += 200) publisher.media('audio frame', 500_000 + atMs, `+${atMs}`)
    await player.next('onStatus NetStream.Play.Stop')
    await player.next('streamEof 1')
    expect(player.labels).toContain('audio frame +800')
    publisher.media('audio frame', 502_200, '+2200')
    await publisher.ping()
    await player.ping()
    expect(player.labels).not.toContain('audio frame +2200')
    expect(player.raw.isOver).toBe(false)

    player.commandOn(1, 'play', 0, null, 'cam', -2000, -1)
    await player.next('onStatus NetStream.Play.Start')
    await player.next('audio frame +2200')
  })

  test('goes on over a republish', async () => {
    const server = await serve()
    const publisher = await startPublisher(server)
    const player = await startPlayer(server, 'cam', -2000, 300)
    await player.next('audio frame a1')
    publisher.command('FCUnpublish', 0, null, 'cam')
    await publisher.publish('cam')
    await publisher.begin(0, '2')
    publisher.media('audio frame', 400, 'last')
    await player.next('onStatus NetStream.Play.Stop')
  })

  test.each([0, -1, -2, undefined, null])('%s means for ever', async (duration) => {
    const server = await serve()
    const publisher = await startPublisher(server)
    const player = await startPlayer(server, 'cam', -2000, duration)
    publisher.media('audio frame', 4000, 'far')
    await player.next('audio frame far')
    await player.ping()
    expect(player.labels).not.toContain('onStatus NetStream.Play.Stop')
  })
})
