import * as net from 'node:net'
import * as tls from 'node:tls'
import type { ConnectOptions, Endpoint, Pipe, PipeHandler } from '../network.ts'

/** The client's side of a TLS connection of node:tls. */
class TlsPipe implements Pipe {
  readonly #socket: tls.TLSSocket
  readonly remote: Endpoint
  readonly local: Endpoint

  constructor(socket: tls.TLSSocket) {
    this.#socket = socket
    this.remote = { host: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 }
    this.local = { host: socket.localAddress ?? '', port: socket.localPort ?? 0 }
    socket.setNoDelay(true)
  }

  get pendingBytes(): number {
    return this.#socket.writableLength
  }

  attach(handler: PipeHandler): void {
    const socket = this.#socket
    socket.on('data', (bytes: Buffer) => handler.onData(bytes))
    socket.on('end', () => handler.onEnd())
    socket.on('drain', () => handler.onDrain())
    socket.on('close', () => handler.onClose(socket.errored))
    // A connection may break before anybody is attached.
    if (socket.destroyed) queueMicrotask(() => handler.onClose(socket.errored))
  }

  write(bytes: Buffer): boolean {
    this.#socket.write(bytes)
    return this.#socket.writableLength === 0
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  end(): void {
    this.#socket.end()
  }

  destroy(): void {
    this.#socket.destroy()
  }
}

/**
 * Opens a TLS connection over TCP; `settle` as for Network.connect. A certificate that is not valid for `serverName`,
 * or that no authority known to Node (NODE_EXTRA_CA_CERTS adds some) has signed, is an error.
 */
export function connectTls(
  options: ConnectOptions,
  serverName: string,
  settle: (result: Pipe | Error) => void,
): () => void {
  const { host, port, localHost } = options
  const settings: tls.ConnectionOptions & { highWaterMark: number } = {
    host,
    port,
    ...(localHost === undefined ? {} : { localAddress: localHost }),
    // RFC 6066 section 3: an address is no server name.
    ...(net.isIP(serverName) ? {} : { servername: serverName }),
    checkServerIdentity: (_name, certificate) => tls.checkServerIdentity(serverName, certificate),
    // Makes 'drain' follow every write that the kernel did not take whole.
    highWaterMark: 1,
  }
  const socket = tls.connect(settings)
  const onError = (error: Error): void => settle(error)
  socket.once('error', onError)
  socket.on('error', ignoreError)
  socket.once('secureConnect', () => {
    socket.off('error', onError)
    settle(new TlsPipe(socket))
  })
  return () => {
    socket.off('error', onError)
    socket.removeAllListeners('secureConnect')
    socket.destroy()
  }
}

/** The reason is reported by 'close', which always follows. */
function ignoreError(): void {}
