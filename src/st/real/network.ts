import * as net from 'node:net'
import type { ConnectOptions, Endpoint, Network, Pipe, PipeHandler, PortHandle } from '../network.ts'
import { connectTls } from './tls.ts'

/** Connections that the kernel keeps for us before they are accepted; SRS's value. */
const BACKLOG = 512

/** IPv4 peers of a dual-stack socket arrive as ::ffff:1.2.3.4; people and access lists know them as 1.2.3.4. */
function plainHost(host: string | undefined): string {
  if (!host) return ''
  return host.startsWith('::ffff:') ? host.slice('::ffff:'.length) : host
}

const HANDLER = Symbol('handler')

interface PipedSocket extends net.Socket {
  [HANDLER]?: PipeHandler
}

function onData(this: PipedSocket, bytes: Buffer): void {
  this[HANDLER]?.onData(bytes)
}

function onEnd(this: PipedSocket): void {
  this[HANDLER]?.onEnd()
}

function onDrain(this: PipedSocket): void {
  this[HANDLER]?.onDrain()
}

function onClose(this: PipedSocket): void {
  this[HANDLER]?.onClose(this.errored)
}

/** A TCP connection of node:net. */
class NetPipe implements Pipe {
  readonly #socket: net.Socket
  readonly remote: Endpoint
  readonly local: Endpoint

  constructor(socket: net.Socket) {
    this.#socket = socket
    this.remote = { host: plainHost(socket.remoteAddress), port: socket.remotePort ?? 0 }
    this.local = { host: plainHost(socket.localAddress), port: socket.localPort ?? 0 }
    // An answer of several small writes must not wait for the peer's delayed acknowledgement.
    socket.setNoDelay(true)
    socket.setKeepAlive(true, 60_000)
  }

  get pendingBytes(): number {
    return this.#socket.writableLength
  }

  attach(handler: PipeHandler): void {
    const socket: PipedSocket = this.#socket
    socket[HANDLER] = handler
    // Shared functions: with closures each of 10,000 players would cost half a kilobyte more.
    socket.on('data', onData)
    socket.on('end', onEnd)
    socket.on('drain', onDrain)
    socket.on('close', onClose)
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

/** node:net as the network of the real world. */
export class RealNetwork implements Network {
  listen(host: string, port: number, onPipe: (pipe: Pipe) => void): Promise<PortHandle> {
    // The high-water mark of 1 makes 'drain' follow every write that the kernel did not take whole.
    const server = net.createServer({ allowHalfOpen: true, highWaterMark: 1, noDelay: true })
    return new Promise((resolve, reject) => {
      server.once('error', reject)
      server.listen({ ...(host === '' ? {} : { host }), port, backlog: BACKLOG }, () => {
        server.off('error', reject)
        server.on('error', ignoreFailedAccept)
        const address = server.address() as net.AddressInfo
        resolve({
          local: { host: address.address, port: address.port },
          close: () => server.close(),
        })
      })
      server.on('connection', (socket) => {
        // A peer that is gone before it was accepted would otherwise end the process by an unhandled 'error'.
        socket.on('error', ignoreError)
        onPipe(new NetPipe(socket))
      })
    })
  }

  connect(options: ConnectOptions, settle: (result: Pipe | Error) => void): () => void {
    if (options.tls) return connectTls(options, options.tls.serverName, settle)
    const where = {
      host: options.host,
      port: options.port,
      allowHalfOpen: true,
      // A stream option that the typings of net do not list; see listen().
      highWaterMark: 1,
      ...(options.localHost === undefined ? {} : { localAddress: options.localHost }),
    }
    const socket = net.connect(where)
    const onError = (error: Error): void => settle(error)
    socket.once('error', onError)
    socket.once('connect', () => {
      socket.off('error', onError)
      socket.on('error', ignoreError)
      settle(new NetPipe(socket))
    })
    return () => {
      socket.off('error', onError)
      socket.on('error', ignoreError)
      socket.removeAllListeners('connect')
      socket.destroy()
    }
  }
}

/** The reason is reported by 'close', which always follows. */
function ignoreError(): void {}

/** No descriptor or memory was left for one connection: its peer is told by the kernel, and the port goes on. */
function ignoreFailedAccept(): void {}
