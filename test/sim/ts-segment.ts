/** One frame, or some of sound, as a PES packet has it. */
export interface TsFrame {
  readonly track: 'audio' | 'video'
  /** Of the first frame. */
  readonly dtsMs: number
  readonly payload: Buffer
}

const PACKET_BYTES = 188
const SYNC = 0x47
const VIDEO_PID = 0x100
/** Of AAC, and of MP3. */
const AUDIO_PIDS: ReadonlySet<number> = new Set([0x101, 0x104])
const TABLES: ReadonlySet<number> = new Set([0, 0x1001])
const TICKS_PER_MS = 90

/** Reads a segment of MPEG-TS; what is damaged throws. For many of them: only as strict as it can be at no cost. */
export function readTsSegment(bytes: Buffer): TsFrame[] {
  if (bytes.length === 0 || bytes.length % PACKET_BYTES !== 0) throw new Error(`${bytes.length} bytes are no packets`)
  const frames: TsFrame[] = []
  const open = new Map<number, Buffer[]>()
  const counters = new Map<number, number>()
  for (let at = 0; at < bytes.length; at += PACKET_BYTES) {
    const packet = bytes.subarray(at, at + PACKET_BYTES)
    if (packet[0] !== SYNC) throw new Error(`no sync at ${at}`)
    const pid = packet.readUInt16BE(1) & 0x1fff
    const flags = packet.readUInt8(3)
    const hasPayload = (flags & 0x10) !== 0
    if (TABLES.has(pid) || !hasPayload) continue
    const adaptationBytes = (flags & 0x20) !== 0 ? 1 + packet.readUInt8(4) : 0
    const startsAnew = adaptationBytes > 1 && (packet.readUInt8(5) & 0x80) !== 0
    checkCounter(counters, pid, flags & 0x0f, startsAnew, at)
    if ((packet.readUInt8(1) & 0x40) !== 0) {
      finish(pid, open.get(pid), frames)
      open.set(pid, [])
    }
    const parts = open.get(pid)
    if (!parts) throw new Error(`PID ${pid} at ${at} does not begin with a start`)
    parts.push(packet.subarray(4 + adaptationBytes))
  }
  for (const [pid, parts] of open) finish(pid, parts, frames)
  return frames
}

function checkCounter(counters: Map<number, number>, pid: number, counter: number, startsAnew: boolean, at: number) {
  const last = counters.get(pid)
  if (last !== undefined && !startsAnew && counter !== (last + 1) % 16) {
    throw new Error(`counter of PID ${pid} at ${at} is ${counter} after ${last}`)
  }
  counters.set(pid, counter)
}

function finish(pid: number, parts: Buffer[] | undefined, frames: TsFrame[]): void {
  if (!parts) return
  const bytes = Buffer.concat(parts)
  if (bytes.readUIntBE(0, 3) !== 1) throw new Error(`no start code on PID ${pid}`)
  if (pid !== VIDEO_PID && !AUDIO_PIDS.has(pid)) throw new Error(`there is a PID ${pid}`)
  const declared = bytes.readUInt16BE(4)
  if (declared !== 0 && declared !== bytes.length - 6) throw new Error(`PES of ${bytes.length} bytes says ${declared}`)
  const hasDts = (bytes.readUInt8(7) & 0x40) !== 0
  const dtsMs = readTicks(bytes, hasDts ? 14 : 9) / TICKS_PER_MS
  const payload = bytes.subarray(9 + bytes.readUInt8(8))
  frames.push({ track: pid === VIDEO_PID ? 'video' : 'audio', dtsMs, payload })
}

function readTicks(bytes: Buffer, at: number): number {
  const high = (bytes.readUInt8(at) >> 1) & 0x07
  const middle = bytes.readUInt16BE(at + 1) >> 1
  const low = bytes.readUInt16BE(at + 3) >> 1
  return (high * 2 ** 15 + middle) * 2 ** 15 + low
}
