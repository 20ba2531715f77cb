import { describe, expect, onTestFinished, test, vi } from 'vitest'
import type { HttpResponse } from '../../src/http/client.ts'
import { HttpPool, type PoolRequest } from '../../src/http/pool.ts'
import { InterruptedError, StError } from '../../src/st/errors.ts'
import type { World } from '../../src/st/world.ts'
import { eventually } from '../server/support.ts'
import { makeTestWorld, noting } from '../st/support/world.ts'
import { TestPipe } from '../st/support/network.ts'
import { CallbackServer } from '../support/callback-server.ts'
import { freePort } from '../support/port.ts'
import { makeWorld, runThread } from '../support/world.ts'

const PATIENT_MS = 60_000
/** Enough to ask on a busy machine, and not to wait for long. */
const SHORT_MS = 1_000

/** A pool in the real world; when the test is over it is stopped, and no thread may be left. */
function makePool(): { world: World; pool: HttpPool; ask: typeof ask } {
  const { world } = makeWorld()
  const pool = new HttpPool(world)
  const ask = async (
    url: string,
    more: Partial<PoolRequest> = {},
    timeoutMs = PATIENT_MS,
  ): Promise<HttpResponse | string> => {
    const request = { method: 'POST', url: new URL(url), headers: {}, body: '{}', ...more } as const
    try {
      return await runThread(world, (thread) => pool.request(thread, request, timeoutMs))
    } catch (error) {
      if (error instanceof StError) return error.code
      throw error
    }
  }
  onTestFinished(async () => {
    await runThread(world, (thread) => pool.stop(thread))
    await eventually('the last thread to end', () => world.threads.size === 0)
  })
  return { world, pool, ask }
}

describe('a request', () => {
  test('is sent with what it says, and the answer comes back whatever its status', async () => {
    const server = await CallbackServer.start()
    server.reply = () => ({ status: 503, body: 'later', headers: { 'X-A': 'b' } })
    const { ask } = makePool()
    const url = server.url('/a/b?c=d').replace('//', '//us%40er:pass@')
    const answer = await ask(url, { headers: { 'Content-Type': 'x/y' }, body: '{"a":"ä"}' })
    expect(answer).toMatchObject({ status: 503, body: Buffer.from('later') })
    expect(server.calls[0]).toMatchObject({ method: 'POST', url: '/a/b?c=d', body: { a: 'ä' } })
    expect(server.calls[0]?.headers).toMatchObject({
      host: `127.0.0.1:${server.port}`,
      'content-type': 'x/y',
      'content-length': '10',
      authorization: `Basic ${Buffer.from('us@er:pass').toString('base64')}`,
    })
  })

  test('goes to an IPv6 address and to a name', async () => {
    const { world, pool } = makePool()
    const connect = vi.spyOn(world.network, 'connect').mockReturnValue(() => {})
    for (const url of ['http://[::1]:81/', 'https://a.example/']) {
      const request = { method: 'GET', url: new URL(url), headers: {}, body: '' } as const
      await expect(runThread(world, (thread) => pool.request(thread, request, 50))).rejects.toThrow('no answer in time')
    }
    expect(connect.mock.calls.map(([where]) => where)).toEqual([
      { host: '::1', port: 81 },
      { host: 'a.example', port: 443, tls: { serverName: 'a.example', isVerified: true } },
    ])
  })
})

describe('a connection', () => {
  test('is kept for the next request', async () => {
    const server = await CallbackServer.start()
    const { ask } = makePool()
    for (let count = 0; count < 5; count++) await ask(server.url())
    expect(server.calls.map(({ connection }) => connection)).toEqual([1, 1, 1, 1, 1])
  })

  test.each<[string, Record<string, string>]>([
    ['that the server will close', { Connection: 'close' }],
    ['that the server does not keep for a moment', { 'Keep-Alive': 'timeout=0' }],
  ])('%s is not used again', async (_what, headers) => {
    const server = await CallbackServer.start()
    server.reply = () => ({ body: '0', headers })
    const { ask } = makePool()
    await ask(server.url())
    await ask(server.url())
    expect(server.connections).toBe(2)
  })

  test('that the server has closed meanwhile costs nothing but a new one', async () => {
    const server = await CallbackServer.start()
    const { ask } = makePool()
    await ask(server.url())
    server.closeIdle()
    expect(await ask(server.url())).toMatchObject({ status: 200 })
    expect(server.connections).toBe(2)
  })

  test('that is closed as the next request comes is replaced, and the request sent once more', async () => {
    const server = await CallbackServer.start()
    server.reply = ({ connection }) => (connection === 1 && server.calls.length > 1 ? 'close' : { body: '0' })
    const { ask } = makePool()
    await ask(server.url())
    expect(await ask(server.url())).toMatchObject({ status: 200 })
    expect(server.calls.map(({ connection }) => connection)).toEqual([1, 1, 2])
  })

  test('that fails takes no other kept one with it: a request is sent twice at most', async () => {
    const server = await CallbackServer.start()
    let isWell = true
    server.reply = async () => {
      await eventually('four requests at once', () => !isWell || server.connections === 4)
      return isWell ? { body: '0' } : 'close'
    }
    const { ask } = makePool()
    await Promise.all([1, 2, 3, 4].map(() => ask(server.url())))
    isWell = false
    expect(await ask(server.url())).toBe('http_closed')
    expect(server.calls).toHaveLength(6)
  })

  test('is not kept longer than idle servers keep theirs, and holds no thread then', async () => {
    const { world, clock, network } = makeTestWorld()
    const pipe = new TestPipe()
    network.immediate = pipe
    const pool = new HttpPool(world)
    const notes: string[] = []
    const request = { method: 'GET', url: new URL('http://192.0.2.9/'), headers: {}, body: '' } as const
    noting(world, notes, 'call', (thread) => pool.request(thread, request, PATIENT_MS))
    await clock.settle()
    pipe.handler.onData(Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'))
    await clock.pass(3_900)
    expect([notes, pipe.isDestroyed, world.threads.size]).toEqual([['call ok'], false, 1])
    await clock.pass(200)
    expect([pipe.isDestroyed, world.threads.size]).toEqual([true, 0])
  })

  test('there are 256 at most; who comes then waits in line', async () => {
    const server = await CallbackServer.start()
    const waiting: (() => void)[] = []
    server.reply = () => new Promise((resolve) => waiting.push(() => resolve({ body: '0' })))
    const { ask } = makePool()
    const answers = Promise.all(Array.from({ length: 300 }, () => ask(server.url())))
    await eventually('256 calls', () => waiting.length === 256)
    expect(await ask(server.url(), {}, 50)).toBe('http_timeout')
    expect(server.connections).toBe(256)
    while (server.calls.length < 300 || waiting.length > 0) {
      waiting.shift()?.()
      await eventually('the next', () => waiting.length > 0 || server.calls.length === 300)
    }
    expect((await answers).filter((answer) => typeof answer === 'string')).toEqual([])
  })
})

describe('no answer', () => {
  test('because nobody listens', async () => {
    const { ask } = makePool()
    expect(await ask(`http://127.0.0.1:${await freePort()}/`)).toBe('http_connect_failed')
  })

  test('because there is no such host', async () => {
    const { ask } = makePool()
    expect(await ask('http://no-such-host.invalid/')).toBe('http_connect_failed')
  })

  test.each<[string, CallbackServer['reply'], string]>([
    ['because the server says nothing', () => 'silence', 'http_timeout'],
    ['because the server ends the connection', () => 'close', 'http_closed'],
    [
      'because the server ends in the middle',
      () => ({ raw: 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n0' }),
      'http_closed',
    ],
    ['but garbage', () => ({ raw: 'x'.repeat(100) }), 'http_closed'],
    ['but lines of garbage', () => ({ raw: 'x\r\n\r\n' }), 'http_response_invalid'],
    ['but too much', () => ({ body: 'x'.repeat(70_000) }), 'http_body_too_long'],
  ])('%s', async (_what, reply, code) => {
    const server = await CallbackServer.start()
    server.reply = reply
    const { ask } = makePool()
    expect(await ask(server.url(), {}, code === 'http_timeout' ? SHORT_MS : PATIENT_MS)).toBe(code)
    expect(server.calls).toHaveLength(1)
  })

  test('in drops does not go beyond the limit', async () => {
    const { world, clock, network } = makeTestWorld()
    const pipe = new TestPipe()
    network.immediate = pipe
    const pool = new HttpPool(world)
    const notes: string[] = []
    const request = { method: 'GET', url: new URL('http://192.0.2.9/'), headers: {}, body: '' } as const
    noting(world, notes, 'call', (thread) => pool.request(thread, request, 1_000))
    await clock.settle()
    for (let count = 0; count < 9; count++) {
      pipe.handler.onData(Buffer.from('H'))
      await clock.pass(110)
    }
    expect(notes).toEqual([])
    await clock.pass(110)
    expect([notes, pipe.isDestroyed]).toEqual([['call http_timeout'], true])
  })

  test('because the thread is interrupted: the connection is closed', async () => {
    const { world, clock, network } = makeTestWorld()
    const pipe = new TestPipe()
    network.immediate = pipe
    const pool = new HttpPool(world)
    const request = { method: 'GET', url: new URL('http://192.0.2.9/'), headers: {}, body: '' } as const
    let ended: unknown = null
    const thread = world.spawn('call', async (own) => {
      await pool.request(own, request, PATIENT_MS).catch((error: unknown) => {
        ended = error
      })
    })
    await clock.settle()
    thread.interrupt('kicked')
    await clock.settle()
    expect(ended).toBeInstanceOf(InterruptedError)
    expect(pipe.isDestroyed).toBe(true)
  })
})
