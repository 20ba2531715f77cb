import { CodecError } from './errors.ts'

const BITS_PER_BYTE = 8
const BYTE_INDEX_SHIFT = 3
const BIT_INDEX_MASK = 7
const MAX_READ_BITS = 32
const MAX_GOLOMB_ZEROS = 32

/** Reads bits from the most significant one on. Every read past the end throws CodecError 'bits_exhausted'. */
export class BitReader {
  readonly #bytes: Buffer
  #position = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  /** Bits that are left to read. */
  get left(): number {
    return this.#bytes.length * BITS_PER_BYTE - this.#position
  }

  /** An unsigned number of `count` bits, 0 to 32. */
  bits(count: number): number {
    if (count > MAX_READ_BITS) throw new RangeError(`can read ${MAX_READ_BITS} bits at once, asked for ${count}`)
    this.#need(count)
    let value = 0
    let wanted = count
    while (wanted > 0) {
      const available = BITS_PER_BYTE - (this.#position & BIT_INDEX_MASK)
      const taken = Math.min(wanted, available)
      const byte = this.#bytes.readUInt8(this.#position >>> BYTE_INDEX_SHIFT)
      const part = (byte >>> (available - taken)) & ((1 << taken) - 1)
      // Multiplied, not shifted: a value of 32 bits must stay unsigned.
      value = value * 2 ** taken + part
      this.#position += taken
      wanted -= taken
    }
    return value
  }

  /** One bit as a truth value. */
  flag(): boolean {
    return this.bits(1) === 1
  }

  /** Passes over `count` bits. */
  skip(count: number): void {
    this.#need(count)
    this.#position += count
  }

  /** ue(v), 0 to 2^32 - 2 (ITU-T H.264 9.1). Throws CodecError 'golomb_too_long' past that. */
  unsignedGolomb(): number {
    let zeros = 0
    while (!this.flag()) {
      zeros++
      if (zeros >= MAX_GOLOMB_ZEROS) {
        throw new CodecError('golomb_too_long', `an exp-golomb code has at most 31 leading zeros, found ${zeros}`)
      }
    }
    return 2 ** zeros - 1 + this.bits(zeros)
  }

  /** se(v) (ITU-T H.264 9.1.1). */
  signedGolomb(): number {
    const code = this.unsignedGolomb()
    return code % 2 === 1 ? (code + 1) / 2 : -code / 2
  }

  #need(count: number): void {
    if (count > this.left) throw new CodecError('bits_exhausted', `needs ${count} bits, has ${this.left}`)
  }
}
