import { type Client, identify, newClient } from '../../server/client.ts'
import type { Clients } from '../../server/clients.ts'
import type { Door } from '../../server/door.ts'
import { type Gate, type GateEvent, type Leave, RedirectError, RefusedError } from '../../server/gate.ts'
import type { VhostOptions } from '../../server/options.ts'
import { FOREVER } from '../../st/clock.ts'
import { Condition } from '../../st/condition.ts'
import { asError, InterruptedError, StError } from '../../st/errors.ts'
import type { Endpoint, Pipe } from '../../st/network.ts'
import { Socket } from '../../st/socket.ts'
import type { Thread } from '../../st/thread.ts'
import type { World } from '../../st/world.ts'
import type { ClientWord, CountWord, FromOrigin, RefusalWord } from './words.ts'

/** What clients of edges are entered into here. */
export interface MirrorParts {
  readonly world: World
  readonly clients: Clients
  readonly gate: Gate
  readonly door: Pick<Door, 'admit' | 'leave'>
  readonly vhostOf: (name: string) => VhostOptions | null
  readonly say: (word: FromOrigin) => void
}

/** Its thread's name. */
export const MIRROR_THREAD = 'edge-client'

interface Entry {
  readonly event: GateEvent
  readonly word: ClientWord
  /** Null: it is in. */
  asker: Thread | null
  leave: Leave | null
}

/**
 * A client of an edge process as it stands in the origin's register: everything that looks there, and every gate, finds it
 * as if it had come here. Its thread stands for the one at the edge: interrupting it ends the client there.
 */
export class Mirror {
  readonly client: Client
  readonly #parts: MirrorParts
  readonly #entries = new Map<number, Entry>()
  readonly #over = new Condition('end of a client of an edge')
  #isOver = false

  constructor(parts: MirrorParts, { id, peer, transport, ageMs }: ClientWord) {
    const { world } = parts
    this.#parts = parts
    const thread = world.start(id, MIRROR_THREAD, (own) => this.#run(own))
    const client = newClient(thread, new Socket(farPipe(peer)), transport, peer)
    this.client = { ...client, startedMs: world.clock.nowMs() - ageMs }
    parts.clients.add(this.client)
  }

  /** The client asks. */
  enter(number: number, event: GateEvent, word: ClientWord): void {
    const entry: Entry = { event, word, asker: null, leave: null }
    entry.asker = this.#parts.world.start(word.id, 'edge-ask', (thread) => this.#ask(thread, number, entry))
    this.#entries.set(number, entry)
  }

  /** An origin that ran before this one has let it in. */
  resume(number: number, event: GateEvent, word: ClientWord): void {
    if (!this.#identify(word)) return
    const { gate, door } = this.#parts
    const address = event === 'connect' ? door.admit(this.client.socket, 0) : null
    const leave = gate.resume?.(event, this.client) ?? null
    this.#entries.set(number, { event, word, asker: null, leave: both(leave, () => this.#leaveDoor(address)) })
  }

  leave(number: number): void {
    const entry = this.#entries.get(number)
    if (!entry || !this.#entries.delete(number)) return
    entry.asker?.interrupt('the client has gone')
    entry.leave?.()
  }

  count([, sent, received, droppedPackets, pendingBytes]: CountWord): void {
    const { socket } = this.client
    socket.sentBytes = sent
    socket.receivedBytes = received
    this.client.queue = { droppedPackets, pendingBytes }
  }

  /** It is gone. */
  end(reason: string, isError: boolean): void {
    for (const number of [...this.#entries.keys()].toReversed()) this.leave(number)
    this.#parts.clients.remove(this.client, reason, isError)
    this.#isOver = true
    this.#over.broadcast()
  }

  async #run(thread: Thread): Promise<void> {
    while (!this.#isOver) {
      try {
        await this.#over.wait(thread, FOREVER)
      } catch (error) {
        if (!(error instanceof InterruptedError)) throw error
        const { id, farewell } = this.client
        this.#parts.say({ say: 'end', id, reason: error.reason, farewell })
      }
    }
  }

  async #ask(thread: Thread, number: number, entry: Entry): Promise<void> {
    let leave: Leave | null = null
    try {
      leave = await this.#enter(thread, entry)
    } catch (error) {
      if (error instanceof InterruptedError && !this.#entries.has(number)) return
      this.#entries.delete(number)
      this.#parts.say({ say: 'answer', entry: number, refusal: refusalOf(error) })
      if (!(error instanceof RefusedError || error instanceof StError)) throw error
      return
    }
    entry.asker = null
    // It may have left while the last answer came.
    if (!this.#entries.has(number)) {
      leave?.()
      return
    }
    entry.leave = leave
    this.#identifyPublisher()
    this.#parts.say({ say: 'answer', entry: number, refusal: null })
  }

  async #enter(thread: Thread, { event, word }: Entry): Promise<Leave | null> {
    const { gate, door } = this.#parts
    if (!this.#identify(word)) throw new RefusedError('refused_vhost', `No vhost ${word.vhost}.`)
    if (event !== 'connect') return gate.enter(thread, event, this.client)
    const address = door.admit(this.client.socket, 0)
    if (address === null) throw new RefusedError('refused_address', 'Too many connections of one address.', 503)
    try {
      return both(await gate.enter(thread, event, this.client), () => this.#leaveDoor(address))
    } catch (error) {
      this.#leaveDoor(address)
      throw error
    }
  }

  #leaveDoor(address: string | null): void {
    if (address !== null) this.#parts.door.leave(address)
  }

  #identify(word: ClientWord): boolean {
    const vhost = this.#parts.vhostOf(word.vhost)
    const { role, type, url, sourceKey } = word
    if (!vhost || role === null || sourceKey === null) return false
    this.client.chain = word.chain
    identify(this.client, { role, type, vhost, url, sourceKey })
    return true
  }

  /** A publisher that plays beside it is shown as a publisher. */
  #identifyPublisher(): void {
    const publish = [...this.#entries.values()].find(({ event, asker }) => event === 'publish' && !asker)
    if (publish) this.#identify(publish.word)
  }
}

function both(one: Leave | null, other: Leave): Leave {
  return () => {
    one?.()
    other()
  }
}

function refusalOf(error: unknown): RefusalWord {
  const { message } = asError(error)
  if (error instanceof RedirectError) {
    const { code, status, tcUrl, url } = error
    return { code, message, status, redirect: { tcUrl, url } }
  }
  if (error instanceof RefusedError) return { code: error.code, message, status: error.status, redirect: null }
  if (error instanceof StError) return { code: error.code, message, status: 403, redirect: null }
  return { code: 'refused_fault', message: 'The server has failed.', status: 503, redirect: null }
}

/** Of a connection that is in another process. */
function farPipe(remote: Endpoint): Pipe {
  return {
    remote,
    local: { host: '', port: 0 },
    pendingBytes: 0,
    attach: ignore,
    write: () => true,
    pause: ignore,
    resume: ignore,
    end: ignore,
    destroy: ignore,
  }
}

function ignore(): void {}
