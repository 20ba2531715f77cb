import { writeTimestamp } from '../../../src/format/mpegts/packet.ts'

const PACKET_BYTES = 188
const PMT_PID = 0x1001
const VIDEO_PID = 0x100
const AVC = 0x1b
const TICKS_PER_MS = 90

/** What a segment shows: so long a piece of the programme, from one side's encoder. */
export interface Shown {
  readonly side: string
  /** The encoder's life: its clock begins anew with each. */
  readonly encoder: number
  /** Of the programme, which has one time whoever encodes it. */
  readonly beginMs: number
  readonly endMs: number
  /** By the encoder's clock. */
  readonly startMs: number
}

/** A small segment of MPEG-TS: tables, and a picture each `frameMs`, in a packet each. */
export function makeSegment(shown: Shown, firstCounter: number, frameMs: number): Buffer {
  const packets = [table(0, pat()), table(PMT_PID, pmt())]
  const label = Buffer.from(`${JSON.stringify(shown)}\n`)
  let counter = firstCounter
  for (let atMs = 0; atMs < shown.endMs - shown.beginMs; atMs += frameMs) {
    packets.push(frame(counter++, shown.startMs + atMs, label))
  }
  return Buffer.concat(packets)
}

/** How many counters a segment takes. */
export function framesOf({ beginMs, endMs }: Shown, frameMs: number): number {
  return Math.ceil((endMs - beginMs) / frameMs)
}

/** Reads the label back. */
export function shownIn(bytes: Buffer): Shown {
  const at = bytes.indexOf('{"side"')
  return JSON.parse(bytes.toString('utf8', at, bytes.indexOf('\n', at))) as Shown
}

function pat(): Buffer {
  return Buffer.from([0, 0, 0xb0, 13, 0, 1, 0xc1, 0, 0, 0, 1, 0xe0 | (PMT_PID >> 8), PMT_PID & 0xff, 0, 0, 0, 0])
}

function pmt(): Buffer {
  const pid = [0xe0 | (VIDEO_PID >> 8), VIDEO_PID & 0xff]
  return Buffer.from([0, 2, 0xb0, 18, 0, 1, 0xc1, 0, 0, ...pid, 0xf0, 0, AVC, ...pid, 0xf0, 0, 0, 0, 0, 0])
}

function table(pid: number, section: Buffer): Buffer {
  const packet = Buffer.alloc(PACKET_BYTES, 0xff)
  packet.set([0x47, 0x40 | (pid >> 8), pid & 0xff, 0x10])
  section.copy(packet, 4)
  return packet
}

function frame(counter: number, dtsMs: number, label: Buffer): Buffer {
  const packet = Buffer.alloc(PACKET_BYTES, 0)
  packet.set([0x47, 0x40 | (VIDEO_PID >> 8), VIDEO_PID & 0xff, 0x10 | (counter & 0x0f)])
  packet.set([0, 0, 1, 0xe0, 0, 0, 0x84, 0x80, 5], 4)
  writeTimestamp(packet, 13, 2, Math.round(dtsMs * TICKS_PER_MS))
  packet.set([0, 0, 0, 1, 0x67, 1, 2, 3, 0, 0, 1, 0x65], 18)
  label.copy(packet, 32)
  return packet
}
