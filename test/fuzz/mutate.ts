import type { SeededRandom } from '../../src/st/sim/random.ts'

/** Numbers at which parsers go wrong. */
const EDGES = [0, 1, 2, 3, 4, 7, 8, 15, 16, 31, 32, 63, 64, 127, 128, 254, 255]
const WIDE_EDGES = [0, 1, 0x7f, 0xff, 0x100, 0x7fff, 0xffff, 0x7fffff, 0xffffff, 0x7fffffff, 0x80000000, 0xffffffff]
const MAX_BYTES = 16_384

type Mutation = (bytes: Buffer, random: SeededRandom, corpus: readonly Buffer[]) => Buffer

/** One byte or bit, a number, a piece: left out, doubled, put in, taken from elsewhere. */
const MUTATIONS: readonly Mutation[] = [
  (bytes, random) => change(bytes, random, (byte) => byte ^ (1 << random.below(8))),
  (bytes, random) => change(bytes, random, () => random.below(256)),
  (bytes, random) => change(bytes, random, () => random.pick(EDGES)),
  (bytes, random) => change(bytes, random, (byte) => byte + random.pick([-2, -1, 1, 2])),
  (bytes, random) => wide(bytes, random),
  (bytes, random) => bytes.subarray(0, random.below(bytes.length + 1)),
  (bytes, random) => bytes.subarray(random.below(bytes.length + 1)),
  (bytes, random) => {
    const [from, to] = range(bytes, random)
    return Buffer.concat([bytes.subarray(0, from), bytes.subarray(to)])
  },
  (bytes, random) => {
    const [from, to] = range(bytes, random)
    return Buffer.concat([bytes.subarray(0, to), bytes.subarray(from)])
  },
  (bytes, random) => {
    const at = random.below(bytes.length + 1)
    return Buffer.concat([bytes.subarray(0, at), random.bytes(1 + random.below(16)), bytes.subarray(at)])
  },
  (bytes, random) => {
    const [from, to] = range(bytes, random)
    const copy = Buffer.from(bytes)
    return copy.fill(random.pick(EDGES), from, to)
  },
  (bytes, random, corpus) => {
    const other = random.pick(corpus)
    const at = random.below(bytes.length + 1)
    return Buffer.concat([bytes.subarray(0, at), other.subarray(random.below(other.length + 1))])
  },
]

/** One of a corpus, changed in a few places. What comes out depends on nothing but the random numbers. */
export function mutated(corpus: readonly Buffer[], random: SeededRandom): Buffer {
  let bytes: Buffer = Buffer.from(random.pick(corpus))
  for (let left = 1 + random.below(6); left > 0; left--) bytes = random.pick(MUTATIONS)(bytes, random, corpus)
  return bytes.subarray(0, MAX_BYTES)
}

function change(bytes: Buffer, random: SeededRandom, to: (byte: number) => number): Buffer {
  if (bytes.length === 0) return bytes
  const copy = Buffer.from(bytes)
  // Most of what decides stands in front.
  const at = random.below(random.chance(0.5) ? Math.min(copy.length, 64) : copy.length)
  copy[at] = to(copy[at] ?? 0) & 0xff
  return copy
}

function wide(bytes: Buffer, random: SeededRandom): Buffer {
  const size = random.pick([2, 3, 4])
  if (bytes.length < size) return bytes
  const copy = Buffer.from(bytes)
  const value = random.pick(WIDE_EDGES) % 2 ** (8 * size)
  const at = random.below(copy.length - size + 1)
  if (random.chance(0.8)) copy.writeUIntBE(value, at, size)
  else copy.writeUIntLE(value, at, size)
  return copy
}

function range(bytes: Buffer, random: SeededRandom): [from: number, to: number] {
  const from = random.below(bytes.length + 1)
  return [from, Math.min(bytes.length, from + random.below(random.chance(0.7) ? 16 : 512))]
}
