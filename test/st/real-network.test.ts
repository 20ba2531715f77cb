import { once } from 'node:events'
import type { Socket as PlainSocket } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { FOREVER } from '../../src/st/clock.ts'
import { Condition } from '../../src/st/condition.ts'
import { InterruptedError } from '../../src/st/errors.ts'
import { Listener } from '../../src/st/listener.ts'
import { RealNetwork } from '../../src/st/real/network.ts'
import { connect, type Socket } from '../../src/st/socket.ts'
import type { Thread } from '../../src/st/thread.ts'
import type { World } from '../../src/st/world.ts'
import { needIpv6 } from '../support/ipv6.ts'
import { makeWorld, type RecordingLog, runThread } from '../support/world.ts'
import { PingPong, plainClient, readToEnd, tcpHandles } from './support/peer.ts'
import { outcome, until } from './support/world.ts'

const HOST = '127.0.0.1'
const MEGABYTE = 1024 * 1024

describe.each([
  ['handles', true],
  ['sockets', false],
])('on the %s of Node:', (_name, useHandles) => {
  let { world, log }: { world: World; log: RecordingLog } = makeWorld(useHandles)

  beforeEach(() => {
    ;({ world, log } = makeWorld(useHandles))
  })

  afterEach(async () => {
    await runThread(world, (thread) => until(thread, () => tcpHandles() === 0 && world.threads.size === 1))
    expect(log.lines).toEqual([])
    expect(world.failures).toBe(0)
  })

  /** A connection between our socket and one of node:net. */
  async function connected(thread: Thread): Promise<{ socket: Socket; peer: PlainSocket }> {
    const listener = await Listener.open(world, HOST, 0)
    const [socket, peer] = await Promise.all([listener.accept(thread), plainClient(listener.local.port)])
    listener.close()
    return { socket, peer }
  }

  /** Bytes in which a lost, doubled or moved piece shows. */
  function pattern(length: number): Buffer {
    const bytes = Buffer.alloc(length)
    for (let offset = 0; offset + 4 <= length; offset += 4)
      bytes.writeUInt32BE(Math.imul(offset, 2_654_435_761) >>> 0, offset)
    return bytes
  }

  async function readAll(thread: Thread, socket: Socket): Promise<Buffer> {
    const pieces: Buffer[] = []
    for (let piece = await socket.read(thread, FOREVER); piece; piece = await socket.read(thread, FOREVER)) {
      pieces.push(piece)
    }
    return Buffer.concat(pieces)
  }

  describe('a connection', () => {
    test('carries bytes both ways and knows both ends', () =>
      runThread(world, async (thread) => {
        const listener = await Listener.open(world, HOST, 0)
        const client = await connect(thread, listener.local, FOREVER)
        const server = await listener.accept(thread)
        expect(server.local).toEqual(listener.local)
        expect(server.remote).toEqual(client.local)
        expect(client.remote).toEqual(server.local)
        await client.writeFully(thread, Buffer.from('question'), FOREVER)
        expect(String(await server.readFully(thread, 8, FOREVER))).toBe('question')
        await server.writeFully(thread, Buffer.from('answer'), FOREVER)
        expect(String(await client.readFully(thread, 6, FOREVER))).toBe('answer')
        expect([client.sentBytes, server.receivedBytes, server.sentBytes, client.receivedBytes]).toEqual([8, 8, 6, 6])
        client.close()
        expect(await server.read(thread, FOREVER)).toBeNull()
        server.close()
        listener.close()
      }))

    test('many writes in one turn arrive in order', () =>
      runThread(world, async (thread) => {
        const { socket, peer } = await connected(thread)
        const sent = pattern(MEGABYTE)
        const received = readToEnd(peer)
        for (let at = 0; at < sent.length; at += 1_000) socket.write(sent.subarray(at, at + 1_000))
        peer.end()
        await socket.closeGently(thread, FOREVER)
        expect((await received).equals(sent)).toBe(true)
      }))

    test.each([1_000, MEGABYTE])('%i bytes that go behind others in one write arrive behind them', (count) =>
      runThread(world, async (thread) => {
        const { socket, peer } = await connected(thread)
        const head = Buffer.from('head of a body')
        const body = pattern(count)
        const received = readToEnd(peer)
        for (let turn = 0; turn < 3; turn++) {
          if (!socket.write(head, body)) await socket.drain(thread, FOREVER)
          expect(socket.pendingBytes).toBe(0)
        }
        expect(socket.sentBytes).toBe(3 * (head.length + count))
        peer.end()
        await socket.closeGently(thread, FOREVER)
        expect((await received).equals(Buffer.concat([head, body, head, body, head, body]))).toBe(true)
      }),
    )

    test('of which the peer ends its side: read says so, sending goes on', () =>
      runThread(world, async (thread) => {
        const { socket, peer } = await connected(thread)
        const received = readToEnd(peer)
        peer.end('that is all')
        expect(String(await readAll(thread, socket))).toBe('that is all')
        const sent = pattern(4 * MEGABYTE)
        await socket.writeFully(thread, sent, FOREVER)
        expect(await socket.read(thread, FOREVER)).toBeNull()
        await socket.closeGently(thread, FOREVER)
        expect((await received).equals(sent)).toBe(true)
      }))

    test('that another thread reads can be closed: the reader gets ClosedError, the peer an end', () =>
      runThread(world, async (thread) => {
        const { socket, peer } = await connected(thread)
        const ended = once(peer, 'end')
        peer.resume()
        let end = ''
        const reader = thread.spawn('reader', async (self) => {
          end = await outcome(socket.read(self, FOREVER))
        })
        await until(thread, () => reader.waiter !== null)
        socket.close()
        await reader.join(thread, FOREVER)
        expect(end).toBe('st_closed')
        await ended
        peer.destroy()
      }))

    test('that the peer resets ends a read with ClosedError and its cause', () =>
      runThread(world, async (thread) => {
        const { socket, peer } = await connected(thread)
        const reader = thread.spawn('reader', async (self) => {
          await socket.read(self, FOREVER)
        })
        await until(thread, () => reader.waiter !== null)
        peer.resetAndDestroy()
        await expect(reader.join(thread, FOREVER)).rejects.toMatchObject({
          code: 'st_closed',
          cause: { code: 'ECONNRESET' },
        })
        socket.close()
      }))
  })

  describe('a peer that does not read', () => {
    test('blocks the writer, which an interrupt frees', () =>
      runThread(world, async (thread) => {
        const { socket, peer } = await connected(thread)
        let end = ''
        const writer = thread.spawn('writer', async (self) => {
          end = await outcome(socket.writeFully(self, Buffer.alloc(64 * MEGABYTE), FOREVER))
        })
        await until(thread, () => writer.waiter !== null)
        expect(socket.pendingBytes).toBeGreaterThan(0)
        writer.interrupt('kicked')
        await writer.join(thread, FOREVER)
        expect(end).toBe('st_interrupted')
        socket.close()
        peer.destroy()
      }))

    test('and then reads gets everything, and the writer goes on', () =>
      runThread(world, async (thread) => {
        const { socket, peer } = await connected(thread)
        const sent = pattern(32 * MEGABYTE)
        let end = ''
        const writer = thread.spawn('writer', async (self) => {
          end = await outcome(socket.writeFully(self, sent, FOREVER))
          peer.end()
          await socket.closeGently(self, FOREVER)
        })
        await until(thread, () => writer.waiter !== null)
        const received = readToEnd(peer)
        await writer.join(thread, FOREVER)
        expect(end).toBe('ok')
        expect((await received).equals(sent)).toBe(true)
      }))
  })

  describe('few bytes that a full kernel did not take', () => {
    /** Writes single kilobytes until one stays behind, then lets the peer read; drain must notice. */
    async function fillAndDrain(thread: Thread, socket: Socket, peer: Socket): Promise<void> {
      const piece = Buffer.alloc(1_000)
      while (socket.write(piece));
      expect(socket.pendingBytes).toBeLessThanOrEqual(piece.length)
      const writer = thread.spawn('writer', (self) => socket.drain(self, FOREVER))
      await until(thread, () => writer.waiter !== null)
      while (!writer.ended) {
        peer.tryRead()
        await thread.yield()
      }
      await writer.join(thread, FOREVER)
      expect(socket.pendingBytes).toBe(0)
    }

    test.each([[true], [false]])('are noticed by drain (of the side that connected: %s)', (ofClient) =>
      runThread(world, async (thread) => {
        const listener = await Listener.open(world, HOST, 0)
        const client = await connect(thread, listener.local, FOREVER)
        const server = await listener.accept(thread)
        if (ofClient) await fillAndDrain(thread, client, server)
        else await fillAndDrain(thread, server, client)
        for (const socket of [client, server]) socket.close()
        listener.close()
      }),
    )
  })

  describe('a reader that does not read', () => {
    test('stops a peer that sends 10 MB, and then gets everything', () =>
      runThread(world, async (thread) => {
        const { socket, peer } = await connected(thread)
        const sent = pattern(10 * MEGABYTE)
        peer.end(sent)
        await until(thread, () => socket.receivedBytes >= 256 * 1024)
        // Time for the rest to come, if it came: other connections work meanwhile.
        const game = await PingPong.start()
        await game.play(200)
        await game.stop()
        expect(socket.receivedBytes).toBeLessThan(512 * 1024)
        expect((await readAll(thread, socket)).equals(sent)).toBe(true)
        socket.close()
        peer.destroy()
      }))
  })

  describe('closeGently', () => {
    test('delivers all bytes although unread input is there', () =>
      runThread(world, async (thread) => {
        const { socket, peer } = await connected(thread)
        const sent = pattern(4 * MEGABYTE)
        peer.write(pattern(MEGABYTE))
        await until(thread, () => socket.receivedBytes > 0)
        socket.write(sent)
        const closer = thread.spawn('closer', (self) => socket.closeGently(self, FOREVER))
        const received = await readToEnd(peer)
        expect(received.equals(sent)).toBe(true)
        peer.end('good bye')
        await closer.join(thread, FOREVER)
        expect(socket.closed).toBe(true)
      }))

    test('delivers all bytes to a peer that ended its side long before', () =>
      runThread(world, async (thread) => {
        const { socket, peer } = await connected(thread)
        const sent = pattern(32 * MEGABYTE)
        peer.end('request')
        expect(String(await readAll(thread, socket))).toBe('request')
        socket.write(sent)
        const closer = thread.spawn('closer', (self) => socket.closeGently(self, FOREVER))
        await until(thread, () => closer.waiter !== null)
        expect((await readToEnd(peer)).equals(sent)).toBe(true)
        await closer.join(thread, FOREVER)
      }))
  })

  describe('hangupInterrupts', () => {
    test.each([
      ['FIN', (peer: PlainSocket): unknown => peer.end()],
      ['a reset', (peer: PlainSocket): unknown => peer.resetAndDestroy()],
    ])('%s of the peer ends the wait for something else', (_, hangsUp) =>
      runThread(world, async (thread) => {
        const { socket, peer } = await connected(thread)
        const batch = new Condition('next batch')
        let reason = ''
        const player = thread.spawn('player', async (self) => {
          socket.hangupInterrupts(self)
          try {
            await batch.wait(self, FOREVER)
          } catch (error) {
            reason = error instanceof InterruptedError ? error.reason : String(error)
          } finally {
            socket.close()
            await self.yield()
          }
        })
        await until(thread, () => player.waiter !== null)
        // More than the socket would keep for a reader: it must not stop the flow, or the end would never be seen.
        peer.write(Buffer.alloc(2 * MEGABYTE))
        await until(thread, () => socket.receivedBytes === 2 * MEGABYTE)
        expect(player.waiter).not.toBeNull()
        hangsUp(peer)
        await player.join(thread, FOREVER)
        expect(reason).toBe('peer_closed')
        peer.destroy()
      }),
    )
  })

  describe('a listener', () => {
    test('knows peers of a dual-stack port by their plain IPv4 address', () =>
      runThread(world, async (thread) => {
        needIpv6()
        const listener = await Listener.open(world, '::ffff:127.0.0.1', 0)
        const client = await connect(thread, { host: HOST, port: listener.local.port }, FOREVER)
        const server = await listener.accept(thread)
        expect([server.remote.host, server.local.host]).toEqual([HOST, HOST])
        for (const socket of [client, server]) socket.close()
        listener.close()
      }))

    test('on every address takes IPv4 peers and knows them plainly, with and without IPv6 in the machine', () =>
      runThread(world, async (thread) => {
        const listener = await Listener.open(world, '', 0)
        const client = await connect(thread, { host: HOST, port: listener.local.port }, FOREVER)
        const server = await listener.accept(thread)
        expect(server.remote.host).toBe(HOST)
        for (const socket of [client, server]) socket.close()
        listener.close()
      }))

    test('on a port that is taken throws EADDRINUSE', () =>
      runThread(world, async () => {
        const { world: other } = makeWorld(useHandles)
        const first = await Listener.open(other, HOST, 0)
        await expect(Listener.open(world, HOST, first.local.port)).rejects.toMatchObject({ code: 'EADDRINUSE' })
        first.close()
      }))

    test('that this world has open already passes on to the next when the first closes, and is never shut between', () =>
      runThread(world, async (thread) => {
        const first = await Listener.open(world, HOST, 0)
        const { port } = first.local
        const second = await Listener.open(world, HOST, port, true)
        expect(second.local).toEqual(first.local)
        const third = await Listener.open(world, HOST, port)
        for (const listener of [first, second, third]) {
          const peer = await plainClient(port)
          peer.write('hello')
          const socket = await listener.accept(thread)
          expect(String(await socket.readFully(thread, 5, FOREVER))).toBe('hello')
          socket.close()
          peer.destroy()
          listener.close()
        }
        first.close()
        await expect(connect(thread, { host: HOST, port }, FOREVER)).rejects.toMatchObject({
          cause: { code: 'ECONNREFUSED' },
        })
        const again = await Listener.open(world, HOST, port)
        again.close()
      }))

    test('that is closed ends accept, and the connections that nobody accepted', () =>
      runThread(world, async (thread) => {
        const listener = await Listener.open(world, HOST, 0)
        const { port } = listener.local
        const peer = await plainClient(port)
        const first = await listener.accept(thread)
        // The kernel takes the second one in; it may or may not have reached the listener when that closes.
        const forgotten = await plainClient(port)
        forgotten.on('error', () => {})
        const gone = once(forgotten.resume(), 'end')
        const acceptor = thread.spawn('acceptor', async (self) => {
          for (;;) (await listener.accept(self)).close()
        })
        await until(thread, () => acceptor.waiter !== null)
        listener.close()
        await expect(acceptor.join(thread, FOREVER)).rejects.toMatchObject({ code: 'st_closed' })
        await expect(connect(thread, { host: HOST, port }, FOREVER)).rejects.toMatchObject({
          code: 'st_closed',
          cause: { code: 'ECONNREFUSED' },
        })
        await gone
        for (const socket of [peer, forgotten]) socket.destroy()
        first.close()
      }))

    test('gives a connection that was reset before it was accepted; the reader learns it', () =>
      runThread(world, async (thread) => {
        const listener = await Listener.open(world, HOST, 0)
        const peer = await plainClient(listener.local.port)
        const game = await PingPong.start()
        await game.play(10)
        peer.resetAndDestroy()
        await game.play(10)
        await game.stop()
        const socket = await listener.accept(thread)
        await expect(socket.read(thread, FOREVER)).rejects.toMatchObject({
          code: 'st_closed',
          cause: { code: 'ECONNRESET' },
        })
        listener.close()
      }))
  })

  describe('connect', () => {
    test('that is interrupted leaves no connection behind', () =>
      runThread(world, async (thread) => {
        const listener = await Listener.open(world, HOST, 0)
        thread.interrupt('early')
        expect(await outcome(connect(thread, listener.local, FOREVER))).toBe('st_interrupted')
        const late = thread.spawn('late', async (self) => {
          await connect(self, listener.local, FOREVER)
        })
        await until(thread, () => late.waiter !== null)
        late.interrupt('now')
        await late.join(thread, FOREVER)
        listener.close()
        // Nothing else is open; afterEach waits until nothing is left.
      }))

    test('from an address that this machine does not have is ClosedError', () =>
      runThread(world, async (thread) => {
        const listener = await Listener.open(world, HOST, 0)
        const where = { ...listener.local, localHost: '192.0.2.1' }
        await expect(connect(thread, where, FOREVER)).rejects.toMatchObject({
          code: 'st_closed',
          cause: { code: 'EADDRNOTAVAIL' },
        })
        listener.close()
      }))
  })

  test('says why it costs more than it needs', () => {
    const { slowReason } = new RealNetwork(useHandles)
    expect(slowReason).toBe(useHandles ? null : 'asked for')
  })
})
