/**
 * Memory for what connections read. Who only passes bytes on gives it back: a proxy of 5,000 connections would else fill
 * a hundred megabytes before the collector looks for what nobody holds any more.
 */

/** Smaller reads share memory of Node's pool, which leaves little to collect. */
const SMALL_BYTES = 4 * 1024
const MOST_FREE_BYTES = 8 * 1024 * 1024
/** Makes the sizes differ from those of all others, above all from Node's pool, which many share. */
const MARK_BYTES = 64
const SIZES = [8, 16, 32, 64].map((kilobytes) => kilobytes * 1024)

/** Gives memory, and takes back what was given. */
export class ReadMemory {
  readonly #free = new Map(SIZES.map((size) => [size + MARK_BYTES, [] as ArrayBuffer[]]))
  #freeBytes = 0
  /** Until somebody gives something back each read gets as much as it needs: it may be kept for long. */
  #isUsedAgain = false

  /** @param count at most 64 KB */
  take(count: number): Buffer {
    if (!this.#isUsedAgain || count <= SMALL_BYTES) return Buffer.allocUnsafe(count)
    const size = (SIZES.find((one) => one >= count) ?? count) + MARK_BYTES
    const found = this.#free.get(size)?.pop()
    if (found) this.#freeBytes -= size
    return Buffer.from(found ?? Buffer.allocUnsafeSlow(size).buffer, 0, count)
  }

  /** `bytes` is nobody's any more. Parts and what came from elsewhere are left to the collector. */
  giveBack(bytes: Buffer): void {
    this.#isUsedAgain = true
    const { buffer, byteOffset } = bytes
    const free = this.#free.get(buffer.byteLength)
    if (!free || byteOffset !== 0 || this.#freeBytes >= MOST_FREE_BYTES || !(buffer instanceof ArrayBuffer)) return
    free.push(buffer)
    this.#freeBytes += buffer.byteLength
  }
}
