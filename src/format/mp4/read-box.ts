import { CodecError } from '../../codec/errors.ts'
import { BOX_HEADER_BYTES } from './box.ts'

/** A box of a file: its type, and its bytes behind size and type. */
export interface ReadBox {
  readonly type: string
  readonly body: Buffer
  /** All of it, size and type included. */
  readonly whole: Buffer
}

const TYPE_OFFSET = 4
const VERSION_AND_FLAGS_BYTES = 4
const UINT32_RANGE = 2 ** 32

/** The boxes that lie behind each other in `bytes`. Throws CodecError 'mp4_bad_box'. */
export function readBoxes(bytes: Buffer): ReadBox[] {
  const boxes: ReadBox[] = []
  for (let offset = 0; offset < bytes.length; ) {
    const left = bytes.length - offset
    const size = left < BOX_HEADER_BYTES ? 0 : bytes.readUInt32BE(offset)
    if (size < BOX_HEADER_BYTES || size > left) {
      throw new CodecError('mp4_bad_box', `a box of ${size} bytes where ${left} bytes are left`)
    }
    const whole = bytes.subarray(offset, offset + size)
    boxes.push({ type: boxType(whole), body: whole.subarray(BOX_HEADER_BYTES), whole })
    offset += size
  }
  return boxes
}

/** The type in a box's header. */
export function boxType(header: Buffer): string {
  return header.toString('latin1', TYPE_OFFSET, BOX_HEADER_BYTES)
}

/** The first box of a type. Throws CodecError 'mp4_box_missing'. */
export function findBox(boxes: readonly ReadBox[], type: string): ReadBox {
  const found = boxes.find((one) => one.type === type)
  if (!found) throw new CodecError('mp4_box_missing', `there is no ${type}`)
  return found
}

/** The boxes inside the first box of a type. Throws CodecError. */
export function boxesIn(boxes: readonly ReadBox[], type: string): ReadBox[] {
  return readBoxes(findBox(boxes, type).body)
}

/** Reads the fields of a full box one after the other. A read past the end throws CodecError 'mp4_bad_box'. */
export class FieldReader {
  readonly version: number
  readonly flags: number
  readonly #bytes: Buffer
  #offset = VERSION_AND_FLAGS_BYTES

  constructor({ body }: ReadBox) {
    this.#bytes = body
    const word = body.readUInt32BE(this.#need(0, VERSION_AND_FLAGS_BYTES))
    this.version = word >>> 24
    this.flags = word & 0xff_ff_ff
  }

  /** Bytes that are left. */
  get left(): number {
    return this.#bytes.length - this.#offset
  }

  skip(bytes: number): void {
    this.#take(bytes)
  }

  uint32(): number {
    return this.#bytes.readUInt32BE(this.#take(4))
  }

  int32(): number {
    return this.#bytes.readInt32BE(this.#take(4))
  }

  /** Throws CodecError 'mp4_bad_box' for 2^53 and more. */
  uint64(): number {
    const value = this.uint32() * UINT32_RANGE + this.uint32()
    if (!Number.isSafeInteger(value)) throw new CodecError('mp4_bad_box', `number ${value} has more than 53 bits`)
    return value
  }

  #take(bytes: number): number {
    const start = this.#need(this.#offset, bytes)
    this.#offset += bytes
    return start
  }

  #need(start: number, bytes: number): number {
    const end = start + bytes
    if (end <= this.#bytes.length) return start
    throw new CodecError('mp4_bad_box', `a field ends at ${end}, its box at ${this.#bytes.length}`)
  }
}
