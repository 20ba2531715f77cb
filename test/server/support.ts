import * as net from 'node:net'
import { performance } from 'node:perf_hooks'
import { setTimeout as pause } from 'node:timers/promises'
import { expect, onTestFinished } from 'vitest'
import type { ServerOptions } from '../../src/server/options.ts'
import type { ServerGates } from '../../src/server/server.ts'
import type { World } from '../../src/st/world.ts'
import { startServer, type TestServer, type VhostChanges } from '../support/server.ts'

/** Far more than it takes on a machine that is ten times slower. */
const DEADLINE_MS = 60_000
const POLL_MS = 2
/** For limits that a test does not mean to reach, on however slow a machine. */
const PATIENT_MS = 60_000

/** Polls until `look` gives something that is true and returns it. A test that must wait waits here. */
export async function eventually<T>(what: string, look: () => T): Promise<Exclude<T, null | undefined | false>> {
  const deadlineMs = performance.now() + DEADLINE_MS
  for (;;) {
    const found = look()
    if (found) return found as Exclude<T, null | undefined | false>
    if (performance.now() > deadlineMs) throw new Error(`waited ${DEADLINE_MS} ms in vain: ${what}`)
    await pause(POLL_MS)
  }
}

/**
 * A server for the running test, with the shortest latency and patience with silent publishers. When the test is over it is stopped, no thread may have
 * failed, and nothing may be left: no thread, no connection, no stream.
 */
export async function serve(
  changes: VhostChanges = {},
  options: Partial<ServerOptions> = {},
  makeGates: (world: World) => ServerGates = () => ({}),
  stopGates: () => Promise<void> = async () => {},
): Promise<TestServer> {
  const publish = { normalTimeoutMs: PATIENT_MS, takeoverAfterMs: PATIENT_MS, ...changes.publish }
  const server = await startServer({ minLatency: true, ...changes, publish }, options, new Map(), makeGates)
  onTestFinished(async () => {
    await server.stop()
    await stopGates()
    await eventually('the last thread to end', () => server.world.threads.size === 0)
    expect(server.world.failures).toBe(0)
    expect(server.server.connections).toBe(0)
    expect(server.server.clients.size).toBe(0)
    expect(server.server.hub.size).toBe(0)
  })
  return server
}

/** Waits until no connection and no stream is left. */
export async function untilIdle({ server }: TestServer): Promise<void> {
  await eventually('the last connection to end', () => server.connections === 0)
  expect(server.hub.size).toBe(0)
}

/** How many play anything. */
export function players(server: TestServer): number {
  return [...server.server.hub.sources].reduce((sum, source) => sum + source.players, 0)
}

/** A TCP connection without any protocol, which keeps all that it received. Gone when the test is over. */
export class RawClient {
  readonly socket: net.Socket
  readonly #parts: Buffer[] = []
  /** The server sent FIN. */
  ended = false
  closed = false
  /** Called for every piece that arrives. */
  onData: (bytes: Buffer) => void = () => {}

  private constructor(socket: net.Socket) {
    this.socket = socket
    socket.on('data', (bytes: Buffer) => {
      this.#parts.push(bytes)
      this.onData(bytes)
    })
    socket.on('end', () => {
      this.ended = true
    })
    // A reset is one of the ways in which a server may end a connection; `closed` says so.
    socket.on('error', () => {})
    socket.on('close', () => {
      this.closed = true
    })
    onTestFinished(() => void socket.destroy())
  }

  static async open(port: number, host = '127.0.0.1'): Promise<RawClient> {
    const socket = net.connect({ port, host, allowHalfOpen: true, noDelay: true })
    const client = new RawClient(socket)
    await eventually(`connect to port ${port}`, () => !socket.connecting)
    return client
  }

  /** All that was received. */
  get bytes(): Buffer {
    return Buffer.concat(this.#parts)
  }

  get text(): string {
    return this.bytes.toString('latin1')
  }

  get isOver(): boolean {
    return this.ended || this.closed
  }

  write(bytes: Buffer | string): void {
    this.socket.write(bytes)
  }

  /** Writes and waits until the kernel has it: the pieces do not travel together. */
  async writePiece(bytes: Buffer | string): Promise<void> {
    await new Promise<void>((resolve) => this.socket.write(bytes, () => setImmediate(resolve)))
  }

  /** Sends FIN; the other direction stays open. */
  end(): void {
    this.socket.end()
  }

  /** Goes away with a reset. */
  reset(): void {
    this.socket.resetAndDestroy()
  }

  /** Waits until the server has ended the connection. */
  async untilOver(): Promise<void> {
    await eventually('the server to end the connection', () => this.isOver)
  }
}
