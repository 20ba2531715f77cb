import { describe, expect, test } from 'vitest'
import { encodeMessage } from '../../src/rtmp/chunk-writer.ts'
import { encodeCommand, encodeData } from '../../src/rtmp/command.ts'
import { MSG, setChunkSize, windowAckSize } from '../../src/rtmp/message.ts'
import { seededRandom } from '../rtmp/reference-chunks.ts'
import { media } from './media.ts'
import { RtmpProbe } from './rtmp-probe.ts'
import { StillServer } from './still-world.ts'
import { eventually, RawClient, serve, untilIdle } from './support.ts'

const HELLO_BYTES = 1537
const HANDSHAKE = Buffer.concat([Buffer.of(3), Buffer.alloc(HELLO_BYTES + HELLO_BYTES - 2)])

function command(streamId: number, name: string, ...args: Parameters<typeof encodeCommand>[2][]): Buffer {
  const payload = encodeCommand(name, 1, ...args)
  return encodeMessage({ csid: 3, timestampMs: 0, typeId: MSG.COMMAND_AMF0, streamId, payload }, 128)
}

const CONNECT = command(0, 'connect', { app: 'live', tcUrl: 'rtmp://127.0.0.1/live', flashVer: 'x'.repeat(150) })

/** All that a publisher sends, from connect to its last frame, in chunks of both sizes. */
const PUBLISH = Buffer.concat([
  encodeMessage(windowAckSize(5000), 128),
  CONNECT,
  command(0, 'releaseStream', null, 'cam'),
  command(0, 'createStream', null),
  command(1, 'publish', null, 'cam', 'live'),
  encodeMessage(
    {
      csid: 4,
      timestampMs: 0,
      typeId: MSG.DATA_AMF0,
      streamId: 1,
      payload: encodeData('@setDataFrame', 'onMetaData', { width: 640, audiocodecid: 10, videocodecid: 7 }),
    },
    128,
  ),
  encodeMessage({ csid: 6, timestampMs: 0, typeId: MSG.VIDEO, streamId: 1, payload: media('video header', 'h') }, 128),
  encodeMessage(setChunkSize(4096), 128),
  encodeMessage(
    { csid: 6, timestampMs: 0, typeId: MSG.VIDEO, streamId: 1, payload: media('video key', 'k', 300) },
    4096,
  ),
  encodeMessage({ csid: 4, timestampMs: 20, typeId: MSG.AUDIO, streamId: 1, payload: media('audio frame', 'a') }, 4096),
])
const PLAY = Buffer.concat([CONNECT, command(0, 'createStream', null), command(1, 'play', null, 'cam', -2000)])

describe('a connection that ends anywhere leaves nothing', () => {
  test.each([
    ['a publisher', PUBLISH],
    ['a player', PLAY],
  ])('%s, at every byte of its commands, by FIN and by a break', async (_who, bytes) => {
    const server = new StillServer()
    for (let length = 0; length <= bytes.length; length++) {
      const client = await server.rtmp()
      await client.send(HANDSHAKE, bytes.subarray(0, length))
      if (length % 2 === 0) await client.end()
      else client.pipe.handler.onClose(new Error('ECONNRESET'))
      await server.clock.settle()
      const left = { length, threads: server.threads, sources: server.hub.size, timers: server.clock.pendingTimers }
      expect(left).toEqual({ length, threads: 0, sources: 0, timers: 0 })
    }
  })

  test('in the handshake', async () => {
    const server = new StillServer()
    for (let length = 0; length <= HANDSHAKE.length; length += 61) {
      const client = await server.rtmp()
      await client.send(HANDSHAKE.subarray(0, length))
      await client.end()
      expect([length, client.isClosed, server.threads, server.clock.pendingTimers]).toEqual([length, true, 0, 0])
    }
  })

  test('on the real network', async () => {
    const server = await serve()
    for (const bytes of [PUBLISH, PLAY]) {
      for (let length = 0; length <= bytes.length; length += 37) {
        const client = await RawClient.open(server.rtmpPort)
        client.write(Buffer.concat([HANDSHAKE, bytes.subarray(0, length)]))
        if (length % 2 === 0) client.end()
        else await client.writePiece('').then(() => client.reset())
      }
    }
    await untilIdle(server)
  })
})

describe('bytes that are no RTMP', () => {
  test('an HTTP request on the RTMP port is a protocol error', async () => {
    const server = await serve()
    const client = await RawClient.open(server.rtmpPort)
    client.write(`GET / HTTP/1.1\r\nHost: x\r\nCookie: ${'c'.repeat(2000)}\r\n\r\n`)
    await client.untilOver()
    expect(client.bytes.length).toBe(0)
    await eventually('the log line', () => server.lines.some(({ fields }) => fields['code'] === 'handshake_version'))
  })

  test('garbage behind a publish ends only that connection; a player beside goes on', async () => {
    const server = await serve()
    const healthy = await RtmpProbe.connected(server)
    await healthy.publish('healthy')
    await healthy.begin()
    const player = await RtmpProbe.connected(server)
    await player.play('healthy')
    const bad = await RtmpProbe.connected(server)
    await bad.publish('bad')
    await bad.begin()
    bad.raw.write(Buffer.alloc(1000, 0xff))
    await bad.raw.untilOver()
    healthy.media('video inter', 40, 'still')
    await player.next('video inter still')
    const line = await eventually('the log line', () => server.lines.find(({ level }) => level === 'warn'))
    expect(line.text).toBe('connection ended by a protocol error')
  })

  test('300 connections of random bytes on both ports harm nobody', async () => {
    const server = await serve()
    const random = seededRandom(300)
    const healthy = await RtmpProbe.connected(server)
    await healthy.publish('healthy')
    await healthy.begin()
    for (let at = 0; at < 300; at++) {
      const client = await RawClient.open(at % 3 === 0 ? server.httpPort : server.rtmpPort)
      const noise = Buffer.from(Array.from({ length: random(3000) }, () => random(256)))
      client.write(at % 3 === 1 ? Buffer.concat([HANDSHAKE, noise]) : noise)
      client.end()
    }
    await eventually('all of them to end', () => server.server.connections === 1)
    healthy.media('video inter', 40, 'still')
    await healthy.ping()
  })

  test('600 publishers with single bytes changed leave nothing', async () => {
    const server = new StillServer()
    const random = seededRandom(600)
    for (let at = 0; at < 600; at++) {
      const bytes = Buffer.from(PUBLISH)
      for (let change = 0; change <= random(3); change++) bytes[random(bytes.length)] = random(256)
      const client = await server.rtmp()
      await client.send(HANDSHAKE, bytes)
      await client.end()
      await server.clock.pass(1_001)
      expect([at, server.threads, server.hub.size, server.clock.pendingTimers]).toEqual([at, 0, 0, 0])
    }
  })
})

describe('what one peer may make the server keep', () => {
  test('a message of 16 MB is refused by its header', async () => {
    const server = await serve()
    const probe = await RtmpProbe.connected(server)
    probe.raw.write(Buffer.from('06000000ffffff0901000000', 'hex'))
    await probe.raw.untilOver()
    await eventually('the log', () => server.lines.some(({ fields }) => fields['code'] === 'chunk_message_too_large'))
  })

  test('more than 64 chunk streams are refused', async () => {
    const server = await serve()
    const probe = await RtmpProbe.connected(server)
    for (let csid = 64; csid < 140; csid++) {
      probe.send({ csid, typeId: MSG.AUDIO, streamId: 1, payload: Buffer.from('af01', 'hex') })
    }
    await probe.raw.untilOver()
    await eventually('the log', () => server.lines.some(({ fields }) => fields['code'] === 'chunk_too_many_streams'))
  })

  test('connect with 10,000 keys is read or refused, and nobody else notices', async () => {
    const server = await serve()
    const healthy = await RtmpProbe.connected(server)
    const keys = Object.fromEntries(Array.from({ length: 10_000 }, (_, at) => [`key${at}`, at]))
    const probe = await RtmpProbe.open(server.rtmpPort)
    probe.connect('live', keys)
    await probe.next('_result')
    const more = await RtmpProbe.open(server.rtmpPort)
    more.connect('live', Object.fromEntries(Array.from({ length: 20_000 }, (_, at) => [`key${at}`, at])))
    await more.raw.untilOver()
    await healthy.ping()
    expect(server.lines.some(({ fields }) => fields['code'] === 'amf0_too_many_values')).toBe(true)
  })

  test('metadata of 10,000 keys reaches the players', async () => {
    const server = await serve()
    const publisher = await RtmpProbe.connected(server)
    await publisher.publish('cam')
    const keys = Object.fromEntries(Array.from({ length: 10_000 }, (_, at) => [`key${at}`, at]))
    publisher.data(0, '@setDataFrame', 'onMetaData', keys)
    await publisher.begin()
    const player = await RtmpProbe.connected(server)
    await player.play('cam')
    expect(Object.keys((await player.next('data onMetaData')).args[0] as object)).toHaveLength(10_002)
  })

  test('10,000 levels of AMF objects end the connection', async () => {
    const server = await serve()
    const probe = await RtmpProbe.connected(server)
    const deep = Buffer.concat(Array.from({ length: 10_000 }, () => Buffer.from('03000161', 'hex')))
    probe.send({ typeId: MSG.COMMAND_AMF0, payload: Buffer.concat([encodeCommand('x', 1), deep]) })
    await probe.raw.untilOver()
    await eventually('the log', () => server.lines.some(({ fields }) => fields['code'] === 'amf0_too_deep'))
  })

  test('a client that asks without end and never reads is cut off', async () => {
    const server = await serve()
    const healthy = await RtmpProbe.connected(server)
    const probe = await RtmpProbe.connected(server)
    probe.raw.socket.pause()
    const questions = Buffer.concat(Array.from({ length: 500 }, () => command(0, 'FCUnpublish', null, 'cam')))
    await eventually('the server to end it', () => {
      if (server.server.connections === 2 && probe.raw.socket.writableLength < 1024 * 1024) probe.raw.write(questions)
      return server.server.connections === 1
    })
    await healthy.ping()
    const line = server.lines.find(({ fields }) => String(fields['reason']).includes('answers unread'))
    expect(line?.level).toBe('info')
  })
})
