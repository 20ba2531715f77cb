import { describe, expect, test } from 'vitest'
import type { AmfObject } from '../../src/rtmp/amf0.ts'
import { MSG } from '../../src/rtmp/message.ts'
import type { TestServer } from '../support/server.ts'
import { timesOf } from './media.ts'
import { RtmpProbe } from './rtmp-probe.ts'
import { eventually, serve } from './support.ts'

async function publishing(server: TestServer, name = 'cam'): Promise<RtmpProbe> {
  const probe = await RtmpProbe.connected(server)
  await probe.publish(name)
  return probe
}

async function playing(server: TestServer, name = 'cam'): Promise<RtmpProbe> {
  const probe = await RtmpProbe.connected(server)
  await probe.play(name)
  return probe
}

function ascends(times: readonly number[]): boolean {
  return times.every((time, at) => at === 0 || time >= (times[at - 1] ?? 0))
}

describe('a second publisher', () => {
  test('is refused with BadName and closed while the first is alive; the first goes on', async () => {
    const server = await serve()
    const first = await publishing(server)
    await first.begin()
    const player = await playing(server)
    const second = await RtmpProbe.connected(server)
    const streamId = await second.createStream()
    second.commandOn(streamId, 'publish', 0, null, 'cam', 'live')
    const { args, message } = await second.next('onStatus NetStream.Publish.BadName')
    expect(args[1]).toMatchObject({ level: 'error', description: 'cam is already published.' })
    expect(message.streamId).toBe(streamId)
    await second.raw.untilOver()
    first.media('video inter', 40, 'after')
    await player.next('video inter after')
    expect(player.labels).not.toContain('onStatus NetStream.Play.UnpublishNotify')
  })

  test('that sends media without waiting for the answer gets none of it into the stream', async () => {
    const server = await serve()
    const first = await publishing(server)
    await first.begin()
    const second = await RtmpProbe.connected(server)
    second.command('createStream', 2, null)
    second.commandOn(1, 'publish', 0, null, 'cam', 'live')
    for (let at = 0; at < 20; at++) second.media('video key', at, 'intruder')
    await second.raw.untilOver()
    const [source] = server.server.hub.sources
    expect(source?.publication?.counters).toMatchObject({ videoFrames: 1, audioFrames: 1 })
  })

  test('of the same name in another app is welcome', async () => {
    const server = await serve()
    await publishing(server)
    const other = await RtmpProbe.connected(server, 'other')
    await other.publish('cam')
    expect(server.server.hub.size).toBe(2)
  })

  test('on the same connection is refused', async () => {
    const server = await serve()
    const probe = await publishing(server)
    const streamId = await probe.createStream()
    probe.commandOn(streamId, 'publish', 0, null, 'cam2', 'live')
    await probe.next('onStatus NetStream.Publish.BadName')
    await probe.raw.untilOver()
  })

  test('takes over from one that has gone silent, whose connection is then closed', async () => {
    const server = await serve({ publish: { takeoverAfterMs: 30 } })
    const ghost = await publishing(server)
    await ghost.begin()
    const [source] = server.server.hub.sources
    const { clock } = server.world
    await eventually('silence', () => clock.nowMs() - (source?.publication?.lastPacketMs ?? 0) > 30)
    const second = await publishing(server)
    await ghost.raw.untilOver()
    second.media('video key', 0, 'new')
    await second.ping()
    expect(source?.publication?.counters.videoFrames).toBe(1)
  })

  test('takes over at once with takeoverAfterMs 0; the end of the first does not harm it', async () => {
    const server = await serve({ publish: { takeoverAfterMs: 0 } })
    const first = await publishing(server)
    await first.begin(0, '1')
    const player = await playing(server)
    await player.next('audio frame a1')
    const second = await publishing(server)
    await first.raw.untilOver()
    await eventually('the end of the first', () =>
      server.lines.some(({ fields }) => fields['reason'] === 'replaced by a new publisher'),
    )
    await eventually('its thread to go', () => server.server.connections === 2)
    await second.begin(0, '2')
    await player.next('onStatus NetStream.Play.UnpublishNotify')
    await player.next('onStatus NetStream.Play.PublishNotify')
    await player.next('video key k2')
    second.media('video inter', 40, 'later')
    await player.next('video inter later')
    const third = await playing(server)
    await third.next('video key k2')
  })

  test('ten that come one after the other with takeoverAfterMs 0 leave one', async () => {
    const server = await serve({ publish: { takeoverAfterMs: 0 } })
    const player = await playing(server)
    let last: RtmpProbe | null = null
    for (let count = 0; count < 10; count++) {
      last = await publishing(server)
      await last.begin(count * 1000, String(count))
    }
    await player.next('video key k9')
    await eventually('the others to go', () => server.server.connections === 2)
    expect(ascends(timesOf(player.mediaMessages, MSG.VIDEO))).toBe(true)
    last?.media('video inter', 9040, 'end')
    await player.next('video inter end')
  })
})

describe('a publisher that sends nothing', () => {
  test('is closed after firstpkt_timeout', async () => {
    const server = await serve({ publish: { firstpktTimeoutMs: 50 } })
    const probe = await publishing(server)
    await probe.raw.untilOver()
    await eventually('the stream to go', () => server.server.hub.size === 0)
  })

  test('any longer is closed after normal_timeout, and pings do not help', async () => {
    const server = await serve({ publish: { firstpktTimeoutMs: 60_000, normalTimeoutMs: 60 } })
    const probe = await publishing(server)
    probe.media('video key', 0, '1')
    await eventually('the server to end the connection', () => {
      if (!probe.raw.isOver)
        probe.send({ typeId: MSG.USER_CONTROL, csid: 2, payload: Buffer.from('000600000001', 'hex') })
      return probe.raw.isOver
    })
  })

  test('whole, but drips the bytes of a message, is closed too', async () => {
    const server = await serve({ publish: { firstpktTimeoutMs: 60 } })
    const probe = await publishing(server)
    await eventually('the server to end the connection', () => {
      if (!probe.raw.isOver) probe.raw.write(Buffer.of(4))
      return probe.raw.isOver
    })
  })
})

describe('republish', () => {
  test('players stay, are told of the end and of the return, and get fresh headers', async () => {
    const server = await serve()
    const first = await publishing(server)
    await first.begin(0, '1')
    const player = await playing(server)
    await player.next('audio frame a1')
    player.rest()
    first.raw.end()
    await player.next('onStatus NetStream.Play.UnpublishNotify')
    await player.next('streamEof 1')

    const second = await publishing(server)
    await second.begin(0, '2')
    await player.next('streamBegin 1')
    const notify = await player.next('onStatus NetStream.Play.PublishNotify')
    expect(notify.message.streamId).toBe(1)
    await player.next('audio header h2')
    await player.next('video header h2')
    await player.next('video key k2')
    expect(player.raw.isOver).toBe(false)
    const { mediaMessages } = player
    expect(ascends(timesOf(mediaMessages, MSG.VIDEO))).toBe(true)
    expect(ascends(timesOf(mediaMessages, MSG.AUDIO))).toBe(true)
    expect(player.labels.filter((label) => label.endsWith('header h1'))).toHaveLength(2)
  })

  test('a reset of the publisher is told as well', async () => {
    const server = await serve()
    const first = await publishing(server)
    await first.begin()
    const player = await playing(server)
    await player.next('audio frame a1')
    first.raw.reset()
    await player.next('onStatus NetStream.Play.UnpublishNotify')
  })

  test('metadata of the second publish replaces that of the first', async () => {
    const server = await serve()
    const first = await publishing(server)
    first.data(0, '@setDataFrame', 'onMetaData', { width: 640, encoder: 'one' })
    await first.begin()
    const player = await playing(server)
    const before = await player.next('data onMetaData')
    expect(before.args[0]).toMatchObject({ width: 640, encoder: 'one' })
    await player.next('audio frame a1')
    first.command('FCUnpublish', 0, null, 'cam')
    await player.next('onStatus NetStream.Play.UnpublishNotify')
    const second = await publishing(server)
    second.data(0, '@setDataFrame', 'onMetaData', { width: 1280 })
    await second.begin(0, '2')
    const after = await player.next('data onMetaData')
    expect(after.args[0]).toMatchObject({ width: 1280 })
    expect(after.args[0]).not.toHaveProperty('encoder')
  })

  test('without metadata and sound does not show those of the publish before', async () => {
    const server = await serve()
    const first = await publishing(server)
    first.data(0, '@setDataFrame', 'onMetaData', { audiocodecid: 10, videocodecid: 7 })
    await first.begin()
    first.command('FCUnpublish', 0, null, 'cam')
    await first.next('onStatus NetStream.Unpublish.Success')
    const player = await playing(server)
    await first.publish('cam')
    first.media('video header', 0, 'h2')
    first.media('video key', 0, 'k2')
    first.media('video inter', 2000, 'i2')
    await player.next('video inter i2')
    expect(player.labels).not.toContain('data onMetaData')
    expect(player.labels).not.toContain('audio header h1')
  })

  test('times go on where they were, however far the second publisher is off', async () => {
    const server = await serve()
    const player = await playing(server)
    for (const [at, startMs] of [0, 3_600_000, 5_000, 4_294_967_000].entries()) {
      const publisher = await publishing(server)
      await publisher.begin(startMs, String(at))
      publisher.media('audio frame', (startMs + 20) % 2 ** 32, `b${at}`)
      publisher.media('video inter', (startMs + 40) % 2 ** 32, `i${at}`)
      await player.next(`video inter i${at}`)
      publisher.raw.end()
      await player.next('streamEof 1')
    }
    for (const typeId of [MSG.AUDIO, MSG.VIDEO]) {
      const times = timesOf(player.mediaMessages, typeId)
      expect(ascends(times)).toBe(true)
      expect(times.at(-1)).toBeLessThan(1000)
    }
  })
})

test('a publisher may play on the same connection, and the end of the one leaves the other', async () => {
  const server = await serve()
  const probe = await publishing(server, 'mine')
  const other = await publishing(server, 'theirs')
  await other.begin()
  const playId = await probe.createStream()
  probe.commandOn(playId, 'play', 0, null, 'theirs')
  const key = await probe.next('video key k1')
  expect(key.message.streamId).toBe(playId)
  await probe.begin(0, 'mine')

  probe.command('deleteStream', 0, null, playId)
  probe.media('video inter', 40, 'still there')
  await probe.ping()
  const mine = [...server.server.hub.sources].find(({ key: name }) => name.endsWith('/mine'))
  expect(mine?.publication?.counters.videoFrames).toBe(2)

  const againId = await probe.createStream()
  probe.commandOn(againId, 'play', 0, null, 'theirs')
  await probe.next('video key k1')
  probe.command('deleteStream', 0, null, 1)
  await probe.ping()
  expect([...server.server.hub.sources].map(({ key: name }) => name)).toEqual(['__defaultVhost__/live/theirs'])
  other.media('video inter', 40, 'on')
  await probe.next('video inter on')
})

test('a publisher may play its own stream', async () => {
  const server = await serve()
  const probe = await publishing(server)
  const playId = await probe.createStream()
  probe.commandOn(playId, 'play', 0, null, 'cam')
  await probe.begin()
  const { message } = await probe.next('video key k1')
  expect(message.streamId).toBe(playId)
  probe.raw.end()
})

test('media of a connection that does not publish is ignored', async () => {
  const server = await serve()
  const probe = await RtmpProbe.connected(server)
  probe.media('video key', 0, 'x')
  probe.data(0, '@setDataFrame', 'onMetaData', { a: 1 })
  await probe.ping()
  expect(server.server.hub.size).toBe(0)
})

test('a publish tells its encoder and its parameters in the log, but no secrets', async () => {
  const server = await serve()
  const probe = await RtmpProbe.connected(server, 'live', { flashVer: 'FMLE/3.0 (compatible; x)' })
  await probe.publish('cam?token=abc&vhost=x.example')
  const line = await eventually('the log line', () => server.lines.find(({ text }) => text === 'publishing'))
  expect(line.fields).toMatchObject({
    stream: '__defaultVhost__/live/cam',
    param: '?token=***&vhost=x.example',
    encoder: 'FMLE/3.0 (compatible; x)',
  } satisfies AmfObject)
})
