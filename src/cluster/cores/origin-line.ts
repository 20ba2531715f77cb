import { Condition } from '../../st/condition.ts'
import type { Socket } from '../../st/socket.ts'
import type { Thread } from '../../st/thread.ts'
import { jsonLine, JsonLines, MAX_ANSWER_BYTES } from './json-lines.ts'
import { Mirror, type MirrorParts } from './mirror.ts'
import type { AnswerWord, ClientWord, FromEdge, FromOrigin, ProcessWord } from './words.ts'

/** An edge says something every second. */
const SILENCE_MS = 15_000
const OTHERS_MS = 1_000
/** For an edge to answer; it may be busy. */
const ANSWER_MS = 5_000
/** An edge that does not read. */
const MAX_PENDING_BYTES = 16 * 1024 * 1024

/** The line of the origin to one edge process. When it ends, the clients of that process have ended. */
export class OriginLine {
  readonly #parts: Omit<MirrorParts, 'say'>
  readonly #socket: Socket
  readonly #life: string
  readonly #othersOf: () => number
  readonly #mirrors = new Map<string, Mirror>()
  readonly #resumed = new Condition('clients of an edge')
  #isResumed = false
  readonly #questions = new Map<number, { answer: AnswerWord | null; readonly told: Condition }>()
  #question = 0
  process: ProcessWord | null = null

  /**
   * @param life names this run of the origin
   * @param othersOf connections of all other processes
   */
  constructor(parts: Omit<MirrorParts, 'say'>, socket: Socket, life: string, othersOf: () => number) {
    this.#parts = parts
    this.#socket = socket
    this.#life = life
    this.#othersOf = othersOf
  }

  /** Until it breaks. @throws ClosedError, TimeoutError, CodecError, InterruptedError */
  async run(thread: Thread): Promise<void> {
    const beat = thread.spawn('edge-others', (own) => this.#beat(own))
    try {
      this.say({ say: 'welcome', life: this.#life })
      const lines = new JsonLines(this.#socket, MAX_ANSWER_BYTES)
      for (;;) this.#heard(await lines.next<FromEdge>(thread, SILENCE_MS))
    } finally {
      await beat.stop(thread, 'no line')
      this.#isResumed = true
      this.#resumed.broadcast()
      for (const mirror of this.#mirrors.values()) mirror.end('its edge has gone', false)
      this.#mirrors.clear()
    }
  }

  /** Waits until it is known who was there already. @throws TimeoutError, InterruptedError */
  async untilResumed(thread: Thread, timeoutMs: number): Promise<void> {
    while (!this.#isResumed) await this.#resumed.wait(thread, timeoutMs)
  }

  /** Asks what stands at a path of the API about the edge. @throws TimeoutError, InterruptedError */
  async ask(thread: Thread, path: string, query: string): Promise<AnswerWord> {
    const number = ++this.#question
    const question = { answer: null as AnswerWord | null, told: new Condition('answer of an edge') }
    this.#questions.set(number, question)
    try {
      this.say({ say: 'ask', question: number, path, query })
      while (!question.answer) await question.told.wait(thread, ANSWER_MS)
      return question.answer
    } finally {
      this.#questions.delete(number)
    }
  }

  say(word: FromOrigin): void {
    if (this.#socket.closed) return
    this.#socket.write(jsonLine(word))
    if (this.#socket.pendingBytes > MAX_PENDING_BYTES) this.#socket.close()
  }

  async #beat(thread: Thread): Promise<void> {
    for (;;) {
      await thread.sleep(OTHERS_MS)
      this.say({ say: 'others', connections: this.#othersOf() })
    }
  }

  #heard(word: FromEdge): void {
    switch (word.say) {
      case 'enter':
        this.#mirrorOf(word.client).enter(word.entry, word.event, word.client)
        break
      case 'resume':
        this.#mirrorOf(word.client).resume(word.entry, word.event, word.client)
        break
      case 'resumed':
        this.#isResumed = true
        this.#resumed.broadcast()
        break
      case 'leave':
        this.#mirrors.get(word.id)?.leave(word.entry)
        break
      case 'gone':
        this.#gone(word)
        break
      case 'counts':
        for (const count of word.counts) this.#mirrors.get(count[0])?.count(count)
        break
      case 'process':
        this.process = word.process
        break
      case 'told':
        this.#told(word)
    }
  }

  #told({ question: number, answer }: FromEdge & { readonly say: 'told' }): void {
    const question = this.#questions.get(number)
    if (!question) return
    question.answer = answer
    question.told.broadcast()
  }

  #gone({ count, reason, isError }: FromEdge & { readonly say: 'gone' }): void {
    const mirror = this.#mirrors.get(count[0])
    mirror?.count(count)
    mirror?.end(reason, isError)
    this.#mirrors.delete(count[0])
  }

  #mirrorOf(word: ClientWord): Mirror {
    const known = this.#mirrors.get(word.id)
    if (known) return known
    const mirror = new Mirror({ ...this.#parts, say: (what) => this.say(what) }, word)
    this.#mirrors.set(word.id, mirror)
    return mirror
  }
}
