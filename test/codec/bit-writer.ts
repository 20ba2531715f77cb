/** Composes bit fields for tests, most significant bit first. */
export class BitWriter {
  #bits = ''

  bits(count: number, value: number): this {
    this.#bits += value.toString(2).padStart(count, '0')
    return this
  }

  /** ue(v) */
  ue(value: number): this {
    const code = (value + 1).toString(2)
    this.#bits += '0'.repeat(code.length - 1) + code
    return this
  }

  /** se(v) */
  se(value: number): this {
    return this.ue(value > 0 ? 2 * value - 1 : -2 * value)
  }

  bytes(): Buffer {
    const padded = this.#bits.padEnd(Math.ceil(this.#bits.length / 8) * 8, '0')
    return Buffer.from((padded.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)))
  }
}
