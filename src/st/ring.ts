const FIRST_CAPACITY = 64

/** A first-in first-out queue on a growing ring: `push` and `shift` in O(1), nothing kept of what was shifted. */
export class Ring<T> {
  #slots: (T | undefined)[] = new Array<T | undefined>(FIRST_CAPACITY)
  #head = 0
  #size = 0

  get size(): number {
    return this.#size
  }

  push(item: T): void {
    if (this.#size === this.#slots.length) this.#grow()
    this.#slots[(this.#head + this.#size) & (this.#slots.length - 1)] = item
    this.#size++
  }

  shift(): T | undefined {
    if (this.#size === 0) return undefined
    const item = this.#slots[this.#head]
    this.#slots[this.#head] = undefined
    this.#head = (this.#head + 1) & (this.#slots.length - 1)
    this.#size--
    return item
  }

  /** Lets the item at `place` (0: the first) change places with the first. */
  advance(place: number): void {
    const at = (this.#head + place) & (this.#slots.length - 1)
    const item = this.#slots[at]
    this.#slots[at] = this.#slots[this.#head]
    this.#slots[this.#head] = item
  }

  #grow(): void {
    const old = this.#slots
    this.#slots = new Array<T | undefined>(old.length * 2)
    for (let i = 0; i < this.#size; i++) this.#slots[i] = old[(this.#head + i) & (old.length - 1)]
    this.#head = 0
  }
}
