import { readFileSync } from 'node:fs'
import { describe, expect, onTestFinished, test } from 'vitest'
import { Server } from '../../src/server/server.ts'
import { RealClock } from '../../src/st/real/clock.ts'
import { RealNetwork } from '../../src/st/real/network.ts'
import { makeSecureContext } from '../../src/st/real/tls.ts'
import type { Timer } from '../../src/st/clock.ts'
import type { ServerTls } from '../../src/st/network.ts'
import { World } from '../../src/st/world.ts'
import { testOptions, testVhost } from '../support/server.ts'
import { type LogLine, RecordingLog, runThread } from '../support/world.ts'
import { eventually, RawClient } from './support.ts'

const FASTER = 50

/** A clock on which time goes faster. */
class FastClock extends RealClock {
  override nowMs(): number {
    return super.nowMs() * FASTER
  }

  override after(delayMs: number, fire: () => void): Timer {
    return super.after(delayMs / FASTER, fire)
  }
}

const file = (name: string): string => readFileSync(new URL(`../fixtures/tls/${name}`, import.meta.url), 'utf8')
const context = makeSecureContext(file('certificate.pem'), file('key.pem'))
const TLS: ServerTls = { certificateFor: () => context, protocols: [] }

describe('a client on a port of TLS', () => {
  test.each([
    ['that says nothing', ''],
    ['that says half of its hello', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc'],
  ])('%s is closed after 10 seconds, and one line tells of it', async (_what, bytes) => {
    const log = new RecordingLog()
    const world = new World(new FastClock(), new RealNetwork(), log)
    const server = new Server(world, testOptions(testVhost({}), { tls: { rtmps: TLS, https: TLS } }), 'test')
    const any = { host: '127.0.0.1', port: 0 }
    await server.start({ rtmp: [], http: [], rtmps: [any], https: [any] }, new Map())
    onTestFinished(async () => {
      await runThread(world, (thread) => server.stop(thread))
      expect([world.threads.size, world.failures, server.connections]).toEqual([0, 0, 0])
    })
    const beganMs = world.clock.nowMs()
    const clients = await Promise.all(
      [...server.addresses.rtmps, ...server.addresses.https].map(({ port }) => RawClient.open(port)),
    )
    for (const client of clients) client.write(Buffer.from(bytes, 'latin1'))
    await Promise.all(clients.map((client) => client.untilOver()))
    expect(world.clock.nowMs() - beganMs).toBeGreaterThan(9_000)
    const failed = (): LogLine[] => log.lines.filter(({ text }) => text === 'TLS handshake failed')
    await eventually('both lines', () => failed().length === 2)
    const line = { level: 'debug', fields: { reason: expect.stringMatching(/timed out after \d+ ms/) as unknown } }
    expect(failed()).toMatchObject([line, line])
    expect(server.limits.totals.get('tls_timeout')).toBe(2)
  })
})
