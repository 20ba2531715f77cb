import { describe, expect, test } from 'vitest'
import type { AmfObject } from '../../src/rtmp/amf0.ts'
import { encodeAmf0 } from '../../src/rtmp/amf0.ts'
import { encodeCommand } from '../../src/rtmp/command.ts'
import { MSG } from '../../src/rtmp/message.ts'
import { RtmpProbe } from './rtmp-probe.ts'
import { eventually, serve } from './support.ts'

describe('publish in the orders of real encoders', () => {
  test('ffmpeg, OBS, librtmp: releaseStream, FCPublish, createStream, publish', async () => {
    const server = await serve()
    const probe = await RtmpProbe.connected(server)
    probe.command('releaseStream', 2, null, 'cam')
    probe.command('FCPublish', 3, null, 'cam')
    probe.command('createStream', 4, null)
    const released = await probe.next('_result')
    expect([released.transactionId, released.args]).toEqual([2, [null, undefined]])
    const announced = await probe.next('_result')
    expect([announced.transactionId, announced.args]).toEqual([3, [null, undefined]])
    const created = await probe.next('_result')
    expect([created.transactionId, created.args]).toEqual([4, [null, 1]])

    probe.commandOn(1, 'publish', 5, null, 'cam', 'live')
    const started = await probe.next('onStatus NetStream.Publish.Start')
    expect(probe.labels.slice(-2)).toEqual(['onFCPublish', 'onStatus NetStream.Publish.Start'])
    expect(started.message).toMatchObject({ csid: 5, streamId: 1 })
    expect(started.transactionId).toBe(0)
    expect(started.args).toEqual([
      null,
      {
        level: 'status',
        code: 'NetStream.Publish.Start',
        description: 'Started publishing stream.',
        clientid: 'ASAICiss',
      },
    ])
  })

  test('Flash: createStream, publish, and deleteStream at the end', async () => {
    const server = await serve()
    const probe = await RtmpProbe.connected(server)
    await probe.publish('cam')
    await probe.begin()
    expect(server.server.hub.size).toBe(1)
    probe.command('deleteStream', 0, null, 1)
    await probe.ping()
    expect(server.server.hub.size).toBe(0)
  })

  test('the commands of all of them sent at once, before any answer', async () => {
    const server = await serve()
    const probe = await RtmpProbe.open(server.rtmpPort)
    probe.connect()
    probe.command('releaseStream', 2, null, 'cam')
    probe.command('FCPublish', 3, null, 'cam')
    probe.command('createStream', 4, null)
    probe.command('_checkbw', 5, null)
    probe.commandOn(1, 'publish', 6, null, 'cam', 'live')
    probe.media('video key', 0, '1')
    await probe.ping()
    expect(probe.labels.filter((label) => label === '_result')).toHaveLength(5)
    expect([...server.server.hub.sources].map(({ publication }) => publication?.counters.videoFrames)).toEqual([1])
  })
})

describe('FCUnpublish', () => {
  test('ends the publish with three answers; the connection may publish again', async () => {
    const server = await serve()
    const probe = await RtmpProbe.connected(server)
    await probe.publish('cam')
    await probe.begin()
    probe.rest()
    probe.command('FCUnpublish', 6, null, 'cam')
    await probe.next('onStatus NetStream.Unpublish.Success')
    expect(probe.labels.slice(-3)).toEqual(['onFCUnpublish', '_result', 'onStatus NetStream.Unpublish.Success'])
    expect(probe.seen.at(-2)?.transactionId).toBe(6)
    expect(server.server.hub.size).toBe(0)
    probe.command('deleteStream', 7, null, 1)
    expect(await probe.publish('cam2')).toBe(1)
    expect([...server.server.hub.sources].map(({ key }) => key)).toEqual(['__defaultVhost__/live/cam2'])
  })

  test('without a transaction id is answered by no _result', async () => {
    const server = await serve()
    const probe = await RtmpProbe.connected(server)
    await probe.publish('cam')
    probe.command('FCUnpublish', 0, null, 'cam')
    await probe.ping()
    expect(probe.labels.slice(-3)).toEqual(['onFCUnpublish', 'onStatus NetStream.Unpublish.Success', 'pong 1'])
  })
})

describe('createStream', () => {
  test('gives 1, 2, 3 ... and a freed number again', async () => {
    const server = await serve()
    const probe = await RtmpProbe.connected(server)
    expect([await probe.createStream(), await probe.createStream(), await probe.createStream()]).toEqual([1, 2, 3])
    probe.command('deleteStream', 0, null, 2)
    expect(await probe.createStream()).toBe(2)
    expect(await probe.createStream()).toBe(4)
  })

  test('beyond 8 streams is a protocol error', async () => {
    const server = await serve()
    const probe = await RtmpProbe.connected(server)
    for (let id = 1; id <= 8; id++) expect(await probe.createStream()).toBe(id)
    probe.command('createStream', 99, null)
    await probe.raw.untilOver()
    await eventually('the log line', () =>
      server.lines.some(({ fields }) => fields['code'] === 'rtmp_too_many_streams'),
    )
  })
})

describe('other commands', () => {
  test.each(['_checkbw', 'setPeerInfo', 'getStreamId', 'FCUnsubscribe', '__proto__'])(
    '%s with a transaction id gets an empty _result',
    async (name) => {
      const server = await serve()
      const probe = await RtmpProbe.connected(server)
      probe.command(name, 9, null, 'cam')
      const result = await probe.next('_result')
      expect([result.transactionId, result.args]).toEqual([9, [null, null]])
    },
  )

  test('unknown ones without a transaction id get no answer', async () => {
    const server = await serve()
    const probe = await RtmpProbe.connected(server)
    probe.rest()
    probe.command('someThing', 0, null)
    probe.send({ typeId: MSG.COMMAND_AMF0, payload: encodeAmf0('onlyAName') })
    await probe.ping()
    expect(probe.labels.slice(5)).toEqual(['pong 1'])
  })

  test('getStreamLength says 0: a live stream has none', async () => {
    const server = await serve()
    const probe = await RtmpProbe.connected(server)
    probe.command('getStreamLength', 4, null, 'cam')
    const result = await probe.next('_result')
    expect([result.transactionId, result.args]).toEqual([4, [null, 0]])
  })

  test('FCSubscribe is answered by onFCSubscribe', async () => {
    const server = await serve()
    const probe = await RtmpProbe.connected(server)
    probe.command('FCSubscribe', 4, null, 'cam')
    const { args } = await probe.next('onFCSubscribe')
    expect(args[1]).toMatchObject({ level: 'status', code: 'NetStream.Play.Start' })
  })

  test('seek is told, and the live stream goes on', async () => {
    const server = await serve()
    const publisher = await RtmpProbe.connected(server)
    await publisher.publish('cam')
    await publisher.begin()
    const player = await RtmpProbe.connected(server)
    const streamId = await player.play('cam')
    await player.next('audio frame a1')
    player.commandOn(streamId, 'seek', 0, null, 5000)
    const notify = await player.next('onStatus NetStream.Seek.Notify')
    expect(notify.message.streamId).toBe(streamId)
    publisher.media('video inter', 40, 'next')
    await player.next('video inter next')
  })

  test.each([
    ['a number as its name', encodeAmf0(1, 2, null)],
    ['a text as its transaction id', encodeAmf0('createStream', 'two', null)],
    ['no AMF0 at all', Buffer.from('ffffffff', 'hex')],
  ])('a command with %s ends only its connection', async (_name, payload) => {
    const server = await serve()
    const healthy = await RtmpProbe.connected(server)
    const probe = await RtmpProbe.connected(server)
    probe.send({ typeId: MSG.COMMAND_AMF0, payload })
    await probe.raw.untilOver()
    await healthy.ping()
  })
})

describe('names', () => {
  test.each([
    ['empty', ''],
    ['no text', 17],
    ['missing', undefined],
  ])('publish with a name that is %s is refused with BadName', async (_what, name) => {
    const server = await serve()
    const probe = await RtmpProbe.connected(server)
    probe.commandOn(1, 'publish', 0, null, name, 'live')
    const { args } = await probe.next('onStatus NetStream.Publish.BadName')
    expect((args[1] as AmfObject)['level']).toBe('error')
    await probe.raw.untilOver()
  })

  test('play of an empty name is refused with Play.Failed', async () => {
    const server = await serve()
    const probe = await RtmpProbe.connected(server)
    probe.commandOn(1, 'play', 0, null, '')
    await probe.next('onStatus NetStream.Play.Failed')
    await probe.raw.untilOver()
  })

  test.each([
    ['a control character', 'ca\u0007m'],
    ['a NUL', 'cam\0'],
    ['a way up', '../../etc/passwd'],
    ['a segment of two dots', 'a/../b'],
    ['a backslash', '..\\cam'],
    ['300 bytes', 'x'.repeat(300)],
  ])('%s in a name ends the connection that publishes or plays it', async (_what, name) => {
    const server = await serve()
    for (const verb of ['publish', 'play']) {
      const probe = await RtmpProbe.connected(server)
      await probe.createStream()
      probe.commandOn(1, verb, 0, null, name)
      await probe.raw.untilOver()
      expect(probe.labels).not.toContain('onStatus NetStream.Publish.Start')
    }
    await eventually(
      'two log lines',
      () =>
        server.lines.filter(({ fields, level }) => String(fields['code']).startsWith('name_') && level === 'warn')
          .length >= 2,
    )
  })

  test('of other scripts are taken as they are', async () => {
    const server = await serve()
    const publisher = await RtmpProbe.connected(server, 'приёмная')
    await publisher.publish('直播-🎥')
    await publisher.begin()
    expect([...server.server.hub.sources].map(({ key }) => key)).toEqual(['__defaultVhost__/приёмная/直播-🎥'])
    const player = await RtmpProbe.connected(server, 'приёмная')
    await player.play('直播-🎥?token=é')
    await player.next('video key k1')
  })
})

describe('the AMF3 envelope', () => {
  test('publish and play work in it', async () => {
    const server = await serve()
    const enveloped = (...command: Parameters<typeof encodeCommand>): Buffer =>
      Buffer.concat([Buffer.of(0), encodeCommand(...command)])
    const publisher = await RtmpProbe.connected(server)
    await publisher.createStream()
    publisher.send({
      typeId: MSG.COMMAND_AMF3,
      streamId: 1,
      payload: enveloped('publish', 0, null, 'cam', 'live'),
    })
    await publisher.next('onStatus NetStream.Publish.Start')
    await publisher.begin()
    const player = await RtmpProbe.connected(server)
    await player.createStream()
    player.send({ typeId: MSG.COMMAND_AMF3, streamId: 1, payload: enveloped('play', 0, null, 'cam') })
    await player.next('video key k1')
  })
})
