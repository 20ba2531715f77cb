import type * as net from 'node:net'
import type { Endpoint, Pipe, PortHandle } from '../network.ts'
import { listenHandle } from './handle.ts'
import { NetPipe } from './net-pipe.ts'
import type { TcpPipes } from './tcp-pipe.ts'
import { TlsReadyPipe } from './tls.ts'

/** Who takes the connections of a port. */
export interface PortUser {
  readonly onPipe: (pipe: Pipe) => void
  readonly forTls: boolean
}

/**
 * A listening socket of the process. Its connections go to who came first; when that one has closed, to the next: so a
 * port passes from one service to another without being closed, and nobody is refused in between.
 */
export class OpenPort {
  readonly #server: net.Server
  readonly #local: Endpoint
  readonly #pipes: TcpPipes | null
  readonly #onClosed: () => void
  readonly #users: PortUser[] = []

  /** @param pipes null: connections are served on the sockets of Node */
  constructor(server: net.Server, local: Endpoint, pipes: TcpPipes | null, onClosed: () => void) {
    this.#server = server
    this.#local = local
    this.#pipes = pipes
    this.#onClosed = onClosed
    server.on('connection', (socket) => this.#take(socket))
    this.#acceptOnHandle()
  }

  /** The port as one of its users sees it. */
  join(user: PortUser): PortHandle {
    this.#users.push(user)
    return { local: this.#local, close: () => this.#leave(user) }
  }

  #leave(user: PortUser): void {
    const place = this.#users.indexOf(user)
    if (place < 0) return
    this.#users.splice(place, 1)
    if (this.#users.length > 0) return
    this.#server.close()
    this.#onClosed()
  }

  #take(socket: net.Socket): void {
    // A peer that is gone before it was accepted would otherwise end the process by an unhandled 'error'.
    socket.on('error', ignoreError)
    const [user] = this.#users
    if (!user) socket.destroy()
    else user.onPipe(user.forTls ? new TlsReadyPipe(socket) : new NetPipe(socket))
  }

  #acceptOnHandle(): void {
    const pipes = this.#pipes
    const listening = pipes && listenHandle(this.#server)
    if (!listening) return
    const accept = listening.onconnection.bind(listening)
    listening.onconnection = (status, handle) => {
      const [user] = this.#users
      // Node's own way ends in 'connection'.
      if (!user || user.forTls) accept(status, handle)
      // No descriptor or memory was left for one connection: its peer is told by the kernel, and the port goes on.
      else if (status >= 0) {
        const pipe = pipes.accept(handle)
        if (pipe) user.onPipe(pipe)
      }
    }
  }
}

/** The reason is reported by 'close', which always follows. */
function ignoreError(): void {}
