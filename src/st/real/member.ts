import type { ConnectOptions, Endpoint, Network, Pipe, PortHandle } from '../network.ts'
import { INNER_KEY, type Order, type Part, PART_VARIABLE, type PortUse, type ToChild, type ToParent } from './family.ts'
import { streamBinding, type TcpHandle } from './handle.ts'
import { LentPort } from './lent-port.ts'
import { TcpPipes } from './tcp-pipe.ts'

/** Between two words on how many connections there are. */
const LOAD_MS = 250

/** Whether a supervisor has started this process, which has not joined it yet. */
export function isMember(): boolean {
  return process.env[PART_VARIABLE] !== undefined && process.send !== undefined
}

interface Waiting {
  readonly settle: (local: Endpoint) => void
  readonly fail: (error: Error) => void
}

/** This process as one of a supervisor's family. */
export class Member {
  readonly part: Part
  readonly #ports = new Map<string, LentPort>()
  readonly #waiting = new Map<string, Waiting>()
  readonly #pipes: TcpPipes | null
  #connections: () => number = () => 0
  #onOrder: (order: Order) => void = ignoreOrder

  /** Null: it is none. Returns when the supervisor has said which part it is. */
  static async join(): Promise<Member | null> {
    if (!isMember()) return null
    // What this process starts is no part of the family.
    delete process.env[PART_VARIABLE]
    const start = await new Promise<ToChild>((resolve) => void process.once('message', resolve))
    return start.kind === 'start' ? new Member(start.part) : null
  }

  private constructor(part: Part) {
    const binding = streamBinding()
    this.part = part
    this.#pipes = binding instanceof Error ? null : new TcpPipes(binding)
    process.on('message', (message: ToChild, handle: unknown) => this.#take(message, handle as TcpHandle))
    setInterval(() => this.#tell(null), LOAD_MS).unref()
  }

  /**
   * Everything is open.
   * @param connections how many this process serves
   * @param onOrder what the supervisor is told, and 'stop' when it has gone
   */
  ready(connections: () => number, onOrder: (order: Order) => void): void {
    this.#connections = connections
    this.#onOrder = onOrder
    if (process.connected) process.once('disconnect', () => onOrder('stop'))
    else onOrder('stop')
    send({ kind: 'ready' })
  }

  /**
   * The network of this process.
   * @param own what is none of the supervisor's
   * @param useOf how a port is used; null: it is this process's own affair
   */
  network(own: Network, useOf: (at: Endpoint) => PortUse | null): Network {
    /** How often port 0 of a host was asked for: in all processes in the same order. */
    const chosen = new Map<string, number>()
    return {
      connect: (options: ConnectOptions, settle) => own.connect(options, settle),
      listen: async (host, port, onPipe, forTls = false) => {
        const { inner } = this.part
        const isInner = host === inner.host && port === inner.port
        const use = isInner ? 'own' : useOf({ host, port })
        if (use === null) return own.listen(host, port, onPipe, forTls)
        const place = `${host} ${port}`
        const count = (chosen.get(place) ?? 0) + 1
        chosen.set(place, count)
        const key = isInner ? INNER_KEY : port === 0 ? `${place} ${count}` : place
        return this.#listen(key, { host, port }, use, { onPipe, forTls })
      },
    }
  }

  async #listen(
    key: string,
    { host, port }: Endpoint,
    use: PortUse,
    user: { readonly onPipe: (pipe: Pipe) => void; readonly forTls: boolean },
  ): Promise<PortHandle> {
    const known = this.#ports.get(key)
    if (known) return known.join(user)
    const local = await new Promise<Endpoint>((settle, fail) => {
      this.#waiting.set(key, { settle, fail })
      send({ kind: 'want', key, host, port, use })
    })
    const lent = new LentPort(
      local,
      this.#pipes,
      () => this.#tell(key),
      () => this.#drop(key),
    )
    this.#ports.set(key, lent)
    return lent.join(user)
  }

  #drop(key: string): void {
    this.#ports.delete(key)
    send({ kind: 'drop', key })
  }

  #take(message: ToChild, handle: TcpHandle): void {
    switch (message.kind) {
      case 'start':
        break
      case 'port':
        this.#settled(message.key)?.settle(message.local)
        break
      case 'noPort':
        this.#settled(message.key)?.fail(Object.assign(new Error(message.reason), { code: message.code }))
        break
      case 'lend':
        // The port of this name is there a moment later than the promise of it.
        setImmediate(() => {
          const port = this.#ports.get(message.key)
          if (port) port.lend(handle, message.quota)
          else handle.close(ignoreClosed)
        })
        break
      case 'order':
        this.#onOrder(message.order)
    }
  }

  #settled(key: string): Waiting | undefined {
    const waiting = this.#waiting.get(key)
    this.#waiting.delete(key)
    return waiting
  }

  #tell(returned: string | null): void {
    send({ kind: 'load', connections: this.#connections(), returned })
  }
}

/** When the supervisor has gone there is nobody to tell. */
function send(message: ToParent): void {
  if (process.connected) process.send?.(message, ignoreFailure)
}

function ignoreFailure(): void {}
function ignoreClosed(): void {}
function ignoreOrder(): void {}
