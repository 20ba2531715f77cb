import type * as net from 'node:net'
import type { Endpoint, Pipe, PipeHandler } from '../network.ts'

/** IPv4 peers of a dual-stack socket arrive as ::ffff:1.2.3.4; people and access lists know them as 1.2.3.4. */
export function plainHost(host: string | undefined): string {
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

/** A TCP connection on a socket of node:net. */
export class NetPipe implements Pipe {
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

  /** Nobody is told of anything any more, and nothing is read. @returns the socket, which is the caller's from now on */
  protected detach(): net.Socket {
    const socket: PipedSocket = this.#socket
    delete socket[HANDLER]
    socket.off('data', onData)
    socket.off('end', onEnd)
    socket.off('drain', onDrain)
    socket.off('close', onClose)
    return socket.pause()
  }

  write(bytes: Buffer, behind?: Buffer): boolean {
    if (behind) this.#socket.cork()
    this.#socket.write(bytes)
    if (behind) {
      this.#socket.write(behind)
      this.#socket.uncork()
    }
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
