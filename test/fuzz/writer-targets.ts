import { writeFragment } from '../../src/format/mp4/fragment.ts'
import { initSegment } from '../../src/format/mp4/init.ts'
import { RecordingReader } from '../../src/format/mp4/recording-reader.ts'
import { TrackSampler } from '../../src/format/mp4/sampler.ts'
import { audioTrack, type Mp4Track, videoTrack } from '../../src/format/mp4/track.ts'
import { TsMuxer, type TsUnit } from '../../src/format/mpegts/muxer.ts'
import { tsAudioTrack, tsVideoTrack } from '../../src/format/mpegts/track.ts'
import { codecSamples, frames, joined, split } from './corpus.ts'
import type { FuzzTarget } from './targets.ts'

const TS_PACKET_BYTES = 188
const KINDS = ['video', 'audio'] as const
const CODECS = ['avc1', 'hvc1', 'av01', 'vp09', 'mp4a', 'Opus', 'fLaC', '.mp3', 'ac-3', 'ec-3']
const FIRST_SOUND = CODECS.indexOf('mp4a')
/** What a writer may put around a frame: start codes, parameter sets, headers of packets. */
const MOST_GROWTH = 4
const MOST_ADDED_BYTES = 20_000

/** Units behind their lengths, as H.264 and H.265 have them in a frame: parameter sets among them, and some of an end. */
const UNITS: ReadonlyMap<string, readonly Buffer[]> = new Map([
  ['avc1', [unitsOf('6588', '0600'), unitsOf('0930', '6742c00a', '68ce', '65888400'), unitsOf('419a00', '0a')]],
  ['hvc1', [unitsOf('260100', '4e0101'), unitsOf('460150', '42010101', '26010000'), unitsOf('020100', '4a01')]],
])

function unitsOf(...all: readonly string[]): Buffer {
  return Buffer.concat(
    all.flatMap((hex) => {
      const unit = Buffer.concat([Buffer.from(hex, 'hex'), Buffer.alloc(200, 7)])
      return [Buffer.of(0, 0, unit.length >> 8, unit.length & 0xff), unit]
    }),
  )
}

/** A codec's number, its header and two frames that are of this codec. */
function matching(): Buffer[] {
  const video = codecSamples('video').flatMap(({ codec, header }) => {
    const [one, two, three] = UNITS.get(codec) ?? []
    if (!one || !two || !three) return []
    const number = Buffer.of(CODECS.indexOf(codec))
    return [joined(number, header, one, two), joined(number, header, two, three)]
  })
  // What describes these is the frame itself.
  const audio = codecSamples('audio').flatMap(({ codec, header }) => {
    const number = Buffer.of(Math.max(0, CODECS.indexOf(codec)))
    const frame = Buffer.concat([header, Buffer.alloc(400, 7)])
    return [joined(number, Buffer.alloc(0), frame, frame), joined(number, header, frame, frame)]
  })
  return [...video, ...audio]
}

/** A codec's number, its header and two frames. */
function corpus(): Buffer[] {
  return [...matching(), ...mixed()]
}

/** Frames of any codec under any other's header. */
function mixed(): Buffer[] {
  return KINDS.flatMap((kind) => {
    const bodies = frames(kind)
    return codecSamples(kind).map(({ codec, header, keyFrame }, at) => {
      const first = keyFrame.length > 0 ? keyFrame : (bodies[at % bodies.length] ?? keyFrame)
      const second = bodies[(at * 7) % bodies.length]?.subarray(0, 1_500) ?? first
      return joined(Buffer.of(Math.max(0, CODECS.indexOf(codec))), header, first, second)
    })
  })
}

function checkSize(what: string, outBytes: number, inBytes: number): void {
  if (outBytes > MOST_GROWTH * inBytes + MOST_ADDED_BYTES)
    throw new Error(`${what} of ${outBytes} bytes for ${inBytes}`)
}

/** All that is asked of a writer is that it refuses, or writes about as much as it was given. */
function writeTs(bytes: Buffer): void {
  const [which, header = bytes, ...bodies] = split(bytes, 4)
  const index = (which?.[0] ?? 0) % CODECS.length
  const codec = CODECS[index] ?? ''
  const isVideo = index < FIRST_SOUND
  const track = (isVideo ? tsVideoTrack : tsAudioTrack)(codec, header)
  const muxer = new TsMuxer(isVideo ? track : null, isVideo ? null : track)
  const units: TsUnit[] = [muxer.tables()]
  for (const [at, body] of bodies.entries()) {
    const picture = { dtsMs: 40 * at, compositionMs: (body[0] ?? 0) - 128, isKey: at === 0, body }
    units.push(isVideo ? muxer.picture(picture) : muxer.sound(picture.dtsMs, [body]))
  }
  let written = 0
  for (const unit of units) {
    const out = Buffer.alloc(unit.bytes)
    written += muxer.write(out, 0, unit)
    if (out.length % TS_PACKET_BYTES !== 0) throw new Error(`${out.length} bytes are no packets`)
  }
  checkSize('a stream', written, bytes.length)
}

function mp4TrackOf(index: number, header: Buffer, frame: Buffer): Mp4Track {
  const make = index < FIRST_SOUND ? videoTrack : audioTrack
  return make(1, CODECS[index] ?? '', header.length > 0 ? header : null, frame)
}

function writeMp4(bytes: Buffer): void {
  const [which, header = bytes, first = bytes, second = bytes] = split(bytes, 4)
  const track = mp4TrackOf((which?.[0] ?? 0) % CODECS.length, header, first)
  const sampler = new TrackSampler(track)
  const samples = [first, second].map((body, at) =>
    sampler.push({ dtsMs: 40 * at, compositionMs: (body[0] ?? 0) - 128, isKey: at === 0, bytes: body }, false),
  )
  const whole = [...samples, sampler.flush()].filter((sample) => sample !== null)
  const init = initSegment([track])
  const fragment = writeFragment(1, [{ track, samples: whole }])
  checkSize('a fragment', init.length + fragment.length, bytes.length)
  readMp4(Buffer.concat([init, fragment]))
}

/** As the recorder reads a recording that was broken off. */
function readMp4(file: Buffer): void {
  const reading = new RecordingReader(file.length)
  for (let range = reading.wanted, steps = 0; range; range = reading.wanted, steps++) {
    if (steps > file.length + 8) throw new Error('it never has enough')
    if (range.length > file.length) throw new Error(`${range.length} bytes are wanted of ${file.length}`)
    reading.push(file.subarray(range.offset, range.offset + range.length))
  }
}

/** A recording of ours, for those who damage it. */
function recordings(): Buffer[] {
  const sample = codecSamples('video').find(({ codec }) => codec === 'avc1')
  const body = frames('video')[0]?.subarray(0, 1_000)
  if (!sample || !body) throw new Error('there is no H.264 among the samples')
  const track = videoTrack(1, 'avc1', sample.header, body)
  const sampler = new TrackSampler(track)
  const all = [0, 40, 80].map((dtsMs) =>
    sampler.push({ dtsMs, compositionMs: 0, isKey: dtsMs === 0, bytes: body }, false),
  )
  const samples = [...all, sampler.flush()].filter((one) => one !== null)
  return [
    Buffer.concat([
      initSegment([track]),
      writeFragment(1, [{ track, samples }]),
      writeFragment(2, [{ track, samples }]),
    ]),
  ]
}

export const writerTargets: readonly FuzzTarget[] = [
  { name: 'ts-writer', corpus, run: writeTs, shares: 2 },
  { name: 'mp4-writer', corpus, run: writeMp4, shares: 2 },
  { name: 'mp4-recording', corpus: recordings, run: readMp4 },
]
