const TWO_POW_32 = 2 ** 32

/** Random numbers that a seed determines: xoshiro128** 1.1 (Blackman, Vigna), its state filled by splitmix32. */
export class SeededRandom {
  readonly #seed: number
  readonly #state = new Uint32Array(4)

  constructor(seed: number) {
    this.#seed = seed >>> 0
    let mixed = this.#seed
    for (let i = 0; i < 4; i++) {
      mixed = (mixed + 0x9e3779b9) >>> 0
      this.#state[i] = scramble(mixed)
    }
  }

  /** 0 .. 2^32 - 1 */
  next(): number {
    const [s0 = 0, s1 = 0, s2 = 0, s3 = 0] = this.#state
    const result = Math.imul(rotate(Math.imul(s1, 5), 7), 9) >>> 0
    const t2 = s2 ^ s0
    const t3 = s3 ^ s1
    this.#state[1] = s1 ^ t2
    this.#state[0] = s0 ^ t3
    this.#state[2] = t2 ^ (s1 << 9)
    this.#state[3] = rotate(t3, 11)
    return result
  }

  /** 0 <= x < 1 */
  fraction(): number {
    return this.next() / TWO_POW_32
  }

  /** A whole number, 0 .. count - 1 */
  below(count: number): number {
    return Math.floor(this.fraction() * count)
  }

  /** min <= x < max */
  between(min: number, max: number): number {
    return min + this.fraction() * (max - min)
  }

  chance(probability: number): boolean {
    return this.fraction() < probability
  }

  /** @throws RangeError of an empty list */
  pick<T>(items: readonly T[]): T {
    if (items.length === 0) throw new RangeError('nothing to pick from')
    return items[this.below(items.length)] as T
  }

  bytes(count: number): Buffer {
    const bytes = Buffer.alloc(count)
    for (let i = 0; i < count; i++) bytes[i] = this.next() >>> 24
    return bytes
  }

  /** A generator for a part that has a name: what others draw changes nothing of what it draws. */
  fork(name: string): SeededRandom {
    let hash = this.#seed ^ 0x811c9dc5
    for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193)
    return new SeededRandom(scramble(hash >>> 0))
  }
}

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits))
}

function scramble(value: number): number {
  let mixed = value ^ (value >>> 16)
  mixed = Math.imul(mixed, 0x21f0aaad)
  mixed ^= mixed >>> 15
  mixed = Math.imul(mixed, 0x735a2d97)
  return (mixed ^ (mixed >>> 15)) >>> 0
}
