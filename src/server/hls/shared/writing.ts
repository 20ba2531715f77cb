import { CodecError } from '../../../codec/errors.ts'
import { HlsFiles } from '../files.ts'
import type { Turn } from '../keeper.ts'
import { givesUniqueNames, withSuffix } from '../names.ts'
import type { HlsOptions } from '../options.ts'
import { plainPlaylist } from '../playlist.ts'
import type { HlsSegment } from '../segment.ts'
import { Segmenter } from '../segmenter.ts'
import { HlsStream } from '../stream.ts'
import type { Clock } from '../../../st/clock.ts'
import type { Thread } from '../../../st/thread.ts'
import type { World } from '../../../st/world.ts'
import type { HeldPackets, Start } from './held.ts'
import { type Mark, printMark } from './mark.ts'
import type { SharedStorage, WritingTurn } from './share.ts'

/** The clocks of two servers may differ by so much, and the date of a stream still goes on from one to the other. */
const CLOCKS_APART_MS = 10_000
/** What has left the playlist before this turn stays for so many target durations. */
const KEPT_TARGETS = 2

/** What one turn at writing stands on. */
export interface WritingParts {
  readonly world: World
  readonly storage: SharedStorage
  readonly fence: WritingTurn
  readonly held: HeldPackets
  readonly turn: Turn
  /** As it is in the storage: what is written goes on with it. */
  readonly shown: HlsStream
  readonly mark: Mark | null
  /** The stream was over for so long that nobody plays it any more. */
  readonly isOld: boolean
  readonly start: Start
}

/** One turn at writing one publish: segments are made of what is held, and put into the storage. */
export class Writing {
  readonly fence: WritingTurn
  readonly #parts: WritingParts
  readonly #draft: HlsStream
  readonly #segmenter: Segmenter
  readonly #shiftMs: number
  /** Number of the packet that is taken next. */
  #next: number
  #wallMs = 0
  #openSequence: number | null = null
  /** Number of the packet that began the open segment. */
  #openAt: number | null = null
  /** Files that are in the storage. */
  readonly #stored = new Set<string>()
  /** Files that turns before this one have left, and when they go. */
  #leaving: { readonly names: readonly string[]; readonly untilMs: number }

  constructor(parts: WritingParts) {
    const { world, fence, turn, shown, mark, isOld, start } = parts
    const { publication } = turn
    this.fence = fence
    this.#parts = parts
    this.#next = start.at
    this.#shiftMs = start.shiftMs
    const { key, names, playlistName } = shown
    this.#draft = new HlsStream(
      world,
      new HlsFiles(),
      { key, names, playlistName },
      namedByTurn(shown.options, fence.number),
    )
    const { newestSequence, targetSeconds } = shown
    const segments = isOld ? [] : shown.segments
    const lost = isOld ? shown.segments.filter(({ discontinuity }) => discontinuity).length : 0
    const goesOn = start.goesOn && segments.length > 0
    if (targetSeconds !== null) {
      const nextSequence = newestSequence + 1
      const discontinuitySequence = shown.discontinuitySequence + lost
      this.#draft.resume({ nextSequence, discontinuitySequence, targetSeconds, segments, goesOn })
    }
    for (const name of namesOf(segments)) this.#stored.add(name)
    const others = [...(mark?.leaving ?? []), ...fence.leftovers, ...namesOf(shown.segments)]
    const before = [...new Set(others)].filter((name) => !this.#stored.has(name))
    const untilMs = world.clock.nowMs() + KEPT_TARGETS * 1000 * (targetSeconds ?? 0)
    this.#leaving = { names: before, untilMs }
    const { hasVideo, hasAudio } = publication.headers
    const expected = { video: hasVideo, audio: hasAudio }
    this.#segmenter = new Segmenter(this.#clock(goesOn), publication.publisher.log, this.#draft, expected)
  }

  /** Whether there is something for `publish`. */
  get hasFinished(): boolean {
    return this.#segmenter.hasFinished
  }

  /** Frames that were damaged. */
  get damaged(): number {
    return this.#segmenter.damaged
  }

  /** Takes what is held and was not taken. @throws CodecError, unless `hls_on_error` says to go on */
  take(options: HlsOptions): void {
    const { held, turn } = this.#parts
    this.#draft.follow(namedByTurn(options, this.fence.number))
    for (; this.#next < held.end; this.#next++) {
      const read = held.shifted(this.#next, this.#shiftMs)
      this.#wallMs = held.get(this.#next)?.wallMs ?? this.#wallMs
      // The reader, or what is held, had no room.
      if (!read) this.#segmenter.finish()
      else {
        try {
          this.#segmenter.take(read)
        } catch (error) {
          if (!(error instanceof CodecError) || options.hlsOnError !== 'continue') throw error
          if (this.#segmenter.damaged === 1)
            turn.publication.publisher.log.warn({ err: error }, 'HLS leaves a frame out')
        }
      }
      this.#noteOpen()
    }
  }

  /** Packets were dropped in front of the one that is held next. */
  noteDrops(count: number): void {
    this.#segmenter.noteDrops(count)
    this.#noteOpen()
  }

  /** The publish is over. */
  finish(): void {
    this.#segmenter.finish()
    this.#noteOpen()
  }

  /**
   * Puts the finished segments into the storage, and the playlist that names them behind them.
   * @returns them, now that they can be fetched
   * @throws StError `backup_fenced` (another server writes), DiskError, TimeoutError, InterruptedError: the turn is over then
   */
  async publish(thread: Thread): Promise<readonly HlsSegment[]> {
    const segments = this.#segmenter.takeFinished()
    if (segments.length === 0) return segments
    const { storage } = this.#parts
    const isNew = (name: string): boolean => !this.#stored.has(name)
    const names = namesOf(segments).filter(isNew)
    await storage.makeFoldersFor(thread, names)
    await this.fence.intend(thread, names)
    for (const { initFile, file } of segments) {
      for (const one of [initFile, file]) {
        if (!one?.bytes || !isNew(one.name)) continue
        await this.fence.write(thread, one.name, one.bytes)
        this.#stored.add(one.name)
      }
    }
    const gone = this.#takeLeft()
    await this.fence.write(thread, this.#draft.playlistName, Buffer.from(plainPlaylist(this.#draft) + this.#mark(gone)))
    await this.#remove(thread, gone)
    this.#parts.shown.tracks = this.#draft.tracks
    return segments
  }

  /** The date of a stream that goes on goes on too; packets that were held are as old as they are. */
  #clock(goesOn: boolean): Clock {
    const { world, held, start, shown } = this.#parts
    const last = shown.segments.at(-1)
    const first = held.get(start.at)
    const endMs = last && last.programDateTimeMs !== null ? last.programDateTimeMs + last.durationMs : null
    const awayMs = goesOn && endMs !== null && first ? endMs - first.wallMs : 0
    const skewMs = Math.abs(awayMs) <= CLOCKS_APART_MS ? awayMs : 0
    const { clock } = world
    return {
      nowMs: () => clock.nowMs(),
      wallMs: () => this.#wallMs + skewMs,
      after: (delayMs, fire) => clock.after(delayMs, fire),
      nextTurn: (run) => clock.nextTurn(run),
      randomBytes: (count) => clock.randomBytes(count),
    }
  }

  #noteOpen(): void {
    const sequence = this.#draft.making?.sequence ?? null
    if (sequence === this.#openSequence) return
    this.#openAt = sequence === null ? null : this.#next
    this.#openSequence = sequence
  }

  /** What is said of this playlist to whoever goes on with it. @param gone files that are about to be removed */
  #mark(gone: readonly string[]): string {
    const { held, mark } = this.#parts
    const named = new Set(namesOf(this.#draft.segments))
    const leaving = [...this.#leaving.names, ...this.#stored].filter((name) => !named.has(name))
    const next = this.#openAt === null ? null : held.print(this.#openAt, this.#shiftMs)
    return printMark({
      turn: this.fence.number,
      writer: this.fence.facts.name,
      sinceMs: mark?.turn === this.fence.number ? mark.sinceMs : this.fence.facts.sinceMs,
      next,
      last: next ? null : this.#lastPrint(),
      leaving: [...new Set([...leaving, ...gone])],
    })
  }

  /** Of the newest frame that was taken. */
  #lastPrint(): ReturnType<HeldPackets['print']> {
    const { held } = this.#parts
    for (let at = this.#next - 1; held.get(at); at--) {
      if (held.get(at)?.read.packet.type === 'frame') return held.print(at, this.#shiftMs)
    }
    return null
  }

  /** Files that go now. */
  #takeLeft(): string[] {
    const gone = this.#draft.takeGone().map(({ name }) => name)
    if (this.#parts.world.clock.nowMs() < this.#leaving.untilMs) return gone
    gone.push(...this.#leaving.names)
    this.#leaving = { names: [], untilMs: 0 }
    return gone
  }

  async #remove(thread: Thread, names: readonly string[]): Promise<void> {
    if (!this.#draft.options.hlsCleanup) return
    for (const name of names) {
      await this.fence.remove(thread, name)
      this.#stored.delete(name)
    }
  }
}

/** Names that no other turn gives: whatever became of it, nothing else is ever at their URLs. */
function namedByTurn(options: HlsOptions, turn: number): HlsOptions {
  const named = (template: string): string =>
    withSuffix(template, givesUniqueNames(template) ? `-t${turn}` : `-[seq]-t${turn}`)
  const { hlsTsFile, hlsFmp4File, hlsInitFile } = options
  return {
    ...options,
    hlsTsFile: named(hlsTsFile),
    hlsFmp4File: named(hlsFmp4File),
    hlsInitFile: named(hlsInitFile),
    hlsLowLatency: false,
    hlsKeys: false,
  }
}

/** Of files that segments need. */
export function namesOf(segments: readonly HlsSegment[]): string[] {
  const files = segments.flatMap(({ initFile, file }) => (initFile ? [initFile, file] : [file]))
  return [...new Set(files.map(({ name }) => name))]
}
