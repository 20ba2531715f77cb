/** One stream: the copies of both sides, and the log of what is served. */
import { Condition } from '../../../st/condition.ts'
import { TimeoutError } from '../../../st/errors.ts'
import { Mutex } from '../../../st/mutex.ts'
import type { Thread } from '../../../st/thread.ts'
import { Election } from './election.ts'
import type { Sent } from './entries.ts'
import { beginsAfter, endsTogether, fits } from './joint.ts'
import { Memory } from './memory.ts'
import { Numbering, servedOf } from './numbering.ts'
import type { Parts } from './parts.ts'
import { readState } from './link.ts'
import { placedOf, type Restored } from './restore.ts'
import { haveBody, keyOf, type SegmentReport, type StreamName } from './segment-report.ts'
import { type Entry, filesOf, following, ServedLog, type Served } from './served-log.ts'
import { endingOf, type KeptFile } from './shelf.ts'
import { type Copy, Side } from './side.ts'

/** So often it looks at the clock. */
const LOOK_MS = 250
/** A switch by hand waits so long for a place where it costs nothing. */
const SWITCH_PATIENCE_MS = 10_000
/** For the other coordinator to take an entry and its segment. */
const REPLICATE_TIMEOUT_MS = 1_500
const REPLICATE_ATTEMPTS = 2
/** For the other coordinator to hear of a segment that it has been told of itself, mostly. */
const TELL_TIMEOUT_MS = 500
/** For the entries that came before. */
const TAKE_TIMEOUT_MS = 10_000
/** For the disk to have those that another thread has just chosen: longer than its patience. */
const TELL_LOCK_TIMEOUT_MS = 30_000
/** An entry whose segment is under way here is not fetched from elsewhere for so long. */
const OWN_COPY_MS = 500

export class BackupStream {
  readonly name: StreamName
  readonly key: string
  readonly sides: readonly Side[]
  readonly log: ServedLog
  readonly election: Election
  readonly memory: Memory
  readonly #parts: Parts
  readonly #numbering: Numbering
  readonly #changed = new Condition('segments')
  /** A switch by hand that is to come. */
  #wanted: { readonly side: string; readonly sinceMs: number } | null = null
  #usedMs: number
  /** Entries whose segment this one does not have. */
  lost = 0
  /** What is about to be published: the other one may ask for it. */
  #pending: Served | null = null
  /** What players hear of as soon as the disk has it. */
  #chosen: Served | null = null
  readonly #workers = new Set<Thread>()
  readonly #taking = new Mutex()
  readonly #telling = new Mutex()

  /** @param restored what another life has told of it; null: nothing */
  constructor(parts: Parts, name: StreamName, restored: Restored | null) {
    const { options, world } = parts
    this.#parts = parts
    this.name = name
    this.key = keyOf(name)
    this.#numbering = new Numbering(parts, this.key, name.stream)
    this.memory = new Memory(options.dir, this.key, options.window, restored?.generation ?? 0)
    this.sides = options.sides.map((side) => new Side(side, options.late, 2 * options.window, world.log))
    this.log = new ServedLog(options.window)
    this.election = new Election(options.holdMs)
    this.#usedMs = world.clock.nowMs()
    if (!restored) return
    this.log.restore(restored.served, restored.firstNumber)
    const last = restored.served.at(-1)
    if (last) this.election.shown(last.entry.side, this.#nowMs, true)
  }

  get #nowMs(): number {
    return this.#parts.world.clock.nowMs()
  }

  /** Of what players have been told, or are being told by whoever leads; null: nothing. */
  get lastNumber(): number | null {
    return (this.#chosen ?? this.log.last)?.entry.number ?? null
  }

  /** The side that a switch by hand leads to, if there is one under way. */
  get wanted(): string | null {
    return this.#wanted?.side ?? null
  }

  /** A server, or the other coordinator, has told of a segment. Never waits. */
  report(report: SegmentReport): void {
    const side = this.sides.find(({ name }) => name === report.side)
    this.#usedMs = this.#nowMs
    if (!side?.report(report, this.#nowMs) || side.waiting > 1) return
    const worker = this.#parts.world.spawn(
      'backup-copy',
      (thread) => this.#copyAll(thread, side),
      (thread) => this.#workers.delete(thread),
    )
    this.#workers.add(worker)
  }

  /** Serves another side from its next segment on. @returns false when there is no such side */
  switchTo(name: string): boolean {
    if (!this.sides.some((side) => side.name === name)) return false
    this.#wanted = { side: name, sinceMs: this.#nowMs }
    this.#changed.broadcast()
    return true
  }

  /** The thread: writes the log while this coordinator leads, until nothing has come for `dispose`. @throws InterruptedError */
  async run(thread: Thread): Promise<void> {
    const { disposeMs, window } = this.#parts.options
    let kept = window
    try {
      while (this.#nowMs - this.#usedMs < disposeMs) {
        for (const side of this.sides) side.look(this.#nowMs)
        if (this.#parts.link.leads) await this.#lead(thread)
        await this.#untilChanged(thread, LOOK_MS)
      }
      this.#parts.world.log.info({ stream: this.key }, 'backup: the stream is over')
      kept = 0
      await this.memory.forget(thread)
    } finally {
      for (const worker of this.#workers) await worker.stop(thread, 'stream is over')
      await this.#removeAll(thread, kept)
    }
  }

  /**
   * Takes entries of the leader, in their order, with their segments: its own copies, else the leader's.
   * @throws TimeoutError when those before take too long, InterruptedError
   */
  async take(thread: Thread, entries: readonly Sent[]): Promise<void> {
    this.#usedMs = this.#nowMs
    await this.#taking.lock(thread, TAKE_TIMEOUT_MS)
    try {
      const taken: Served[] = []
      for (const sent of entries) if (this.#isNew(sent.entry)) taken.push(await this.#servedOf(thread, sent))
      // All at once: who has just begun would show a playlist that ends before that of its life before. Meanwhile the
      // leader may have gone, and this coordinator have gone on by itself.
      await this.#tell(thread, taken, () => this.#parts.link.role !== 'leader')
    } finally {
      this.#taking.unlock(thread)
    }
  }

  /**
   * Gives players what comes next: as far as it does come next, and is allowed to when the disk has it.
   * @throws TimeoutError when the disk does not answer, InterruptedError
   */
  async #tell(thread: Thread, chosen: readonly Served[], isAllowed: () => boolean): Promise<void> {
    const gone: Served[] = []
    await this.#telling.lock(thread, TELL_LOCK_TIMEOUT_MS)
    try {
      const told: Served[] = []
      for (const one of isAllowed() ? chosen : []) {
        const entry = this.#isNew(one.entry) ? following(told.at(-1) ?? this.log.last, one) : null
        if (entry) told.push({ ...one, entry })
      }
      if (told.length > 0) await this.memory.save(thread, [...this.log.kept, ...told])
      if (isAllowed()) for (const one of told) gone.push(...this.#push(one))
      else if (told.length > 0) await this.memory.save(thread, this.log.kept)
    } finally {
      this.#telling.unlock(thread)
    }
    for (const one of [...gone, ...chosen]) await this.#release(thread, one)
  }

  /** The file that a playlist of now or of a moment ago names; null: there is none. */
  find(name: string): { readonly file: KeptFile | null; readonly hash: string } | null {
    for (const { entry, file, initFile } of this.log.kept) {
      if (entry.name === name) return { file, hash: entry.hash }
      if (entry.initName === name) return { file: initFile, hash: entry.initHash ?? '' }
    }
    return null
  }

  async #lead(thread: Thread): Promise<void> {
    if (this.#missingThere().length > 0 && this.#parts.link.isPeerThere) await this.#send(thread, this.#missingThere())
    for (let copy = this.#next(); copy; copy = this.#next()) {
      const served = servedOf(this.#numbering.entryOf(copy, this.log.last), copy, this.#nowMs)
      if (!(await this.#replicate(thread, served)) || !this.#isNew(served.entry)) return
      this.#chosen = served
      await this.#tell(thread, [served], () => this.#parts.link.leads).finally(() => (this.#chosen = null))
    }
  }

  /** The segment to serve next. */
  #next(): Copy | null {
    for (const side of this.sides) side.look(this.#nowMs)
    const last = this.log.last?.placed
    this.#switchByHand()
    const served = this.election.choose(this.sides, this.#nowMs)
    const copies = this.sides.find(({ name }) => name === served)?.copies ?? []
    return copies.find((copy) => !last || beginsAfter(last, copy)) ?? null
  }

  /** At a place where it costs nothing, if there is one soon. */
  #switchByHand(): void {
    const last = this.log.last?.placed
    const to = this.sides.find(({ name }) => name === this.#wanted?.side)
    if (!this.#wanted || !to) return
    const next = to.copies.find((copy) => !last || beginsAfter(last, copy))
    const newest = to.copies.at(-1)
    const isFree = !last || (next ? fits(last, next) : newest !== undefined && endsTogether(last, newest))
    const isPatient = this.#nowMs - this.#wanted.sinceMs < SWITCH_PATIENCE_MS
    if (!isFree && isPatient) return
    this.#wanted = null
    if (newest) this.election.set(to.name, this.#nowMs)
  }

  #isNew({ number }: Entry): boolean {
    return number > (this.log.last?.entry.number ?? -1)
  }

  /** What the other coordinator does not have of what is in the playlist here. */
  #missingThere(): Served[] {
    const { link, options } = this.#parts
    const others = link.peer?.last[this.key] ?? -1
    return this.log.kept.slice(-options.window).filter(({ entry }) => entry.number > others)
  }

  /**
   * The other coordinator has an entry before players see it here.
   * @returns whether it may be published: this one leads, and the other one has it or does not answer
   */
  async #replicate(thread: Thread, served: Served): Promise<boolean> {
    const { link } = this.#parts
    this.#pending = served
    try {
      for (let attempt = 0; attempt < REPLICATE_ATTEMPTS && link.isPeerThere; attempt++) {
        if (await this.#send(thread, [...this.#missingThere(), served])) break
      }
    } finally {
      this.#pending = null
    }
    return link.leads
  }

  async #send(thread: Thread, served: readonly Served[]): Promise<boolean> {
    const { link } = this.#parts
    const nowMs = this.#nowMs
    const entries = served.map(({ entry, placed }) => ({ entry, ageMs: Math.max(0, nowMs - placed.localEndMs) }))
    const body = JSON.stringify({ from: link.say(), stream: this.key, entries })
    const answer = await link.post(thread, 'peer/append', body, REPLICATE_TIMEOUT_MS)
    const state = answer && readState(answer)
    if (state) link.hear(state, true)
    return state !== null
  }

  async #servedOf(thread: Thread, sent: Sent): Promise<Served> {
    const { entry } = sent
    const placed = placedOf(sent, this.#nowMs)
    const own = await this.#ownCopy(thread, entry)
    if (own) return servedOf(entry, own, this.#nowMs)
    const { side, hash, initHash } = entry
    const { copier, shelf } = this.#parts
    const { name } = this
    const file = await copier.keepPeers(thread, shelf, { side, name, hash }, endingOf(entry.name))
    const init = initHash === null ? null : { side, name, hash: initHash }
    const initFile = init && (await copier.keepPeers(thread, shelf, init, 'mp4'))
    if (!file) this.lost++
    return { entry, placed, sinceMs: this.#nowMs, file, initFile }
  }

  /** The copy that is here, or under way. */
  async #ownCopy(thread: Thread, { side: name, hash }: Entry): Promise<Copy | null> {
    const side = this.sides.find((one) => one.name === name)
    const deadlineMs = this.#nowMs + OWN_COPY_MS
    for (;;) {
      const copy = side?.copies.find(({ file }) => file.hash === hash)
      if (copy) return copy
      const leftMs = Math.ceil(deadlineMs - this.#nowMs)
      if (leftMs <= 0 || !side?.waiting) return null
      await this.#untilChanged(thread, leftMs)
    }
  }

  /** @returns what is not kept any more */
  #push(served: Served): readonly Served[] {
    const { entry } = served
    const before = this.log.last?.entry
    this.#usedMs = this.#nowMs
    this.#numbering.told()
    const gone = this.log.push(served)
    if (before && before.side !== entry.side) {
      const { side, number, discontinuity } = entry
      this.#parts.world.log.info(
        { stream: this.key, side, number, discontinuity, before: before.side },
        'backup: switched',
      )
    }
    this.election.shown(entry.side, this.#nowMs, before?.side !== entry.side)
    return gone
  }

  async #copyAll(thread: Thread, side: Side): Promise<void> {
    const { link } = this.#parts
    for (let next = side.next(); next; next = side.next()) {
      const copy = await this.#copy(thread, side, next.latest, next.reportedMs)
      const gone = side.done(copy, this.#nowMs)
      side.look(this.#nowMs)
      this.#changed.broadcast()
      if (copy && link.isPeerThere && next.latest().hash === '') {
        const have = { ...next.latest(), hash: copy.file.hash, initHash: copy.initFile?.hash ?? '' }
        await link.post(thread, 'peer/have', haveBody(have), TELL_TIMEOUT_MS)
      }
      for (const one of gone) await this.#release(thread, one)
    }
  }

  async #copy(thread: Thread, side: Side, latest: () => SegmentReport, reportedMs: number): Promise<Copy | null> {
    const { copier, shelf } = this.#parts
    const fetched = await copier.fetch(thread, side.options, latest)
    if (!fetched) return null
    const { bytes, init } = fetched
    const initFile = init && (await shelf.put(thread, side.name, this.name, 'mp4', init))
    const file = await shelf.put(thread, side.name, this.name, init ? 'm4s' : 'ts', bytes)
    return { ...side.place(latest(), fetched, reportedMs), file, initFile }
  }

  /** Lets the files of a copy or an entry go, unless something else needs them. */
  async #release(thread: Thread, { file, initFile }: Pick<Served, 'file' | 'initFile'>): Promise<void> {
    const { shelf } = this.#parts
    const pending = [this.#pending, this.#chosen].flatMap((one) => one ?? [])
    const others = [...this.log.kept, ...pending, ...this.sides.flatMap(({ copies }) => copies)]
    const isNeeded = (one: KeptFile): boolean => others.some((other) => other.file === one || other.initFile === one)
    if (file && !isNeeded(file)) await shelf.remove(thread, file)
    if (initFile && !isNeeded(initFile)) await shelf.remove(thread, initFile)
  }

  /** @param kept so many of those that players were told last stay for the next life */
  async #removeAll(thread: Thread, kept: number): Promise<void> {
    const last = new Set(filesOf(kept === 0 ? [] : this.log.kept.slice(-kept)))
    const files = new Set(filesOf([...this.log.kept, ...this.sides.flatMap(({ copies }) => copies)]))
    for (const file of files) if (file && !last.has(file)) await this.#parts.shelf.remove(thread, file)
  }

  async #untilChanged(thread: Thread, timeoutMs: number): Promise<void> {
    try {
      await this.#changed.wait(thread, timeoutMs)
    } catch (error) {
      if (!(error instanceof TimeoutError)) throw error
    }
  }
}
