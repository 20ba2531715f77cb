import { describe, expect, test } from 'vitest'
import type { AmfObject, AmfValue } from '../../src/rtmp/amf0.ts'
import { MSG } from '../../src/rtmp/message.ts'
import { testVhost, type TestServer } from '../support/server.ts'
import { timesOf } from './media.ts'
import { RtmpProbe } from './rtmp-probe.ts'
import { eventually, serve } from './support.ts'

async function publishing(server: TestServer, name = 'cam', app = 'live'): Promise<RtmpProbe> {
  const probe = await RtmpProbe.connected(server, app)
  await probe.publish(name)
  await probe.begin()
  return probe
}

async function playing(server: TestServer, name = 'cam', ...more: AmfValue[]): Promise<RtmpProbe> {
  const probe = await RtmpProbe.connected(server)
  await probe.play(name, ...more)
  return probe
}

const ANSWER = [
  'streamBegin 1',
  'onStatus NetStream.Play.Reset',
  'onStatus NetStream.Play.Start',
  'data |RtmpSampleAccess',
]

describe('play', () => {
  test('of a live stream: answer, metadata, headers, frames from the key frame on', async () => {
    const server = await serve()
    const publisher = await RtmpProbe.connected(server)
    await publisher.publish('cam')
    publisher.data(0, '@setDataFrame', 'onMetaData', { width: 640, duration: 99 })
    publisher.media('video key', 0, 'before')
    await publisher.begin(40)
    publisher.media('video inter', 80, 'i1')
    await publisher.ping()

    const player = await playing(server)
    publisher.media('video inter', 120, 'i2')
    await player.next('video inter i2')
    expect(player.labels.slice(6)).toEqual([
      ...ANSWER,
      'data onMetaData',
      'audio header h1',
      'video header h1',
      'video key k1',
      'audio frame a1',
      'video inter i1',
      'video inter i2',
    ])
    const start = player.seen.find(({ label }) => label === 'onStatus NetStream.Play.Start')
    expect(start?.args[1]).toMatchObject({ level: 'status', details: 'cam', clientid: 'ASAICiss' })
    const metadata = player.seen.find(({ label }) => label === 'data onMetaData')?.args[0] as AmfObject
    expect(metadata).toMatchObject({ width: 640, hasAudio: true, hasVideo: true })
    expect(metadata).not.toHaveProperty('duration')
  })

  test('of a stream that nobody publishes yet is answered; the media come with the publisher', async () => {
    const server = await serve()
    const player = await playing(server)
    expect(player.labels.slice(6)).toEqual(ANSWER)
    await player.ping()
    player.rest()
    await publishing(server)
    await player.next('audio frame a1')
    expect(player.labels.slice(11)).toEqual([
      'streamBegin 1',
      'onStatus NetStream.Play.PublishNotify',
      'audio header h1',
      'video header h1',
      'video key k1',
      'audio frame a1',
    ])
  })

  test('on a message stream brings answer and media on that one', async () => {
    const server = await serve()
    await publishing(server)
    const player = await RtmpProbe.connected(server)
    await player.createStream()
    const streamId = await player.createStream()
    player.commandOn(streamId, 'play', 0, null, 'cam', -2000)
    await player.next('audio frame a1')
    const onStream = player.seen.filter(({ message }) => message.streamId !== 0)
    expect(onStream.map(({ message }) => message.streamId)).toEqual(onStream.map(() => 2))
    expect(player.labels).toContain('streamBegin 2')
  })

  test('of two streams on two message streams keeps them apart, and the end of one leaves the other', async () => {
    const server = await serve()
    const one = await publishing(server, 'one')
    const two = await publishing(server, 'two')
    const player = await RtmpProbe.connected(server)
    const oneId = await player.play('one')
    const twoId = await player.play('two')
    one.media('video inter', 40, 'of one')
    two.media('video inter', 40, 'of two')
    const inters = ['video inter of one', 'video inter of two']
    await eventually('both', () => inters.every((label) => player.labels.includes(label)))
    const streamOf = (label: string): unknown => player.seen.find((seen) => seen.label === label)?.message.streamId
    expect(inters.map(streamOf)).toEqual([oneId, twoId])

    player.commandOn(oneId, 'closeStream', 0, null)
    await player.ping()
    one.media('video inter', 80, 'unseen')
    await one.ping()
    two.media('video inter', 80, 'seen')
    await player.next('video inter seen')
    expect(player.labels).not.toContain('video inter unseen')
    const sources = [...server.server.hub.sources]
    expect(sources.map(({ players }) => players).toSorted()).toEqual([0, 1])
  })

  test('again after closeStream works on the same connection', async () => {
    const server = await serve()
    await publishing(server, 'one')
    const two = await publishing(server, 'two')
    const player = await playing(server, 'one')
    await player.next('audio frame a1')
    player.commandOn(1, 'closeStream', 0, null)
    player.commandOn(1, 'play', 0, null, 'two')
    await player.next('audio frame a1')
    two.media('video inter', 40, 'on')
    await player.next('video inter on')
  })

  test('of another stream without closeStream changes over', async () => {
    const server = await serve()
    await publishing(server, 'one')
    await publishing(server, 'two')
    const player = await playing(server, 'one')
    await player.next('audio frame a1')
    player.commandOn(1, 'play', 0, null, 'two')
    await player.next('onStatus NetStream.Play.Start')
    await player.next('audio frame a1')
    expect([...server.server.hub.sources].map(({ players }) => players)).toEqual([0, 1])
  })

  test('on more than 8 message streams at a time is a protocol error', async () => {
    const server = await serve()
    const player = await RtmpProbe.connected(server)
    for (let streamId = 1; streamId <= 9; streamId++) player.commandOn(streamId, 'play', 0, null, `cam${streamId}`)
    await player.raw.untilOver()
    await eventually('the log line', () =>
      server.lines.some(({ fields }) => fields['code'] === 'rtmp_too_many_streams'),
    )
  })

  test('ends with the connection, whether by FIN or by reset', async () => {
    const server = await serve()
    await publishing(server)
    const [source] = server.server.hub.sources
    for (const way of ['end', 'reset'] as const) {
      const player = await playing(server)
      expect(source?.players).toBe(1)
      player.raw[way]()
      await eventually('the player to be gone', () => source?.players === 0)
    }
  })
})

describe('the query of a name', () => {
  test('?vhost= chooses the vhost, ?token= is only kept', async () => {
    const vhosts: Record<string, string> = { 'a.example': 'a.example', '127.0.0.1': '__defaultVhost__' }
    const resolveVhost = (name: string): ReturnType<typeof testVhost> | null => {
      const known = vhosts[name]
      return known ? testVhost({ name: known, minLatency: true }) : null
    }
    const server = await serve({}, { resolveVhost })
    await publishing(server, 'cam?vhost=a.example&token=1')
    const sameVhost = await playing(server, 'cam?token=2&vhost=a.example')
    await sameVhost.next('video key k1')
    const byApp = await RtmpProbe.connected(server, 'live?vhost=a.example')
    await byApp.play('cam')
    await byApp.next('video key k1')
    await playing(server, 'cam')
    expect([...server.server.hub.sources].map(({ key, players }) => [key, players])).toEqual([
      ['a.example/live/cam', 2],
      ['__defaultVhost__/live/cam', 1],
    ])
    const unknown = await RtmpProbe.connected(server)
    unknown.commandOn(1, 'play', 0, null, 'cam?vhost=b.example')
    await unknown.next('onStatus NetStream.Play.Failed')
    await unknown.raw.untilOver()
  })

  test('a vhost of another chunk size does not garble the connection', async () => {
    const resolveVhost = (name: string): ReturnType<typeof testVhost> =>
      testVhost({ name, minLatency: true, chunkSize: name === 'a.example' ? 4096 : 60_000 })
    const server = await serve({}, { resolveVhost })
    const publisher = await publishing(server, 'cam?vhost=a.example')
    publisher.media('video key', 40, 'large', 100_000)
    await publisher.ping()
    const player = await playing(server, 'cam?vhost=a.example')
    await player.next('video key large')
    expect(player.labels).toContain('chunkSize 60000')
  })
})

describe('pause', () => {
  test('is told, stops the media, and unpause goes on where the stream was left', async () => {
    const server = await serve()
    const publisher = await publishing(server)
    const player = await playing(server)
    const witness = await playing(server)
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
    const publisher = await publishing(server)
    const player = await playing(server)
    const witness = await playing(server)
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
    const publisher = await publishing(server)
    const player = await playing(server)
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
    await publishing(server)
    const player = await playing(server)
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
    const publisher = await publishing(server)
    const player = await playing(server)
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
    const player = await playing(server, 'cam', -2000, 1000, true)
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
    const publisher = await publishing(server)
    const player = await playing(server, 'cam', -2000, 300)
    await player.next('audio frame a1')
    publisher.command('FCUnpublish', 0, null, 'cam')
    await publisher.publish('cam')
    await publisher.begin(0, '2')
    publisher.media('audio frame', 400, 'last')
    await player.next('onStatus NetStream.Play.Stop')
  })

  test.each([0, -1, -2, undefined, null])('%s means for ever', async (duration) => {
    const server = await serve()
    const publisher = await publishing(server)
    const player = await playing(server, 'cam', -2000, duration)
    publisher.media('audio frame', 4000, 'far')
    await player.next('audio frame far')
    await player.ping()
    expect(player.labels).not.toContain('onStatus NetStream.Play.Stop')
  })
})
