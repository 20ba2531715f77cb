import { expect, test } from 'vitest'
import { askHttp } from '../../../src/cluster/dolphin/ask-http.ts'
import { Socket } from '../../../src/st/socket.ts'
import type { Thread } from '../../../src/st/thread.ts'
import { TestPipe } from '../../st/support/network.ts'
import { makeTestWorld, outcome } from '../../st/support/world.ts'

/** What is understood of bytes that come one after the other. */
async function asked(...pieces: string[]): Promise<{ stream: string | null; said: string } | string> {
  const { world, clock } = makeTestWorld()
  const pipe = new TestPipe()
  const socket = new Socket(pipe)
  let result: { stream: string | null; said: string } | string = 'waits'
  world.spawn('test', async (thread) => {
    const how = await outcome(ask(thread))
    if (how !== 'ok') result = how
  })
  const ask = async (thread: Thread): Promise<void> => {
    const { stream, said } = await askHttp(thread, socket, 1_000)
    result = { stream, said: said.toString('latin1') }
  }
  for (const piece of pieces) {
    await clock.settle()
    pipe.handler.onData(Buffer.from(piece, 'latin1'))
  }
  await clock.pass(1_000)
  return result
}

test.each([
  ['/live/cam.flv?token=x', 'live/cam'],
  ['/live/room/cam.flv', 'live/room/cam'],
  ['http://host:8080/live/cam.flv', 'live/cam'],
  ['/live/cam.m3u8?hls_ctx=1', 'live/cam'],
  ['/live/cam-17.ts', 'live/cam'],
  ['/live/cam-17.m4s', 'live/cam'],
  ['/live/cam-17.flv', 'live/cam-17'],
  ['/live/k%C3%A4se.flv', 'live/käse'],
  ['/', null],
  ['/players', null],
  ['/../secret/x.flv', null],
])('%s is about %s', async (target, stream) => {
  const text = `GET ${target} HTTP/1.1\r\nHost: h\r\n\r\n`
  expect(await asked(text)).toEqual({ stream, said: text })
})

test('the line may come in pieces, and all that has come is passed on', async () => {
  expect(await asked('GET /live/', 'cam.flv HTTP/1.1', '\r\nHost')).toEqual({
    stream: 'live/cam',
    said: 'GET /live/cam.flv HTTP/1.1\r\nHost',
  })
})

test('what is no request, or TLS, is left to the server', async () => {
  expect(await asked('nonsense\n')).toEqual({ stream: null, said: 'nonsense\n' })
  expect(await asked('\x16\x03\x01')).toEqual({ stream: null, said: '\x16\x03\x01' })
  const long = `GET /${'a'.repeat(9_000)}`
  expect(await asked(long)).toEqual({ stream: null, said: long })
})

test('a client that says nothing has only so much time', async () => {
  expect(await asked()).toBe('st_timeout')
  expect(await asked('GET /live')).toBe('st_timeout')
})
