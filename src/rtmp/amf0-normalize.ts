import { CodecError } from '../codec/errors.ts'

/** The AMF0 type markers, AMF0 specification section 2.1. */
export const MARKER = {
  NUMBER: 0x00,
  BOOLEAN: 0x01,
  STRING: 0x02,
  OBJECT: 0x03,
  NULL: 0x05,
  UNDEFINED: 0x06,
  REFERENCE: 0x07,
  ECMA_ARRAY: 0x08,
  OBJECT_END: 0x09,
  STRICT_ARRAY: 0x0a,
  DATE: 0x0b,
  LONG_STRING: 0x0c,
  UNSUPPORTED: 0x0d,
  XML_DOCUMENT: 0x0f,
  TYPED_OBJECT: 0x10,
} as const

/** Containers inside containers that are written, at most. */
export const MAX_DEPTH = 64
/** In canonical form every key carries this in front, see {@link normalizeAmf0}. */
export const KEY_PREFIX = '='
/** In canonical form the only key without {@link KEY_PREFIX}: an object that holds it alone stands for a date. */
export const DATE_KEY = 'date'

/** What one message body may hold. */
export interface AmfLimits {
  /** Bytes and values, both counted after references are expanded. */
  readonly maxAmfBytes: number
  readonly maxAmfValues: number
  /** Containers inside containers: the top-level object is at depth 1. */
  readonly maxAmfDepth: number
}

/** For those who are not told otherwise. */
export const AMF_LIMITS: AmfLimits = { maxAmfBytes: 4 * 1024 * 1024, maxAmfValues: 16_384, maxAmfDepth: MAX_DEPTH }
/** The decoder takes a key length of 0x09xx for an object's end, and no client sends keys of kilobytes. */
const MAX_KEY_BYTES = 1_024

const OBJECT_BEGIN = Buffer.of(MARKER.OBJECT)
const OBJECT_END = Buffer.of(0, 0, MARKER.OBJECT_END)
const UNDEFINED = Buffer.of(MARKER.UNDEFINED)
const DATE_BEGIN = Buffer.concat([OBJECT_BEGIN, Buffer.of(0, DATE_KEY.length), Buffer.from(DATE_KEY), Buffer.of(0)])

/** A value that a reference may point to: where it begins, and whether it has been read to its end. */
interface Complex {
  start: number
  complete: boolean
}

/**
 * Checks the structure of an AMF0 message body and writes it again in the subset that the decoding package reads
 * right: numbers, booleans, strings, null, undefined, objects and strict arrays. ECMA arrays and typed objects become
 * objects, XML documents become long strings, references become copies, and dates become `{date: ms}`. Every other
 * key is prefixed with '=', so that no key is empty, `__proto__` or mistaken for the date's.
 *
 * Bounds: `limits`, and keys of 1,024 bytes.
 * Source: AMF0 specification, section 2.
 * @throws CodecError 'amf0_truncated', 'amf0_marker_invalid', 'amf0_reference_invalid', 'amf0_too_deep',
 *   'amf0_too_many_values', 'amf0_too_large', 'amf0_key_too_long'
 */
export function normalizeAmf0(bytes: Buffer, limits: AmfLimits): Buffer {
  return new Normalizer(bytes, limits).run()
}

class Normalizer {
  readonly #bytes: Buffer
  readonly #limits: AmfLimits
  readonly #out: Buffer[] = []
  readonly #complex: Complex[] = []
  #pos = 0
  #values = 0
  #walkedBytes = 0
  #expanding = 0

  constructor(bytes: Buffer, limits: AmfLimits) {
    this.#bytes = bytes
    this.#limits = limits
  }

  run(): Buffer {
    while (this.#left > 0) this.#value(0)
    return Buffer.concat(this.#out)
  }

  get #left(): number {
    return this.#bytes.length - this.#pos
  }

  /** The next `length` bytes, not copied. Everything is read through here, so nothing is walked uncounted. */
  #take(length: number, what: string): Buffer {
    if (length > this.#left) {
      throw new CodecError('amf0_truncated', `${what} at byte ${this.#pos} needs ${length} bytes, has ${this.#left}`)
    }
    this.#walkedBytes += length
    const { maxAmfBytes } = this.#limits
    if (this.#walkedBytes > maxAmfBytes) {
      throw new CodecError('amf0_too_large', `more than ${maxAmfBytes} bytes of AMF0, references expanded`)
    }
    this.#pos += length
    return this.#bytes.subarray(this.#pos - length, this.#pos)
  }

  /** Copies `length` bytes, the marker before them included, as they are. */
  #copy(length: number, what: string): void {
    this.#pos -= 1
    this.#out.push(this.#take(1 + length, what))
  }

  /** One value. Recursion is bounded by `maxAmfDepth`: `depth` counts the containers around it. */
  #value(depth: number): void {
    this.#values += 1
    const { maxAmfValues } = this.#limits
    if (this.#values > maxAmfValues)
      throw new CodecError('amf0_too_many_values', `more than ${maxAmfValues} AMF0 values`)
    const start = this.#pos
    const marker = this.#take(1, 'marker').readUInt8()
    switch (marker) {
      case MARKER.NUMBER:
        return this.#copy(8, 'number')
      case MARKER.BOOLEAN:
        return this.#copy(1, 'boolean')
      case MARKER.NULL:
      case MARKER.UNDEFINED:
        return this.#copy(0, 'marker')
      case MARKER.UNSUPPORTED:
        this.#out.push(UNDEFINED)
        return
      case MARKER.STRING:
        return this.#copy(2 + this.#peekUInt16(), 'string')
      case MARKER.LONG_STRING:
      case MARKER.XML_DOCUMENT:
        return this.#longString()
      case MARKER.DATE:
        return this.#date()
      case MARKER.REFERENCE:
        return this.#reference(depth)
      default:
        return this.#container(marker, start, depth + 1)
    }
  }

  #container(marker: number, start: number, depth: number): void {
    const read = this.#containerReader(marker)
    if (!read) throw new CodecError('amf0_marker_invalid', `AMF0 marker ${marker} at byte ${start} is not allowed`)
    const { maxAmfDepth } = this.#limits
    if (depth > maxAmfDepth) {
      throw new CodecError('amf0_too_deep', `AMF0 depth ${depth} at ${start}, limit ${maxAmfDepth}`)
    }
    const entry: Complex = { start, complete: false }
    // A copy has its entries already; numbering them again would shift the references that follow.
    if (this.#expanding === 0) this.#complex.push(entry)
    read(depth)
    entry.complete = true
  }

  #containerReader(marker: number): ((depth: number) => void) | null {
    switch (marker) {
      case MARKER.OBJECT:
        return (depth) => this.#properties(depth, false)
      case MARKER.TYPED_OBJECT:
        return (depth) => this.#typedObject(depth)
      case MARKER.ECMA_ARRAY:
        return (depth) => this.#ecmaArray(depth)
      case MARKER.STRICT_ARRAY:
        return (depth) => this.#strictArray(depth)
      default:
        return null
    }
  }

  // |0x0C or 0x0F:8|length:32|UTF-8|
  #longString(): void {
    const length = this.#take(4, 'long string length').readUInt32BE()
    const text = this.#take(length, 'long string')
    const head = Buffer.alloc(5)
    head.writeUInt8(MARKER.LONG_STRING)
    head.writeUInt32BE(length, 1)
    this.#out.push(head, text)
  }

  // |0x0B:8|milliseconds:double|time zone:16, reserved and ignored|
  #date(): void {
    const milliseconds = this.#take(8 + 2, 'date').subarray(0, 8)
    this.#out.push(DATE_BEGIN, milliseconds, OBJECT_END)
  }

  // |0x10:8|class name length:16|class name|properties|
  #typedObject(depth: number): void {
    this.#take(2 + this.#peekUInt16(), 'class name')
    this.#properties(depth, false)
  }

  // |0x08:8|count:32|properties|. Encoders write 0 or a lie as the count: only the end marker counts.
  #ecmaArray(depth: number): void {
    this.#take(4, 'ECMA array count')
    this.#properties(depth, true)
  }

  // |key length:16|key|value| ... |0x0000|0x09|
  #properties(depth: number, mayLackEnd: boolean): void {
    this.#out.push(OBJECT_BEGIN)
    while (!this.#propertiesEnd(mayLackEnd)) {
      this.#key()
      this.#value(depth)
    }
    this.#out.push(OBJECT_END)
  }

  /** Some encoders forget the end marker of an ECMA array that ends the message. */
  #propertiesEnd(mayLackEnd: boolean): boolean {
    if (this.#left === 0) return mayLackEnd
    const isEnd = OBJECT_END.equals(this.#bytes.subarray(this.#pos, this.#pos + OBJECT_END.length))
    if (isEnd) this.#take(OBJECT_END.length, 'object end')
    return isEnd
  }

  #key(): void {
    const length = this.#take(2, 'key length').readUInt16BE()
    if (length > MAX_KEY_BYTES) {
      throw new CodecError('amf0_key_too_long', `AMF0 key of ${length} bytes, limit ${MAX_KEY_BYTES}`)
    }
    const head = Buffer.alloc(3)
    head.writeUInt16BE(1 + length)
    head.write(KEY_PREFIX, 2)
    this.#out.push(head, this.#take(length, 'key'))
  }

  // |0x0A:8|count:32|values|. The shortest value is one byte, so a count beyond what is left is refused unread.
  #strictArray(depth: number): void {
    const head = this.#take(4, 'strict array count')
    const count = head.readUInt32BE()
    if (count > this.#left) {
      throw new CodecError('amf0_truncated', `strict array of ${count} values has ${this.#left} bytes`)
    }
    this.#out.push(Buffer.of(MARKER.STRICT_ARRAY), head)
    for (let i = 0; i < count; i += 1) this.#value(depth)
  }

  // |0x07:8|index:16|: a copy of the container that began as number `index` of this message, by walking it again.
  // It must be complete, so copies cannot contain themselves; values and bytes of copies count like any others.
  #reference(depth: number): void {
    const index = this.#take(2, 'reference').readUInt16BE()
    const target = this.#complex[index]
    if (!target?.complete) {
      const what = target ? 'encloses it' : 'does not exist'
      throw new CodecError('amf0_reference_invalid', `AMF0 reference to container ${index}, which ${what}`)
    }
    const resumeAt = this.#pos
    this.#pos = target.start
    this.#expanding += 1
    this.#value(depth)
    this.#expanding -= 1
    this.#pos = resumeAt
  }

  #peekUInt16(): number {
    if (this.#left < 2) {
      throw new CodecError('amf0_truncated', `length at byte ${this.#pos} needs 2 bytes, has ${this.#left}`)
    }
    return this.#bytes.readUInt16BE(this.#pos)
  }
}
