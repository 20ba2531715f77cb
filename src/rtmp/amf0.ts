import { AMF0 } from 'amf0-ts'
import { amf0Decode } from 'node-media-server/src/protocol/amf.js'
import { CodecError } from '../codec/errors.ts'
import { AMF_LIMITS, type AmfLimits, DATE_KEY, KEY_PREFIX, MARKER, MAX_DEPTH, normalizeAmf0 } from './amf0-normalize.ts'

export type { AmfLimits }

/** An AMF0 value. Objects, ECMA arrays and typed objects are all plain objects, strict arrays are arrays. */
export type AmfValue = number | boolean | string | null | undefined | Date | AmfValue[] | AmfObject

/** The named properties of an AMF0 object. */
export interface AmfObject {
  [key: string]: AmfValue
}

/** Keys that could reach an object's prototype somewhere downstream: read and checked, then left out. */
const INERT_KEYS: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype'])
const MAX_UINT16 = 0xffff
const DATE_TIME_ZONE_OFFSET = 1 + 8
const OBJECT_END = Buffer.of(0, 0, MARKER.OBJECT_END)

const ecmaArrays = new WeakSet<AmfObject>()

/**
 * All values of one message body; by default of at most 4 MiB, 16,384 values, depth 64; keys of 1,024 bytes. Keys named
 * `__proto__`, `constructor` or `prototype` are left out. Invalid UTF-8 reads as U+FFFD.
 * Source: AMF0 specification, section 2.
 * @throws CodecError 'amf0_truncated', 'amf0_marker_invalid', 'amf0_reference_invalid', 'amf0_too_deep',
 *   'amf0_too_many_values', 'amf0_too_large', 'amf0_key_too_long'
 */
export function decodeAmf0(bytes: Buffer, limits = AMF_LIMITS): AmfValue[] {
  return amf0Decode(normalizeAmf0(bytes, limits)).map(restore)
}

/**
 * The values one after the other, as a message body. Arrays become strict arrays, objects become objects (or ECMA
 * arrays, see {@link ecmaArray}). References are never written: many players do not know them.
 * @throws CodecError 'amf0_too_deep' beyond 64 levels, 'amf0_key_too_long' for a key beyond 65,535 bytes
 */
export function encodeAmf0(...values: AmfValue[]): Buffer {
  const out: Buffer[] = []
  for (const value of values) encodeValue(out, value, 0)
  return Buffer.concat(out)
}

/** A copy of `properties` that {@link encodeAmf0} writes as an ECMA array, with its right count. */
export function ecmaArray(properties: AmfObject): AmfObject {
  const copy = { ...properties }
  ecmaArrays.add(copy)
  return copy
}

/** Undoes what the normaliser did to keys and dates. `value` comes from the package, so from canonical bytes. */
function restore(value: unknown): AmfValue {
  if (Array.isArray(value)) return value.map(restore)
  if (typeof value !== 'object' || value === null) return value as AmfValue
  if (DATE_KEY in value) return new Date(value[DATE_KEY] as number)
  const restored: AmfObject = {}
  for (const [prefixed, property] of Object.entries(value)) {
    const key = prefixed.slice(KEY_PREFIX.length)
    if (!INERT_KEYS.has(key)) restored[key] = restore(property)
  }
  return restored
}

/** `depth` counts the containers around the value. */
function encodeValue(out: Buffer[], value: AmfValue, depth: number): void {
  if (typeof value !== 'object' || value === null) {
    out.push(Buffer.from(AMF0.stringify(value)))
  } else if (value instanceof Date) {
    out.push(encodeDate(value))
  } else if (depth >= MAX_DEPTH) {
    throw new CodecError('amf0_too_deep', `AMF0 depth ${depth + 1} to encode, limit ${MAX_DEPTH}`)
  } else if (Array.isArray(value)) {
    encodeStrictArray(out, value, depth + 1)
  } else {
    encodeObject(out, value, depth + 1)
  }
}

/** The package writes this machine's time zone; the specification (section 2.13) wants 0. */
function encodeDate(date: Date): Buffer {
  return Buffer.from(AMF0.stringify(date)).fill(0, DATE_TIME_ZONE_OFFSET)
}

// Containers are put together here, from keys and plain values that the package encodes: it has no strict array,
// writes references, chooses the type by a property named `constructor`, and is quadratic in the number of keys.

// |0x0A:8|count:32|values|
function encodeStrictArray(out: Buffer[], values: AmfValue[], depth: number): void {
  out.push(countedHead(MARKER.STRICT_ARRAY, values.length))
  for (const value of values) encodeValue(out, value, depth)
}

// |0x03:8| or |0x08:8|count:32|, then |key length:16|key|value| ... |0x0000|0x09|
function encodeObject(out: Buffer[], object: AmfObject, depth: number): void {
  // An empty key reads as the end of the object in most players.
  const properties = Object.entries(object).filter(([key]) => key !== '' && !INERT_KEYS.has(key))
  const isEcmaArray = ecmaArrays.has(object)
  out.push(isEcmaArray ? countedHead(MARKER.ECMA_ARRAY, properties.length) : Buffer.of(MARKER.OBJECT))
  for (const [key, value] of properties) {
    out.push(encodeKey(key))
    encodeValue(out, value, depth)
  }
  out.push(OBJECT_END)
}

/** A key is a string value without its marker. */
function encodeKey(key: string): Buffer {
  const bytes = Buffer.byteLength(key)
  if (bytes > MAX_UINT16) throw new CodecError('amf0_key_too_long', `AMF0 key of ${bytes} bytes, limit ${MAX_UINT16}`)
  return Buffer.from(AMF0.stringify(key)).subarray(1)
}

function countedHead(marker: number, count: number): Buffer {
  const head = Buffer.alloc(5)
  head.writeUInt8(marker)
  head.writeUInt32BE(count, 1)
  return head
}
