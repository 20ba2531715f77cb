/** Reads the log entries that the leader sends. */
import type { SegmentFacts } from '../../../format/segment-facts.ts'
import { isCount, isHash } from './segment-report.ts'
import type { Entry } from './served-log.ts'

const MOST_ENTRIES = 1_000
/** Names that a coordinator gives: no way out of the folder that it serves. */
const NAME = /^[^/\\\p{Cc}]{1,300}\.(?:ts|m4s|mp4)$/u

/** An entry on its way, and how long ago its segment ended when it was sent, ms. */
export interface Sent {
  readonly entry: Entry
  readonly ageMs: number
}

/** Null when one of them is not understood. */
export function readEntries(value: unknown): readonly Sent[] | null {
  return Array.isArray(value) && value.length <= MOST_ENTRIES && value.every(isSent) ? value : null
}

function isSent(value: unknown): value is Sent {
  return isObject(value) && isEntry(value['entry']) && isFinite(value['ageMs']) && value['ageMs'] >= 0
}

export function isEntry(value: unknown): value is Entry {
  if (!isObject(value)) return false
  const { number, seqNo, durationMs, side, session, before, name, hash, initName, initHash, discontinuities, facts } =
    value
  return (
    [number, seqNo, discontinuities].every(isCount) &&
    [side, session].every(isText) &&
    isFinite(durationMs) &&
    typeof value['discontinuity'] === 'boolean' &&
    (before === null || isName(before)) &&
    isName(name) &&
    isHash(hash) &&
    (initName === null ? initHash === null : isName(initName) && isHash(initHash)) &&
    isFacts(facts)
  )
}

function isFacts(value: unknown): value is SegmentFacts {
  if (!isObject(value)) return false
  const { container, startMs, endMs, codecs, firstCounters, lastCounters } = value
  const areCounters = [firstCounters, lastCounters].every((one) => isObject(one) && Object.values(one).every(isCount))
  return (
    (container === 'ts' || container === 'fmp4') &&
    isFinite(startMs) &&
    isFinite(endMs) &&
    isText(codecs) &&
    areCounters
  )
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}

function isText(value: unknown): value is string {
  return typeof value === 'string'
}

function isFinite(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value)
}

function isName(value: unknown): value is string {
  return isText(value) && NAME.test(value)
}
