import { CodecError } from '../../codec/errors.ts'
import { naluEnd } from '../../codec/nalu.ts'
import type { ParameterSets } from '../../codec/parameter-sets.ts'

const START_CODE = Buffer.from([0, 0, 0, 1])

/** What differs between H.264 and HEVC here. */
export interface NaluSyntax {
  /** Type of the NAL unit that begins with this byte. */
  typeOf(firstByte: number): number
  readonly delimiterType: number
  /** A NAL unit of that type which allows any picture. */
  readonly delimiter: Buffer
  readonly spsType: number
}

/** ITU-T H.264 7.3.1, 7.3.2.4. */
export const AVC_SYNTAX: NaluSyntax = {
  typeOf: (firstByte) => firstByte & 0x1f,
  delimiterType: 9,
  delimiter: Buffer.from([0x09, 0xf0]),
  spsType: 7,
}

/** ITU-T H.265 7.3.1.2, 7.3.2.5. */
export const HEVC_SYNTAX: NaluSyntax = {
  typeOf: (firstByte) => (firstByte >> 1) & 0x3f,
  delimiterType: 35,
  delimiter: Buffer.from([0x46, 0x01, 0x50]),
  spsType: 33,
}

/**
 * Pictures of length-prefixed NAL units as Annex B: one access unit delimiter in front, parameter sets before a key
 * frame that has none itself.
 */
export class AnnexB {
  readonly #syntax: NaluSyntax
  readonly #lengthBytes: number
  readonly #delimiter: Buffer
  readonly #sets: Buffer

  constructor(syntax: NaluSyntax, sets: ParameterSets) {
    this.#syntax = syntax
    this.#lengthBytes = sets.lengthBytes
    this.#delimiter = Buffer.concat([START_CODE, syntax.delimiter])
    this.#sets = Buffer.concat(sets.nalus.flatMap((nalu) => [START_CODE, nalu]))
  }

  /**
   * Bytes that `write` will write.
   * @throws CodecError 'nalu_truncated'; 'nalu_none' when there is nothing in it
   */
  size(body: Buffer, isKey: boolean): number {
    let bytes = 0
    let hasSps = false
    for (let offset = 0, end = 0; offset < body.length; offset = end) {
      end = naluEnd(body, offset, this.#lengthBytes)
      const start = offset + this.#lengthBytes
      const type = this.#typeAt(body, start, end)
      if (type === this.#syntax.spsType) hasSps = true
      if (type !== this.#syntax.delimiterType) bytes += START_CODE.length + end - start
    }
    if (bytes === 0) throw new CodecError('nalu_none', `a picture of ${body.length} bytes has no NAL unit`)
    return this.#delimiter.length + (isKey && !hasSps ? this.#sets.length : 0) + bytes
  }

  /** Writes one picture, which `size` has accepted, at `offset`. @returns the offset behind it */
  write(out: Buffer, offset: number, body: Buffer, isKey: boolean): number {
    let to = offset + this.#delimiter.copy(out, offset)
    if (isKey && !this.#hasSps(body)) to += this.#sets.copy(out, to)
    for (let from = 0, end = 0; from < body.length; from = end) {
      end = naluEnd(body, from, this.#lengthBytes)
      const start = from + this.#lengthBytes
      if (this.#typeAt(body, start, end) === this.#syntax.delimiterType) continue
      to += START_CODE.copy(out, to)
      to += body.copy(out, to, start, end)
    }
    return to
  }

  #hasSps(body: Buffer): boolean {
    for (let offset = 0, end = 0; offset < body.length; offset = end) {
      end = naluEnd(body, offset, this.#lengthBytes)
      if (this.#typeAt(body, offset + this.#lengthBytes, end) === this.#syntax.spsType) return true
    }
    return false
  }

  /** An empty NAL unit is taken for a delimiter: both are left out. */
  #typeAt(body: Buffer, start: number, end: number): number {
    return start === end ? this.#syntax.delimiterType : this.#syntax.typeOf(body.readUInt8(start))
  }
}
