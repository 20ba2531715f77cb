import { describe, expect, test } from 'vitest'
import { encodeMessage } from '../../src/rtmp/chunk-writer.ts'
import { RtmpConnection } from '../../src/rtmp/connection.ts'
import {
  acknowledgement,
  MSG,
  type RtmpMessage,
  setChunkSize,
  userControl,
  windowAckSize,
} from '../../src/rtmp/message.ts'
import { Socket } from '../../src/st/socket.ts'
import type { Thread } from '../../src/st/thread.ts'
import { TestPipe } from '../st/support/network.ts'
import { makeTestWorld, type TestWorld } from '../st/support/world.ts'
import { readPieces } from './reading.ts'

function video(bytes: number, timestampMs = 0): RtmpMessage {
  return { csid: 6, timestampMs, typeId: MSG.VIDEO, streamId: 1, payload: Buffer.alloc(bytes, 0x27) }
}

/** One side of a connection whose peer is the test. */
class Side {
  readonly stage: TestWorld
  readonly pipe = new TestPipe()
  readonly connection: RtmpConnection

  constructor(stage = makeTestWorld()) {
    this.stage = stage
    this.connection = new RtmpConnection(new Socket(this.pipe))
  }

  receive(...messages: RtmpMessage[]): void {
    for (const message of messages) this.pipe.handler.onData(encodeMessage(message, 128))
  }

  /** Runs `call` in a thread; what it gave or threw is in the list that comes back. */
  run(call: (thread: Thread) => Promise<unknown>): unknown[] {
    const outcome: unknown[] = []
    this.stage.world.spawn('side', async (thread) => {
      try {
        outcome.push(await call(thread))
      } catch (error) {
        outcome.push(error)
      }
    })
    return outcome
  }

  /** Messages that this side has written, read with chunks of 128 bytes. */
  get sent(): RtmpMessage[] {
    return readPieces([...this.pipe.written]).messages
  }
}

describe('reading', () => {
  test('a message that is there is read without a wait', () => {
    const side = new Side()
    side.receive(video(300, 40), video(10, 80))
    expect(side.connection.tryRead()).toMatchObject({ timestampMs: 40 })
    expect(side.connection.tryRead()).toMatchObject({ timestampMs: 80 })
    expect(side.connection.tryRead()).toBeNull()
  })

  test('what concerns only the protocol is not handed out', () => {
    const side = new Side()
    side.receive(windowAckSize(5_000_000), userControl(3, 1, 1000), acknowledgement(9), video(10))
    side.receive({ csid: 2, timestampMs: 0, typeId: MSG.SET_PEER_BANDWIDTH, streamId: 0, payload: Buffer.alloc(5) })
    expect(side.connection.tryRead()).toMatchObject({ typeId: MSG.VIDEO })
    expect(side.connection.tryRead()).toBeNull()
    expect(side.sent).toEqual([])
  })

  test('the end of the peer is null, also in the middle of a message', async () => {
    const side = new Side()
    const outcome = side.run((thread) => side.connection.read(thread, 1000))
    side.pipe.handler.onData(encodeMessage(video(300), 128).subarray(0, 100))
    await side.stage.clock.settle()
    side.pipe.handler.onEnd()
    await side.stage.clock.settle()
    expect(outcome).toEqual([null])
  })

  test('the timeout is for the whole message: neither single bytes nor pings renew it', async () => {
    const side = new Side()
    const { clock } = side.stage
    const outcome = side.run((thread) => side.connection.read(thread, 5_000))
    await clock.settle()
    for (let at = 0; at < 4; at++) {
      side.receive(userControl(6, at))
      await clock.pass(500)
      side.pipe.handler.onData(encodeMessage(userControl(6, at), 128).subarray(0, 10))
      await clock.pass(500)
      expect(outcome).toEqual([])
      side.pipe.handler.onData(encodeMessage(userControl(6, at), 128).subarray(10))
    }
    await clock.pass(1_250)
    expect(outcome).toEqual([expect.objectContaining({ code: 'st_timeout' })])
  })

  test('bad bytes are thrown to the reader', async () => {
    const side = new Side()
    const outcome = side.run((thread) => side.connection.read(thread, 1000))
    side.pipe.handler.onData(Buffer.from('c3ffffff', 'hex'))
    await side.stage.clock.settle()
    expect(outcome).toEqual([expect.objectContaining({ code: 'chunk_first_fmt' })])
  })
})

describe('sending', () => {
  test('several messages are one write', () => {
    const side = new Side()
    side.connection.send(video(10, 1), video(300, 2), video(0, 3))
    expect(side.pipe.written).toHaveLength(1)
  })

  test('a chunk size counts from the message behind it, also within one write', () => {
    const side = new Side()
    expect(side.connection.outChunkBytes).toBe(128)
    side.connection.send(video(200), setChunkSize(4096), video(4000, 1))
    expect(side.connection.outChunkBytes).toBe(4096)
    expect(side.sent.map(({ typeId, payload }) => [typeId, payload.length])).toEqual([
      [MSG.VIDEO, 200],
      [MSG.SET_CHUNK_SIZE, 4],
      [MSG.VIDEO, 4000],
    ])
  })

  test('to a peer that leaves 4 MiB unread throws, and not before', () => {
    const side = new Side()
    side.pipe.isStuck = true
    const answer = video(64 * 1024)
    while (side.pipe.pendingBytes <= 4 * 1024 * 1024) side.connection.send(answer)
    expect(() => side.connection.send(answer)).toThrow(/unread/)
    expect(side.pipe.pendingBytes).toBeLessThan(5 * 1024 * 1024)
  })

  test('a peer that pings and never reads is cut off in the same way', () => {
    const side = new Side()
    side.pipe.isStuck = true
    const pings = Buffer.concat(Array.from({ length: 1000 }, (_, at) => encodeMessage(userControl(6, at), 128)))
    let count = 0
    const readAll = (): void => {
      for (; count < 10_000; count++) {
        side.pipe.handler.onData(pings)
        side.connection.tryRead()
      }
    }
    expect(readAll).toThrow(/unread/)
    expect(side.pipe.pendingBytes).toBeLessThan(5 * 1024 * 1024)
  })
})

describe('acknowledgements', () => {
  test('come at half the window and say all bytes so far', () => {
    const side = new Side()
    side.receive(windowAckSize(1000))
    side.connection.tryRead()
    for (let at = 0; at < 10; at++) {
      side.receive(video(100, at))
      side.connection.tryRead()
    }
    const received = side.sent.map(({ payload }) => payload.readUInt32BE(0))
    // The window message has 16 bytes, each video message 112.
    expect(received).toEqual([16 + 5 * 112, 16 + 10 * 112])
  })

  test('the own setting counts more than the wish of the peer', () => {
    const side = new Side()
    side.connection.inAckBytes = 300
    side.receive(windowAckSize(1_000_000), video(500))
    side.connection.tryRead()
    expect(side.sent.map(({ typeId }) => typeId)).toEqual([MSG.ACK])
  })
})

describe('the handshake', () => {
  test('works between our two sides, and messages follow at once', async () => {
    const server = new Side()
    const client = new Side(server.stage)
    const { clock } = server.stage
    const served = server.run(async (thread) => {
      await server.connection.acceptHandshake(thread, 1000)
      return server.connection.read(thread, 1000)
    })
    const offered = client.run(async (thread) => {
      await client.connection.offerHandshake(thread, 1000)
      client.connection.send(video(5))
      return 'done'
    })
    for (let round = 0; round < 3; round++) {
      await clock.settle()
      for (const bytes of client.pipe.written.splice(0)) server.pipe.handler.onData(bytes)
      for (const bytes of server.pipe.written.splice(0)) client.pipe.handler.onData(bytes)
    }
    await clock.settle()
    expect(offered).toEqual(['done'])
    expect(served).toEqual([expect.objectContaining({ typeId: MSG.VIDEO })])
  })

  test('another version is refused', async () => {
    const side = new Side()
    const outcome = side.run((thread) => side.connection.acceptHandshake(thread, 1000))
    side.pipe.handler.onData(Buffer.alloc(1537, 'G'))
    await side.stage.clock.settle()
    expect(outcome).toEqual([expect.objectContaining({ code: 'handshake_version' })])
    expect(side.pipe.written).toEqual([])
  })

  test('the client refuses an answer that is none', async () => {
    const side = new Side()
    const outcome = side.run((thread) => side.connection.offerHandshake(thread, 1000))
    await side.stage.clock.settle()
    side.pipe.handler.onData(Buffer.alloc(3073, 'H'))
    await side.stage.clock.settle()
    expect(outcome).toEqual([expect.objectContaining({ code: 'handshake_version' })])
  })

  test('a peer that ends before its hello is whole is told as such', async () => {
    const side = new Side()
    const outcome = side.run((thread) => side.connection.acceptHandshake(thread, 1000))
    side.pipe.handler.onData(Buffer.alloc(100, 3))
    side.pipe.handler.onEnd()
    await side.stage.clock.settle()
    expect(outcome).toEqual([
      expect.objectContaining({ code: 'st_closed', message: expect.stringContaining('100') as string }),
    ])
  })
})

test('a follower gets every message whole from bytes that are only lent', async () => {
  const side = new Side()
  const messages = [1, 128, 129, 700, 5_000, 1].map((bytes, i) => video(bytes, i))
  const taken: RtmpMessage[] = []
  const sink = {
    take: (message: RtmpMessage) => message.payload.length > 0 && taken.push(message) > 0,
    flush: () => {},
  }
  side.run((thread) => side.connection.follow(thread, sink, 1_000))
  await side.stage.clock.settle()
  const bytes = Buffer.concat(messages.map((message) => encodeMessage(message, 128)))
  const room = Buffer.alloc(1_000)
  for (let at = 0, count = 1; at < bytes.length; at += count, count = ((count * 7) % 997) + 1) {
    const lent = room.subarray(0, bytes.copy(room, 0, at, at + count))
    side.pipe.handler.onData(lent)
    room.fill(0xff)
  }
  await side.stage.clock.settle()
  expect(taken).toEqual(messages)
})
