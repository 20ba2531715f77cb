import * as net from 'node:net'

const HOST = '127.0.0.1'

/** A way to a port of this machine that can be cut: then nothing comes through, and nobody is told. */
export class Relay {
  readonly #target: number
  readonly #server: net.Server
  readonly #pairs = new Set<readonly [net.Socket, net.Socket]>()
  #isCut = false

  private constructor(target: number) {
    this.#target = target
    this.#server = net.createServer((socket) => this.#join(socket))
  }

  static async to(target: number): Promise<Relay> {
    const relay = new Relay(target)
    await new Promise<void>((resolve) => relay.#server.listen(0, HOST, resolve))
    return relay
  }

  get port(): number {
    return (this.#server.address() as net.AddressInfo).port
  }

  cut(): void {
    this.#isCut = true
    for (const pair of this.#pairs) for (const socket of pair) socket.pause()
  }

  /** What was sent meanwhile arrives now, as TCP sends it again. */
  heal(): void {
    this.#isCut = false
    for (const pair of this.#pairs) for (const socket of pair) socket.resume()
  }

  close(): void {
    this.#server.close()
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy()
  }

  #join(from: net.Socket): void {
    const to = net.connect({ host: HOST, port: this.#target })
    const pair = [from, to] as const
    this.#pairs.add(pair)
    for (const [one, other] of [pair, [to, from] as const]) {
      one.on('data', (bytes) => {
        if (!other.write(bytes)) one.pause()
      })
      other.on('drain', () => {
        if (!this.#isCut) one.resume()
      })
      // Both ends see that the other one has gone; why is nothing that a relay could mend.
      one.on('error', () => one.destroy())
      one.on('end', () => other.end())
      one.on('close', () => {
        other.destroy()
        this.#pairs.delete(pair)
      })
    }
    if (this.#isCut) for (const socket of pair) socket.pause()
  }
}
