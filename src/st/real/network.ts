import * as net from 'node:net'
import type { ConnectOptions, Network, Pipe, PortHandle } from '../network.ts'
import { connectionHandle, streamBinding, takeHandle } from './handle.ts'
import { NetPipe } from './net-pipe.ts'
import { OpenPort } from './open-port.ts'
import { TcpPipes } from './tcp-pipe.ts'
import { connectTls } from './tls.ts'

/** Connections that the kernel keeps for us before they are accepted; SRS's value. */
const BACKLOG = 512

/**
 * node:net as the network of the real world. Connections are served on Node's handles where this Node has them as they
 * are known; else, and those of TLS, on its sockets, which do the same and cost more.
 */
export class RealNetwork implements Network {
  readonly #pipes: TcpPipes | null
  /** Why connections cost more than they need; null: they do not. */
  readonly slowReason: string | null
  /** By host, as it was asked for, and port. */
  readonly #open = new Map<string, OpenPort>()

  /** @param useHandles false: only the documented interface of Node */
  constructor(useHandles = true) {
    const binding = useHandles ? streamBinding() : new Error('asked for')
    this.#pipes = binding instanceof Error ? null : new TcpPipes(binding)
    this.slowReason = binding instanceof Error ? binding.message : null
  }

  async listen(host: string, port: number, onPipe: (pipe: Pipe) => void, forTls = false): Promise<PortHandle> {
    const known = this.#open.get(`${host} ${port}`)
    if (known) return known.join({ onPipe, forTls })
    const server = await this.#listen(host, port)
    const { address, port: chosen } = server.address() as net.AddressInfo
    const key = `${host} ${chosen}`
    const open = new OpenPort(server, { host: address, port: chosen }, this.#pipes, () => this.#open.delete(key))
    this.#open.set(key, open)
    return open.join({ onPipe, forTls })
  }

  giveBack(bytes: Buffer): void {
    this.#pipes?.memory.giveBack(bytes)
  }

  /** A server that does nothing yet with its connections; they wait in the kernel until this turn is over. */
  #listen(host: string, port: number): Promise<net.Server> {
    // The high-water mark of 1 makes 'drain' follow every write that the kernel did not take whole.
    const server = net.createServer({ allowHalfOpen: true, highWaterMark: 1, noDelay: true })
    return new Promise((resolve, reject) => {
      server.once('error', reject)
      server.listen({ ...(host === '' ? {} : { host }), port, backlog: BACKLOG }, () => {
        server.off('error', reject)
        server.on('error', ignoreFailedAccept)
        resolve(server)
      })
    })
  }

  connect(options: ConnectOptions, settle: (result: Pipe | Error) => void): () => void {
    if (options.tls) return connectTls(options, options.tls, settle)
    const where = {
      host: options.host,
      port: options.port,
      allowHalfOpen: true,
      // A stream option that the typings of net do not list; see listen().
      highWaterMark: 1,
      ...(options.localHost === undefined ? {} : { localAddress: options.localHost }),
    }
    const socket = net.connect(where)
    const pipes = this.#pipes && connectionHandle(socket) ? this.#pipes : null
    // Nothing may be read before the handle has its new owner.
    if (pipes) socket.pause()
    const onError = (error: Error): void => settle(error)
    socket.once('error', onError)
    socket.once('connect', () => {
      socket.off('error', onError)
      socket.on('error', ignoreError)
      settle(pipes ? handlePipe(pipes, socket) : new NetPipe(socket))
    })
    return () => {
      socket.off('error', onError)
      socket.on('error', ignoreError)
      socket.removeAllListeners('connect')
      socket.destroy()
    }
  }
}

/** A connection on the handle of a socket, which is let go. */
function handlePipe(pipes: TcpPipes, socket: net.Socket): Pipe | Error {
  const handle = takeHandle(socket)
  return (handle && pipes.accept(handle)) ?? new Error('the connection was closed at once')
}

/** The reason is reported by 'close', which always follows. */
function ignoreError(): void {}

/** No descriptor or memory was left for one connection: its peer is told by the kernel, and the port goes on. */
function ignoreFailedAccept(): void {}
