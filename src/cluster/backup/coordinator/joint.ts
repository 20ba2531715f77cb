/** Whether one segment follows another: in time, and without a seam. Pure. */
import { TS_WRAP_MS } from '../../../format/mpegts/segment-facts.ts'
import type { SegmentFacts } from '../../../format/segment-facts.ts'

/** A segment with its place in time. */
export interface Placed {
  readonly side: string
  readonly session: string
  readonly seqNo: number
  readonly durationMs: number
  readonly facts: SegmentFacts
  /** The local clock at its end minus its own clock there, as small as it was lately. */
  readonly offsetMs: number
  /** Its end by the local clock. */
  readonly localEndMs: number
}

/** Decode times of equal frames differ by rounding, and by the last frame's duration, which is a guess. */
const SEAM_MS = 150
/** One server's next segment goes on from the one before even where its encoder left a little out. */
const OWN_SEAM_MS = 1_000
/** Clocks of arrival are not exact: so much of a segment may be shown twice where there is no other clock. */
const OVERLAP = 0.25

/** How far `to` is behind `from` by the clock of the segments, which of MPEG-TS wraps. */
export function aheadMs(container: SegmentFacts['container'], from: number, to: number): number {
  const ms = to - from
  return container === 'ts' ? ms - Math.round(ms / TS_WRAP_MS) * TS_WRAP_MS : ms
}

/** Whether both have their times from one clock: by it they arrive at about the same time. */
export function isSameClock(one: Placed, other: Placed): boolean {
  if (one.facts.container !== other.facts.container) return false
  const apartMs = aheadMs(one.facts.container, one.offsetMs, other.offsetMs)
  return Math.abs(apartMs) <= Math.min(one.durationMs, other.durationMs)
}

/** Whether `next` shows nothing of what `last` has shown, as far as its times tell. */
export function beginsAfter(last: Placed, next: Placed): boolean {
  if (isSameSession(last, next)) return next.seqNo > last.seqNo
  // A server has one publish after the other.
  if (last.side === next.side) return next.localEndMs > last.localEndMs
  const { container, startMs, endMs } = next.facts
  if (isSameClock(last, next)) return aheadMs(container, last.facts.endMs, startMs) >= -SEAM_MS
  const beginMs = next.localEndMs - aheadMs(container, startMs, endMs)
  return beginMs >= last.localEndMs - OVERLAP * next.durationMs
}

/** Whether a player can go on from `last` to `next` without being told of a discontinuity. */
export function goesOn(last: Placed, next: Placed): boolean {
  const [a, b] = [last.facts, next.facts]
  if (a.container !== b.container || a.codecs !== b.codecs) return false
  const gapMs = Math.abs(aheadMs(a.container, a.endMs, b.startMs))
  if (isSameSession(last, next) && next.seqNo === last.seqNo + 1) return gapMs <= OWN_SEAM_MS
  return gapMs <= SEAM_MS && haveNextCounters(a, b)
}

/** Whether `next` begins where `last` ends: a switch there costs nothing. */
export function fits(last: Placed, next: Placed): boolean {
  const { container, startMs } = next.facts
  return isSameClock(last, next) && Math.abs(aheadMs(container, last.facts.endMs, startMs)) <= SEAM_MS
}

/** Whether both end at the same place: the one's next segment follows the other. */
export function endsTogether(one: Placed, other: Placed): boolean {
  const { container, endMs } = other.facts
  return isSameClock(one, other) && Math.abs(aheadMs(container, one.facts.endMs, endMs)) <= SEAM_MS
}

function isSameSession(one: Placed, other: Placed): boolean {
  return one.side === other.side && one.session === other.session
}

/** ISO/IEC 13818-1 2.4.3.3: of each PID the next packet has the next number, or says that it begins anew. */
function haveNextCounters(a: SegmentFacts, b: SegmentFacts): boolean {
  return Object.entries(b.firstCounters).every(([pid, first]) => {
    const last = a.lastCounters[pid]
    return last === undefined || first === ((last + 1) & 0x0f)
  })
}
