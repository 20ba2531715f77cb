import { CodecError } from '../../codec/errors.ts'
import { DISCONTINUITY, NO_PCR, RANDOM_ACCESS, toTicks, TS_PACKET_BYTES, writePcrPacket } from './packet.ts'
import { MAX_SOUND_BYTES, type Pes, pesPackets, writePes } from './pes.ts'
import { makeTables, TABLES_BYTES, writeTables } from './tables.ts'
import type { TsTrack } from './track.ts'

/** How far the clock is behind decoding: by so much tracks may be out of order, and by so much players are later. */
const PCR_DELAY_TICKS = toTicks(100)
/** Sound that has gone on for so long without a picture brings a PCR: it and the next one are within 100 ms. */
const PCR_GAP_TICKS = toTicks(60)
/** A picture that is shown by more than this before it is decoded is damaged. */
const MAX_LEAD_TICKS = toTicks(1_000)
/** PAT and PMT are always written together: they have one counter. */
const TABLES_PID = 0
const COUNTER_RANGE = 16

/** A coded picture, times in ms. */
export interface TsPicture {
  /** Not wrapped. */
  readonly dtsMs: number
  /** Presentation minus decode time, of either sign. */
  readonly compositionMs: number
  readonly isKey: boolean
  /** NAL units behind their lengths. */
  readonly body: Buffer
}

/** Something that `write` will write: its layout is settled, its bytes are not there yet. */
export interface TsUnit {
  /** What it takes, a multiple of 188. */
  readonly bytes: number
  readonly content: Tables | Frames
}

interface Tables {
  readonly kind: 'tables'
  readonly packets: Buffer
  readonly restarts: boolean
  /** When it restarts. */
  readonly counter: number
}

interface Frames {
  readonly kind: 'frames'
  /** A PCR that goes before it in a packet of its own. */
  readonly clock: { readonly pid: number; readonly pcr: number } | null
  readonly pes: Pes
}

/**
 * Writes a program of a picture and a sound, or of one of them, as MPEG-TS (ISO/IEC 13818-1). In two steps, so that a
 * segment or batch is written once, into a buffer of the right size: `tables`, `picture` and `sound` settle the layout
 * and refuse what is damaged, `write` fills the bytes in. Units are written in the order in which they were made, each
 * once. What comes out depends on nothing but the calls. Decode times of a track never go back.
 */
export class TsMuxer {
  #picture: TsTrack | null
  #sound: TsTrack | null
  #version = 0
  #tables: Buffer
  /** The newest PCR, ticks; -1 before the first. */
  #pcr = NO_PCR
  /** Decode time of the first sound after the newest PCR. */
  #soundSincePcr: number | null = null
  #lead = 0
  #lastDts = -Infinity
  /** PIDs whose next packet begins anew. */
  readonly #restarted = new Set<number>()
  /** Next continuity counter by PID, as far as has been written. */
  readonly #counters = new Map<number, number>()

  constructor(picture: TsTrack | null, sound: TsTrack | null) {
    this.#picture = picture
    this.#sound = sound
    this.#tables = this.#makeTables()
  }

  /**
   * The tracks from now on: one that comes later or goes, a new codec header. When that changes the tables their
   * version goes up, and `tables` must come before the next frame.
   * @returns whether the tables have changed
   */
  setTracks(picture: TsTrack | null, sound: TsTrack | null): boolean {
    this.#picture = picture
    this.#sound = sound
    if (this.#makeTables().equals(this.#tables)) return false
    this.#version++
    this.#tables = this.#makeTables()
    return true
  }

  /**
   * PAT and PMT, for the begin of a segment and before key frames.
   * @param restarts the bytes from here on do not depend on what was before: continuity counters and versions begin at
   *   0, and the first packet of each track says so. Two servers that cut at the same frames then make the same segments.
   * @param counter where that of the tables begins then, modulo 16
   */
  tables(restarts = false, counter = 0): TsUnit {
    if (restarts) this.#restart()
    return { bytes: TABLES_BYTES, content: { kind: 'tables', packets: this.#tables, restarts, counter } }
  }

  /** @throws CodecError when the frame is damaged; RangeError without a picture's track */
  picture({ dtsMs, compositionMs, isKey, body }: TsPicture): TsUnit {
    const track = this.#picture
    if (!track) throw new RangeError('the program has no picture')
    const esBytes = track.frames.size(body, isKey)
    const pts = toTicks(dtsMs + compositionMs)
    const dts = this.#decodeTime(toTicks(dtsMs), pts)
    const flags = (isKey ? RANDOM_ACCESS : 0) | this.#discontinuity(track)
    const pcr = this.#advancePcr(dts)
    return unit({ track, bodies: [body], isKey, dts, pts: Math.max(pts, dts), esBytes, flags, pcr }, null)
  }

  /**
   * One frame of sound, or several in one PES packet, which costs less; their times then follow from the first one's.
   * @throws CodecError when a frame is damaged, 'ts_sound_empty', 'ts_sound_too_large' for more than a PES packet
   *   holds; RangeError without a sound's track
   */
  sound(dtsMs: number, bodies: readonly Buffer[]): TsUnit {
    const track = this.#sound
    if (!track) throw new RangeError('the program has no sound')
    let esBytes = 0
    for (const body of bodies) {
      if (body.length === 0) throw new CodecError('ts_sound_empty', 'a frame of sound has no byte')
      esBytes += track.frames.size(body, true)
    }
    if (esBytes > MAX_SOUND_BYTES) {
      throw new CodecError('ts_sound_too_large', `sound may have ${MAX_SOUND_BYTES} bytes, has ${esBytes}`)
    }
    const dts = toTicks(dtsMs)
    const isClock = this.#picture === null
    const flags = (isClock ? RANDOM_ACCESS : 0) | this.#discontinuity(track)
    const clock = this.#picture && this.#looseClock(this.#picture.pid, dts)
    const pcr = isClock ? this.#advancePcr(dts) : NO_PCR
    return unit({ track, bodies, isKey: true, dts, pts: dts, esBytes, flags, pcr }, clock)
  }

  /** Writes a unit at `offset`. @returns the offset behind it */
  write(out: Buffer, offset: number, { bytes, content }: TsUnit): number {
    if (offset + bytes > out.length) throw new RangeError(`unit needs ${offset + bytes} bytes, there are ${out.length}`)
    if (content.kind === 'tables') this.#writeTables(out, offset, content)
    else this.#writeFrames(out, offset, offset + bytes, content)
    return offset + bytes
  }

  /** Forgets all that later bytes could depend on. */
  #restart(): void {
    for (const track of [this.#picture, this.#sound]) if (track) this.#restarted.add(track.pid)
    this.#pcr = NO_PCR
    this.#soundSincePcr = null
    this.#lead = 0
    this.#lastDts = -Infinity
    this.#version = 0
    this.#tables = this.#makeTables()
  }

  /**
   * Some encoders have composition times below 0: pictures would be shown before they are decoded. All decode times are
   * then moved forward by the largest such lead, so that they keep their distances.
   */
  #decodeTime(dts: number, pts: number): number {
    const lead = dts - pts
    if (lead > this.#lead && lead <= MAX_LEAD_TICKS) this.#lead = lead
    this.#lastDts = Math.max(this.#lastDts, dts - this.#lead)
    return this.#lastDts
  }

  #advancePcr(dts: number): number {
    this.#soundSincePcr = null
    this.#pcr = Math.max(this.#pcr, 0, dts - PCR_DELAY_TICKS)
    return this.#pcr
  }

  /** A PCR for a picture that pauses, advanced by as much as the sound: that may be ahead of the picture. */
  #looseClock(pid: number, dts: number): Frames['clock'] {
    if (this.#pcr === NO_PCR || this.#restarted.has(pid)) return null
    this.#soundSincePcr ??= dts
    const elapsed = dts - this.#soundSincePcr
    if (elapsed < PCR_GAP_TICKS) return null
    this.#soundSincePcr = dts
    this.#pcr += elapsed
    return { pid, pcr: this.#pcr }
  }

  #discontinuity(track: TsTrack): number {
    return this.#restarted.delete(track.pid) ? DISCONTINUITY : 0
  }

  #makeTables(): Buffer {
    const tracks = [this.#picture, this.#sound].filter((track) => track !== null)
    return makeTables(tracks, this.#picture ?? this.#sound, this.#version)
  }

  #writeTables(out: Buffer, offset: number, { packets, restarts, counter: first }: Tables): void {
    if (restarts) this.#counters.clear()
    if (restarts) this.#counters.set(TABLES_PID, first % COUNTER_RANGE)
    const counter = this.#counters.get(TABLES_PID) ?? 0
    writeTables(out, offset, packets, counter)
    this.#counters.set(TABLES_PID, counter + 1)
  }

  #writeFrames(out: Buffer, offset: number, end: number, { clock, pes }: Frames): void {
    let at = offset
    if (clock) at = writePcrPacket(out, at, clock.pid, (this.#counters.get(clock.pid) ?? 0) - 1, clock.pcr)
    const counter = this.#counters.get(pes.track.pid) ?? 0
    this.#counters.set(pes.track.pid, writePes(out, at, end, counter, pes))
  }
}

function unit(pes: Pes, clock: Frames['clock']): TsUnit {
  const packets = pesPackets(pes) + (clock ? 1 : 0)
  return { bytes: packets * TS_PACKET_BYTES, content: { kind: 'frames', clock, pes } }
}
