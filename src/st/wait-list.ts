import type { Waiter } from './scheduler.ts'

/** Waiters in the order in which they came; leaving from the middle (timeout, interrupt) costs O(1). */
export class WaitList {
  #head: Waiter | null = null
  #tail: Waiter | null = null
  /** Who is woken from here waited for input: see Scheduler. */
  readonly isForInput: boolean

  constructor(isForInput = false) {
    this.isForInput = isForInput
  }

  get first(): Waiter | null {
    return this.#head
  }

  push(waiter: Waiter): void {
    waiter.list = this
    waiter.prev = this.#tail
    if (this.#tail) this.#tail.next = waiter
    else this.#head = waiter
    this.#tail = waiter
  }

  remove(waiter: Waiter): void {
    if (waiter.prev) waiter.prev.next = waiter.next
    else this.#head = waiter.next
    if (waiter.next) waiter.next.prev = waiter.prev
    else this.#tail = waiter.prev
    waiter.list = null
    waiter.prev = null
    waiter.next = null
  }
}
