import type { RtmpMessage } from '../../src/rtmp/message.ts'

// A second, naive reading of RTMP 1.0 section 5.3 for tests: byte arrays, no speed, nothing shared with the source.

/** Bytes drawn in hex; spaces stand between fields. */
export function unhex(...parts: string[]): Buffer {
  return Buffer.from(parts.join('').replaceAll(' ', ''), 'hex')
}

/** The mulberry32 generator: the same numbers for the same seed. */
export function seededRandom(seed: number): (below: number) => number {
  let state = seed >>> 0
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below)
  }
}

function big(value: number, bytes: number): number[] {
  const hex = value.toString(16).padStart(bytes * 2, '0')
  return [...Buffer.from(hex, 'hex')]
}

function little(value: number, bytes: number): number[] {
  return big(value, bytes).toReversed()
}

function basicHeader(fmt: number, csid: number): number[] {
  if (csid < 64) return [fmt * 64 + csid]
  if (csid < 320) return [fmt * 64, csid - 64]
  return [fmt * 64 + 1, ...little(csid - 64, 2)]
}

export interface SentHeader {
  timestampMs: number
  /** The time field of the last header: also the delta that a type 3 header stands for. */
  fieldMs: number
  length: number
  typeId: number
  streamId: number
}

/** Header types that may carry `message` after `last`, most compact last: section 5.3.1.2. */
export function allowedTypes(message: RtmpMessage, last: SentHeader | undefined): number[] {
  if (last === undefined || message.streamId !== last.streamId) return [0]
  const deltaMs = (message.timestampMs - last.timestampMs + 2 ** 32) % 2 ** 32
  const types = [0, 1]
  if (message.payload.length === last.length && message.typeId === last.typeId) types.push(2)
  if (types.length === 3 && deltaMs === last.fieldMs) types.push(3)
  return types
}

/** One message as a list of chunks, started with header type `fmt`. */
export function chunksOf(
  message: RtmpMessage,
  fmt: number,
  last: SentHeader | undefined,
  chunkBytes: number,
  leaveOutExtended = false,
): { chunks: number[][]; sent: SentHeader } {
  const { timestampMs, payload, typeId, streamId, csid } = message
  const deltaMs = last === undefined ? timestampMs : (timestampMs - last.timestampMs + 2 ** 32) % 2 ** 32
  const fieldMs = fmt === 0 ? timestampMs : deltaMs
  const extended = fieldMs >= 0xffffff ? big(fieldMs, 4) : []
  const fields = [
    ...(fmt <= 2 ? big(Math.min(fieldMs, 0xffffff), 3) : []),
    ...(fmt <= 1 ? [...big(payload.length, 3), typeId] : []),
    ...(fmt === 0 ? little(streamId, 4) : []),
  ]
  const chunks: number[][] = []
  for (let at = 0; at === 0 || at < payload.length; at += chunkBytes) {
    const head = at === 0 ? [...basicHeader(fmt, csid), ...fields] : basicHeader(3, csid)
    const again = at === 0 || !leaveOutExtended ? extended : []
    chunks.push([...head, ...again, ...payload.subarray(at, at + chunkBytes)])
  }
  return { chunks, sent: { timestampMs, fieldMs, length: payload.length, typeId, streamId } }
}

/** Reads a whole connection's bytes at once; every stream must be well-formed and start its messages with type 0. */
export function decodeFull(bytes: Buffer, chunkBytes: number): RtmpMessage[] {
  const messages: RtmpMessage[] = []
  const open = new Map<number, { message: RtmpMessage; length: number; parts: number[] }>()
  let at = 0
  const take = (count: number): number[] => {
    if (at + count > bytes.length) throw new Error(`reference: needs ${count} bytes at ${at} of ${bytes.length}`)
    at += count
    return [...bytes.subarray(at - count, at)]
  }
  const number = (digits: number[]): number => digits.reduce((sum, digit) => sum * 256 + digit, 0)
  while (at < bytes.length) {
    const first = number(take(1))
    const low = first % 64
    let csid = low
    if (low === 0) csid = number(take(1)) + 64
    if (low === 1) csid = number(take(2).toReversed()) + 64
    let entry = open.get(csid)
    if (first >= 192) {
      if (entry === undefined) throw new Error('reference: type 3 without a message')
      if (entry.message.timestampMs >= 0xffffff && number(take(4)) !== entry.message.timestampMs) {
        throw new Error('reference: extended timestamp is not repeated')
      }
    } else {
      if (first >= 64 || entry !== undefined) throw new Error(`reference: header ${first} is not expected`)
      let timestampMs = number(take(3))
      const length = number(take(3))
      const typeId = number(take(1))
      const streamId = number(take(4).toReversed())
      if (timestampMs === 0xffffff) timestampMs = number(take(4))
      entry = { message: { csid, timestampMs, typeId, streamId, payload: Buffer.alloc(0) }, length, parts: [] }
      open.set(csid, entry)
    }
    entry.parts.push(...take(Math.min(chunkBytes, entry.length - entry.parts.length)))
    if (entry.parts.length < entry.length) continue
    messages.push({ ...entry.message, payload: Buffer.from(entry.parts) })
    open.delete(csid)
  }
  return messages
}

/** Cuts bytes into pieces of 1..`maxBytes`. */
export function slices(bytes: Buffer, random: (below: number) => number, maxBytes: number): Buffer[] {
  const pieces: Buffer[] = []
  for (let at = 0; at < bytes.length; ) {
    const end = at + 1 + random(maxBytes)
    pieces.push(Buffer.from(bytes.subarray(at, end)))
    at = end
  }
  return pieces
}
