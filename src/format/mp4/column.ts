import { uint32 } from './box.ts'

const BLOCK_BYTES = 16 * 1024
const VALUE_BYTES = 4
/** A value and how often it comes. */
const RUN_BYTES = 8

/** A table of 32-bit numbers as a box has it, that grows without being copied. */
export class Column {
  readonly #blocks: Buffer[] = []
  #used = BLOCK_BYTES
  #values = 0

  /** Values held. */
  get length(): number {
    return this.#values
  }

  /** Memory held. */
  get bytes(): number {
    return this.#blocks.length * BLOCK_BYTES
  }

  /** Appends a value, 0 to 2^32 - 1. */
  push(value: number): void {
    if (this.#used === BLOCK_BYTES) {
      this.#blocks.push(Buffer.allocUnsafeSlow(BLOCK_BYTES))
      this.#used = 0
    }
    this.#used = this.#last().writeUInt32BE(value, this.#used)
    this.#values++
  }

  /** The value at `index`, which must be there. */
  at(index: number): number {
    const offset = index * VALUE_BYTES
    const block = this.#blocks[Math.floor(offset / BLOCK_BYTES)]
    if (!block || index >= this.#values) throw new RangeError(`value ${index} of ${this.#values}`)
    return block.readUInt32BE(offset % BLOCK_BYTES)
  }

  /** The table's bytes; they stay the column's. */
  pieces(): Buffer[] {
    if (this.#blocks.length === 0) return []
    return [...this.#blocks.slice(0, -1), this.#last().subarray(0, this.#used)]
  }

  #last(): Buffer {
    const block = this.#blocks.at(-1)
    if (!block) throw new RangeError('a column without a block')
    return block
  }
}

/** A table in which equal neighbours are one entry: how many, and what (stts, ctts). */
export class RunColumn {
  readonly #column = new Column()
  #count = 0
  #value = 0

  /** Entries of the table. */
  get entries(): number {
    return (this.#column.length * VALUE_BYTES) / RUN_BYTES + (this.#count > 0 ? 1 : 0)
  }

  /** Memory held. */
  get bytes(): number {
    return this.#column.bytes
  }

  /** Appends a value, 0 to 2^32 - 1, or from -2^31 on: what is below 0 has its two's complement. */
  push(value: number): void {
    if (this.#count > 0 && value !== this.#value) {
      this.#column.push(this.#count)
      this.#column.push(this.#value)
      this.#count = 0
    }
    this.#count++
    this.#value = value
  }

  /** The table's bytes. */
  pieces(): Buffer[] {
    return this.#count === 0 ? [] : [...this.#column.pieces(), uint32(this.#count, this.#value)]
  }
}
