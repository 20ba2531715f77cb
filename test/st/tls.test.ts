import { readFileSync } from 'node:fs'
import type * as tls from 'node:tls'
import { describe, expect, test, vi } from 'vitest'
import { StError } from '../../src/st/errors.ts'
import { connect } from '../../src/st/socket.ts'
import { CallbackServer } from '../support/callback-server.ts'
import { makeWorld, runThread } from '../support/world.ts'

const CERTIFICATE = readFileSync(new URL('../fixtures/tls/certificate.pem', import.meta.url), 'utf8')
const KEY = readFileSync(new URL('../fixtures/tls/key.pem', import.meta.url), 'utf8')
const trust = vi.hoisted(() => ({ isTrusted: true }))

// What NODE_EXTRA_CA_CERTS does for a whole process.
vi.mock('node:tls', async (importActual) => {
  const actual = await importActual<typeof tls>()
  const connectTrusting = (options: tls.ConnectionOptions): tls.TLSSocket =>
    actual.connect(trust.isTrusted ? { ...options, ca: CERTIFICATE } : options)
  return { ...actual, connect: connectTrusting }
})

/** Asks over TLS. @returns the first line of the answer, or the error */
async function ask(port: number, serverName: string): Promise<string> {
  const { world } = makeWorld()
  return runThread(world, async (thread) => {
    try {
      const where = { host: '127.0.0.1', port, tls: { serverName } }
      const socket = await connect(thread, where, 10_000)
      await socket.writeFully(thread, Buffer.from('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'), 10_000)
      let text = ''
      for (let bytes = await socket.read(thread, 10_000); bytes; bytes = await socket.read(thread, 10_000)) {
        text += bytes.toString()
      }
      socket.close()
      expect(socket.remote).toEqual({ host: '127.0.0.1', port })
      return text.split('\r\n')[0] ?? ''
    } catch (error) {
      if (error instanceof StError) return error.message
      throw error
    }
  })
}

describe('a connection over TLS', () => {
  test.each(['localhost', '127.0.0.1'])(
    'to %s, for which the certificate is, carries bytes both ways',
    async (name) => {
      const server = await CallbackServer.start({ cert: CERTIFICATE, key: KEY })
      trust.isTrusted = true
      expect(await ask(server.port, name)).toBe('HTTP/1.1 200 OK')
    },
  )

  test('is refused when the certificate is for another name', async () => {
    const server = await CallbackServer.start({ cert: CERTIFICATE, key: KEY })
    trust.isTrusted = true
    expect(await ask(server.port, 'other.example')).toMatch(/^connect failed: Hostname\/IP does not match/)
    expect(server.calls).toEqual([])
  })

  test('is refused when nobody knows who signed the certificate', async () => {
    const server = await CallbackServer.start({ cert: CERTIFICATE, key: KEY })
    trust.isTrusted = false
    expect(await ask(server.port, 'localhost')).toBe('connect failed: self-signed certificate')
  })

  test('is refused when the other side does not speak TLS', async () => {
    const server = await CallbackServer.start()
    expect(await ask(server.port, 'localhost')).toMatch(/^connect failed: /)
  })

  test('is given up at the timeout', async () => {
    const { world } = makeWorld()
    const silent = await CallbackServer.start()
    const where = { host: '127.0.0.1', port: silent.port, tls: { serverName: 'localhost' } }
    const given = runThread(world, (thread) => connect(thread, where, 1))
    await expect(given).rejects.toMatchObject({ code: expect.stringMatching(/^st_(timeout|closed)$/) as unknown })
  })
})
