import { CodecError } from '../../codec/errors.ts'
import { boxesIn, FieldReader, findBox, type ReadBox, readBoxes } from './read-box.ts'
import type { IndexedRun, IndexedSample } from './sample-index.ts'
import { MAX_TRACK_ID, type Mp4Track } from './track.ts'

const MAX_TRACKS = 32

/** tfhd (ISO/IEC 14496-12 8.8.7). */
const HAS_BASE_OFFSET = 0x01
const HAS_DESCRIPTION = 0x02
const HAS_DEFAULT_DURATION = 0x08
const HAS_DEFAULT_SIZE = 0x10
const HAS_DEFAULT_FLAGS = 0x20
/** trun (8.8.8). */
const HAS_DATA_OFFSET = 0x01
const HAS_FIRST_FLAGS = 0x04
const HAS_DURATION = 0x1_00
const HAS_SIZE = 0x2_00
const HAS_FLAGS = 0x4_00
const HAS_COMPOSITION = 0x8_00
const NEEDED_RUN_FLAGS = HAS_DATA_OFFSET | HAS_SIZE
const NOT_SYNC = 0x1_00_00

interface Defaults {
  duration: number
  flags: number
}

/**
 * The tracks of a moov. Throws CodecError 'mp4_bad_box', 'mp4_box_missing', 'mp4_tracks_too_many' (over 32), 'mp4_kind_unknown'.
 */
export function readTracks(moov: ReadBox): Mp4Track[] {
  const traks = readBoxes(moov.body).filter(({ type }) => type === 'trak')
  if (traks.length > MAX_TRACKS) {
    throw new CodecError('mp4_tracks_too_many', `a recording has at most ${MAX_TRACKS} tracks, this ${traks.length}`)
  }
  return traks.map(readTrack)
}

function readTrack(trak: ReadBox): Mp4Track {
  const boxes = readBoxes(trak.body)
  const mdia = boxesIn(boxes, 'mdia')
  const { id, width, height } = readTrackHeader(findBox(boxes, 'tkhd'))
  const entry = readEntry(findBox(boxesIn(boxesIn(mdia, 'minf'), 'stbl'), 'stsd'))
  const kind = readKind(findBox(mdia, 'hdlr'))
  return { id, kind, timescale: readTimescale(findBox(mdia, 'mdhd')), width, height, entry, frameTicks: null }
}

function readTrackHeader(tkhd: ReadBox): Pick<Mp4Track, 'id' | 'width' | 'height'> {
  // |created|modified|track id:32|0:32|duration| 52 bytes |width:16.16|height:16.16|
  const fields = new FieldReader(tkhd)
  const timeBytes = fields.version === 1 ? 8 : 4
  fields.skip(2 * timeBytes)
  const id = fields.uint32()
  if (id === 0 || id > MAX_TRACK_ID)
    throw new CodecError('mp4_bad_box', `a track's id is 1 to ${MAX_TRACK_ID}, not ${id}`)
  fields.skip(4 + timeBytes + 52)
  return { id, width: fields.uint32() >>> 16, height: fields.uint32() >>> 16 }
}

function readTimescale(mdhd: ReadBox): number {
  const fields = new FieldReader(mdhd)
  fields.skip(fields.version === 1 ? 16 : 8)
  const timescale = fields.uint32()
  if (timescale === 0) throw new CodecError('mp4_bad_box', 'a second has 0 ticks')
  return timescale
}

function readKind(hdlr: ReadBox): Mp4Track['kind'] {
  const fields = new FieldReader(hdlr)
  fields.skip(4)
  const handler = fields.uint32()
  if (handler === Buffer.from('vide').readUInt32BE()) return 'video'
  if (handler === Buffer.from('soun').readUInt32BE()) return 'audio'
  throw new CodecError('mp4_kind_unknown', `a track is vide or soun, found 0x${handler.toString(16)}`)
}

function readEntry(stsd: ReadBox): Buffer {
  const [entry] = readBoxes(stsd.body.subarray(8))
  if (!entry) throw new CodecError('mp4_box_missing', 'there is no sample entry')
  return Buffer.from(entry.whole)
}

/**
 * The runs of a moof that stands at `offset` in its file. Understood is what writeFragment writes and a bit more; a
 * run without sizes, or with its data elsewhere than behind the moof, is refused. Throws CodecError 'mp4_bad_box',
 * 'mp4_box_missing', 'mp4_run_unsupported'.
 */
export function readRuns(moof: ReadBox, offset: number): IndexedRun[] {
  return readBoxes(moof.body)
    .filter(({ type }) => type === 'traf')
    .flatMap((traf) => readTrackRuns(traf, offset))
}

function readTrackRuns(traf: ReadBox, moofOffset: number): IndexedRun[] {
  const boxes = readBoxes(traf.body)
  const { trackId, defaults } = readDefaults(findBox(boxes, 'tfhd'))
  const time = new FieldReader(findBox(boxes, 'tfdt'))
  let dts = time.version === 1 ? time.uint64() : time.uint32()
  return boxes
    .filter(({ type }) => type === 'trun')
    .map((trun) => {
      const { dataOffset, samples } = readRun(trun, defaults)
      const run = { trackId, dts, offset: moofOffset + dataOffset, samples }
      for (const { duration } of samples) dts += duration
      return run
    })
}

function readDefaults(tfhd: ReadBox): { trackId: number; defaults: Defaults } {
  const fields = new FieldReader(tfhd)
  const trackId = fields.uint32()
  const { flags } = fields
  if ((flags & HAS_BASE_OFFSET) !== 0) throw new CodecError('mp4_run_unsupported', 'data is not counted from the moof')
  if ((flags & HAS_DESCRIPTION) !== 0) fields.skip(4)
  const duration = (flags & HAS_DEFAULT_DURATION) === 0 ? 0 : fields.uint32()
  if ((flags & HAS_DEFAULT_SIZE) !== 0) fields.skip(4)
  return { trackId, defaults: { duration, flags: (flags & HAS_DEFAULT_FLAGS) === 0 ? 0 : fields.uint32() } }
}

function readRun(trun: ReadBox, defaults: Defaults): { dataOffset: number; samples: IndexedSample[] } {
  // |samples:32|data offset:32|(first sample's flags:32)| (|duration:32|size:32|flags:32|composition:32|)*
  const fields = new FieldReader(trun)
  const { flags } = fields
  if ((flags & NEEDED_RUN_FLAGS) !== NEEDED_RUN_FLAGS) {
    throw new CodecError('mp4_run_unsupported', `run flags 0x${flags.toString(16)}: no sizes or no offset`)
  }
  const count = fields.uint32()
  const dataOffset = fields.int32()
  const firstFlags = (flags & HAS_FIRST_FLAGS) === 0 ? null : fields.uint32()
  const samples: IndexedSample[] = []
  // Each has its size in the box at least: a count that lies ends where the box does.
  for (let index = 0; index < count; index++) {
    samples.push(readSample(fields, index === 0 && firstFlags !== null ? { ...defaults, flags: firstFlags } : defaults))
  }
  return { dataOffset, samples }
}

function readSample(fields: FieldReader, defaults: Defaults): IndexedSample {
  const { flags } = fields
  const duration = (flags & HAS_DURATION) === 0 ? defaults.duration : fields.uint32()
  const bytes = fields.uint32()
  const sampleFlags = (flags & HAS_FLAGS) === 0 ? defaults.flags : fields.uint32()
  const compositionTicks = (flags & HAS_COMPOSITION) === 0 ? 0 : fields.int32()
  return { duration, bytes, compositionTicks, isKey: (sampleFlags & NOT_SYNC) === 0 }
}
