import { describe, expect, onTestFinished, test } from 'vitest'
import { RedisConnection } from '../../../src/cluster/origin/redis-connection.ts'
import { FOREVER } from '../../../src/st/clock.ts'
import { StError } from '../../../src/st/errors.ts'
import { Listener } from '../../../src/st/listener.ts'
import type { Thread } from '../../../src/st/thread.ts'
import { MemoryRedis } from '../../support/memory-redis.ts'
import { makeWorld, runThread } from '../../support/world.ts'

const TIMEOUT_MS = 5_000

/** A server that answers the first thing it is told, the PING, and the second with these bytes, and then ends if it shall. */
async function answering(bytes: Buffer | string, ends = false): Promise<number> {
  const { world } = makeWorld()
  const listener = await Listener.open(world, '127.0.0.1', 0)
  onTestFinished(() => listener.close())
  world.spawn('odd redis', async (thread) => {
    const socket = await listener.accept(thread)
    await socket.read(thread, TIMEOUT_MS)
    socket.write(Buffer.from('+PONG\r\n'))
    await socket.read(thread, TIMEOUT_MS)
    socket.write(Buffer.from(bytes as string))
    if (ends) socket.close()
    while (await socket.read(thread, FOREVER));
  })
  return listener.local.port
}

/** Opens a connection and asks for something. @returns the replies, or the code of the error */
async function asking(port: number, timeoutMs = TIMEOUT_MS): Promise<unknown> {
  const { world } = makeWorld()
  return runThread(world, async (thread) => {
    const connection = await open(thread, port)
    try {
      return await connection.ask(thread, [['GET', 'a']], timeoutMs)
    } catch (error) {
      if (!(error instanceof StError)) throw error
      expect(connection.closed).toBe(true)
      return error.code
    } finally {
      connection.close()
    }
  })
}

function open(thread: Thread, port: number): Promise<RedisConnection> {
  return RedisConnection.open(thread, { host: '127.0.0.1', port, username: '', password: '', database: 0 }, TIMEOUT_MS)
}

describe('a reply of Redis', () => {
  test.each([
    ['a text', '$5\r\nh\r\nlo\r\n', ['h\r\nlo']],
    ['nothing', '$-1\r\n', [null]],
    ['a number', ':-17\r\n', [-17]],
    ['a list', '*3\r\n$1\r\na\r\n$-1\r\n:1\r\n', [['a', null, 1]]],
    ['no list', '*-1\r\n', [null]],
  ])('%s', async (_what, bytes, replies) => {
    expect(await asking(await answering(bytes))).toEqual(replies)
  })

  test.each([
    ['an error', '-LOADING Redis is loading\r\n', false, 'redis_refused'],
    ['not of the protocol', 'HTTP/1.1 200 OK\r\n\r\n', false, 'redis_invalid'],
    ['cut short', '$5\r\nhel', true, 'st_closed'],
    [
      'without an end',
      Buffer.concat([Buffer.from('$999999999\r\n'), Buffer.alloc(17 << 20, 'x')]),
      false,
      'redis_invalid',
    ],
  ])('that is %s closes the connection', async (_what, bytes, ends, code) => {
    expect(await asking(await answering(bytes, ends))).toBe(code)
  })

  test('that does not come in time closes the connection', async () => {
    expect(await asking(await answering(''), 50)).toBe('st_timeout')
  })
})

test('two that change one key at the same time both see what the other did', async () => {
  const { world } = makeWorld()
  const redis = new MemoryRedis(world)
  const port = await redis.start()
  await runThread(world, async (thread) => {
    const connections = [await open(thread, port), await open(thread, port)]
    const adding = connections.map((connection) =>
      thread.spawn('adder', async (own) => {
        for (let round = 0; round < 50; round++) {
          const add = ([value]: readonly unknown[]): string[][] => [['SET', 'sum', String(Number(value ?? 0) + 1)]]
          await connection.update(own, ['sum'], add, TIMEOUT_MS)
        }
      }),
    )
    for (const one of adding) await one.join(thread, FOREVER)
    for (const connection of connections) connection.close()
    expect(redis.live).toEqual({ sum: '100' })
    await redis.kill(thread)
  })
})
