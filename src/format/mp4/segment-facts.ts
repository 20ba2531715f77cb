/** What a finished segment of fragmented MP4 says of itself. */
import { CodecError } from '../../codec/errors.ts'
import type { SegmentFacts } from '../segment-facts.ts'
import { boxesIn, FieldReader, findBox, type ReadBox, readBoxes } from './read-box.ts'

const TFHD_DEFAULT_DURATION = 0x08
const TRUN_DURATION = 0x1_00
const KNOWN_SAMPLES = 1_000_000

interface Track {
  readonly timescale: number
  readonly isVideo: boolean
  /** Of samples of which nothing else is said. */
  readonly durationTicks: number
}

/**
 * Reads a whole segment: its boxes and the times of its pictures (or, without any, of its sound).
 * @param init the initialization segment that it needs
 * @param codecs of the facts: what tells one initialization segment from another
 * @throws CodecError 'mp4_bad_box', 'mp4_box_missing'
 */
export function mp4SegmentFacts(bytes: Buffer, init: Buffer, codecs: string): SegmentFacts {
  const tracks = tracksOf(init)
  const boxes = readBoxes(bytes)
  findBox(boxes, 'mdat')
  const spans = new Map<number, Span>()
  for (const box of boxes) {
    if (box.type !== 'moof') continue
    for (const traf of readBoxes(box.body)) if (traf.type === 'traf') addFragment(spans, tracks, readBoxes(traf.body))
  }
  const all = [...spans.values()]
  const leading = all.find(({ isVideo }) => isVideo) ?? all[0]
  if (!leading) throw new CodecError('mp4_box_missing', 'there is no fragment of a known track')
  const { startMs, endMs } = leading
  return { container: 'fmp4', startMs, endMs, codecs, firstCounters: {}, lastCounters: {} }
}

interface Span {
  readonly isVideo: boolean
  readonly startMs: number
  endMs: number
}

function addFragment(spans: Map<number, Span>, tracks: ReadonlyMap<number, Track>, traf: readonly ReadBox[]): void {
  const head = new FieldReader(findBox(traf, 'tfhd'))
  const id = head.uint32()
  const track = tracks.get(id)
  if (!track) return
  const time = new FieldReader(findBox(traf, 'tfdt'))
  const startTicks = time.version === 1 ? time.uint64() : time.uint32()
  let durationTicks = 0
  for (const box of traf) if (box.type === 'trun') durationTicks += runTicks(box, defaultTicks(head, track))
  const toMs = (ticks: number): number => (ticks * 1000) / track.timescale
  const span = spans.get(id) ?? { isVideo: track.isVideo, startMs: toMs(startTicks), endMs: 0 }
  span.endMs = toMs(startTicks + durationTicks)
  spans.set(id, span)
}

// ISO/IEC 14496-12 8.8.7: |track:32|(base offset:64)|(description:32)|(duration:32)|...
function defaultTicks(head: FieldReader, track: Track): number {
  if ((head.flags & TFHD_DEFAULT_DURATION) === 0) return track.durationTicks
  head.skip(((head.flags & 0x01) === 0 ? 0 : 8) + ((head.flags & 0x02) === 0 ? 0 : 4))
  return head.uint32()
}

// 8.8.8: |count:32|(data offset:32)|(first flags:32)|, then for each (duration:32)(size:32)(flags:32)(offset:32)
function runTicks(box: ReadBox, otherwise: number): number {
  const run = new FieldReader(box)
  const count = run.uint32()
  if (count > KNOWN_SAMPLES) throw new CodecError('mp4_bad_box', `a run of ${count} samples`)
  if ((run.flags & TRUN_DURATION) === 0) return count * otherwise
  run.skip(((run.flags & 0x01) === 0 ? 0 : 4) + ((run.flags & 0x04) === 0 ? 0 : 4))
  const others = [0x2_00, 0x4_00, 0x8_00].filter((flag) => (run.flags & flag) !== 0).length * 4
  let ticks = 0
  for (let index = 0; index < count; index++) {
    ticks += run.uint32()
    run.skip(others)
  }
  return ticks
}

function tracksOf(init: Buffer): Map<number, Track> {
  const tracks = new Map<number, Track>()
  const moov = boxesIn(readBoxes(init), 'moov')
  const defaults = defaultDurations(moov)
  for (const box of moov) {
    if (box.type !== 'trak') continue
    const trak = readBoxes(box.body)
    const id = trackId(findBox(trak, 'tkhd'))
    const mdia = boxesIn(trak, 'mdia')
    const timescale = timescaleOf(findBox(mdia, 'mdhd'))
    if (timescale === 0) throw new CodecError('mp4_bad_box', 'a track has no timescale')
    const handler = new FieldReader(findBox(mdia, 'hdlr'))
    handler.skip(4)
    tracks.set(id, { timescale, isVideo: handler.uint32() === VIDEO_HANDLER, durationTicks: defaults.get(id) ?? 0 })
  }
  return tracks
}

/** 'vide'. */
const VIDEO_HANDLER = 0x76_69_64_65

// 8.8.3: |track:32|description:32|duration:32|...
function defaultDurations(moov: readonly ReadBox[]): Map<number, number> {
  const durations = new Map<number, number>()
  for (const box of readBoxes(findBox(moov, 'mvex').body)) {
    if (box.type !== 'trex') continue
    const fields = new FieldReader(box)
    const id = fields.uint32()
    fields.skip(4)
    durations.set(id, fields.uint32())
  }
  return durations
}

function trackId(box: ReadBox): number {
  const fields = new FieldReader(box)
  fields.skip(fields.version === 1 ? 16 : 8)
  return fields.uint32()
}

function timescaleOf(box: ReadBox): number {
  const fields = new FieldReader(box)
  fields.skip(fields.version === 1 ? 16 : 8)
  return fields.uint32()
}
