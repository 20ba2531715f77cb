import * as net from 'node:net'
import type { Endpoint, Pipe, PortHandle } from '../network.ts'
import type { TcpHandle } from './handle.ts'
import { OpenPort, type PortUser } from './open-port.ts'
import type { TcpPipes } from './tcp-pipe.ts'

/** Connections that the kernel keeps before they are accepted; SRS's value. */
const BACKLOG = 512

/** A listening socket that belongs to the supervisor and is here for a while at a time. */
export class LentPort {
  readonly #local: Endpoint
  readonly #pipes: TcpPipes | null
  readonly #onReturn: () => void
  readonly #onClosed: () => void
  readonly #users: PortUser[] = []
  #open: PortHandle | null = null
  #left = 0

  /** @param onReturn the quota is used up, and the socket given back */
  constructor(local: Endpoint, pipes: TcpPipes | null, onReturn: () => void, onClosed: () => void) {
    this.#local = local
    this.#pipes = pipes
    this.#onReturn = onReturn
    this.#onClosed = onClosed
  }

  /** The port as one of its users sees it: connections go to who came first. */
  join(user: PortUser): PortHandle {
    this.#users.push(user)
    return { local: this.#local, close: () => this.#leave(user) }
  }

  /** @param quota so many connections may be taken; 0: any number */
  lend(handle: TcpHandle, quota: number): void {
    this.#giveBack()
    const server = net.createServer({ allowHalfOpen: true, highWaterMark: 1, noDelay: true })
    server.on('error', ignoreFailedAccept)
    server.listen(handle, BACKLOG)
    this.#left = quota === 0 ? Infinity : quota
    const [first] = this.#users
    const open = new OpenPort(server, this.#local, this.#pipes, ignoreClosed)
    this.#open = open.join({ forTls: first?.forTls ?? false, onPipe: (pipe) => this.#take(pipe) })
  }

  #take(pipe: Pipe): void {
    this.#left--
    const [user] = this.#users
    if (user) user.onPipe(pipe)
    else pipe.destroy()
    if (this.#left > 0) return
    // Within the call that accepts: nothing more is taken in this turn either.
    this.#giveBack()
    this.#onReturn()
  }

  #leave(user: PortUser): void {
    const place = this.#users.indexOf(user)
    if (place < 0) return
    this.#users.splice(place, 1)
    if (this.#users.length > 0) return
    this.#giveBack()
    this.#onClosed()
  }

  #giveBack(): void {
    this.#open?.close()
    this.#open = null
  }
}

/** No descriptor or memory was left for one connection: its peer is told by the kernel, and the port goes on. */
function ignoreFailedAccept(): void {}

function ignoreClosed(): void {}
