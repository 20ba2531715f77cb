/** Size of a transport packet (ISO/IEC 13818-1 2.4.3.2). */
export const TS_PACKET_BYTES = 188
export const TS_HEADER_BYTES = 4
/** What a packet without an adaptation field carries. */
export const TS_PAYLOAD_BYTES = TS_PACKET_BYTES - TS_HEADER_BYTES
/** Length and flags of an adaptation field, and the same with a PCR. */
export const FLAGS_BYTES = 2
export const PCR_BYTES = 8
/** First in its packet is the first byte of a PES packet or section. */
export const UNIT_START = 0x40
/** Flags of an adaptation field (2.4.3.4). */
export const DISCONTINUITY = 0x80
export const RANDOM_ACCESS = 0x40
/** In the place of a PCR: there is none. */
export const NO_PCR = -1
const HAS_PCR = 0x10

const SYNC = 0x47
const HAS_ADAPTATION = 0x20
const HAS_PAYLOAD = 0x10
const STUFFING = 0xff
const COUNTER_MASK = 0x0f
const PID_HIGH_SHIFT = 8

/** Ticks per millisecond of the 90 kHz clock. */
const TICKS_PER_MS = 90
const CLOCK_WRAP = 2 ** 33
const TIMESTAMP_LOW = 2 ** 30

/** Milliseconds as ticks of the 90 kHz clock, not wrapped. */
export function toTicks(ms: number): number {
  return Math.round(ms * TICKS_PER_MS)
}

/** |sync:8|error:1|start:1|priority:1|pid:13|scrambling:2|adaptation:1|payload:1|counter:4| */
export function writeTsHeader(out: Buffer, at: number, start: number, pid: number, counter: number): void {
  out[at] = SYNC
  out[at + 1] = start | (pid >> PID_HIGH_SHIFT)
  out[at + 2] = pid
  out[at + 3] = HAS_PAYLOAD | (counter & COUNTER_MASK)
}

/**
 * Adds an adaptation field of `bytes` (1 to 183) to the packet whose header stands at `at`.
 * @param pcr ticks, or NO_PCR
 */
export function writeAdaptation(out: Buffer, at: number, bytes: number, flags: number, pcr: number): void {
  // |length:8|discontinuity:1|random access:1|priority:1|PCR:1|4 bits| (PCR:48) stuffing
  out[at + 3] = (out[at + 3] ?? 0) | HAS_ADAPTATION
  const field = at + TS_HEADER_BYTES
  out[field] = bytes - 1
  if (bytes === 1) return
  out[field + 1] = flags | (pcr === NO_PCR ? 0 : HAS_PCR)
  if (pcr !== NO_PCR) writePcr(out, field + FLAGS_BYTES, pcr)
  out.fill(STUFFING, field + (pcr === NO_PCR ? FLAGS_BYTES : PCR_BYTES), field + bytes)
}

/** A packet that carries nothing but a PCR; it does not advance the counter, which is that of the packet before. */
export function writePcrPacket(out: Buffer, at: number, pid: number, counter: number, pcr: number): number {
  writeTsHeader(out, at, 0, pid, counter)
  writeAdaptation(out, at, TS_PAYLOAD_BYTES, 0, pcr)
  out[at + 3] = HAS_ADAPTATION | (counter & COUNTER_MASK)
  return at + TS_PACKET_BYTES
}

/** |base:33|111111:6|extension, 0:9| */
function writePcr(out: Buffer, at: number, ticks: number): void {
  const base = wrap(ticks)
  out.writeUInt32BE(Math.floor(base / 2), at)
  out[at + 4] = ((base & 1) << 7) | 0x7e
  out[at + 5] = 0
}

/** PTS or DTS (2.4.3.7): |prefix:4|32..30:3|1|29..15:15|1|14..0:15|1| */
export function writeTimestamp(out: Buffer, at: number, prefix: number, ticks: number): void {
  const time = wrap(ticks)
  const low = time % TIMESTAMP_LOW
  out[at] = (prefix << 4) | (Math.floor(time / TIMESTAMP_LOW) << 1) | 1
  out[at + 1] = low >>> 22
  out[at + 2] = (low >>> 14) | 1
  out[at + 3] = low >>> 7
  out[at + 4] = (low << 1) | 1
}

function wrap(ticks: number): number {
  const time = ticks % CLOCK_WRAP
  return time < 0 ? time + CLOCK_WRAP : time
}
