import * as net from 'node:net'
import * as tls from 'node:tls'
import type { SeededRandom } from '../../src/st/sim/random.ts'

export const HOST = '127.0.0.1'

/** Whom they come to. */
export interface Victim {
  readonly rtmp: number
  readonly http: number
  /** Ports of TLS; or others, for which a hello of TLS is noise. */
  readonly rtmps: number
  readonly https: number
}

/** What an attack is given. */
export interface Attacker {
  readonly victim: Victim
  readonly random: SeededRandom
  /** Those who stay go when this is over, if they have not been thrown out before. */
  readonly stay: Promise<void>
}

/** What one of them does. */
export type Attack = (attacker: Attacker) => Promise<void>

/** A connection of somebody who means no good. */
export class Wire {
  readonly #tcp: net.Socket
  /** In which it speaks: TCP, or TLS over it. */
  readonly #socket: net.Socket
  readonly closed: Promise<void>

  private constructor(tcp: net.Socket, socket: net.Socket) {
    this.#tcp = tcp
    this.#socket = socket
    this.closed = new Promise((resolve) => tcp.once('close', () => resolve()))
  }

  /** @returns a wire that is closed when it was refused */
  static open(port: number): Promise<Wire> {
    const socket = net.connect({ host: HOST, port, allowHalfOpen: true })
    const wire = new Wire(socket, socket)
    socket.on('error', () => {})
    socket.resume()
    socket.on('end', () => socket.end())
    return new Promise((resolve) => {
      socket.once('connect', () => resolve(wire))
      socket.once('close', () => resolve(wire))
    })
  }

  /** Believes every certificate. @returns a wire that is closed when it was refused */
  static openTls(port: number): Promise<Wire> {
    const tcp = net.connect({ host: HOST, port })
    const socket = tls.connect({ socket: tcp, rejectUnauthorized: false })
    const wire = new Wire(tcp, socket)
    for (const one of [tcp, socket]) one.on('error', () => tcp.destroy())
    socket.resume()
    return new Promise((resolve) => {
      socket.once('secureConnect', () => resolve(wire))
      tcp.once('close', () => resolve(wire))
    })
  }

  get isOpen(): boolean {
    return !this.#tcp.destroyed && this.#socket.writable
  }

  write(...parts: (Buffer | string)[]): void {
    for (const part of parts) if (this.isOpen) this.#socket.write(part)
  }

  /** From now on nothing is read. */
  stopReading(): void {
    this.#socket.pause()
  }

  end(): void {
    this.#socket.end()
  }

  reset(): void {
    if (!this.#tcp.destroyed) this.#tcp.resetAndDestroy()
  }

  /** Waits until it is thrown out, or has stayed for long enough; then it goes with a reset. */
  async hold(stay: Promise<void>): Promise<void> {
    await Promise.race([this.closed, stay])
    this.reset()
  }
}

/** A request of GET. @param more headers, each with its line end */
export function head(target: string, more = ''): string {
  return `GET ${target} HTTP/1.1\r\nHost: ${HOST}\r\n${more}\r\n`
}

/** A name that nobody else has. */
export function anyName(random: SeededRandom): string {
  return `x${random.next().toString(36)}`
}
