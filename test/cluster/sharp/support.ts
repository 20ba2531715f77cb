import { expect, onTestFinished } from 'vitest'
import { Sharp, type SharpOptions } from '../../../src/sharp.ts'
import { eventually } from '../../server/support.ts'
import type { TestServer } from '../../support/server.ts'
import { type LogLine, makeWorld, runThread } from '../../support/world.ts'

/** A sharp in this process. */
export interface TestSharp {
  readonly sharp: Sharp
  readonly httpPort: number
  readonly lines: readonly LogLine[]
}

/** Starts one; when the test is over it is stopped, no thread may have failed and none may be left. */
export async function startSharp(
  servers: readonly Pick<TestServer, 'httpPort'>[],
  changes: Partial<SharpOptions> = {},
): Promise<TestSharp> {
  const { world, log } = makeWorld()
  const behind = servers.map(({ httpPort }, index) => ({
    name: `s${index + 1}`,
    rtmp: null,
    http: { host: '127.0.0.1', port: httpPort },
    start: [],
  }))
  const options = {
    http: [{ host: '127.0.0.1', port: 0 }],
    servers: behind,
    maxConnections: 1000,
    connectTimeoutMs: 5_000,
    checkIntervalMs: 100,
    proxyProtocol: false,
    mediaTimeoutMs: 60_000,
    waitPublisherMs: 10_000,
    lingerMs: 200,
    outageMs: 10_000,
    ...changes,
  }
  const sharp = new Sharp(world, options, 'test')
  await sharp.start()
  onTestFinished(async () => {
    await runThread(world, (thread) => sharp.stop(thread))
    await eventually('the last thread to end', () => world.threads.size === 0)
    expect(world.failures).toBe(0)
    expect(log.lines.filter(({ level }) => level === 'error')).toEqual([])
    for (const { open } of sharp.servers) expect(open).toBe(0)
  })
  return { sharp, httpPort: sharp.addresses[0]?.port ?? 0, lines: log.lines }
}
