import type { AmfObject, AmfValue } from '../../src/rtmp/amf0.ts'

/** Bytes from parts: numbers are bytes, strings are UTF-8. */
export function bytes(...parts: (number | string | Buffer | number[])[]): Buffer {
  return Buffer.concat(parts.map((part) => (typeof part === 'number' ? Buffer.of(part) : Buffer.from(part as string))))
}

export function u16(value: number): Buffer {
  const out = Buffer.alloc(2)
  out.writeUInt16BE(value)
  return out
}

export function u32(value: number): Buffer {
  const out = Buffer.alloc(4)
  out.writeUInt32BE(value)
  return out
}

export function double(value: number): Buffer {
  const out = Buffer.alloc(8)
  out.writeDoubleBE(value)
  return out
}

export function key(text: string): Buffer {
  return bytes(u16(Buffer.byteLength(text)), text)
}

export const END = Buffer.of(0, 0, 9)

/** mulberry32: the same numbers in [0, 1) for the same seed. */
export function seededRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

const WORDS = [
  'app',
  'live',
  'größe',
  '直播',
  '😀',
  'a.b',
  'toString',
  'x'.repeat(300),
  '0',
  '17',
  '',
  'e\u0301',
  '=date',
]

/** Which values {@link randomValue} may make: the packages cannot do all of them. */
export interface ValueKinds {
  arrays: boolean
  dates: boolean
}

export function randomValue(random: () => number, kinds: ValueKinds, depth = 0): AmfValue {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T
  const makers: (() => AmfValue)[] = [
    () => (random() - 0.5) * 10 ** Math.floor(random() * 20),
    () => pick([0, -1, 1e308, Number.MIN_VALUE, Number.POSITIVE_INFINITY, 2 ** 53]),
    () => random() < 0.5,
    () => pick(WORDS).repeat(Math.floor(random() * 3)),
    () => pick([null, undefined]),
  ]
  if (kinds.dates) makers.push(() => new Date(Math.floor(random() * 2 ** 41)))
  if (depth < 5)
    makers.push(
      () => randomObject(random, kinds, depth + 1),
      () => randomObject(random, kinds, depth + 1),
    )
  if (depth < 5 && kinds.arrays) makers.push(() => randomArray(random, kinds, depth + 1))
  return pick(makers)()
}

function randomObject(random: () => number, kinds: ValueKinds, depth: number): AmfObject {
  const object: AmfObject = {}
  const names = WORDS.filter((word) => word !== '')
  for (let left = Math.floor(random() * 6); left > 0; left -= 1) {
    object[names[Math.floor(random() * names.length)] as string] = randomValue(random, kinds, depth)
  }
  return object
}

function randomArray(random: () => number, kinds: ValueKinds, depth: number): AmfValue[] {
  return Array.from({ length: Math.floor(random() * 5) }, () => randomValue(random, kinds, depth))
}
