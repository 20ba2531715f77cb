import { readFileSync } from 'node:fs'
import { afterAll, beforeAll } from 'vitest'
import type { ServerOptions } from '../../../src/server/options.ts'
import type { SecureContext } from '../../../src/st/network.ts'
import { makeSecureContext } from '../../../src/st/real/tls.ts'
import type { Source } from '../../../src/stream/source.ts'
import { startServer, type TestServer, type VhostChanges } from '../../support/server.ts'
import { TestCertificate } from '../../support/tls.ts'
import { until } from '../../support/until.ts'

/** An encoder on a busy machine is not taken for dead. */
const PATIENT_MS = 60_000

function patient(changes: VhostChanges): VhostChanges {
  return { ...changes, publish: { normalTimeoutMs: PATIENT_MS, firstpktTimeoutMs: PATIENT_MS, ...changes.publish } }
}

/** A server in this process for all tests of a file; each test has a stream name of its own. */
export class LiveServer {
  #server: TestServer | null = null

  /** To be called at the top of a test file. */
  static use(changes: VhostChanges = {}, options: Partial<ServerOptions> = {}): LiveServer {
    const live = new LiveServer()
    beforeAll(async () => {
      live.#server = await startServer(patient(changes), options)
    })
    afterAll(() => live.#server?.stop())
    return live
  }

  /** The same, over TLS too, with a certificate that signs itself. */
  static useSecure(changes: VhostChanges = {}): LiveServer {
    const live = new LiveServer()
    const made: TestCertificate[] = []
    beforeAll(async () => {
      const certificate = new TestCertificate('localhost')
      made.push(certificate)
      const context = makeSecureContext(certificate.pem, readFileSync(certificate.key, 'utf8'))
      const certificateFor = (): SecureContext => context
      const tls = { rtmps: { certificateFor, protocols: [] }, https: { certificateFor, protocols: ['http/1.1'] } }
      live.#server = await startServer(patient(changes), { tls })
    })
    afterAll(async () => {
      await live.#server?.stop()
      for (const certificate of made) certificate.remove()
    })
    return live
  }

  get server(): TestServer {
    if (!this.#server) throw new Error('the server does not run yet')
    return this.#server
  }

  rtmpUrl(stream: string): string {
    return `rtmp://127.0.0.1:${this.server.rtmpPort}/live/${stream}`
  }

  rtmpsUrl(stream: string): string {
    return `rtmps://127.0.0.1:${this.server.server.addresses.rtmps[0]?.port}/live/${stream}`
  }

  httpsUrl(stream: string, ending: string): string {
    return `https://127.0.0.1:${this.server.server.addresses.https[0]?.port}/live/${stream}${ending}`
  }

  flvUrl(stream: string): string {
    return this.httpUrl(stream, '.flv')
  }

  httpUrl(stream: string, ending: string): string {
    return `http://127.0.0.1:${this.server.httpPort}/live/${stream}${ending}`
  }

  /** Null when nobody publishes or plays the stream. */
  source(stream: string): Source | null {
    const key = `__defaultVhost__/live/${stream}`
    return [...this.server.server.hub.sources].find((source) => source.key === key) ?? null
  }

  /** Waits until the stream has exactly so many players. */
  async hasPlayers(stream: string, count: number): Promise<void> {
    await until(`${stream} has ${count} players`, () => (this.source(stream)?.players ?? 0) === count)
  }

  /** Waits until the stream is published and its publisher has sent `frames` of picture or sound. */
  async isLive(stream: string, frames = 1): Promise<void> {
    await until(`${stream} has ${frames} frames`, () => {
      const counters = this.source(stream)?.publication?.counters
      return counters !== undefined && counters.videoFrames + counters.audioFrames >= frames
    })
  }
}
