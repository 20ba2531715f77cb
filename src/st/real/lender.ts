import { type BoundPort, bindPort } from './bound-port.ts'
import type { PortUse, ToChild } from './family.ts'
import type { TcpHandle } from './handle.ts'

/** So many connections a process may take at most before it asks again; fewer while all have few. */
const LARGEST_QUOTA = 8
/** One more for so many connections that each process has. */
const CONNECTIONS_PER_QUOTA = 8
/** Who has not been heard for so long is busy or stuck: the others do not wait for it. */
const SILENT_MS = 1_000

/** A process that borrows ports. */
export interface Borrower {
  send(message: ToChild, handle?: TcpHandle): void
}

interface Account {
  connections: number
  heardMs: number
  /** By key: whether it has the port now, and for how many connections. */
  readonly ports: Map<string, { readonly use: PortUse; isLent: boolean; quota: number }>
}

/**
 * Keeps listening sockets and lends them. All who share one accept by themselves, from the same queue of the kernel; each
 * takes a few connections at a time and gets the socket again as long as it is not ahead of the others. So all have about
 * the same number, and what one that has died has not taken yet, another takes.
 */
export class Lender {
  readonly #nowMs: () => number
  readonly #ports = new Map<string, BoundPort>()
  readonly #accounts = new Map<Borrower, Account>()

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs
  }

  /** Binds a port that somebody will want. @throws the system's error */
  bind(key: string, host: string, port: number): BoundPort {
    const known = this.#ports.get(key) ?? bindPort(host, port)
    this.#ports.set(key, known)
    return known
  }

  add(borrower: Borrower): void {
    this.#accounts.set(borrower, { connections: 0, heardMs: this.#nowMs(), ports: new Map() })
  }

  /** It has gone. Its ports stay: another one comes in its place. */
  remove(borrower: Borrower): void {
    this.#accounts.delete(borrower)
    this.#share()
  }

  want(borrower: Borrower, key: string, host: string, port: number, use: PortUse): void {
    const account = this.#accounts.get(borrower)
    if (!account) return
    try {
      const { local } = this.bind(key, host, port)
      account.ports.set(key, { use, isLent: use === 'name', quota: 0 })
      borrower.send({ kind: 'port', key, local })
      this.#share()
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : ''
      borrower.send({ kind: 'noPort', key, code, reason: error instanceof Error ? error.message : String(error) })
    }
  }

  /** A reload of its configuration has left a port out. It is closed when nobody listens there any more. */
  drop(borrower: Borrower, key: string): void {
    this.#accounts.get(borrower)?.ports.delete(key)
    const isUsed = [...this.#accounts.values()].some(({ ports }) => (ports.get(key)?.use ?? 'name') !== 'name')
    if (isUsed) return
    this.#ports.get(key)?.close()
    this.#ports.delete(key)
  }

  /** @param returned the port that it has given back */
  heard(borrower: Borrower, connections: number, returned: string | null): void {
    const account = this.#accounts.get(borrower)
    if (!account) return
    account.heardMs = this.#nowMs()
    const port = returned === null ? undefined : account.ports.get(returned)
    // What it has just taken it does not count yet.
    account.connections = port ? Math.max(connections, account.connections + port.quota) : connections
    if (port) port.isLent = false
    this.#share()
  }

  close(): void {
    for (const port of this.#ports.values()) port.close()
    this.#ports.clear()
  }

  #share(): void {
    for (const [borrower, { ports, connections }] of this.#accounts) {
      for (const [key, port] of ports) {
        const bound = port.isLent ? undefined : this.#ports.get(key)
        const fewest = this.#fewest(key)
        const most = Math.min(LARGEST_QUOTA, 1 + Math.floor(fewest / CONNECTIONS_PER_QUOTA))
        if (!bound || (port.use === 'share' && connections >= fewest + most)) continue
        port.isLent = true
        port.quota = port.use === 'share' ? most : 0
        borrower.send({ kind: 'lend', key, quota: port.quota }, bound.handle)
      }
    }
  }

  /** Connections of who has the fewest of those who share a port and are well. */
  #fewest(key: string): number {
    const since = this.#nowMs() - SILENT_MS
    const all = [...this.#accounts.values()].filter(
      ({ ports, heardMs }) => ports.get(key)?.use === 'share' && heardMs >= since,
    )
    return Math.min(...all.map(({ connections }) => connections))
  }
}
