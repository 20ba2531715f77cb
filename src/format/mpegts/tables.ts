import { TS_HEADER_BYTES, TS_PACKET_BYTES, UNIT_START, writeTsHeader } from './packet.ts'
import type { TsTrack } from './track.ts'

const PAT_PID = 0
const PMT_PID = 0x1001
const PROGRAM = 1
const TRANSPORT_STREAM = 1
const PAT_ID = 0
const PMT_ID = 2
const NO_PCR_PID = 0x1fff

/** 11: reserved, ..1: current. */
const CURRENT = 0xc1
const VERSION_SHIFT = 1
/** Reserved bits beside a PID and beside a length. */
const PID_MARK = 0xe000
const LENGTH_MARK = 0xf000
const SECTION_MARK = 0xb000
const CRC_BYTES = 4
const CRC_POLYNOMIAL = 0x04c11db7

/** A PAT and a PMT, a packet each. */
export const TABLES_BYTES = 2 * TS_PACKET_BYTES

/** The packets of PAT and PMT (ISO/IEC 13818-1 2.4.4), counters 0. @param version of the PMT, modulo 32 */
export function makeTables(tracks: readonly TsTrack[], pcrTrack: TsTrack | null, version: number): Buffer {
  const versionByte = CURRENT | ((version & 0x1f) << VERSION_SHIFT)
  const pat = section(PAT_ID, TRANSPORT_STREAM, CURRENT, words(PROGRAM, PID_MARK | PMT_PID))
  // |111:3|PCR PID:13|1111:4|program info length:12| (|stream type:8|111:3|PID:13|1111:4|info length:12| descriptors)*
  const pmt = section(
    PMT_ID,
    PROGRAM,
    versionByte,
    words(PID_MARK | (pcrTrack?.pid ?? NO_PCR_PID), LENGTH_MARK),
    ...tracks.flatMap(({ streamType, pid, descriptors }) => [
      Buffer.of(streamType),
      words(PID_MARK | pid, LENGTH_MARK | descriptors.length),
      descriptors,
    ]),
  )
  return Buffer.concat([packetOf(PAT_PID, pat), packetOf(PMT_PID, pmt)])
}

/** Writes what `makeTables` made, with its continuity counter. */
export function writeTables(out: Buffer, offset: number, packets: Buffer, counter: number): void {
  packets.copy(out, offset)
  writeTsHeader(out, offset, UNIT_START, PAT_PID, counter)
  writeTsHeader(out, offset + TS_PACKET_BYTES, UNIT_START, PMT_PID, counter)
}

/** |table id:8|1011:4|length:12|id:16|11:2|version:5|current:1|section:8|last section:8| body |CRC:32| */
function section(tableId: number, id: number, version: number, ...body: Buffer[]): Buffer {
  const inner = Buffer.concat([words(id), Buffer.of(version, 0, 0), ...body])
  const head = Buffer.concat([Buffer.of(tableId), words(SECTION_MARK | (inner.length + CRC_BYTES)), inner])
  const crc = Buffer.alloc(CRC_BYTES)
  crc.writeUInt32BE(crc32(head))
  return Buffer.concat([head, crc])
}

/** A section in one packet, behind its pointer field. */
function packetOf(pid: number, bytes: Buffer): Buffer {
  const packet = Buffer.alloc(TS_PACKET_BYTES, 0xff)
  writeTsHeader(packet, 0, UNIT_START, pid, 0)
  packet[TS_HEADER_BYTES] = 0
  bytes.copy(packet, TS_HEADER_BYTES + 1)
  return packet
}

/** 16-bit numbers. */
function words(...values: number[]): Buffer {
  return Buffer.from(values.flatMap((value) => [value >> 8, value & 0xff]))
}

/** ISO/IEC 13818-1 annex A: not reflected, begins with all ones, not inverted. */
function crc32(bytes: Buffer): number {
  let crc = -1
  for (const byte of bytes) {
    crc ^= byte << 24
    for (let bit = 0; bit < 8; bit++) crc = crc < 0 ? (crc << 1) ^ CRC_POLYNOMIAL : crc << 1
  }
  return crc >>> 0
}
