// A second, naive and strict reading of ISO/IEC 13818-1, for tests: with BigInt and bit strings where the writer shifts.

export interface ReadPes {
  pid: number
  streamId: number
  /** Ticks as they stand in the packet, 0 to 2^33 - 1. */
  pts: number
  dts: number
  randomAccess: boolean
  discontinuity: boolean
  /** In its first packet; null without. */
  pcr: number | null
  payload: Buffer
}

export interface ReadStream {
  streamType: number
  pid: number
  descriptors: string
}

export interface ReadTables {
  version: number
  pcrPid: number
  streams: ReadStream[]
}

export interface ReadTs {
  pes: ReadPes[]
  tables: ReadTables[]
  /** All PCRs, also those in packets of their own. */
  pcrs: { pid: number; ticks: number }[]
  /** Continuity counter of the last packet with a payload, by PID. */
  counters: Map<number, number>
}

const bits = (bytes: Buffer): string => [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('')

/** Throws Error for anything that a strict demuxer would complain of. */
export function readTs(bytes: Buffer): ReadTs {
  const out: ReadTs = { pes: [], tables: [], pcrs: [], counters: new Map() }
  const open = new Map<number, { pes: ReadPes; parts: Buffer[] }>()
  let pmtPid = -1
  if (bytes.length % 188 !== 0) throw new Error(`${bytes.length} bytes are no whole packets`)
  for (let at = 0; at < bytes.length; at += 188) {
    const packet = readPacket(bytes.subarray(at, at + 188), at)
    if (packet.pcr !== null) out.pcrs.push({ pid: packet.pid, ticks: packet.pcr })
    checkCounter(out.counters, packet, at)
    if (packet.payload === null) continue
    if (packet.pid === 0) pmtPid = readPat(packet.payload)
    else if (packet.pid === pmtPid) out.tables.push(readPmt(packet.payload))
    else if (packet.isStart) {
      finish(open.get(packet.pid), out.pes)
      open.set(packet.pid, { pes: emptyPes(packet), parts: [packet.payload] })
    } else {
      const current = open.get(packet.pid)
      if (!current) throw new Error(`PID ${packet.pid} at ${at} does not begin with a start`)
      current.parts.push(packet.payload)
    }
    if (!declares(out, packet.pid, pmtPid)) throw new Error(`PID ${packet.pid} at ${at} is not in the tables`)
  }
  for (const current of open.values()) finish(current, out.pes)
  return out
}

interface ReadPacket {
  pid: number
  isStart: boolean
  counter: number
  randomAccess: boolean
  discontinuity: boolean
  pcr: number | null
  payload: Buffer | null
}

function readPacket(packet: Buffer, at: number): ReadPacket {
  if (packet[0] !== 0x47) throw new Error(`no sync at ${at}`)
  const head = bits(packet.subarray(1, 4))
  if (head[0] !== '0' || head[2] !== '0' || head.slice(16, 18) !== '00') throw new Error(`odd flags at ${at}`)
  const pid = Number.parseInt(head.slice(3, 16), 2)
  const result = { pid, isStart: head[1] === '1', counter: Number.parseInt(head.slice(20), 2) }
  let payloadAt = 4
  let flags = '00000000'
  let pcr: number | null = null
  if (head[18] === '1') {
    const length = packet[4] ?? 0
    payloadAt = 5 + length
    if (length > 0) flags = bits(packet.subarray(5, 6))
    if (flags.slice(2, 3) + flags.slice(4) !== '00000' && flags[3] === '0') throw new Error(`odd adaptation at ${at}`)
    if (flags[3] === '1') {
      const pcrBits = bits(packet.subarray(6, 12))
      if (pcrBits.slice(33) !== '111111000000000') throw new Error(`odd PCR at ${at}`)
      pcr = Number(BigInt(`0b${pcrBits.slice(0, 33)}`))
    }
    const stuffing = packet.subarray(length === 0 ? 5 : pcr === null ? 6 : 12, payloadAt)
    if (stuffing.some((byte) => byte !== 0xff)) throw new Error(`stuffing at ${at}`)
    if (head[19] === '1' ? payloadAt >= 188 : payloadAt !== 188) throw new Error(`adaptation field length at ${at}`)
  }
  const payload = head[19] === '1' ? packet.subarray(payloadAt) : null
  return { ...result, discontinuity: flags[0] === '1', randomAccess: flags[1] === '1', pcr, payload }
}

/** It goes up with each payload, and only then; a discontinuity indicator allows any. */
function checkCounter(counters: Map<number, number>, packet: ReadPacket, at: number): void {
  const { pid, counter, payload, discontinuity } = packet
  const last = counters.get(pid)
  const expected = last === undefined || discontinuity ? counter : payload === null ? last : (last + 1) % 16
  // A player that begins anew with each segment does not look at the tables' counters.
  if (counter !== expected && pid !== 0 && pid !== 0x1001) {
    throw new Error(`counter of PID ${pid} at ${at} is ${counter}, not ${expected}`)
  }
  counters.set(pid, counter)
}

function section(payload: Buffer, tableId: number): Buffer {
  if (payload[0] !== 0 || payload[1] !== tableId) throw new Error(`table ${payload[1]} with pointer ${payload[0]}`)
  const length = payload.readUInt16BE(2)
  if (length >> 12 !== 0xb) throw new Error(`section marks ${length >> 12}`)
  const bytes = payload.subarray(1, 4 + (length & 0xfff))
  if (payload.subarray(1 + bytes.length).some((byte) => byte !== 0xff)) throw new Error('bytes behind a section')
  if (remainder(bytes) !== 0n) throw new Error('CRC')
  if (bytes[6] !== 0 || bytes[7] !== 0) throw new Error('section numbers')
  return bytes
}

/** A message with its CRC, the first 32 bits inverted, is a multiple of the polynomial. */
function remainder(bytes: Buffer): bigint {
  let value = BigInt(`0x${bytes.toString('hex')}`) ^ (0xffffffffn << BigInt(8 * bytes.length - 32))
  for (let bit = BigInt(8 * bytes.length - 1); bit >= 32n; bit--) {
    if ((value >> bit) & 1n) value ^= 0x104c11db7n << (bit - 32n)
  }
  return value
}

function readPat(payload: Buffer): number {
  const bytes = section(payload, 0)
  if (bytes.length !== 16 || bytes.readUInt16BE(8) !== 1) throw new Error('a PAT of one program')
  return bytes.readUInt16BE(10) & 0x1fff
}

function readPmt(payload: Buffer): ReadTables {
  const bytes = section(payload, 2)
  const streams: ReadStream[] = []
  for (let at = 12; at < bytes.length - 4; ) {
    const end = at + 5 + (bytes.readUInt16BE(at + 3) & 0xfff)
    const descriptors = bytes.toString('hex', at + 5, end)
    streams.push({ streamType: bytes[at] ?? 0, pid: bytes.readUInt16BE(at + 1) & 0x1fff, descriptors })
    at = end
  }
  return { version: ((bytes[5] ?? 0) >> 1) & 0x1f, pcrPid: bytes.readUInt16BE(8) & 0x1fff, streams }
}

function declares({ tables }: ReadTs, pid: number, pmtPid: number): boolean {
  return pid === 0 || pid === pmtPid || (tables.at(-1)?.streams.some((stream) => stream.pid === pid) ?? false)
}

function emptyPes({ pid, randomAccess, discontinuity, pcr }: ReadPacket): ReadPes {
  return { pid, randomAccess, discontinuity, pcr, streamId: 0, pts: 0, dts: 0, payload: Buffer.alloc(0) }
}

function finish(current: { pes: ReadPes; parts: Buffer[] } | undefined, out: ReadPes[]): void {
  if (!current) return
  const bytes = Buffer.concat(current.parts)
  if (bytes.toString('hex', 0, 3) !== '000001') throw new Error('no PES start code')
  const { pes } = current
  pes.streamId = bytes[3] ?? 0
  const length = bytes.readUInt16BE(4)
  if (length === 0 ? pes.streamId !== 0xe0 : length !== bytes.length - 6) throw new Error(`PES length ${length}`)
  if (bytes[6] !== 0x84) throw new Error(`PES flags ${bytes[6]}`)
  const hasDts = bytes[7] === 0xc0
  if (bytes[8] !== (hasDts ? 10 : 5)) throw new Error(`PES header length ${bytes[8]}`)
  pes.pts = readTime(bytes.subarray(9, 14), hasDts ? '0011' : '0010')
  pes.dts = hasDts ? readTime(bytes.subarray(14, 19), '0001') : pes.pts
  pes.payload = bytes.subarray(9 + (bytes[8] ?? 0))
  out.push(pes)
}

function readTime(bytes: Buffer, prefix: string): number {
  const text = bits(bytes)
  if (text.slice(0, 4) !== prefix || text[7] + (text[23] ?? '') + (text[39] ?? '') !== '111')
    throw new Error('marker bits')
  return Number(BigInt(`0b${text.slice(4, 7)}${text.slice(8, 23)}${text.slice(24, 39)}`))
}

/** NAL units of Annex B, each behind a four-byte start code. */
export function splitAnnexB(bytes: Buffer): Buffer[] {
  const starts: number[] = []
  const code = Buffer.from([0, 0, 0, 1])
  for (let at = bytes.indexOf(code); at !== -1; at = bytes.indexOf(code, at + 4)) starts.push(at)
  return starts.map((start, index) => bytes.subarray(start + 4, starts[index + 1] ?? bytes.length))
}
