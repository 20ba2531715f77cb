import { CodecError } from '../../codec/errors.ts'
import type { Client, EndedClient } from '../../server/client.ts'
import type { Clients } from '../../server/clients.ts'
import { type Gate, type GateEvent, type Leave, RedirectError, RefusedError } from '../../server/gate.ts'
import { Condition } from '../../st/condition.ts'
import { InterruptedError, StError, TimeoutError } from '../../st/errors.ts'
import type { Endpoint } from '../../st/network.ts'
import { connect, type Socket } from '../../st/socket.ts'
import type { Thread } from '../../st/thread.ts'
import type { World } from '../../st/world.ts'
import { jsonLine, JsonLines } from './json-lines.ts'
import { preface } from './preface.ts'
import { type Entry, Untold } from './untold.ts'
import type { AnswerWord, ClientWord, CountWord, FromEdge, FromOrigin, ProcessWord, RefusalWord } from './words.ts'

const CONNECT_MS = 2_000
const WELCOME_MS = 5_000
const AGAIN_MS = 100
/** The origin says something every second. */
const SILENCE_MS = 15_000
const PROCESS_MS = 1_000
/** Every 3 s: as often as bit rates are looked at. */
const COUNTS_EVERY = 3
const COUNTS_PER_LINE = 500
const RESUMES_PER_TURN = 256
/** For a client to be let in: callbacks may take long, and so may an origin that starts again. */
const ANSWER_MS = 60_000
/** An origin that does not read. */
const MAX_PENDING_BYTES = 16 * 1024 * 1024
const LINGER_MS = 500

/** What an edge process is to its origin. */
export interface EdgeLineParts {
  readonly world: World
  readonly origin: Endpoint
  readonly token: string
  readonly edge: number
  readonly clients: () => Clients
  readonly process: () => ProcessWord
  /** What stands at a path of the API about this process. */
  readonly diagnose: (thread: Thread, path: string, query: string) => Promise<AnswerWord>
  /** The origin has read its configuration again. */
  readonly reload: (thread: Thread) => Promise<unknown>
}

interface Question {
  readonly event: GateEvent
  readonly client: Client
  /** Undefined: there is none yet. */
  answer: RefusalWord | null | undefined
  readonly answered: Condition
}

/** A client that the origin knows. */
interface Visitor {
  readonly client: Client
  /** What it has been let in to. */
  readonly entries: Map<number, GateEvent>
  /** Bytes, when they were told last. */
  moved: number
}

/**
 * The line of an edge process to its origin, which alone decides who may do what: as a gate it asks there, and it tells
 * there what clients do. When the origin is gone, new clients wait; the next one is told of those who are in.
 */
export class EdgeLine implements Gate {
  readonly #parts: EdgeLineParts
  readonly #questions = new Map<number, Question>()
  readonly #visitors = new Map<string, Visitor>()
  readonly #untold = new Untold()
  #thread: Thread | null = null
  #socket: Socket | null = null
  #life = ''
  #entry = 0
  /** Connections of the other processes. */
  others = 0

  constructor(parts: EdgeLineParts) {
    this.#parts = parts
  }

  start(): void {
    const { world, clients } = this.#parts
    clients().watchers.add((client, ended) => this.#gone(client, ended))
    this.#thread = world.spawn('edge-line', (thread) => this.#run(thread))
  }

  async stop(thread: Thread): Promise<void> {
    await this.#thread?.stop(thread, 'server stops')
  }

  /** @throws RefusedError, RedirectError, InterruptedError */
  async enter(thread: Thread, event: GateEvent, client: Client): Promise<Leave | null> {
    const entry = ++this.#entry
    const question: Question = { event, client, answer: undefined, answered: new Condition('answer of the origin') }
    this.#questions.set(entry, question)
    this.#ask(entry, question)
    const leave = (): void => {
      this.#left({ client, entry, event })
    }
    try {
      if (question.answer === undefined) await question.answered.wait(thread, ANSWER_MS)
    } catch (error) {
      leave()
      if (error instanceof TimeoutError) throw new RefusedError('refused_origin', 'The server is starting.', 503)
      throw error
    } finally {
      this.#questions.delete(entry)
    }
    if (question.answer) throw refusedBy(question.answer)
    return leave
  }

  async #run(thread: Thread): Promise<void> {
    for (;;) {
      try {
        await this.#serve(thread)
      } catch (error) {
        if (error instanceof InterruptedError || !(error instanceof StError || error instanceof CodecError)) throw error
        thread.log.debug({ reason: error.message }, 'no line to the origin')
      }
      await thread.sleep(AGAIN_MS)
    }
  }

  async #serve(thread: Thread): Promise<void> {
    const { origin, token, edge } = this.#parts
    const socket = await connect(thread, origin, CONNECT_MS)
    let counts: Thread | null = null
    try {
      socket.write(preface(token, { for: 'line', edge }))
      const lines = new JsonLines(socket)
      const welcome = await lines.next<FromOrigin>(thread, WELCOME_MS)
      await this.#welcomed(thread, socket, welcome.say === 'welcome' ? welcome.life : '')
      counts = thread.spawn('edge-counts', (own) => this.#count(own))
      for (;;) this.#heard(await lines.next<FromOrigin>(thread, SILENCE_MS))
    } finally {
      this.#socket = null
      await counts?.stop(thread, 'no line')
      await socket.closeGently(thread, LINGER_MS)
    }
  }

  /** Says who is in, and who has left since the last line. An origin that has lost only the line has ended them all. */
  async #welcomed(thread: Thread, socket: Socket, life: string): Promise<void> {
    if (life === this.#life) {
      this.#endAll()
      this.#untold.take()
    }
    this.#life = life
    const told = new Set<number>()
    const resume = ({ client, entry, event }: Entry): void => {
      if (!told.has(entry)) socket.write(jsonLine({ say: 'resume', entry, event, client: this.#word(client) }))
      told.add(entry)
    }
    const visitors = [...this.#visitors.values()]
    const all = visitors.flatMap(({ client, entries }) =>
      [...entries].map(([entry, event]) => ({ client, entry, event })),
    )
    for (const [index, one] of all.entries()) {
      resume(one)
      if (index % RESUMES_PER_TURN === RESUMES_PER_TURN - 1) await socket.drain(thread, SILENCE_MS)
    }
    // From here on nothing may come between: what happens next is said on this line.
    this.#socket = socket
    const { entries, gone } = this.#untold.take()
    for (const one of entries) resume(one)
    for (const { client, entry } of entries) this.#say({ say: 'leave', entry, id: client.id })
    for (const word of gone) this.#say(word)
    for (const [entry, question] of this.#questions) this.#ask(entry, question)
    this.#say({ say: 'resumed' })
  }

  #left(one: Entry): void {
    const { client, entry } = one
    const wasIn = this.#visitors.get(client.id)?.entries.delete(entry)
    if (this.#hasLine) this.#say({ say: 'leave', entry, id: client.id })
    else if (wasIn) this.#untold.add(one)
  }

  #endAll(): void {
    for (const { client, entries } of this.#visitors.values()) {
      if (entries.size > 0) client.thread.interrupt('the origin has lost it')
      entries.clear()
    }
  }

  #heard(word: FromOrigin): void {
    switch (word.say) {
      case 'answer':
        this.#answered(word.entry, word.refusal)
        break
      case 'end':
        this.#end(word.id, word.reason, word.farewell)
        break
      case 'others':
        this.others = word.connections
        break
      case 'reload':
        this.#parts.world.spawn('reload', async (thread) => void (await this.#parts.reload(thread)))
        break
      case 'ask':
        this.#parts.world.spawn('edge-answer', (thread) => this.#tell(thread, word))
        break
      case 'welcome':
        break
    }
  }

  async #tell(thread: Thread, { question, path, query }: FromOrigin & { readonly say: 'ask' }): Promise<void> {
    this.#say({ say: 'told', question, answer: await this.#parts.diagnose(thread, path, query) })
  }

  #ask(entry: number, { event, client }: Question): void {
    if (!this.#visitors.has(client.id)) this.#visitors.set(client.id, { client, entries: new Map(), moved: 0 })
    this.#say({ say: 'enter', entry, event, client: this.#word(client) })
  }

  #answered(entry: number, refusal: RefusalWord | null): void {
    const question = this.#questions.get(entry)
    // Who does not wait for it any more has said that it has left.
    if (!question || question.answer !== undefined) return
    question.answer = refusal
    if (!refusal) this.#visitors.get(question.client.id)?.entries.set(entry, question.event)
    question.answered.broadcast()
  }

  #end(id: string, reason: string, farewell: string): void {
    const client = this.#visitors.get(id)?.client
    if (!client) return
    if (farewell !== '') client.farewell = farewell
    client.thread.interrupt(reason)
  }

  #gone(client: Client, { reason, isError }: EndedClient): void {
    const visitor = this.#visitors.get(client.id)
    if (!visitor) return
    if (!this.#hasLine) for (const [entry, event] of visitor.entries) this.#untold.add({ client, entry, event })
    this.#visitors.delete(client.id)
    const word = { say: 'gone', count: countOf(client), reason, isError } as const
    if (this.#hasLine) this.#say(word)
    else this.#untold.addGone(word)
  }

  async #count(thread: Thread): Promise<void> {
    for (let round = 0; ; round++) {
      this.#say({ say: 'process', process: this.#parts.process() })
      if (round % COUNTS_EVERY === 0) await this.#tellCounts(thread)
      await thread.sleep(PROCESS_MS)
    }
  }

  async #tellCounts(thread: Thread): Promise<void> {
    const counts: CountWord[] = []
    for (const visitor of this.#visitors.values()) {
      const { sentBytes, receivedBytes } = visitor.client.socket
      const moved = sentBytes + receivedBytes
      if (moved !== visitor.moved) counts.push(countOf(visitor.client))
      visitor.moved = moved
    }
    for (let at = 0; at < counts.length; at += COUNTS_PER_LINE) {
      this.#say({ say: 'counts', counts: counts.slice(at, at + COUNTS_PER_LINE) })
      await thread.yield()
    }
  }

  get #hasLine(): boolean {
    return this.#socket?.closed === false
  }

  /** Without a line nothing is said: the next one begins with all that counts. */
  #say(word: FromEdge): void {
    const socket = this.#socket
    if (!socket || socket.closed) return
    socket.write(jsonLine(word))
    if (socket.pendingBytes > MAX_PENDING_BYTES) socket.close()
  }

  #word(client: Client): ClientWord {
    const { id, peer, transport, role, type, url, sourceKey, chain, vhost, startedMs } = client
    const ageMs = Math.max(0, this.#parts.world.clock.nowMs() - startedMs)
    return { id, peer, transport, role, type, vhost: vhost?.name ?? '', url, sourceKey, chain, ageMs }
  }
}

function countOf({ id, socket, queue }: Client): CountWord {
  return [id, socket.sentBytes, socket.receivedBytes, queue?.droppedPackets ?? 0, queue?.pendingBytes ?? 0]
}

function refusedBy({ code, message, status, redirect }: RefusalWord): RefusedError {
  return redirect ? new RedirectError(redirect.tcUrl, redirect.url) : new RefusedError(code, message, status)
}
