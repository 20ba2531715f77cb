import { CodecError } from '../../../codec/errors.ts'
import { FOREVER } from '../../../st/clock.ts'
import { Condition } from '../../../st/condition.ts'
import { DiskError } from '../../../st/disk.ts'
import { StError, TimeoutError } from '../../../st/errors.ts'
import type { Thread } from '../../../st/thread.ts'
import type { HlsKeeper, KeeperParts, Turn } from '../keeper.ts'
import type { HlsStream } from '../stream.ts'
import { HeldPackets } from './held.ts'
import { StorageMirror } from './mirror.ts'
import { type Candidate, type Election, FENCED, type HlsShare, type SideFacts, type WritingTurn } from './share.ts'
import { namesOf, Writing } from './writing.ts'

/** For who reads the storage at the moment. */
const READ_TIMEOUT_MS = 5_000
/** Looked at again and again until the first frame is there or the publisher has gone. */
const SETTLE_TIMEOUT_MS = 30_000
/** With `hls_dispose 0`: so long after the last request a stream that nobody publishes here is forgotten here. */
const MEMORY_DISPOSE_MS = 120_000
/** So much of a stream is held: what the writer has not published, and what comes until one knows that he is gone. */
const HELD_TARGETS = 4
const HELD_LEASES = 3
const HELD_BESIDE_MS = 10_000
/** Of a writer that lives and publishes nothing. */
const OVERDUE_TARGETS = 3

/** So many leases, and looks in each, does the end of a publish wait for another server to go on with the stream. */
const LAST_LEASES = 2
const LAST_LOOKS = 10

/**
 * One stream that several servers write by turns. What a publish brings is held here until it is in the shared storage,
 * whoever put it there; when it is this server's turn it goes on with the frame that comes next. Players are served
 * what is in the storage and nothing else.
 */
export class SharedKeeper implements HlsKeeper, Candidate {
  readonly stream: HlsStream
  readonly #parts: KeeperParts
  readonly #share: HlsShare
  readonly #election: Election
  readonly #mirror: StorageMirror
  readonly #turns: Turn[] = []
  readonly #changed = new Condition('publish')
  #held = new HeldPackets()
  #isStopping = false
  #wantsSwitch = false
  #askedMs = 0
  isPublished = false

  constructor(parts: KeeperParts, share: HlsShare) {
    const { files, stream } = parts
    this.stream = stream
    this.#parts = parts
    this.#share = share
    this.#mirror = new StorageMirror(share.storage, files, stream)
    this.#election = share.elect(this)
  }

  get key(): string {
    return this.stream.key
  }

  get side(): SideFacts {
    const newestMs = this.#held.newestWallMs
    const lagMs = newestMs === null ? 0 : Math.max(0, this.#parts.world.clock.wallMs() - newestMs)
    return { lagMs, heldMs: this.#held.heldMs }
  }

  get isOverdue(): boolean {
    const targetMs = Math.max(this.stream.options.hlsFragmentMs, 1000 * (this.stream.targetSeconds ?? 0))
    const limitMs = OVERDUE_TARGETS * targetMs + this.#share.leaseMs
    const { clock } = this.#parts.world
    return this.#held.heldMs > limitMs && clock.nowMs() - this.#mirror.changedMs > limitMs
  }

  get sequence(): number | null {
    return this.stream.segments.at(-1)?.sequence ?? null
  }

  get changedMs(): number {
    return this.#mirror.changedMs
  }

  get missing(): number {
    return this.#mirror.missing
  }

  begin(turn: Turn): void {
    this.#turns.push(turn)
    this.#changed.broadcast()
  }

  end(): void {
    this.#isStopping = true
    this.#changed.broadcast()
  }

  giveAway(): void {
    this.#wantsSwitch = true
  }

  refresh(thread: Thread): Promise<boolean> {
    this.#askedMs = this.#parts.world.clock.nowMs()
    return this.#mirror.refresh(thread)
  }

  takeLeft(): Turn[] {
    return this.#turns.splice(0)
  }

  async run(thread: Thread): Promise<void> {
    const election = thread.spawn('hls election', (own) => this.#election.run(own))
    try {
      this.#askedMs = thread.world.clock.nowMs()
      for (let turn = await this.#next(thread); turn; turn = await this.#next(thread)) await this.#serve(thread, turn)
      if (!this.#isStopping && this.stream.options.hlsDisposeMs > 0) await this.#dispose(thread)
    } finally {
      await election.stop(thread, 'the stream is over')
      this.stream.dispose()
    }
  }

  /** The next publish; null when none has come and nobody has asked for `hls_dispose`, or the server ends. */
  async #next(thread: Thread): Promise<Turn | null> {
    const { clock } = this.#parts.world
    const startMs = clock.nowMs()
    for (;;) {
      const turn = this.#turns.shift()
      if (turn) return turn
      const sinceMs = Math.max(startMs, this.#askedMs)
      const leftMs = Math.ceil(sinceMs + (this.stream.options.hlsDisposeMs || MEMORY_DISPOSE_MS) - clock.nowMs())
      if (leftMs <= 0 || this.#isStopping) return null
      try {
        await this.#changed.wait(thread, leftMs)
      } catch (error) {
        if (!(error instanceof TimeoutError)) throw error
      }
    }
  }

  async #serve(thread: Thread, turn: Turn): Promise<void> {
    const { publication, reader } = turn
    try {
      this.#follow()
      while (!publication.ended && !(await publication.settled(thread, SETTLE_TIMEOUT_MS))) continue
      this.#held = new HeldPackets()
      this.isPublished = true
      this.stream.setLive(true)
      this.#election.want(true)
      await this.#segment(thread, turn)
    } catch (error) {
      if (!(error instanceof CodecError)) throw error
      publication.publisher.log.warn({ err: error, stream: this.stream.key }, 'HLS ends: see hls_on_error')
      if (this.stream.options.hlsOnError === 'disconnect') publication.publisher.interrupt('HLS failed')
    } finally {
      this.isPublished = false
      this.#election.want(false)
      publication.unread(reader)
      this.stream.setLive(false)
      this.#parts.over(turn)
    }
  }

  /** Takes the options of now. @returns false when HLS is off */
  #follow(): boolean {
    const options = this.#parts.options()
    if (!options?.enabled) return false
    this.stream.follow(options)
    return true
  }

  async #segment(thread: Thread, turn: Turn): Promise<void> {
    const { reader } = turn
    let writing: Writing | null = null
    const taker = {
      step: () => {
        this.#collect(turn, writing)
        writing?.take(this.stream.options)
        const isOther = this.#election.fence !== (writing?.fence ?? null)
        return !reader.ended && !isOther && writing?.hasFinished !== true
      },
    }
    while (!reader.isAtEnd) {
      await reader.follow(thread, taker, FOREVER)
      if (this.#election.fence !== (writing?.fence ?? null)) writing = await this.#beginWriting(thread, turn)
      writing = await this.#publish(thread, turn, writing)
      if (!this.#follow()) return
    }
    if (writing) await this.#finish(thread, turn, writing)
  }

  /**
   * The publish is over. Its last segment is not finished: who still has the stream makes it whole, and else it is
   * published as it is. This turn can still write, as long as nobody has begun another one.
   */
  async #finish(thread: Thread, turn: Turn, writing: Writing): Promise<void> {
    const { clock } = this.#parts.world
    const { leaseMs } = this.#share
    const deadlineMs = clock.nowMs() + LAST_LEASES * leaseMs
    this.#election.want(false)
    while (clock.nowMs() < deadlineMs && (await this.#hasStandby(thread, leaseMs)))
      await thread.sleep(leaseMs / LAST_LOOKS)
    writing.finish()
    await this.#publish(thread, turn, writing)
  }

  async #hasStandby(thread: Thread, leaseMs: number): Promise<boolean> {
    try {
      const sides = await this.#share.storage.sides(thread)
      return sides.some(({ name, ageMs }) => name !== this.#share.name && ageMs <= LAST_LEASES * leaseMs)
    } catch (error) {
      if (!(error instanceof DiskError || error instanceof TimeoutError)) throw error
      return false
    }
  }

  /** Holds what has come. */
  #collect({ reader }: Turn, writing: Writing | null): void {
    const { hlsFragmentMs } = this.stream.options
    const targetMs = Math.max(hlsFragmentMs, 1000 * (this.stream.targetSeconds ?? 0))
    const limitMs = HELD_TARGETS * targetMs + HELD_LEASES * this.#share.leaseMs + HELD_BESIDE_MS
    for (let read = reader.take(); read; read = reader.take()) {
      writing?.noteDrops(reader.droppedPackets)
      this.#held.push({ read, wallMs: this.#parts.world.clock.wallMs() }, limitMs)
    }
  }

  /** Goes on with what is in the storage, now that nobody else can change it; null: not yet, or not at all. */
  async #beginWriting(thread: Thread, turn: Turn): Promise<Writing | null> {
    const { fence } = this.#election
    if (!fence) return null
    try {
      await this.#mirror.read(thread, READ_TIMEOUT_MS)
      const { mark } = this.#mirror
      const start = this.#held.startAfter(mark)
      if (start === 'wait' || start === null) return null
      const { hlsDisposeMs } = this.stream.options
      const isOld = hlsDisposeMs > 0 && (await this.#share.storage.idleMs(thread)) > hlsDisposeMs
      const { world } = this.#parts
      const parts = {
        world,
        storage: this.#share.storage,
        fence,
        held: this.#held,
        turn,
        shown: this.stream,
        mark,
        isOld,
        start,
      }
      const writing = new Writing(parts)
      writing.take(this.stream.options)
      return writing
    } catch (error) {
      this.#failed(thread, fence, error)
      return null
    }
  }

  /** Brings finished segments to where they are fetched. @returns null when the turn is over */
  async #publish(thread: Thread, turn: Turn, writing: Writing | null): Promise<Writing | null> {
    if (!writing?.hasFinished) return writing
    try {
      const segments = await writing.publish(thread)
      for (const segment of segments) this.#parts.finished(turn, segment, (name) => this.#share.storage.path(name))
      await this.#mirror.read(thread, READ_TIMEOUT_MS)
      this.#dropPublished()
    } catch (error) {
      this.#failed(thread, writing.fence, error)
      return null
    }
    if (!this.#wantsSwitch) return writing
    this.#wantsSwitch = false
    this.#election.giveUp(true)
    return null
  }

  #failed(thread: Thread, turn: WritingTurn, error: unknown): void {
    if (error instanceof StError && error.code === FENCED) {
      this.#election.fenced(thread, turn)
      return
    }
    if (!(error instanceof DiskError || error instanceof TimeoutError)) throw error
    const text = 'HLS: the shared storage failed: this server gives the stream to another one'
    thread.log.warn({ stream: this.stream.key, reason: error.message }, text)
    this.#election.giveUp(true)
  }

  async watch(thread: Thread): Promise<void> {
    await this.#mirror.read(thread, READ_TIMEOUT_MS)
    this.#dropPublished()
  }

  #dropPublished(): void {
    if (this.#mirror.mark) this.#held.dropPublished(this.#mirror.mark)
  }

  /** Nobody has published for `hls_dispose`: the last who wrote removes what is there, if nobody has written since. */
  async #dispose(thread: Thread): Promise<void> {
    const fence = this.#election.lastFence
    if (!fence) return
    try {
      await fence.renew(thread)
      if (await this.#hasStandby(thread, this.#share.leaseMs)) return
      await this.#mirror.read(thread, READ_TIMEOUT_MS)
      const leaving = [...(this.#mirror.mark?.leaving ?? []), ...fence.leftovers]
      for (const name of new Set([...leaving, ...namesOf(this.stream.segments)])) await fence.remove(thread, name)
      await fence.remove(thread, this.stream.playlistName)
      await this.#share.storage.forget(thread, fence)
    } catch (error) {
      if (!(error instanceof StError)) throw error
      thread.log.info({ stream: this.stream.key, reason: error.message }, 'HLS: files stay in the shared storage')
    }
  }
}
