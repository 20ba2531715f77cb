import { parseVideoTag } from '../../format/flv/video.ts'
import type { Run } from '../../format/mp4/fragment.ts'
import type { Sample } from '../../format/mp4/sample.ts'
import { type Frame, TrackSampler } from '../../format/mp4/sampler.ts'
import { audioTrack, type Mp4Track, videoTrack } from '../../format/mp4/track.ts'
import type { HeaderSet } from '../../stream/headers.ts'
import { codecBytes, type Packet } from '../../stream/packet.ts'

/** One track of a recording: what it is, and the samples of the fragment that is open. */
export class RecordedTrack {
  readonly track: Mp4Track
  readonly #codec: string
  readonly #header: Packet | null
  readonly #sampler: TrackSampler
  #samples: Sample[] = []

  /** @throws CodecError when MP4 has no place for the codec, or its header cannot be read */
  constructor(id: number, frame: Packet, headers: HeaderSet) {
    this.#codec = frame.codec
    this.#header = headerOf(frame, headers)
    const make = frame.kind === 'video' ? videoTrack : audioTrack
    this.track = make(id, frame.codec, this.#header && codecBytes(this.#header), codecBytes(frame))
    this.#sampler = new TrackSampler(this.track)
  }

  /** Whether the track says of this frame what is true. */
  fits(frame: Packet, headers: HeaderSet): boolean {
    const header = headerOf(frame, headers)
    if (frame.codec !== this.#codec || (header === null) !== (this.#header === null)) return false
    return header === this.#header || (this.#header !== null && header?.payload.equals(this.#header.payload) === true)
  }

  /** Takes a frame and gives the one before it, whose end is known now. */
  push(packet: Packet, timeMs: number): Sample | null {
    return this.#sampler.push(frameOf(packet, timeMs))
  }

  /** Gives the newest frame. */
  flush(): Sample | null {
    return this.#sampler.flush()
  }

  /** Whether a sample begins where the fragment's last one ends. */
  continues({ dts }: Sample): boolean {
    const last = this.#samples.at(-1)
    return !last || last.dts + last.duration === dts
  }

  append(sample: Sample): void {
    this.#samples.push(sample)
  }

  /** The samples of the fragment, taken away. */
  takeRun(): Run {
    const samples = this.#samples
    this.#samples = []
    return { track: this.track, samples }
  }
}

/** The header in force, when it is of the frame's codec: MP3 and AC-3 have none. */
export function headerOf(frame: Packet, headers: HeaderSet): Packet | null {
  const header = frame.kind === 'data' ? null : headers.header(frame.kind, 0)
  return header?.codec === frame.codec ? header : null
}

function frameOf(packet: Packet, dtsMs: number): Frame {
  const compositionMs = packet.kind === 'video' ? parseVideoTag(packet.payload).compositionMs : 0
  return { dtsMs, compositionMs, isKey: packet.isKey, bytes: codecBytes(packet) }
}
