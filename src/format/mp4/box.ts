const SIZE_BYTES = 4
const UINT16_BYTES = 2
const UINT32_RANGE = 2 ** 32

/** Size and type in front of a box. */
export const BOX_HEADER_BYTES = 8

/** Bytes in pieces: a table of megabytes goes from box to box without being copied. */
export type Pieces = readonly Buffer[]

/** A box (ISO/IEC 14496-12 4.2) of less than 4 GiB around its children. */
export function box(type: string, ...children: (Buffer | Pieces)[]): Buffer[] {
  // |size:32|type:32| children
  const body = children.flat()
  const header = Buffer.alloc(BOX_HEADER_BYTES)
  header.writeUInt32BE(BOX_HEADER_BYTES + byteLength(body))
  header.write(type, SIZE_BYTES, 'latin1')
  return [header, ...body]
}

/** A box with version and flags. */
export function fullBox(type: string, version: number, flags: number, ...children: (Buffer | Pieces)[]): Buffer[] {
  // |size:32|type:32|version:8|flags:24| children
  return box(type, uint32(version * 2 ** 24 + flags), ...children)
}

/** Bytes of all pieces. */
export function byteLength(pieces: Pieces): number {
  return pieces.reduce((sum, piece) => sum + piece.length, 0)
}

/** Numbers of 8 bits. */
export function uint8(...values: number[]): Buffer {
  return Buffer.from(values)
}

/** Numbers of 16 bits. */
export function uint16(...values: number[]): Buffer {
  const out = Buffer.alloc(values.length * UINT16_BYTES)
  for (const [index, value] of values.entries()) out.writeUInt16BE(value, index * UINT16_BYTES)
  return out
}

/** Numbers of 32 bits. */
export function uint32(...values: number[]): Buffer {
  const out = Buffer.alloc(values.length * SIZE_BYTES)
  for (const [index, value] of values.entries()) out.writeUInt32BE(value, index * SIZE_BYTES)
  return out
}

/** One number of 64 bits, 0 to 2^53 - 1. */
export function uint64(value: number): Buffer {
  return uint32(Math.floor(value / UINT32_RANGE), value % UINT32_RANGE)
}

/** Text of one byte a character, without its length or a zero. */
export function ascii(text: string): Buffer {
  return Buffer.from(text, 'latin1')
}
