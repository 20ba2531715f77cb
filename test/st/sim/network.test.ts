import { describe, expect, test } from 'vitest'
import { StError } from '../../../src/st/errors.ts'
import { Listener } from '../../../src/st/listener.ts'
import { type SimHost, SimNetwork } from '../../../src/st/sim/network.ts'
import type { Path } from '../../../src/st/sim/path.ts'
import { Simulation } from '../../../src/st/sim/simulation.ts'
import { connect, type Socket } from '../../../src/st/socket.ts'
import type { Thread } from '../../../src/st/thread.ts'
import { RecordingLog } from '../../support/world.ts'

const PORT = 7
const KB = 1024
const PATH: Path = { latencyMs: 10, jitterMs: 0, bytesPerMs: 1_000, bufferBytes: 8 * KB, splits: 0 }

/** Two machines; on one of them each connection is served by `serve`. */
class Pair {
  readonly simulation: Simulation
  readonly network: SimNetwork
  readonly server: SimHost
  readonly client: SimHost
  readonly notes: string[] = []

  private constructor(seed: number, path: Partial<Path>) {
    this.simulation = new Simulation(seed)
    this.network = new SimNetwork(this.simulation, () => ({ ...PATH, ...path }))
    this.server = this.network.add('server', '10.0.0.1')
    this.client = this.network.add('client', '10.0.0.2')
  }

  static async make(serve: (thread: Thread, socket: Socket) => Promise<void>, path: Partial<Path> = {}, seed = 1) {
    const pair = new Pair(seed, path)
    await pair.startServer(serve)
    return pair
  }

  async startServer(serve: (thread: Thread, socket: Socket) => Promise<void>): Promise<void> {
    const world = this.server.boot(new RecordingLog())
    const listener = await Listener.open(world, '', PORT)
    world.spawn('accept', async (thread) => {
      for (;;) {
        const socket = await listener.accept(thread)
        world.spawn('serve', (own) => this.#noted('server', own, () => serve(own, socket)))
      }
    })
  }

  /** Starts a program at the client; how it ended is noted. */
  run(body: (thread: Thread) => Promise<void>): void {
    this.client.boot(new RecordingLog()).spawn('client', (thread) => this.#noted('client', thread, () => body(thread)))
  }

  note(text: string): void {
    this.notes.push(`${Math.round(this.simulation.nowMs)} ${text}`)
  }

  async #noted(who: string, _thread: Thread, body: () => Promise<void>): Promise<void> {
    try {
      await body()
      this.note(`${who} ok`)
    } catch (error) {
      if (!(error instanceof StError)) throw error
      this.note(`${who} ${error.message}`)
    }
  }
}

const where = { host: 'server', port: PORT }

async function echo(thread: Thread, socket: Socket): Promise<void> {
  for (let bytes = await socket.read(thread, 10_000_000); bytes; bytes = await socket.read(thread, 10_000_000)) {
    await socket.writeFully(thread, bytes, 10_000)
  }
  socket.close()
}

async function connected(thread: Thread, timeoutMs: number, port = PORT): Promise<void> {
  await connect(thread, { host: 'server', port }, timeoutMs)
}

async function ignore(thread: Thread): Promise<void> {
  await thread.sleep(10_000_000)
}

describe('connections of the simulated network', () => {
  test('take their time and keep the order of bytes, however they are cut', async () => {
    const pair = await Pair.make(echo, { splits: 0.5 })
    const sent = Buffer.from(Array.from({ length: 50 * KB }, (_, index) => index % 251))
    pair.run(async (thread) => {
      const socket = await connect(thread, where, 1_000)
      const writing = thread.spawn('write', (own) => socket.writeFully(own, sent, 10_000))
      const parts: Buffer[] = []
      for (let count = 0; count < sent.length; ) {
        const part = (await socket.read(thread, 10_000)) as Buffer
        parts.push(part)
        count += part.length
      }
      await writing.join(thread, 1_000)
      expect(Buffer.concat(parts).equals(sent)).toBe(true)
      expect(parts.length).toBeGreaterThan(10)
    })
    await pair.simulation.run(60_000)
    expect(pair.notes).toHaveLength(1)
    expect(pair.notes[0]).toMatch(/^\d{3} client ok$/)
  })

  test('take no more than their buffers hold while the peer does not read', async () => {
    const pair = await Pair.make(async (thread, socket) => {
      await thread.sleep(5_000)
      await echo(thread, socket)
    })
    pair.run(async (thread) => {
      const socket = await connect(thread, where, 1_000)
      // Both kernels, and what a socket reads ahead.
      expect(socket.write(Buffer.alloc(16 * KB + 256 * KB))).toBe(false)
      await thread.sleep(1_000)
      expect(socket.pendingBytes).toBe(0)
      expect(socket.write(Buffer.alloc(40 * KB))).toBe(false)
      await thread.sleep(1_000)
      expect(socket.pendingBytes).toBeGreaterThan(0)
      await socket.drain(thread, 60_000)
    })
    await pair.simulation.run(60_000)
    expect(pair.notes.map((note) => note.replace(/\d+ /, ''))).toContain('client ok')
  })

  test('are refused where nobody listens, and hang where nobody is', async () => {
    const pair = await Pair.make(ignore)
    pair.run((thread) => connected(thread, 1_000, 8))
    await pair.simulation.run(1_000)
    expect(pair.notes.at(-1)).toBe('20 client connect failed: connect ECONNREFUSED')
    pair.server.crash('machine')
    pair.run((thread) => connected(thread, 500_000))
    await pair.simulation.run(200_000)
    expect(pair.notes.at(-1)).toMatch(/^128\d{3} client connect failed: connect ETIMEDOUT$/)
    pair.run((thread) => connected(thread, 2_000))
    await pair.simulation.run(10_000)
    expect(pair.notes.at(-1)).toContain('timed out after 2000 ms')
  })

  test('stay over a partition, and deliver all of it in order behind it', async () => {
    const pair = await Pair.make(echo)
    pair.run(async (thread) => {
      const socket = await connect(thread, where, 1_000)
      pair.network.cut(pair.client, pair.server)
      pair.simulation.after(20_000, () => pair.network.heal(pair.client, pair.server))
      for (const text of ['one ', 'two ', 'three']) socket.write(Buffer.from(text))
      const bytes = await socket.readFully(thread, 13, 60_000)
      pair.note(bytes.toString())
    })
    await pair.simulation.run(60_000)
    expect(pair.notes[0]).toMatch(/^2[0-3]\d{3} one two three$/)
  })

  test('end with a process, break at a machine that has come back, and are given up after long silence', async () => {
    for (const [kind, restarts, expected] of [
      ['process', false, /client ok|ECONNRESET/],
      ['machine', true, /ECONNRESET/],
      ['machine', false, /^7\d{5} client .*ETIMEDOUT/],
    ] as const) {
      const pair = await Pair.make(ignore)
      pair.run(async (thread) => {
        const socket = await connect(thread, where, 1_000)
        pair.server.crash(kind)
        if (restarts) pair.simulation.after(5_000, () => void pair.startServer(ignore))
        socket.write(Buffer.from('is anybody there'))
        await socket.read(thread, 10_000_000)
      })
      await pair.simulation.run(1_000_000)
      expect(pair.notes.at(-1)).toMatch(expected)
      expect(pair.client.pipes.size).toBe(0)
    }
  })
})

test('threads that are ready at the same time run in an order that the seed determines', async () => {
  const orders = await Promise.all(
    [1, 1, 2, 3].map(async (seed) => {
      const pair = await Pair.make(ignore, {}, seed)
      const order: number[] = []
      pair.run(async (thread) => {
        for (let index = 0; index < 10; index++) thread.spawn('one', async () => void order.push(index))
      })
      await pair.simulation.run(1_000)
      return order.join()
    }),
  )
  expect(orders[0]).toBe(orders[1])
  expect(new Set(orders).size).toBe(3)
})
