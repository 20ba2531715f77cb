/** Something that is to happen; `run` is null once it is cancelled. */
export interface SimEvent {
  readonly atMs: number
  readonly order: number
  run: (() => void) | null
}

/** Events by time, those of one time in the order in which they were added: a binary heap. */
export class EventQueue {
  readonly #heap: SimEvent[] = []
  #order = 0

  get size(): number {
    return this.#heap.length
  }

  add(atMs: number, run: () => void): SimEvent {
    const event = { atMs, order: this.#order++, run }
    let place = this.#heap.length
    while (place > 0) {
      const above = (place - 1) >> 1
      const parent = this.#at(above)
      if (!isBefore(event, parent)) break
      this.#heap[place] = parent
      place = above
    }
    this.#heap[place] = event
    return event
  }

  /** When the next one that is not cancelled is due; null: there is none. */
  nextMs(): number | null {
    while (this.#heap.length > 0) {
      const first = this.#at(0)
      if (first.run) return first.atMs
      this.#take()
    }
    return null
  }

  /** The next one that is not cancelled. */
  shift(): SimEvent | null {
    return this.nextMs() === null ? null : this.#take()
  }

  #take(): SimEvent {
    const first = this.#at(0)
    const last = this.#heap.pop() as SimEvent
    if (last !== first) this.#sink(last)
    return first
  }

  #sink(event: SimEvent): void {
    const { length } = this.#heap
    let place = 0
    for (let child = 1; child < length; child = 2 * place + 1) {
      if (child + 1 < length && isBefore(this.#at(child + 1), this.#at(child))) child++
      if (isBefore(event, this.#at(child))) break
      this.#heap[place] = this.#at(child)
      place = child
    }
    this.#heap[place] = event
  }

  #at(place: number): SimEvent {
    return this.#heap[place] as SimEvent
  }
}

function isBefore(one: SimEvent, other: SimEvent): boolean {
  return one.atMs < other.atMs || (one.atMs === other.atMs && one.order < other.order)
}
