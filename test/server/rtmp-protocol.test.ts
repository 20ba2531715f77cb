import { describe, expect, test } from 'vitest'
import { encodeMessage } from '../../src/rtmp/chunk-writer.ts'
import { MSG, userControl, windowAckSize } from '../../src/rtmp/message.ts'
import { chunksOf, seededRandom, slices } from '../rtmp/reference-chunks.ts'
import type { TestServer } from '../support/server.ts'
import { media } from './media.ts'
import { RtmpProbe } from './rtmp-probe.ts'
import { eventually, serve } from './support.ts'

async function publishing(server: TestServer): Promise<RtmpProbe> {
  const probe = await RtmpProbe.connected(server)
  await probe.publish('cam')
  return probe
}

async function playing(server: TestServer): Promise<RtmpProbe> {
  const probe = await RtmpProbe.connected(server)
  await probe.play('cam')
  return probe
}

function acknowledged(probe: RtmpProbe): number[] {
  return probe.labels.filter((label) => label.startsWith('ack ')).map((label) => Number(label.slice('ack '.length)))
}

describe('ping', () => {
  test('a request is answered with its own value, also to a player of a silent stream', async () => {
    const server = await serve()
    const player = await playing(server)
    player.send({ ...userControl(6, 0xfedcba98), csid: 2 })
    await player.next('pong 4275878552')
  })

  test('as librtmp sends it, with a type 1 header on a new chunk stream, is answered', async () => {
    const server = await serve()
    const probe = await RtmpProbe.connected(server)
    probe.raw.write(Buffer.from('42 000000 000006 04 0006 00000011'.replaceAll(' ', ''), 'hex'))
    await probe.next('pong 17')
  })

  test('other events, known and unknown, are not answered', async () => {
    const server = await serve()
    const probe = await RtmpProbe.connected(server)
    for (const event of [3, 7, 31, 32, 999]) {
      probe.send({
        typeId: MSG.USER_CONTROL,
        csid: 2,
        payload: Buffer.from([event >> 8, event & 255, ...Buffer.alloc(8)]),
      })
    }
    await probe.ping()
    expect(probe.rest()).toEqual([])
    expect(probe.labels.at(-1)).toBe('pong 1')
    expect(probe.labels.at(-2)).toBe('onBWDone')
  })
})

describe('acknowledgements', () => {
  test('come for the window that the client asks for, with the number of bytes received', async () => {
    const server = await serve()
    const probe = await publishing(server)
    probe.send({ ...windowAckSize(1000), csid: 2 })
    for (let count = 1; count <= 20; count++) {
      probe.media('video key', count * 40, String(count), 400)
      await probe.ping()
    }
    const acks = acknowledged(probe)
    expect(acks.length).toBeGreaterThanOrEqual(8)
    expect(acks).toEqual(acks.toSorted((a, b) => a - b))
    expect(acks.at(-1)).toBeLessThanOrEqual(probe.raw.socket.bytesWritten)
    expect(acks.at(-1)).toBeGreaterThan(probe.raw.socket.bytesWritten - 1000)
    const steps = acks.slice(1).map((ack, at) => ack - (acks[at] ?? 0))
    expect(Math.max(...steps)).toBeLessThanOrEqual(1000)
    expect(Math.min(...steps)).toBeGreaterThanOrEqual(500)
  })

  test('come for in_ack_size though the client asks for none', async () => {
    const server = await serve({ inAckSize: 5000 })
    const probe = await publishing(server)
    probe.media('video key', 0, '1', 6000)
    await probe.ping()
    expect(acknowledged(probe).length).toBeGreaterThan(0)
  })

  test('do not come when nobody asks', async () => {
    const server = await serve()
    const probe = await publishing(server)
    probe.media('video key', 0, '1', 100_000)
    await probe.ping()
    expect(acknowledged(probe)).toEqual([])
  })

  test('go to a player too: its own acknowledgements are bytes as others', async () => {
    const server = await serve()
    const player = await playing(server)
    player.send({ ...windowAckSize(1000), csid: 2 })
    for (let count = 0; count < 100; count++) player.send({ typeId: MSG.ACK, csid: 2, payload: Buffer.alloc(4) })
    await player.ping()
    expect(acknowledged(player).length).toBeGreaterThan(0)
  })
})

describe('chunk size', () => {
  test('of the client may change at any time, to small and to large', async () => {
    const server = await serve()
    const publisher = await publishing(server)
    const player = await playing(server)
    await publisher.begin()
    for (const [at, bytes] of [4096, 1, 60_000, 200, 0xffffff, 128].entries()) {
      publisher.announceChunkSize(bytes)
      publisher.media('video inter', at * 40, `of ${bytes}`, 3000)
      await player.next(`video inter of ${bytes}`)
    }
  })

  test('may change while a message of another chunk stream is on its way', async () => {
    const server = await serve()
    const publisher = await publishing(server)
    const player = await playing(server)
    await publisher.begin()
    const payload = media('video inter', 'interrupted', 300)
    const { chunks } = chunksOf(
      { csid: 7, typeId: MSG.VIDEO, timestampMs: 40, streamId: 1, payload },
      0,
      undefined,
      128,
    )
    publisher.raw.write(Buffer.from(chunks[0] ?? []))
    publisher.announceChunkSize(4096)
    publisher.raw.write(Buffer.concat([Buffer.of(0xc7), payload.subarray(128)]))
    await player.next('video inter interrupted')
  })

  test.each([0, 0x80000000])('of %s is a protocol error', async (bytes) => {
    const server = await serve()
    const probe = await RtmpProbe.connected(server)
    const payload = Buffer.alloc(4)
    payload.writeUInt32BE(bytes)
    probe.send({ typeId: MSG.SET_CHUNK_SIZE, csid: 2, payload })
    await probe.raw.untilOver()
    await eventually('the log line', () => server.lines.some(({ fields }) => fields['code'] === 'chunk_size_invalid'))
  })

  test('of the server is what the configuration says', async () => {
    const server = await serve({ chunkSize: 256 })
    const publisher = await publishing(server)
    await publisher.begin()
    publisher.media('video inter', 40, 'long', 5000)
    const player = await playing(server)
    await player.next('video inter long')
    expect(player.labels[2]).toBe('chunkSize 256')
    // 5,000 bytes are 19 chunks of 256 and a rest; 18 whole ones follow a header of type 3, the byte 0xc6.
    const { bytes } = player.raw
    const marker = Buffer.concat([Buffer.of(0xc6), Buffer.alloc(255)])
    let count = 0
    for (let at = bytes.indexOf(marker); at >= 0; at = bytes.indexOf(marker, at + 1)) count++
    expect(count).toBe(18)
  })
})

test('an aborted message is forgotten, and the chunk stream can be used again', async () => {
  const server = await serve()
  const publisher = await publishing(server)
  const player = await playing(server)
  await publisher.begin()
  const whole = encodeMessage(
    { csid: 7, typeId: MSG.VIDEO, timestampMs: 40, streamId: 1, payload: media('video inter', 'aborted', 500) },
    128,
  )
  publisher.raw.write(whole.subarray(0, 12 + 128))
  publisher.send({ typeId: MSG.ABORT, csid: 2, payload: Buffer.of(0, 0, 0, 7) })
  publisher.media('video inter', 80, 'next')
  await player.next('video inter next')
  expect(player.labels).not.toContain('video inter aborted')
})

describe('an aggregate message', () => {
  function tag(typeId: number, timeMs: number, data: Buffer): Buffer {
    const head = Buffer.alloc(11)
    head.writeUInt8(typeId)
    head.writeUIntBE(data.length, 1, 3)
    head.writeUIntBE(timeMs & 0xffffff, 4, 3)
    const tail = Buffer.alloc(4)
    tail.writeUInt32BE(11 + data.length)
    return Buffer.concat([head, data, tail])
  }

  test('is taken apart, with the times of its parts moved to its own', async () => {
    const server = await serve()
    const publisher = await publishing(server)
    const player = await playing(server)
    await publisher.begin()
    const parts = [
      tag(MSG.VIDEO, 7000, media('video inter', 'first')),
      tag(MSG.AUDIO, 7010, media('audio frame', 'second')),
      tag(MSG.VIDEO, 7040, media('video inter', 'third')),
    ]
    publisher.send({ typeId: MSG.AGGREGATE, timestampMs: 100, streamId: 1, payload: Buffer.concat(parts) })
    await player.next('video inter third')
    const last = player.seen.slice(-3)
    expect(last.map(({ label, message }) => [label, message.timestampMs])).toEqual([
      ['video inter first', 100],
      ['audio frame second', 110],
      ['video inter third', 140],
    ])
  })

  test('that is cut short ends the connection', async () => {
    const server = await serve()
    const publisher = await publishing(server)
    const part = tag(MSG.VIDEO, 0, media('video inter', 'x', 100))
    publisher.send({ typeId: MSG.AGGREGATE, streamId: 1, payload: part.subarray(0, 50) })
    await publisher.raw.untilOver()
    await eventually('the log line', () => server.lines.some(({ fields }) => fields['code'] === 'aggregate_short'))
  })
})

describe('timestamps beyond 24 bits', () => {
  const START_MS = 0xffffff - 50

  test.each([
    ['repeat the extended field in type 3 chunks, as the specification says', false],
    ['leave it out there, as old librtmp does', true],
  ])('go through, from clients that %s', async (_what, leaveOut) => {
    const server = await serve()
    const publisher = await publishing(server)
    const player = await playing(server)
    await publisher.begin(START_MS)
    for (let at = 1; at <= 4; at++) {
      const payload = media('video inter', `i${at}`, 100_000)
      const message = { csid: 7, typeId: MSG.VIDEO, timestampMs: START_MS + at * 40, streamId: 1, payload }
      publisher.raw.write(
        Buffer.concat(chunksOf(message, 0, undefined, 128, leaveOut).chunks.map((chunk) => Buffer.from(chunk))),
      )
    }
    await player.next('video inter i4')
    const inters = player.seen.filter(({ label }) => label.startsWith('video inter'))
    expect(inters.map(({ message }) => message.timestampMs)).toEqual([1, 2, 3, 4].map((at) => START_MS + at * 40))
    expect(inters.map(({ message }) => message.payload.length)).toEqual([100_000, 100_000, 100_000, 100_000])
  })

  test('wrap at 32 bits without a jump', async () => {
    const server = await serve()
    const publisher = await publishing(server)
    const player = await playing(server)
    const startMs = 2 ** 32 - 100
    await publisher.begin(startMs)
    for (let at = 1; at <= 5; at++) publisher.media('video inter', (startMs + at * 40) % 2 ** 32, `i${at}`)
    await player.next('video inter i5')
    const times = player.mediaMessages
      .filter(({ typeId }) => typeId === MSG.VIDEO)
      .map(({ timestampMs }) => timestampMs)
    expect(times.slice(-5)).toEqual([1, 2, 3, 4, 5].map((at) => (startMs + at * 40) % 2 ** 32))
  })
})

test('a publisher whose bytes come in any slices is the same to a player', async () => {
  const server = await serve()
  const player = await playing(server)
  const publisher = await publishing(server)
  await publisher.begin()
  const random = seededRandom(7)
  const messages = Array.from({ length: 30 }, (_, at) => {
    const payload = media('video inter', `i${at}`, 20 + random(700))
    return encodeMessage({ csid: 6, typeId: MSG.VIDEO, timestampMs: 40 * (at + 1), streamId: 1, payload }, 128)
  })
  for (const slice of slices(Buffer.concat(messages), random, 400)) await publisher.raw.writePiece(slice)
  await player.next('video inter i29')
  const inters = player.labels.filter((label) => label.startsWith('video inter'))
  expect(inters).toEqual(Array.from({ length: 30 }, (_, at) => `video inter i${at}`))
})
