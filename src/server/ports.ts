import { ClosedError } from '../st/errors.ts'
import { Listener } from '../st/listener.ts'
import type { Endpoint } from '../st/network.ts'
import type { Socket } from '../st/socket.ts'
import type { Thread } from '../st/thread.ts'
import type { World } from '../st/world.ts'

/** What will listen where: everything is opened, and nothing has changed yet. */
export interface PortChange {
  /** Connections are taken from the new ports; those that are not wanted any more are closed. */
  readonly commit: () => void
  /** The new ports are closed again. */
  readonly abort: () => void
}

interface OpenPort {
  readonly listener: Listener
  /** As it was asked for last. */
  wanted: Endpoint
}

/** Takes a connection; never waits. `wanted` is the address as it was asked for. */
type OnConnection = (socket: Socket, wanted: Endpoint) => void

/** The listening ports of one service. Which they are may change while it runs; connections stay when their port goes. */
export class Ports {
  readonly #world: World
  readonly #onConnection: OnConnection
  readonly #forTls: boolean
  readonly #acceptors = new Set<Thread>()
  /** By the address that was asked for. */
  #open = new Map<string, OpenPort>()

  /** @param forTls whether its connections go on in TLS */
  constructor(world: World, onConnection: OnConnection, forTls = false) {
    this.#world = world
    this.#onConnection = onConnection
    this.#forTls = forTls
  }

  /** Where it listens, with the ports that the system chose. */
  get addresses(): readonly Endpoint[] {
    return [...this.#open.values()].map(({ listener }) => listener.local)
  }

  /**
   * Opens what is not open yet.
   * @param wanted all addresses from now on; host '' is every address of the machine, port 0 a free one
   * @throws the system's error when one cannot be opened; those that were are closed again
   */
  async prepare(wanted: readonly Endpoint[]): Promise<PortChange> {
    const next = new Map<string, OpenPort>()
    const fresh: OpenPort[] = []
    const abort = (): void => {
      for (const { listener } of fresh) listener.close()
    }
    try {
      for (const address of wanted) {
        const key = freeKey(address, next)
        const known = this.#open.get(key)
        const port = known ?? {
          listener: await Listener.open(this.#world, address.host, address.port, this.#forTls),
          wanted: address,
        }
        if (!known) fresh.push(port)
        next.set(key, port)
      }
    } catch (error) {
      abort()
      throw error
    }
    return { commit: () => this.#replace(next, wanted, fresh), abort }
  }

  /** Closes all ports. */
  close(): void {
    this.#replace(new Map(), [], [])
  }

  /** Closes all ports; returns when no thread is left. */
  async stop(thread: Thread): Promise<void> {
    this.close()
    for (const acceptor of this.#acceptors) await acceptor.stop(thread, 'port is closed')
  }

  #replace(next: Map<string, OpenPort>, wanted: readonly Endpoint[], fresh: readonly OpenPort[]): void {
    for (const [key, port] of this.#open) if (next.get(key) !== port) port.listener.close()
    this.#open = next
    // In the order in which they were asked for.
    for (const [index, port] of [...next.values()].entries()) port.wanted = wanted[index] ?? port.wanted
    for (const port of fresh) {
      const acceptor = this.#world.spawn(
        'accept',
        (thread) => this.#accept(thread, port),
        (thread) => this.#acceptors.delete(thread),
      )
      this.#acceptors.add(acceptor)
    }
  }

  /** Until the port is closed. */
  async #accept(thread: Thread, port: OpenPort): Promise<void> {
    try {
      for (;;) this.#onConnection(await port.listener.accept(thread), port.wanted)
    } catch (error) {
      if (!(error instanceof ClosedError)) throw error
    }
  }
}

/** Several changes as one: all are prepared, or none. @throws what one of them throws */
export async function prepareAll(steps: readonly (() => Promise<PortChange>)[]): Promise<PortChange> {
  const done: PortChange[] = []
  const abort = (): void => {
    for (const change of done) change.abort()
  }
  try {
    for (const step of steps) done.push(await step())
  } catch (error) {
    abort()
    throw error
  }
  return {
    commit: () => {
      for (const change of done) change.commit()
    },
    abort,
  }
}

/** The same address may be wanted twice when the system chooses the port. */
function freeKey({ host, port }: Endpoint, taken: ReadonlyMap<string, unknown>): string {
  let count = 0
  while (taken.has(`${host} ${port} ${count}`)) count++
  return `${host} ${port} ${count}`
}
