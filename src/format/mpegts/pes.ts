import {
  FLAGS_BYTES,
  NO_PCR,
  PCR_BYTES,
  TS_HEADER_BYTES,
  TS_PACKET_BYTES,
  TS_PAYLOAD_BYTES,
  UNIT_START,
  writeAdaptation,
  writeTimestamp,
  writeTsHeader,
} from './packet.ts'
import type { TsTrack } from './track.ts'

const HEAD_BYTES = 9
const TIMESTAMP_BYTES = 5
/** PES_packet_length counts what stands behind it. */
const LENGTH_END = 6
const MAX_LENGTH = 0xff_ff
const STREAM_ID_VIDEO = 0xe0
/** |10:2|scrambling:2|priority:1|alignment:1|00:2|: each PES packet begins with a frame. */
const ALIGNED = 0x84
const HAS_PTS = 0x80
const HAS_PTS_DTS = 0xc0
const PREFIX_PTS_ALONE = 2
const PREFIX_PTS = 3
const PREFIX_DTS = 1

/** What a PES packet of sound holds at most; one of a picture has no limit. */
export const MAX_SOUND_BYTES = MAX_LENGTH + LENGTH_END - HEAD_BYTES - TIMESTAMP_BYTES

/** A PES packet that is to be written; times in ticks of the 90 kHz clock, not wrapped. */
export interface Pes {
  readonly track: TsTrack
  readonly bodies: readonly Buffer[]
  readonly isKey: boolean
  readonly dts: number
  readonly pts: number
  /** What `bodies` become. */
  readonly esBytes: number
  /** Of the adaptation field in its first packet. */
  readonly flags: number
  /** Or NO_PCR. */
  readonly pcr: number
}

/** Transport packets that it takes. */
export function pesPackets(pes: Pes): number {
  return Math.ceil((adaptationBytes(pes) + headerBytes(pes) + pes.esBytes) / TS_PAYLOAD_BYTES)
}

/** Writes it from `offset` to `end`, pesPackets(pes) packets. @returns the continuity counter behind it */
export function writePes(out: Buffer, offset: number, end: number, counter: number, pes: Pes): number {
  // First in one piece at the end of its room, then packet by packet to its place.
  const start = end - headerBytes(pes) - pes.esBytes
  let from = writePesHeader(out, start, pes)
  for (const body of pes.bodies) from = pes.track.frames.write(out, from, body, pes.isKey)
  if (from !== end) throw new RangeError(`PES packet ends at ${from}, not at ${end}`)
  return spread(out, offset, start, end, counter, pes)
}

function spread(out: Buffer, offset: number, start: number, end: number, counter: number, pes: Pes): number {
  const { pid } = pes.track
  const lead = adaptationBytes(pes)
  const stuffing = start - offset - lead - ((end - offset) / TS_PACKET_BYTES) * TS_HEADER_BYTES
  const last = end - TS_PACKET_BYTES
  let from = start
  for (let at = offset; at < end; at += TS_PACKET_BYTES) {
    writeTsHeader(out, at, at === offset ? UNIT_START : 0, pid, counter++)
    const adaptation = (at === offset ? lead : 0) + (at === last ? stuffing : 0)
    const to = at + TS_HEADER_BYTES + adaptation
    const next = from + TS_PAYLOAD_BYTES - adaptation
    if (to !== from) out.copyWithin(to, from, next)
    // The last to be written: its stuffing stands where the payload was taken from.
    if (adaptation > 0)
      writeAdaptation(out, at, adaptation, at === offset ? pes.flags : 0, at === offset ? pes.pcr : NO_PCR)
    from = next
  }
  return counter
}

function headerBytes({ dts, pts }: Pes): number {
  return HEAD_BYTES + (dts === pts ? TIMESTAMP_BYTES : 2 * TIMESTAMP_BYTES)
}

function adaptationBytes({ flags, pcr }: Pes): number {
  if (pcr !== NO_PCR) return PCR_BYTES
  return flags === 0 ? 0 : FLAGS_BYTES
}

/** |000001:24|stream id:8|length:16|10:2|6 bits|PTS and DTS:2|6 bits|header length:8|PTS:40|(DTS:40)| (2.4.3.6) */
function writePesHeader(out: Buffer, at: number, pes: Pes): number {
  const { dts, pts, track, esBytes } = pes
  const head = headerBytes(pes)
  // A picture may be larger than the field can say: 0 is allowed for it, and means up to the next one.
  const length = track.streamId === STREAM_ID_VIDEO ? 0 : head + esBytes - LENGTH_END
  out[at] = 0
  out[at + 1] = 0
  out[at + 2] = 1
  out[at + 3] = track.streamId
  out.writeUInt16BE(length, at + 4)
  out[at + 6] = ALIGNED
  out[at + 7] = dts === pts ? HAS_PTS : HAS_PTS_DTS
  out[at + 8] = head - HEAD_BYTES
  writeTimestamp(out, at + HEAD_BYTES, dts === pts ? PREFIX_PTS_ALONE : PREFIX_PTS, pts)
  if (dts !== pts) writeTimestamp(out, at + HEAD_BYTES + TIMESTAMP_BYTES, PREFIX_DTS, dts)
  return at + head
}
