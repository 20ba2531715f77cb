import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { FOREVER } from '../../src/st/clock.ts'
import { Listener } from '../../src/st/listener.ts'
import type { ServerTls } from '../../src/st/network.ts'
import { makeSecureContext } from '../../src/st/real/tls.ts'
import type { Socket } from '../../src/st/socket.ts'
import type { Thread } from '../../src/st/thread.ts'
import { readFileSync } from 'node:fs'
import * as tls from 'node:tls'
import { makeWorld, type RecordingLog, runThread } from '../support/world.ts'
import type { World } from '../../src/st/world.ts'
import { plainClient, readToEnd, tcpHandles } from './support/peer.ts'
import { outcome, until } from './support/world.ts'

const FIXTURES = new URL('../fixtures/tls/', import.meta.url)
const CONTEXT = makeSecureContext(
  readFileSync(new URL('certificate.pem', FIXTURES), 'utf8'),
  readFileSync(new URL('key.pem', FIXTURES), 'utf8'),
)
const asked: string[] = []
const TLS: ServerTls = {
  certificateFor: (name) => {
    asked.push(name)
    return CONTEXT
  },
  protocols: ['http/1.1'],
}
const MEGABYTE = 1024 * 1024

describe('a connection that goes on in TLS', () => {
  let { world, log }: { world: World; log: RecordingLog } = makeWorld()

  beforeEach(() => {
    ;({ world, log } = makeWorld())
    asked.length = 0
  })

  afterEach(async () => {
    await runThread(world, (thread) => until(thread, () => tcpHandles() === 0 && world.threads.size === 1))
    expect(log.lines).toEqual([])
  })

  async function accept(thread: Thread, connect: (port: number) => void, forTls = true): Promise<Socket> {
    const listener = await Listener.open(world, '127.0.0.1', 0, forTls)
    connect(listener.local.port)
    const socket = await listener.accept(thread)
    listener.close()
    return socket
  }

  function client(port: number, options: tls.ConnectionOptions = {}): tls.TLSSocket {
    const socket = tls.connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...options })
    onTestFinished(() => void socket.destroy())
    return socket.on('error', () => socket.destroy())
  }

  test('carries bytes both ways, much of it, and ends as any other', () =>
    runThread(world, async (thread) => {
      let peer: tls.TLSSocket | null = null
      const socket = await accept(thread, (port) => {
        peer = client(port, { servername: 'a.example' })
      })
      const { remote, local } = socket
      await socket.startTls(thread, TLS, FOREVER)
      expect([socket.remote, socket.local]).toEqual([remote, local])
      expect(asked).toEqual(['', 'a.example'])
      const other = peer as unknown as tls.TLSSocket
      other.write('question')
      expect(String(await socket.readFully(thread, 8, FOREVER))).toBe('question')
      expect([socket.receivedBytes, socket.sentBytes]).toEqual([8, 0])
      const piece = Buffer.alloc(MEGABYTE, 'x')
      const received = readToEnd(other)
      for (let count = 0; count < 8; count++) await socket.writeFully(thread, piece, FOREVER)
      expect(socket.pendingBytes).toBe(0)
      await Promise.all([socket.closeGently(thread, 10_000), received.then(() => other.end())])
      expect((await received).length).toBe(8 * MEGABYTE)
    }))

  test('a peer that does not read holds its writer up, and nothing is lost', () =>
    runThread(world, async (thread) => {
      let peer: tls.TLSSocket | null = null
      const socket = await accept(thread, (port) => {
        peer = client(port)
      })
      await socket.startTls(thread, TLS, FOREVER)
      const other = peer as unknown as tls.TLSSocket
      other.pause()
      let written = 0
      for (; written < 64 * MEGABYTE; written += MEGABYTE) socket.write(Buffer.alloc(MEGABYTE, 'x'))
      expect(socket.pendingBytes).toBeGreaterThan(0)
      expect(await outcome(socket.drain(thread, 20))).toBe('st_timeout')
      const received = readToEnd(other)
      await socket.drain(thread, FOREVER)
      await Promise.all([socket.closeGently(thread, 10_000), received.then(() => other.end())])
      expect((await received).length).toBe(written)
    }))

  test('takes what has come already as the beginning of the handshake', () =>
    runThread(world, async (thread) => {
      let peer: tls.TLSSocket | null = null
      const socket = await accept(thread, (port) => {
        peer = client(port)
      })
      await until(thread, () => socket.receivedBytes > 100)
      await socket.startTls(thread, TLS, FOREVER)
      expect(socket.receivedBytes).toBe(0)
      const other = peer as unknown as tls.TLSSocket
      other.end('bye')
      expect(String(await socket.read(thread, FOREVER))).toBe('bye')
      expect(await socket.read(thread, FOREVER)).toBeNull()
      socket.close()
    }))

  test.each([
    ['says nothing', '', 'st_timeout'],
    ['says half of it', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc', 'st_timeout'],
    ['speaks another protocol', 'GET / HTTP/1.1\r\n\r\n', 'st_closed'],
  ])('fails when the peer %s', (_what, bytes, code) =>
    runThread(world, async (thread) => {
      const peers: ReturnType<typeof plainClient>[] = []
      const socket = await accept(thread, (port) => peers.push(plainClient(port)))
      for (const peer of peers) (await peer).write(Buffer.from(bytes, 'latin1'))
      expect(await outcome(socket.startTls(thread, TLS, 50))).toBe(code)
      socket.close()
      for (const peer of peers) (await peer).destroy()
    }),
  )

  test.each([
    ['ends', 'end'],
    ['is gone', 'resetAndDestroy'],
  ] as const)('fails when the peer %s before or in the handshake', (_what, how) =>
    runThread(world, async (thread) => {
      for (const isEarly of [true, false]) {
        const peers: ReturnType<typeof plainClient>[] = []
        const socket = await accept(thread, (port) => peers.push(plainClient(port)))
        const leave = async (): Promise<void> => {
          for (const peer of peers) (await peer)[how]()
        }
        if (isEarly) {
          await leave()
          await until(thread, () => socket.ended || socket.closed)
        }
        const started = outcome(socket.startTls(thread, TLS, FOREVER))
        if (!isEarly) await leave()
        expect(await started).toBe('st_closed')
        socket.close()
        for (const peer of peers) (await peer).destroy()
      }
    }),
  )

  test('fails when there is no certificate', () =>
    runThread(world, async (thread) => {
      let peer: tls.TLSSocket | null = null
      const socket = await accept(thread, (port) => {
        peer = client(port)
      })
      const none: ServerTls = { certificateFor: () => null, protocols: [] }
      expect(await outcome(socket.startTls(thread, none, FOREVER))).toBe('st_closed')
      socket.close()
      const other = peer as unknown as tls.TLSSocket
      other.destroy()
    }))

  test('must be one of a port that was opened for it', () =>
    runThread(world, async (thread) => {
      const peers: ReturnType<typeof plainClient>[] = []
      const socket = await accept(thread, (port) => peers.push(plainClient(port)), false)
      await expect(socket.startTls(thread, TLS, FOREVER)).rejects.toThrow('not opened for TLS')
      socket.close()
      for (const peer of peers) (await peer).destroy()
    }))
})
