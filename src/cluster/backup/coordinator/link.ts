/** What the two coordinators are to each other: who hears whom, and which of them writes the logs. */
import type { HttpPool } from '../../../http/pool.ts'
import { HttpCallError } from '../../../http/pool.ts'
import type { Log } from '../../../st/log.ts'
import type { Thread } from '../../../st/thread.ts'
import type { World } from '../../../st/world.ts'
import type { CoordinatorOptions } from './options.ts'
import { isCount, parsed } from './segment-report.ts'

/** Until it has heard of the other one it is neither. */
export type Role = 'joining' | 'leader' | 'follower'

/** What one tells the other, again and again. */
export interface PeerState {
  readonly name: string
  readonly priority: number
  /** Of this life; what it said before says nothing any more. */
  readonly life: string
  /** Goes up with each time that it says something: what comes late is not taken for what is now. */
  readonly said: number
  readonly role: Role
  /** Goes up with each leader. */
  readonly term: number
  /** Whether it tells players nothing that the one it says this to has not got. */
  readonly waits: boolean
  /** The last number of each log that it has told players, or is telling them. */
  readonly last: Readonly<Record<string, number>>
}

const MAX_STATE_BYTES = 4 * 1024 * 1024
/** As much of the other one's patience. */
const AWAKE = 0.75
const JSON_HEADERS = { 'Content-Type': 'application/json' }

/**
 * The election of the writer. One leads; the other follows, and leads when the one is not heard for `peer_timeout`. A
 * process that has stood still for so long that the other may lead by now joins anew before it does anything: so one
 * leads at a time as long as they can see each other. When they cannot, both do; of two that lead and meet, the one with
 * the smaller number of priority goes on.
 */
export class PeerLink {
  readonly #world: World
  readonly #pool: HttpPool
  readonly #options: CoordinatorOptions
  readonly #last: () => Readonly<Record<string, number>>
  role: Role = 'joining'
  term = 0
  /** Of the local clock: when it became what it is. */
  sinceMs: number
  /** How often it has begun to lead. */
  turns = 0
  /** The last numbers that the other one had told players when this one began to lead; null: nobody knows. */
  before: Readonly<Record<string, number>> | null
  /** How often two have led at a time. */
  conflicts = 0
  peer: PeerState | null = null
  #heardMs: number
  #failedBeats = 0
  #hasStoodStill = false
  /** The last numbers that the other one has told players; null: it may have told more. */
  #others: Readonly<Record<string, number>> | null
  readonly #life: string
  #said = 0
  #tickMs: number

  /** @param last the last number of each log */
  constructor(world: World, pool: HttpPool, options: CoordinatorOptions, last: () => Readonly<Record<string, number>>) {
    this.#world = world
    this.#pool = pool
    this.#options = options
    this.#last = last
    // In the life before this one, or after it.
    this.#others = this.before = options.peer ? null : {}
    this.#life = world.newId()
    this.sinceMs = this.#heardMs = this.#tickMs = world.clock.nowMs()
    if (!options.peer) this.#become('leader')
  }

  /** What to tell the other one now. */
  say(): PeerState {
    const { name, priority } = this.#options
    return {
      name,
      priority,
      life: this.#life,
      said: ++this.#said,
      role: this.role,
      term: this.term,
      waits: this.isPeerThere,
      last: this.#last(),
    }
  }

  /** For how long the other one has not been heard, ms; null: there is none. */
  get silentMs(): number | null {
    return this.#options.peer ? this.#world.clock.nowMs() - this.#heardMs : null
  }

  /** Whether the other one counts as there. */
  get isPeerThere(): boolean {
    return (this.silentMs ?? Infinity) <= this.#options.peerTimeoutMs && this.#failedBeats === 0
  }

  /** Whether this one writes the logs, at this moment. */
  get leads(): boolean {
    return this.role === 'leader' && (!this.#options.peer || this.#world.clock.nowMs() - this.#tickMs <= this.#awakeMs)
  }

  /**
   * Whether the other one may have told players more of a stream than this one knows: this one has stood still, or was not
   * there, and has not heard since; or it follows and lacks what the other one has.
   * @param last the last number of its own log
   */
  lacks(key: string, last: number): boolean {
    if (!this.#options.peer) return false
    if (this.role === 'joining' || this.#world.clock.nowMs() - this.#tickMs > this.#awakeMs) return true
    return this.role === 'follower' && this.isPeerThere && (this.peer?.last[key] ?? 0) > last
  }

  /** Who has stood still for longer may not be the leader any more. */
  get #awakeMs(): number {
    return AWAKE * this.#options.peerTimeoutMs
  }

  /** Beats until it is interrupted. @throws InterruptedError */
  async run(thread: Thread): Promise<void> {
    if (!this.#options.peer) return
    for (;;) {
      this.#tick()
      await this.#beat(thread)
      this.#decide()
      await thread.sleep(this.#options.heartbeatMs)
    }
  }

  /**
   * What the other one says. @returns what to answer
   * @param isAnswer it was asked now; what it has sent by itself may have waited while this process stood still
   */
  hear(state: PeerState, isAnswer = false): PeerState {
    if (this.#hasStoodStill && !isAnswer) return this.say()
    this.#heardMs = this.#world.clock.nowMs()
    if (this.peer?.life === state.life && this.peer.said > state.said) return this.say()
    this.peer = state
    this.#decide()
    return this.say()
  }

  /** Sends something to the other one. @returns its answer; null: there was none, or it refused. @throws InterruptedError */
  async post(
    thread: Thread,
    path: string,
    body: string,
    timeoutMs: number,
  ): Promise<Readonly<Record<string, unknown>> | null> {
    const { peer } = this.#options
    if (!peer) return null
    const url = new URL(path, peer)
    const request = { method: 'POST', url, headers: JSON_HEADERS, body, maxBodyBytes: MAX_STATE_BYTES } as const
    try {
      const answer = await this.#pool.request(thread, request, timeoutMs)
      return answer.status === 200 ? parsed(String(answer.body)) : null
    } catch (error) {
      if (error instanceof HttpCallError) return null
      throw error
    }
  }

  /** A process that was stopped, or starved, does not know what the other one has done meanwhile. */
  #tick(): void {
    const nowMs = this.#world.clock.nowMs()
    const lostMs = nowMs - this.#tickMs
    this.#tickMs = nowMs
    if (lostMs <= this.#awakeMs) return
    this.#log.warn({ lostMs: Math.round(lostMs) }, 'backup: this process stood still')
    this.#heardMs = nowMs
    this.#failedBeats = 0
    this.#hasStoodStill = true
    this.#others = null
    this.peer = null
    this.#become('joining')
  }

  async #beat(thread: Thread): Promise<void> {
    const answer = await this.post(thread, 'peer/state', JSON.stringify(this.say()), this.#options.heartbeatMs)
    const state = answer && readState(answer)
    if (!state) {
      this.#failedBeats++
      return
    }
    this.#failedBeats = 0
    this.hear(state, true)
  }

  #decide(): void {
    const { peer } = this
    const isSilent = (this.silentMs ?? Infinity) > this.#options.peerTimeoutMs
    if (isSilent || !peer) {
      if (isSilent && this.role !== 'leader') this.#become('leader')
      return
    }
    // Who has not just begun knows what players have been told.
    if (peer.role !== 'joining') this.#hasStoodStill = false
    this.#others = toldBy(peer, this.#others)
    const yields = isBefore(peer, this.#options)
    if (peer.role === 'leader') {
      if (this.role === 'leader') this.#meet(peer, yields)
      else if (this.role === 'joining') this.#become('follower')
      this.term = Math.max(this.term, peer.term)
    } else if (this.role === 'follower' ? peer.role === 'joining' || !yields : this.role === 'joining' && !yields) {
      // Who has followed knows more than who has just come; of two equals, the one with the smaller number.
      if (this.role === 'joining' && peer.role === 'follower') return
      this.#become('leader')
    }
  }

  #meet(peer: PeerState, yields: boolean): void {
    this.conflicts++
    this.#log.warn({ peer: peer.name, term: this.term, peerTerm: peer.term }, 'backup: both coordinators lead')
    if (yields) this.#become('follower')
    // What it says until it has heard of this is old.
    else this.peer = { ...peer, role: 'follower' }
  }

  #become(role: Role): void {
    if (role === this.role) return
    this.role = role
    this.sinceMs = this.#world.clock.nowMs()
    if (role === 'leader') {
      this.term++
      this.turns++
      this.before = this.#others
      this.#hasStoodStill = false
    }
    this.#log.info({ role, term: this.term, peer: this.peer?.name ?? '' }, 'backup: this coordinator is now')
  }

  get #log(): Log {
    return this.#world.log
  }
}

/**
 * What the other one has told players, by what it says; null: it may have told more.
 * @param known by what it has said before: who has just begun may have forgotten that
 */
function toldBy({ role, waits, last }: PeerState, known: PeerState['last'] | null): PeerState['last'] | null {
  if (role === 'follower') return last
  if (role === 'leader') return waits ? last : null
  if (!known) return null
  const most: Record<string, number> = { ...known }
  for (const [key, number] of Object.entries(last)) most[key] = Math.max(most[key] ?? 0, number)
  return most
}

function isBefore(one: Pick<PeerState, 'priority' | 'name'>, other: Pick<PeerState, 'priority' | 'name'>): boolean {
  return one.priority === other.priority ? one.name < other.name : one.priority < other.priority
}

/** What the other one has sent; null when it is not understood. */
export function readState(said: Readonly<Record<string, unknown>>): PeerState | null {
  const { name, priority, life, said: count, role, term, waits = true, last } = said
  if (typeof name !== 'string' || typeof life !== 'string') return null
  if (!isCount(priority) || !isCount(count) || !isCount(term) || typeof waits !== 'boolean') return null
  if (role !== 'joining' && role !== 'leader' && role !== 'follower') return null
  if (typeof last !== 'object' || last === null || !Object.values(last).every(isCount)) return null
  return { name, priority, life, said: count, role, term, waits, last: last as Record<string, number> }
}
