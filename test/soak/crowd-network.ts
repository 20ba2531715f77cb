import type { ConnectOptions, Network, Pipe } from '../../src/st/network.ts'
import { RealNetwork } from '../../src/st/real/network.ts'

const RTMP_PORT = 1935

/** The real network, in which the machine that clients of the simulation call `server` is one of this machine's. */
export class CrowdNetwork extends RealNetwork {
  readonly #ports: { readonly rtmp: number; readonly http: number }
  readonly #isSecure: boolean
  /** Connections that are open. */
  open = 0

  /** @param isSecure whether all that goes there goes over TLS */
  constructor(ports: { readonly rtmp: number; readonly http: number }, isSecure: boolean) {
    super()
    this.#ports = ports
    this.#isSecure = isSecure
  }

  override connect(options: ConnectOptions, settle: Parameters<Network['connect']>[1]): () => void {
    const port = options.port === RTMP_PORT ? this.#ports.rtmp : this.#ports.http
    const where = { host: '127.0.0.1', port }
    return super.connect(this.#isSecure ? { ...where, tls: { serverName: 'localhost' } } : where, (result) => {
      if (!(result instanceof Error)) this.#count(result)
      settle(result)
    })
  }

  #count(pipe: Pipe): void {
    const attach = pipe.attach.bind(pipe)
    this.open++
    pipe.attach = (handler) =>
      attach({
        onData: (bytes) => handler.onData(bytes),
        onEnd: () => handler.onEnd(),
        onDrain: () => handler.onDrain(),
        onClose: (error) => {
          this.open--
          handler.onClose(error)
        },
      })
  }
}
