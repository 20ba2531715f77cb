import { expect, onTestFinished } from 'vitest'
import type { BehindOptions } from '../../../src/cluster/behind/server.ts'
import { Dolphin } from '../../../src/cluster/dolphin/dolphin.ts'
import type { DolphinOptions } from '../../../src/cluster/dolphin/options.ts'
import { eventually } from '../../server/support.ts'
import type { TestServer } from '../../support/server.ts'
import { type LogLine, makeWorld, runThread } from '../../support/world.ts'

const ANY = { host: '127.0.0.1', port: 0 }

/** A dolphin in this process. */
export interface TestDolphin {
  readonly dolphin: Dolphin
  readonly rtmpPort: number
  readonly httpPort: number
  readonly lines: readonly LogLine[]
  stop(): Promise<void>
}

/** A server of a test as one behind. */
export function behind(
  name: string,
  { rtmpPort, httpPort }: Partial<Pick<TestServer, 'rtmpPort' | 'httpPort'>>,
): BehindOptions {
  const at = (port: number | undefined): BehindOptions['rtmp'] => (port ? { host: '127.0.0.1', port } : null)
  return { name, rtmp: at(rtmpPort), http: at(httpPort), start: [] }
}

/** Starts one; when the test is over it is stopped, no thread may have failed and none may be left. */
export async function startDolphin(
  servers: readonly BehindOptions[],
  changes: Partial<DolphinOptions> = {},
): Promise<TestDolphin> {
  const { world, log } = makeWorld()
  const dolphin = new Dolphin(world, {
    rtmp: [ANY],
    http: [ANY],
    servers,
    policy: 'least',
    fillConnections: 1000,
    maxConnections: 1000,
    connectTimeoutMs: 5_000,
    idleTimeoutMs: 60_000,
    checkIntervalMs: 60_000,
    proxyProtocol: false,
    programLogDir: null,
    ...changes,
  })
  await dolphin.start()
  let isStopped = false
  const stop = async (): Promise<void> => {
    if (isStopped) return
    isStopped = true
    await runThread(world, (thread) => dolphin.stop(thread))
    await eventually('the last thread to end', () => world.threads.size === 0)
    expect(world.failures).toBe(0)
    expect(log.lines.filter(({ level }) => level === 'error')).toEqual([])
    for (const { open } of dolphin.servers) expect(open).toBe(0)
  }
  onTestFinished(stop)
  const [rtmp] = dolphin.addresses('rtmp')
  const [http] = dolphin.addresses('http')
  return { dolphin, rtmpPort: rtmp?.port ?? 0, httpPort: http?.port ?? 0, lines: log.lines, stop }
}
