import { describe, expect, test } from 'vitest'
import type { AmfObject } from '../../src/rtmp/amf0.ts'
import { MSG } from '../../src/rtmp/message.ts'
import { testVhost } from '../support/server.ts'
import { multitrack } from '../stream/media.ts'
import { FlvPlayer } from './http-probe.ts'
import { RtmpProbe, startPlayer, startPublisher } from './rtmp-probe.ts'
import { eventually, serve } from './support.ts'

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

    const player = await startPlayer(server)
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
    const player = await startPlayer(server)
    expect(player.labels.slice(6)).toEqual(ANSWER)
    await player.ping()
    player.rest()
    await startPublisher(server)
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
    await startPublisher(server)
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
    const one = await startPublisher(server, 'one')
    const two = await startPublisher(server, 'two')
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
    expect(sources.map(({ key, players }) => `${key} ${players}`)).toEqual([
      '__defaultVhost__/live/one 0',
      '__defaultVhost__/live/two 1',
    ])
  })

  test('again after closeStream works on the same connection', async () => {
    const server = await serve()
    await startPublisher(server, 'one')
    const two = await startPublisher(server, 'two')
    const player = await startPlayer(server, 'one')
    await player.next('audio frame a1')
    player.commandOn(1, 'closeStream', 0, null)
    player.commandOn(1, 'play', 0, null, 'two')
    await player.next('audio frame a1')
    two.media('video inter', 40, 'on')
    await player.next('video inter on')
  })

  test('of another stream without closeStream changes over', async () => {
    const server = await serve()
    await startPublisher(server, 'one')
    await startPublisher(server, 'two')
    const player = await startPlayer(server, 'one')
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
    await startPublisher(server)
    const [source] = server.server.hub.sources
    for (const way of ['end', 'reset'] as const) {
      const player = await startPlayer(server)
      expect(source?.players).toBe(1)
      player.raw[way]()
      await eventually('the player to be gone', () => source?.players === 0)
    }
  })
})

describe('a publisher of several tracks (enhanced RTMP v2)', () => {
  const TRACKS = new Map([
    [0, Buffer.from('zero')],
    [1, Buffer.from('one')],
  ])

  test('players that said in connect that they know tracks get all, others the first as a plain one', async () => {
    const server = await serve()
    const publisher = await RtmpProbe.connected(server)
    await publisher.publish('cam')
    publisher.send({ csid: 6, typeId: MSG.VIDEO, streamId: 1, payload: multitrack('video', true, TRACKS) })
    publisher.send({ csid: 4, typeId: MSG.AUDIO, streamId: 1, payload: multitrack('audio', false, TRACKS) })
    await publisher.ping()
    const enhanced = await RtmpProbe.connected(server, 'live', { capsEx: 2 })
    await enhanced.play('cam')
    const old = await startPlayer(server)
    const flv = await FlvPlayer.playing(server, '/live/cam.flv')
    publisher.media('audio frame', 40, 'end')
    for (const player of [enhanced, old, flv]) await player.next('audio frame end')
    const bodies = (payloads: Buffer[]): string[] =>
      payloads.flatMap((payload) => /zero|one/.exec(payload.toString('latin1'))?.[0] ?? [])
    const ofRtmp = (probe: RtmpProbe): string[] => bodies(probe.mediaMessages.map(({ payload }) => payload))
    expect(ofRtmp(enhanced)).toEqual(['zero', 'one', 'zero', 'one'])
    expect(ofRtmp(old)).toEqual(['zero', 'zero'])
    expect(bodies(flv.seen.tags.map(({ payload }) => payload))).toEqual(['zero', 'zero'])
    const [picture] = old.mediaMessages
    expect(picture?.payload.toString('latin1', 1, 5)).toBe('av01')
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
    await startPublisher(server, 'cam?vhost=a.example&token=1')
    const sameVhost = await startPlayer(server, 'cam?token=2&vhost=a.example')
    await sameVhost.next('video key k1')
    const byApp = await RtmpProbe.connected(server, 'live?vhost=a.example')
    await byApp.play('cam')
    await byApp.next('video key k1')
    await startPlayer(server, 'cam')
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
    const publisher = await startPublisher(server, 'cam?vhost=a.example')
    publisher.media('video key', 40, 'large', 100_000)
    await publisher.ping()
    const player = await startPlayer(server, 'cam?vhost=a.example')
    await player.next('video key large')
    expect(player.labels).toContain('chunkSize 60000')
  })
})
