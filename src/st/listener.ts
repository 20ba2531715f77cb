import { Condition } from './condition.ts'
import { FOREVER } from './clock.ts'
import { ClosedError } from './errors.ts'
import type { Endpoint, Pipe, PortHandle } from './network.ts'
import { Ring } from './ring.ts'
import { Socket } from './socket.ts'
import type { Thread } from './thread.ts'
import type { World } from './world.ts'

/** A listening port whose connections are taken one by one. */
export class Listener {
  readonly #arrived = new Ring<Pipe>()
  readonly #condition = new Condition('accept')
  #port: PortHandle | null = null

  /**
   * @param forTls whether Socket.startTls may be called on its connections
   * @throws the system's error, for example with code EADDRINUSE
   */
  static async open(world: World, host: string, port: number, forTls = false): Promise<Listener> {
    const listener = new Listener()
    const onPipe = (pipe: Pipe): void => {
      listener.#arrived.push(pipe)
      listener.#condition.signal()
    }
    listener.#port = await world.network.listen(host, port, onPipe, forTls)
    return listener
  }

  get local(): Endpoint {
    if (!this.#port) throw new ClosedError('listener is closed')
    return this.#port.local
  }

  /** Waits for the next connection. @throws InterruptedError; ClosedError after close() */
  async accept(thread: Thread): Promise<Socket> {
    for (;;) {
      const pipe = this.#arrived.shift()
      if (pipe) return new Socket(pipe)
      if (!this.#port) throw new ClosedError('listener is closed')
      await this.#condition.wait(thread, FOREVER)
    }
  }

  /** Stops listening; connections that nobody has accepted yet are closed. */
  close(): void {
    this.#port?.close()
    this.#port = null
    for (let pipe = this.#arrived.shift(); pipe; pipe = this.#arrived.shift()) pipe.destroy()
    this.#condition.broadcast()
  }
}
