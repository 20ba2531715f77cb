import { ClosedError, StError } from '../../../src/st/errors.ts'
import { Listener } from '../../../src/st/listener.ts'
import type { SeededRandom } from '../../../src/st/sim/random.ts'
import { connect, type Socket } from '../../../src/st/socket.ts'
import type { Thread } from '../../../src/st/thread.ts'
import type { World } from '../../../src/st/world.ts'
import { Violation } from '../violation.ts'

// A service of plain bytes behind a proxy, and its clients: each end knows every byte that must come.

export const BYTES_PORT = 9001
const CHECK = '/api/v1/versions'
const PIECE_BYTES = 16 * 1024
const SILENCE_MS = 30_000
const ANSWER_MS = 8_000
const LF = 0x0a
/** What a socket keeps unread, and a read. */
const INPUT_BYTES = 512 * 1024

/** What goes each way. */
interface Exchange {
  readonly id: number
  readonly upBytes: number
  readonly downBytes: number
}

/** How a client behaves. */
export interface BytesPlan {
  /** It ends its side when it has said all, and reads on. */
  readonly isHalfOpen: boolean
  /** After each read. */
  readonly pauseMs: number
  readonly downBytes: number
  /** All of them each time; else some. */
  readonly isFull: boolean
}

/** What became of the exchanges; those that the client left count as neither. */
export interface Exchanges {
  whole: number
  broken: number
}

/** Serves on a machine until its world ends. */
export async function serveBytes(world: World): Promise<{ stop(thread: Thread): Promise<void> }> {
  const listener = await Listener.open(world, '', BYTES_PORT)
  const connections = new Set<Thread>()
  const accept = world.spawn('accept bytes', async (thread) => {
    try {
      for (;;) {
        const socket = await listener.accept(thread)
        const connection = world.spawn(
          'bytes',
          (own) => quietly(() => answer(own, socket)),
          (ended) => {
            socket.close()
            connections.delete(ended)
          },
        )
        connections.add(connection)
      }
    } catch (error) {
      if (!(error instanceof ClosedError)) throw error
    }
  })
  return {
    async stop(thread) {
      listener.close()
      await accept.stop(thread, 'service stops')
      for (const connection of connections) await connection.stop(thread, 'service stops')
    },
  }
}

/** A connection that breaks is no failure. */
async function quietly(body: () => Promise<void>): Promise<void> {
  try {
    await body()
  } catch (error) {
    if (!(error instanceof StError)) throw error
  }
}

async function answer(thread: Thread, socket: Socket): Promise<void> {
  let line = Buffer.alloc(0)
  while (!line.includes(LF)) {
    const bytes = await socket.read(thread, SILENCE_MS)
    if (!bytes) return
    line = Buffer.concat([line, bytes])
  }
  const end = line.indexOf(LF) + 1
  const [, target = ''] = line.toString('latin1', 0, end).split(' ')
  if (target === CHECK) {
    await socket.writeFully(thread, Buffer.from('HTTP/1.1 404 Not Found\r\n\r\n'), SILENCE_MS)
    return
  }
  const [id = 0, upBytes = 0, downBytes = 0] = (target.split('?')[1] ?? '').split('-').map(Number)
  const exchange = { id, upBytes, downBytes }
  const up = new Expected(exchange, 'up')
  up.take(line.subarray(end))
  const sending = thread.spawn('bytes out', (own) => quietly(() => send(own, socket, exchange, 'down')))
  try {
    while (!up.isWhole) {
      const bytes = await socket.read(thread, SILENCE_MS)
      if (!bytes) break
      up.take(bytes)
    }
    await sending.join(thread, SILENCE_MS * 4)
    socket.endOutput()
    // The client reads on; its end is waited for, so that nothing is reset under way.
    while (await socket.read(thread, SILENCE_MS)) continue
  } finally {
    await sending.stop(thread, 'connection ended')
  }
}

async function send(thread: Thread, socket: Socket, exchange: Exchange, way: Way): Promise<void> {
  const total = way === 'up' ? exchange.upBytes : exchange.downBytes
  for (let at = 0; at < total; at += PIECE_BYTES) {
    await socket.writeFully(thread, content(exchange.id, way, at, Math.min(PIECE_BYTES, total - at)), SILENCE_MS)
  }
}

type Way = 'up' | 'down'

/** Begins anew after so many bytes. */
const PERIOD_BYTES = 65_521
const CONTENT = Buffer.from(
  Array.from({ length: 2 * PERIOD_BYTES + INPUT_BYTES }, (_, at) => contentAt(at % PERIOD_BYTES)),
)

function contentAt(at: number): number {
  return (Math.imul(at, 0x9e3779b1) >>> 24) & 0xff
}

/** @param count at most what a socket keeps unread */
function content(id: number, way: Way, from: number, count: number): Buffer {
  const start = (id * 7 + (way === 'up' ? 0 : 101) + from) % PERIOD_BYTES
  return CONTENT.subarray(start, start + count)
}

/** Looks at what comes: always the beginning of what was sent. */
class Expected {
  readonly #exchange: Exchange
  readonly #way: Way
  received = 0

  constructor(exchange: Exchange, way: Way) {
    this.#exchange = exchange
    this.#way = way
  }

  get isWhole(): boolean {
    return this.received >= (this.#way === 'up' ? this.#exchange.upBytes : this.#exchange.downBytes)
  }

  take(bytes: Buffer): void {
    const { id } = this.#exchange
    if (!bytes.equals(content(id, this.#way, this.received, bytes.length))) {
      throw new Violation(
        'bytes',
        `exchange ${id}: ${this.#way} from byte ${this.received} on others came than were sent`,
      )
    }
    this.received += bytes.length
  }
}

/** Exchanges bytes through a proxy, over and over. @throws Violation */
export async function exchangeBytes(
  thread: Thread,
  at: { host: string; port: number },
  plan: BytesPlan,
  untilMs: number,
  seen: Exchanges,
  random: SeededRandom,
): Promise<void> {
  const { clock } = thread.world
  while (clock.nowMs() < untilMs) {
    const exchange = {
      id: random.below(1_000_000),
      upBytes: random.below(60_000),
      downBytes: Math.floor(plan.downBytes * (plan.isFull ? 1 : random.fraction())),
    }
    const isWhole = await exchangeOnce(thread, at, plan, exchange, untilMs)
    if (isWhole) seen.whole++
    else if (isWhole === false) seen.broken++
    await thread.sleep(random.between(200, 2_000))
  }
}

/** @returns null: the client left, its time is over */
async function exchangeOnce(
  thread: Thread,
  at: { host: string; port: number },
  { isHalfOpen, pauseMs }: BytesPlan,
  exchange: Exchange,
  untilMs: number,
): Promise<boolean | null> {
  const { id, upBytes, downBytes } = exchange
  const down = new Expected(exchange, 'down')
  let hasLeft = false
  await quietly(async () => {
    const socket = await connect(thread, at, ANSWER_MS)
    const line = `GET /live/b${id % 5}.flv?${id}-${upBytes}-${downBytes} HTTP/1.1\n`
    const sending = thread.spawn('bytes out', (own) =>
      quietly(async () => {
        await socket.writeFully(own, Buffer.from(line), SILENCE_MS)
        await send(own, socket, exchange, 'up')
        if (isHalfOpen) socket.endOutput()
      }),
    )
    try {
      for (let bytes = await socket.read(thread, SILENCE_MS); bytes; bytes = await socket.read(thread, SILENCE_MS)) {
        down.take(bytes)
        if (pauseMs > 0) await thread.sleep(pauseMs)
        hasLeft = thread.world.clock.nowMs() >= untilMs
        if (hasLeft) return
      }
    } finally {
      socket.close()
      await sending.stop(thread, 'exchange is over')
    }
  })
  return hasLeft ? null : down.isWhole
}
