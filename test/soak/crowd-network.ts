import type { ConnectOptions, Network } from '../../src/st/network.ts'
import { RealNetwork } from '../../src/st/real/network.ts'

const RTMP_PORT = 1935

/** The real network, in which the machine that clients of the simulation call `server` is one of this machine's. */
export class CrowdNetwork extends RealNetwork {
  readonly #ports: { readonly rtmp: number; readonly http: number }
  readonly #isSecure: boolean

  /** @param isSecure whether all that goes there goes over TLS */
  constructor(ports: { readonly rtmp: number; readonly http: number }, isSecure: boolean) {
    super()
    this.#ports = ports
    this.#isSecure = isSecure
  }

  override connect(options: ConnectOptions, settle: Parameters<Network['connect']>[1]): () => void {
    const port = options.port === RTMP_PORT ? this.#ports.rtmp : this.#ports.http
    const where = { host: '127.0.0.1', port }
    return super.connect(this.#isSecure ? { ...where, tls: { serverName: 'localhost' } } : where, settle)
  }
}
