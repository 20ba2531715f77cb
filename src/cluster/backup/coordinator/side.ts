/** One of the two servers, for one stream: what has been copied of it, and how it is. */
import type { Log } from '../../../st/log.ts'
import type { Candidate } from './election.ts'
import { aheadMs, type Placed } from './joint.ts'
import type { SideOptions } from './options.ts'
import type { Fetched } from './copier.ts'
import { keyOf, NOTIFY_SESSION, type SegmentReport } from './segment-report.ts'
import type { KeptFile } from './shelf.ts'

/** A copy of a segment. */
export interface Copy extends Placed {
  readonly file: KeptFile
  readonly initFile: KeptFile | null
}

/** The smallest delay among so many segments counts: the others have waited somewhere. */
const OFFSETS = 8
/** The longest of so many segments is the target. */
const DURATIONS = 4
/** Reports that wait for their copy; beyond them the oldest is left out. */
const MOST_WAITING = 16
const MOST_KNOWN = 64
/** A server that begins anew gives names again; one that calls on_hls and on_hls_notify calls both within this time. */
const NAME_AGAIN_MS = 10_000
/** What a machine and its disk may need, beside what the segment lasts. */
const LATE_SLACK_MS = 300

/** A report and what became of it. */
interface Known {
  report: SegmentReport
  readonly reportedMs: number
  state: 'waiting' | 'copied' | 'failed'
}

export class Side implements Candidate {
  readonly options: SideOptions
  readonly #late: number
  readonly #keep: number
  readonly #log: Log
  readonly copies: Copy[] = []
  readonly #known = new Map<string, Known>()
  readonly #waiting: Known[] = []
  isHealthy = false
  healthySinceMs = 0
  /** Segments that its server has made and that could not be copied, or were never told of. */
  missing = 0
  copied = 0
  lastCopiedMs: number | null = null
  #lastReported: SegmentReport | null = null
  /** By on_hls. */
  #lastNumberedMs = -Infinity
  #isToldTwice = false

  /** @param keep how many copies at least */
  constructor(options: SideOptions, late: number, keep: number, log: Log) {
    this.options = options
    this.#log = log
    this.#late = late
    this.#keep = keep
  }

  get name(): string {
    return this.options.name
  }

  get priority(): number {
    return this.options.priority
  }

  /** How long its segments are, ms. */
  get targetMs(): number {
    return this.copies.slice(-DURATIONS).reduce((most, { durationMs }) => Math.max(most, durationMs), 0)
  }

  get waiting(): number {
    return this.#waiting.length
  }

  /** Looks whether its segments keep coming. */
  look(nowMs: number): void {
    const before = this.isHealthy
    this.isHealthy =
      this.lastCopiedMs !== null && nowMs - this.lastCopiedMs <= this.#late * this.targetMs + LATE_SLACK_MS
    if (this.isHealthy && !before) this.healthySinceMs = nowMs
  }

  /** Takes a report. @returns whether it is news: something is to be copied */
  report(report: SegmentReport, nowMs: number): boolean {
    if (report.session !== NOTIFY_SESSION) this.#lastNumberedMs = nowMs
    else if (nowMs - this.#lastNumberedMs < NAME_AGAIN_MS) return this.#refuse(report)
    const id = idOf(report)
    const known = this.#known.get(id)
    const isNameAgain = report.session === NOTIFY_SESSION && nowMs - (known?.reportedMs ?? nowMs) > NAME_AGAIN_MS
    if (known && !isNameAgain) {
      // What the other coordinator has helps with what could not be had.
      if (report.hash !== '') known.report = report
      if (known.state !== 'failed' || report.hash === '') return false
      this.missing--
    }
    this.#countMissing(report)
    const reportedMs = known && !isNameAgain ? known.reportedMs : nowMs
    const fresh: Known = { report, reportedMs, state: 'waiting' }
    this.#known.set(id, fresh)
    for (const [oldest] of this.#known) if (this.#known.size > MOST_KNOWN) this.#known.delete(oldest)
    this.#waiting.push(fresh)
    // The first one is being copied.
    if (this.#waiting.length > MOST_WAITING) this.#fail(this.#waiting.splice(1, 1)[0])
    return true
  }

  /** The next report that is to be copied; it says from time to time more. */
  next(): { readonly latest: () => SegmentReport; readonly reportedMs: number } | null {
    const known = this.#waiting[0]
    return known ? { latest: () => known.report, reportedMs: known.reportedMs } : null
  }

  /** What became of it: a copy, or nothing. @returns copies that may go, as far as nobody serves them */
  done(copy: Copy | null, nowMs: number): Copy[] {
    const known = this.#waiting.shift()
    if (!copy) {
      this.#fail(known)
      return []
    }
    if (known) known.state = 'copied'
    this.lastCopiedMs = nowMs
    const at = this.copies.findIndex((other) => isTwin(other, copy))
    const twin = this.copies[at]
    // It stays where it is; the file is the one that the shelf gives for these bytes now.
    if (twin) return this.copies.splice(at, 1, { ...twin, file: copy.file, initFile: copy.initFile })
    this.copied++
    this.copies.push(copy)
    return this.copies.splice(0, Math.max(0, this.copies.length - this.#keep))
  }

  /** Places what was fetched in time. */
  place(report: SegmentReport, { facts, durationMs }: Fetched, reportedMs: number): Placed {
    const { container, endMs } = facts
    const { side, session, seqNo } = report
    const own = aheadMs(container, endMs, reportedMs)
    const others = this.copies.slice(1 - OFFSETS).filter((copy) => copy.session === session)
    // Each as seen from here: of MPEG-TS they wrap.
    const earlier = others.map((copy) => own + aheadMs(container, own, copy.offsetMs))
    const offsetMs = Math.min(own, ...earlier)
    const localEndMs = reportedMs - (own - offsetMs)
    return { side, session, seqNo, durationMs, facts, offsetMs, localEndMs }
  }

  /** on_hls says more. @returns that it is no news */
  #refuse(report: SegmentReport): false {
    if (!this.#isToldTwice) {
      const fields = { side: this.name, stream: keyOf(report.name) }
      this.#log.warn(
        fields,
        'backup: the server calls on_hls and on_hls_notify too: on_hls counts; one of them is enough',
      )
    }
    this.#isToldTwice = true
    return false
  }

  #fail(known: Known | undefined): void {
    if (known) known.state = 'failed'
    this.missing++
  }

  /** A hole in the numbers of a publish: the server has called nobody, or somebody else. */
  #countMissing(report: SegmentReport): void {
    const last = this.#lastReported
    if (last?.session === report.session && report.seqNo > last.seqNo + 1) this.missing += report.seqNo - last.seqNo - 1
    if (!last || last.session !== report.session || report.seqNo > last.seqNo) this.#lastReported = report
  }
}

/** on_hls_notify knows no number: what has the same name again soon is the same. */
function idOf({ session, seqNo, url }: SegmentReport): string {
  return session === NOTIFY_SESSION ? url : `${session} ${seqNo} ${url}`
}

/** Of one segment that was told of by on_hls_notify and by on_hls. A new publish may have the bytes of one before. */
function isTwin(one: Copy, other: Copy): boolean {
  return one.file.hash === other.file.hash && (one.session === NOTIFY_SESSION) !== (other.session === NOTIFY_SESSION)
}
